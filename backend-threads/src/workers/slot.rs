//! How is one certain worker woken?
//!
//! Through its slot: a place for one order, and the thread to wake. A worker that finds no job puts its slot onto the stack
//! of sleepers and parks; whoever takes the slot from the stack leaves an order, under the pool's lock, and then wakes the
//! thread without it.
//!
//! Invariants:
//! 1. There is at most one order at a time: only the one who took the slot from the stack leaves one.
//! 2. A worker that holds the pool's lock and is not on the stack finds its order.

use std::sync::{OnceLock, PoisonError};

use super::sync::{Mutex, Thread, current};

/// What a sleeping worker is woken for.
pub(super) enum Order {
    /// To look for a job.
    Work,
    /// To end.
    Leave,
}

/// What a worker is started for.
pub(super) enum Start<J> {
    /// This job.
    Job(J),
    /// The jobs in the queue.
    Queue,
    /// The jobs in the queue, should they get stuck.
    Watch,
}

pub(super) struct Slot<J> {
    start: Mutex<Option<Start<J>>>,
    order: Mutex<Option<Order>>,
    thread: OnceLock<Thread>,
}

impl<J> Slot<J> {
    /// A slot for a worker that is about to start.
    pub(super) fn new(start: Start<J>) -> Self {
        Self { start: Mutex::new(Some(start)), order: Mutex::new(None), thread: OnceLock::new() }
    }

    /// What the worker is started for, to be asked once.
    pub(super) fn start(&self) -> Start<J> {
        self.start.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(Start::Queue)
    }

    /// Makes the calling thread the one to wake.
    pub(super) fn occupy(&self) {
        let _ = self.thread.set(current());
    }

    pub(super) fn order(&self, order: Order) {
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = Some(order);
    }

    /// Takes the order, if there is one.
    pub(super) fn obey(&self) -> Option<Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}
