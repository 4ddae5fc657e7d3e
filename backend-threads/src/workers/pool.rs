//! How do jobs and workers find each other, and how does the pool keep its size?
//!
//! All decisions are made under one lock, which is held for a few instructions; threads are started, woken and joined
//! outside of it.
//!
//! A job goes into the queue, and at most one worker at a time is being woken for what is there. It wakes the next one when
//! it has taken its job and more are left. Waking takes longer than many a job: a worker that has just finished may be
//! quicker, so a burst of short jobs needs few wake-ups, and the submitter pays for one of them at most.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::slot::{Order, Slot, Start};
use super::state::State;
use super::sync::{
    AtomicU64, AtomicUsize, Builder, Condvar, JoinHandle, Mutex, MutexGuard, Ordering, Wait, current, has_ended, park,
    wait,
};
use super::{Counts, Executor, Rejected, Settings, Stopped};

/// A pool of threads that run jobs of one type. Dropping it stops it, with the patience of [`Settings::stop`].
pub struct Workers<J: Send + 'static> {
    pub(super) shared: Arc<Shared<J>>,
}

impl<J: Send + 'static> Workers<J> {
    /// Starts `min` workers, which call `work` for each job.
    ///
    /// # Errors
    /// The settings make no sense (`ErrorKind::InvalidInput`), or the system gives no thread.
    pub fn start(settings: Settings, work: impl Fn(J) + Send + Sync + 'static) -> io::Result<Self> {
        settings.check().map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
        let min = settings.min;
        let workers = Self { shared: Arc::new(Shared::new(settings, Box::new(work))) };
        for _ in 0..min {
            workers.shared.lock().enlist();
            workers.shared.start_worker(Start::Queue).map_err(|(e, _)| e)?;
        }
        Ok(workers)
    }

    /// Hands a job to an idle worker, or starts one for it, at once or when it has waited for a while, or queues it; never waits.
    ///
    /// # Errors
    /// The job comes back when the queue is full or the pool was stopped.
    pub fn try_submit(&self, job: J) -> Result<(), Rejected<J>> {
        let shared = &self.shared;
        let mut state = shared.lock();
        if state.stopping || state.idle() > 0 || state.threads >= shared.max {
            return shared.enqueue(state, job);
        }
        if !shared.settings.delay.is_zero() && state.excess() < shared.settings.queue {
            shared.watch_over(state, job);
            return Ok(());
        }
        state.reserve();
        drop(state);
        match shared.start_worker(Start::Job(job)) {
            // No thread to be had: the queue may still have room.
            Err((_, Start::Job(job))) => shared.enqueue(shared.lock(), job),
            _ => Ok(()),
        }
    }

    /// Workers, idle and busy, less those that were sent away.
    pub fn threads(&self) -> usize {
        self.shared.lock().staying()
    }

    /// Workers that have no job, and that no queued job is meant for.
    pub fn idle(&self) -> usize {
        self.counts().idle
    }

    /// Jobs in the queue that no idle worker is there for, from one atomic read.
    pub fn queued(&self) -> usize {
        self.shared.queued.load(Ordering::Relaxed)
    }

    /// Whether a job waits until a worker comes back from another one, from one atomic read.
    pub fn waiting(&self) -> bool {
        self.queued() > 0
    }

    /// Jobs that ended in a panic.
    pub fn panics(&self) -> u64 {
        self.shared.panics.load(Ordering::Relaxed)
    }

    /// The figures of one moment.
    pub fn counts(&self) -> Counts {
        let state = self.shared.lock();
        // A worker that is to leave may still sleep, and is of use for a job that comes first.
        let idle = state.idle().min(state.staying());
        Counts { threads: state.staying(), idle, queued: state.excess(), panics: self.panics() }
    }

    /// Takes no more jobs, sends idle workers away, and waits until all jobs that were taken have run, or until `deadline`.
    /// Called again, from any thread, it waits as well. Called from a job it does not wait for that job.
    pub fn stop(&self, deadline: Instant) -> Stopped<J> {
        self.shared.stop(deadline)
    }
}

impl<J: Send + 'static> Executor<J> for Workers<J> {
    fn try_submit(&self, job: J) -> Result<(), Rejected<J>> {
        self.try_submit(job)
    }

    fn requeue(&self, job: J) -> Result<(), Rejected<J>> {
        // One job for each worker at most, until that worker has come for its next.
        self.shared.push(self.shared.lock(), job)
    }

    fn waiting(&self) -> bool {
        self.waiting()
    }

    fn grow(&self, n: usize) -> usize {
        self.grow(n)
    }

    fn shrink(&self, n: usize) -> usize {
        self.shrink(n)
    }

    fn stop(&self, deadline: Instant) -> Stopped<J> {
        self.stop(deadline)
    }

    fn counts(&self) -> Counts {
        self.counts()
    }

    fn has_room(&self) -> bool {
        let counts = self.counts();
        let settings = &self.shared.settings;
        counts.idle > 0 || settings.delay.is_zero() && counts.threads < settings.max()
    }
}

impl<J: Send + 'static> Drop for Workers<J> {
    fn drop(&mut self) {
        let now = Instant::now();
        let patience = match self.shared.lock().stopping {
            // Whoever stopped it has decided how long to wait, and has waited.
            true => Duration::ZERO,
            false => self.shared.settings.stop,
        };
        drop(self.shared.stop(now.checked_add(patience).unwrap_or(now + LONG)));
    }
}

/// For ever, but within every clock: 30 years.
const LONG: Duration = Duration::from_secs(30 * 365 * 86_400);

/// How a worker's sleep ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slept {
    /// There may be work.
    Roused,
    /// There was none for as long as a worker beyond `min` stays.
    Enough,
}

pub(super) struct Shared<J> {
    state: Mutex<State<J>>,
    /// Notified when `alive` falls during a stop.
    left: Condvar,
    handles: Mutex<Vec<JoinHandle<()>>>,
    /// The excess of the queue, for those who do not hold the lock.
    queued: AtomicUsize,
    panics: AtomicU64,
    started: AtomicU64,
    pub(super) settings: Settings,
    pub(super) max: usize,
    work: Box<dyn Fn(J) + Send + Sync>,
}

impl<J: Send + 'static> Shared<J> {
    fn new(settings: Settings, work: Box<dyn Fn(J) + Send + Sync>) -> Self {
        Self {
            state: Mutex::new(State::new()),
            left: Condvar::new(),
            handles: Mutex::new(Vec::new()),
            queued: AtomicUsize::new(0),
            panics: AtomicU64::new(0),
            started: AtomicU64::new(0),
            max: settings.max(),
            settings,
            work,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a change: sees to it that somebody comes for the queue, and that the figures are right.
    pub(super) fn release(&self, mut state: MutexGuard<'_, State<J>>) {
        let roused = state.rouse();
        self.queued.store(state.excess(), Ordering::Relaxed);
        drop(state);
        if let Some(slot) = roused {
            slot.wake();
        }
    }

    fn enqueue(&self, state: MutexGuard<'_, State<J>>, job: J) -> Result<(), Rejected<J>> {
        if !state.stopping && state.idle() == 0 && state.excess() >= self.settings.queue {
            return Err(Rejected::Full(job));
        }
        self.push(state, job)
    }

    fn push(&self, mut state: MutexGuard<'_, State<J>>, job: J) -> Result<(), Rejected<J>> {
        if state.stopping {
            return Err(Rejected::Stopped(job));
        }
        state.queue.push_back(job);
        self.release(state);
        Ok(())
    }

    /// Starts a worker that was reserved. If the system gives no thread, what it was for comes back.
    pub(super) fn start_worker(self: &Arc<Self>, start: Start<J>) -> Result<(), (io::Error, Start<J>)> {
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let slot = Arc::new(Slot::new(start));
        let (shared, own) = (Arc::clone(self), Arc::clone(&slot));
        // Held until the handle is in its place, so that a stop which saw the worker come and go finds it.
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        match Builder::new().name(format!("{}-{number}", self.settings.name)).spawn(move || shared.serve(&own)) {
            Ok(handle) => {
                handles.push(handle);
                Ok(())
            }
            Err(error) => {
                drop(handles);
                let start = slot.start();
                let mut state = self.lock();
                state.threads -= 1;
                state.alive -= 1;
                match start {
                    Start::Job(_) => {}
                    Start::Queue => state.waking -= 1,
                    Start::Watch => state.watched = false,
                }
                self.release(state);
                self.left.notify_all();
                Err((error, start))
            }
        }
    }

    /// The life of a worker.
    fn serve(self: &Arc<Self>, slot: &Arc<Slot<J>>) {
        slot.occupy();
        let mut next = match slot.start() {
            Start::Job(job) => Some(job),
            Start::Queue => {
                let mut state = self.lock();
                state.waking -= 1;
                self.take(state, slot)
            }
            Start::Watch => self.watch(slot),
        };
        while let Some(job) = next {
            let outcome = catch_unwind(AssertUnwindSafe(|| (self.work)(job)));
            if let Err(payload) = outcome {
                self.panics.fetch_add(1, Ordering::Relaxed);
                // The payload is the job's own, and so is a panic in its destructor.
                let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
            }
            next = self.take(self.lock(), slot);
        }
        self.reap();
        let mut state = self.lock();
        state.alive -= 1;
        if state.stopping {
            self.left.notify_all();
        }
    }

    /// The next job, or none when the calling worker is to end. Sleeps in between.
    pub(super) fn take<'p>(&'p self, mut state: MutexGuard<'p, State<J>>, slot: &Arc<Slot<J>>) -> Option<J> {
        let mut slept = Slept::Roused;
        loop {
            if let Some(job) = state.next() {
                self.release(state);
                return Some(job);
            }
            let spare = state.staying() > self.settings.min;
            let leaves = state.leaving > 0;
            if state.stopping || leaves || (spare && slept == Slept::Enough) {
                state.leaving -= usize::from(leaves);
                state.threads -= 1;
                self.release(state);
                return None;
            }
            // A worker that is not needed for `min` looks at the clock, the others sleep until they are called.
            let deadline = spare.then(|| Instant::now().checked_add(self.settings.idle)).flatten();
            state.sleepers.push(Arc::clone(slot));
            self.release(state);
            (state, slept) = self.sleep(slot, deadline)?;
        }
    }

    /// Sleeps until there may be work or the deadline has passed; none when the worker was sent away.
    fn sleep(&self, slot: &Arc<Slot<J>>, deadline: Option<Instant>) -> Option<(MutexGuard<'_, State<J>>, Slept)> {
        loop {
            let waited = park(deadline);
            let mut order = slot.obey();
            if order.is_none() && waited == Wait::GoesOn {
                continue;
            }
            let mut state = self.lock();
            if order.is_none() {
                if let Some(place) = state.sleepers.iter().position(|other| Arc::ptr_eq(other, slot)) {
                    state.sleepers.remove(place);
                    return Some((state, Slept::Enough));
                }
                // Somebody was quicker than the clock.
                order = slot.obey();
            }
            return match order? {
                Order::Leave => None,
                Order::Work => {
                    state.waking -= 1;
                    Some((state, Slept::Roused))
                }
            };
        }
    }

    fn stop(&self, deadline: Instant) -> Stopped<J> {
        let mut state = self.lock();
        let called = state.halt();
        self.release(state);
        called.iter().for_each(|slot| slot.wake());

        let me = current().id();
        let is_me = |handle: &JoinHandle<()>| handle.thread().id() == me;
        let selves = usize::from(self.handles.lock().unwrap_or_else(PoisonError::into_inner).iter().any(is_me));
        let mut state = self.lock();
        while state.alive > selves {
            let (guard, waited) = wait(&self.left, state, deadline);
            state = guard;
            if waited == Wait::Expired {
                break;
            }
        }
        let busy = state.alive.saturating_sub(selves);
        let unstarted = state.queue.drain(..).collect();
        self.release(state);
        if busy == 0 {
            let others: Vec<_> = {
                let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
                handles.extract_if(.., |handle| !is_me(handle)).collect()
            };
            others.into_iter().for_each(join);
        }
        Stopped { unstarted, busy }
    }

    /// Joins the threads that have ended, whose stacks stay allocated until then.
    fn reap(&self) {
        let ended: Vec<_> = {
            let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
            handles.extract_if(.., |handle| has_ended(handle)).collect()
        };
        ended.into_iter().for_each(join);
    }
}

fn join(handle: JoinHandle<()>) {
    // A worker catches what its jobs throw.
    let _ = handle.join();
}
