//! When does a pool grow, and when does it shrink, but for workers that leave because they stay idle?
//!
//! When it is told to, and when a job finds no idle worker. With a [delay](super::Settings::delay) such a job is queued, and a
//! worker is started that watches: while each job is taken within the delay, the workers there are do, however many jobs there may
//! be. Should one wait longer, the pool is stuck, and grows by half of what waits; the watcher becomes a worker, and another one
//! watches what is left.
//!
//! Where workers share something that only one at a time can have, an interpreter's lock for example, more of them make short
//! jobs dearer and not faster; that is what the delay is for.
//!
//! Invariants:
//! 1. At most one worker watches. It counts as a thread, neither as idle nor as waking, until it takes a job or leaves.
//! 2. A watcher leaves after a delay in which no job was short of an idle worker: an idle pool has none.

use std::sync::Arc;

use super::Workers;
use super::pool::Shared;
use super::slot::{Slot, Start};
use super::state::State;
use super::sync::{MutexGuard, pause};

impl<J: Send + 'static> Workers<J> {
    /// Starts up to `n` more workers, not beyond `max`, and says how many. They leave again when they stay idle.
    pub fn grow(&self, n: usize) -> usize {
        let mut state = self.shared.lock();
        if state.stopping {
            return 0;
        }
        let kept = n.min(state.leaving);
        state.leaving -= kept;
        drop(state);
        let mut started = 0;
        while kept + started < n {
            let mut state = self.shared.lock();
            if state.stopping || state.threads >= self.shared.max {
                break;
            }
            state.enlist();
            drop(state);
            if self.shared.start_worker(Start::Queue).is_err() {
                break;
            }
            started += 1;
        }
        kept + started
    }

    /// Sends up to `n` workers away, not below `min`, and says how many. Idle ones leave at once, those that slept longest
    /// first, busy ones as soon as the queue has no job for them.
    pub fn shrink(&self, n: usize) -> usize {
        let mut state = self.shared.lock();
        if state.stopping {
            return 0;
        }
        let n = n.min(state.staying().saturating_sub(self.shared.settings.min));
        let idle = n.min(state.idle()).min(state.sleepers.len());
        let dismissed = state.dismiss(idle);
        state.leaving += n - idle;
        self.shared.release(state);
        dismissed.iter().for_each(|slot| slot.wake());
        n
    }
}

impl<J: Send + 'static> Shared<J> {
    /// Queues a job that found no idle worker, and sees to it that somebody watches.
    pub(super) fn watch_over(self: &Arc<Self>, mut state: MutexGuard<'_, State<J>>, job: J) {
        state.queue.push_back(job);
        state.strained = true;
        let starts = self.engage(&mut state);
        self.release(state);
        if starts {
            // If there is no thread to be had, the job waits for a worker that comes back.
            drop(self.start_worker(Start::Watch));
        }
    }

    /// The life of a watcher until its first job, if it gets one.
    pub(super) fn watch(self: &Arc<Self>, slot: &Arc<Slot<J>>) -> Option<J> {
        let mut state = self.lock();
        loop {
            state.strained = false;
            let due = state.taken + state.queue.len() as u64;
            drop(state);
            pause(self.settings.delay);
            state = self.lock();
            let is_stuck = state.taken < due;
            if is_stuck || state.stopping {
                break;
            }
            if !state.strained {
                state.watched = false;
                let leaves = state.leaving > 0;
                if !leaves && state.staying() <= self.settings.min {
                    // The others were sent away meanwhile.
                    return self.take(state, slot);
                }
                state.leaving -= usize::from(leaves);
                state.threads -= 1;
                self.release(state);
                return None;
            }
        }
        state.watched = false;
        let first = state.next();
        let more = if state.stopping { 0 } else { (state.excess() / 2).min(self.max.saturating_sub(state.threads)) };
        (0..more).for_each(|_| state.enlist());
        let watches = state.excess() > 0 && self.engage(&mut state);
        self.release(state);
        for _ in 0..more {
            drop(self.start_worker(Start::Queue));
        }
        if watches {
            drop(self.start_worker(Start::Watch));
        }
        first.or_else(|| self.take(self.lock(), slot))
    }

    /// Reserves a thread that watches, and says whether one is to be started.
    fn engage(&self, state: &mut State<J>) -> bool {
        if state.watched || state.stopping || state.threads >= self.max {
            return false;
        }
        state.watched = true;
        state.reserve();
        true
    }
}
