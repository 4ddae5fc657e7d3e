//! How does an answer come from another thread, later?
//!
//! The handler takes a [`Deferred`] out of the exchange and returns; the connection waits, parked, until someone answers through
//! it. One that is dropped unanswered is a 500.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;
use std::sync::{Mutex, PoisonError};

use super::Payload;
use crate::{Field, Status};

/// The right to answer one request, from any thread.
#[derive(Debug)]
pub struct Deferred {
    slot: Arc<Slot>,
}

/// Where the answer is left for the connection.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    answer: Option<Answer>,
    waker: Option<Waker>,
    /// The client has gone, or the server has given the request up.
    abandoned: bool,
}

/// What was decided.
#[derive(Debug)]
pub(crate) enum Answer {
    Respond {
        status: Status,
        fields: Vec<(String, Vec<u8>)>,
        payload: Payload,
    },
    /// Nobody will answer any more.
    Dropped,
}

impl Deferred {
    pub(crate) fn new() -> (Self, Arc<Slot>) {
        let slot = Arc::new(Slot::default());
        (Self { slot: Arc::clone(&slot) }, slot)
    }

    /// Answers the request. Fields that are malformed make it a 500.
    pub fn respond(self, status: Status, fields: &[Field<'_>], payload: impl Into<Payload>) {
        let fields = fields.iter().map(|(name, value)| (String::from(*name), value.to_vec())).collect();
        self.slot.put(Answer::Respond { status, fields, payload: payload.into() });
    }

    /// Whether nobody waits for the answer any more: the client has gone or the server stops.
    pub fn is_abandoned(&self) -> bool {
        self.slot.lock().abandoned
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        self.slot.put(Answer::Dropped);
    }
}

impl Slot {
    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        // The lock is held for moves of values only, so a poisoned one holds nothing half done.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves an answer, unless there is one.
    fn put(&self, answer: Answer) {
        let mut shared = self.lock();
        if shared.answer.is_none() {
            shared.answer = Some(answer);
            let waker = shared.waker.take();
            drop(shared);
            waker.iter().for_each(Waker::wake_by_ref);
        }
    }

    /// The answer, or a promise to call the waker when it comes.
    pub(crate) fn take(&self, waker: &Waker) -> Option<Answer> {
        let mut shared = self.lock();
        let answer = shared.answer.take();
        match answer {
            // Keeps a later drop of the `Deferred` from leaving a second one.
            Some(_) => shared.answer = Some(Answer::Dropped),
            None => shared.waker = Some(waker.clone()),
        }
        answer
    }

    pub(crate) fn abandon(&self) {
        self.lock().abandoned = true;
    }
}
