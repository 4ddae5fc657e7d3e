//! How does a job reach one certain worker?
//!
//! Through its slot: a place for one message, and the thread to wake. A worker that finds no job puts its slot onto the
//! stack of sleepers and parks; whoever takes the slot from the stack fills it, under the pool's lock, and then wakes the
//! thread without it.
//!
//! Invariants:
//! 1. A slot is filled at most once between two reads: only the one who took it from the stack fills it.
//! 2. A worker that holds the pool's lock and is not on the stack finds its message.

use std::sync::{OnceLock, PoisonError};

use super::sync::{Mutex, Thread, current};

/// What a sleeping worker is woken for.
pub(super) enum Message<J> {
    Job(J),
    Leave,
}

impl<J> Message<J> {
    pub(super) fn job(self) -> Option<J> {
        match self {
            Self::Job(job) => Some(job),
            Self::Leave => None,
        }
    }
}

pub(super) struct Slot<J> {
    message: Mutex<Option<Message<J>>>,
    thread: OnceLock<Thread>,
}

impl<J> Slot<J> {
    /// A slot for a worker that is about to start, with its first job.
    pub(super) fn new(first: Option<J>) -> Self {
        Self { message: Mutex::new(first.map(Message::Job)), thread: OnceLock::new() }
    }

    /// Makes the calling thread the one to wake.
    pub(super) fn occupy(&self) {
        let _ = self.thread.set(current());
    }

    pub(super) fn put(&self, message: Message<J>) {
        *self.message.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
    }

    pub(super) fn take(&self) -> Option<Message<J>> {
        self.message.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}
