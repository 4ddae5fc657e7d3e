//! Who is where, and what follows from it? The figures of a pool, all under its one lock.
//!
//! Invariants, whenever the lock is free:
//! 1. While somebody sleeps and the queue is not empty, one worker is being woken.
//! 2. `min <= threads - leaving` and `threads <= max`, until the stop.
//! 3. `alive` counts the threads that still touch the pool, `threads` those of them that were not sent away.
//! 4. The queue is longer than its setting by at most the number of idle workers, for whom the rest is meant, and of jobs that made
//!    room for others.

use std::collections::VecDeque;
use std::sync::Arc;

use super::slot::{Order, Slot};

pub(super) struct State<J> {
    pub(super) queue: VecDeque<J>,
    /// Jobs that were taken out of the queue since the start.
    pub(super) taken: u64,
    /// A worker watches whether the queue gets stuck; see `growth`.
    pub(super) watched: bool,
    /// A job found no idle worker since that one looked last.
    pub(super) strained: bool,
    /// The last one fell asleep last.
    pub(super) sleepers: Vec<Arc<Slot<J>>>,
    /// Workers that were woken for a job, or started without one, and are not there yet.
    pub(super) waking: usize,
    pub(super) threads: usize,
    /// Workers that leave when they find no job.
    pub(super) leaving: usize,
    pub(super) alive: usize,
    pub(super) stopping: bool,
}

impl<J> State<J> {
    pub(super) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            taken: 0,
            watched: false,
            strained: false,
            sleepers: Vec::new(),
            waking: 0,
            threads: 0,
            leaving: 0,
            alive: 0,
            stopping: false,
        }
    }

    /// Counts a worker that is about to be started for one job.
    pub(super) fn reserve(&mut self) {
        self.threads += 1;
        self.alive += 1;
    }

    /// Counts a worker that is about to be started for the queue.
    pub(super) fn enlist(&mut self) {
        self.reserve();
        self.waking += 1;
    }

    /// The job that has waited longest.
    pub(super) fn next(&mut self) -> Option<J> {
        let job = self.queue.pop_front()?;
        self.taken += 1;
        Some(job)
    }

    pub(super) fn staying(&self) -> usize {
        self.threads - self.leaving
    }

    /// Workers without a job, those included that a queued job is meant for.
    pub(super) fn available(&self) -> usize {
        self.sleepers.len() + self.waking
    }

    /// Workers that no job is meant for.
    pub(super) fn idle(&self) -> usize {
        self.available().saturating_sub(self.queue.len())
    }

    /// Jobs that no idle worker is there for.
    pub(super) fn excess(&self) -> usize {
        self.queue.len().saturating_sub(self.available())
    }

    /// Takes the warmest sleeper out, if there is something to do and nobody on the way to it.
    pub(super) fn rouse(&mut self) -> Option<Arc<Slot<J>>> {
        if self.queue.is_empty() || self.waking > 0 {
            return None;
        }
        let slot = self.sleepers.pop()?;
        slot.order(Order::Work);
        self.waking += 1;
        Some(slot)
    }

    /// Sends the `n` coldest sleepers away. They have to be woken without the lock.
    pub(super) fn dismiss(&mut self, n: usize) -> Vec<Arc<Slot<J>>> {
        let dismissed: Vec<_> = self.sleepers.drain(..n).collect();
        dismissed.iter().for_each(|slot| slot.order(Order::Leave));
        self.threads -= dismissed.len();
        dismissed
    }

    /// Calls all sleepers, who end when there is nothing to do. They have to be woken without the lock.
    pub(super) fn halt(&mut self) -> Vec<Arc<Slot<J>>> {
        self.stopping = true;
        self.leaving = 0;
        let called = std::mem::take(&mut self.sleepers);
        called.iter().for_each(|slot| slot.order(Order::Work));
        self.waking += called.len();
        called
    }
}
