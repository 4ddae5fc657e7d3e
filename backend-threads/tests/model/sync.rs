//! What `src/workers/sync.rs` is to the pool, for the model: a wait with a deadline ends early at random.

pub(super) use shuttle::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
pub(super) use shuttle::sync::{Condvar, Mutex, MutexGuard};
pub(super) use shuttle::thread::{Builder, JoinHandle, Thread, current};

use std::time::{Duration, Instant};

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    GoesOn,
    Expired,
}

pub(super) fn park(deadline: Option<Instant>) -> Wait {
    if deadline.is_some() && thread_rng().gen_bool(0.3) {
        thread::yield_now();
        return Wait::Expired;
    }
    thread::park();
    Wait::GoesOn
}

pub(super) fn pause(_time: Duration) {
    thread::yield_now();
}

pub(super) fn wait<'m, T>(
    condvar: &Condvar,
    guard: MutexGuard<'m, T>,
    _deadline: Instant,
) -> (MutexGuard<'m, T>, Wait) {
    if thread_rng().gen_bool(0.2) {
        return (guard, Wait::Expired);
    }
    (condvar.wait(guard).unwrap(), Wait::GoesOn)
}

/// The scheduler cannot tell. All threads are joined by the stop then.
pub(super) fn has_ended(_handle: &JoinHandle<()>) -> bool {
    false
}
