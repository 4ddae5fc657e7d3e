//! Which threads, locks and waits does the pool use?
//!
//! The standard ones. `tests/workers_model.rs` compiles the pool over another module of this shape, in which a scheduler
//! decides who runs next and whether a wait times out.

pub(super) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
pub(super) use std::thread::{Builder, JoinHandle, Thread, current};

use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

/// Whether a wait's deadline has passed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    GoesOn,
    Expired,
}

/// Parks this thread until it is unparked, or until the deadline, if there is one. May come back early.
pub(super) fn park(deadline: Option<Instant>) -> Wait {
    match deadline {
        None => thread::park(),
        Some(deadline) => thread::park_timeout(deadline.saturating_duration_since(Instant::now())),
    }
    state(deadline)
}

/// Lets this much time pass.
pub(super) fn pause(time: Duration) {
    thread::sleep(time);
}

/// Waits on `condvar` until it is notified, or until `deadline`. May come back early.
pub(super) fn wait<'m, T>(condvar: &Condvar, guard: MutexGuard<'m, T>, deadline: Instant) -> (MutexGuard<'m, T>, Wait) {
    let left = deadline.saturating_duration_since(Instant::now());
    let (guard, _) = condvar.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner);
    (guard, state(Some(deadline)))
}

/// Whether joining would not wait.
pub(super) fn has_ended(handle: &JoinHandle<()>) -> bool {
    handle.is_finished()
}

fn state(deadline: Option<Instant>) -> Wait {
    match deadline {
        Some(deadline) if Instant::now() >= deadline => Wait::Expired,
        _ => Wait::GoesOn,
    }
}
