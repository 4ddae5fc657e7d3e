//! Who watches what the server does?
//!
//! An [`Observer`] is told of each answer, violation, failure and connection: for access logs, metrics and traces. A server without one
//! keeps nothing for it and asks no clock for it.
//!
//! Invariants:
//! 1. Each request is recorded once: when everything of its answer was said, or the connection was given up.
//! 2. An observer runs on threads of the server and must not block; one that panics loses what it was to be told, and no more.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use cherrystone_core::gateway::{Answered, Failure, Peer};
use cherrystone_core::{AnswerProgress, Cause, Env, Head, Instant, Link, StageError, Status, Violation};

use crate::client::{Client, Request};
use crate::clock::Clock;
use crate::guard::guarded;
use crate::proxy::ProxyError;
use crate::shared::Shared;
use crate::stats::Count;

/// Octets of what was unread that an observer sees of a violation.
const GLIMPSE: usize = 64;

/// Is told what happens. Every method has an empty default.
pub trait Observer: Send + Sync {
    /// Whether [`answered`](Self::answered) is to be called; asked once, when the server starts. The heads of requests are kept for it.
    fn wants_answers(&self) -> bool {
        true
    }

    /// An answer is complete, or was given up.
    fn answered(&self, record: &Record<'_>) {
        let _ = record;
    }

    /// A client broke a rule. `unread` is the beginning, 64 octets at most, of what it sent and nobody has read. What is returned takes
    /// the place of the content of the answer, if there can be one.
    fn violated(&self, violation: Violation, unread: &[u8], peer: &Peer) -> Option<ErrorBody> {
        let _ = (violation, unread, peer);
        None
    }

    /// TLS came to nothing: the client speaks none, or another kind, or trusts nobody here, or sent what is damaged.
    fn unsecured(&self, error: StageError, peer: &Peer) {
        let _ = (error, peer);
    }

    /// A handler gave up.
    fn failed(&self, head: Head<'_>, failure: &Failure, peer: &Peer) {
        let _ = (head, failure, peer);
    }

    /// A handler panicked.
    fn panicked(&self, head: Head<'_>, peer: &Peer) {
        let _ = (head, peer);
    }

    /// A client has connected.
    fn opened(&self, peer: &Peer) {
        let _ = peer;
    }

    /// A connection is not served: it does not come from a trusted proxy, or without a valid header of the PROXY protocol.
    fn unproxied(&self, peer: &Peer, why: ProxyError) {
        let _ = (peer, why);
    }

    /// A connection is over; `late` is the wait that ended it, if one did.
    fn closed(&self, peer: &Peer, late: Option<Cause>) {
        let _ = (peer, late);
    }

    /// Accepting pauses, since the system has run out of something, descriptors as a rule. Clients wait in the kernel meanwhile. Told once,
    /// however often it is tried again.
    fn accepting_paused(&self, why: &io::Error) {
        let _ = why;
    }

    /// Everybody who waited has been accepted.
    fn accepting_resumed(&self) {}

    /// The server has stopped: nothing follows but what handlers cause that did not come back in time.
    fn stopped(&self) {}
}

impl fmt::Debug for dyn Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// One request and its answer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Record<'r> {
    /// Who asked.
    pub peer: &'r Peer,
    /// What was asked; `None` if no valid head came.
    pub head: Option<Head<'r>>,
    /// The status of the answer; `None` if the client was lost before there was one.
    pub status: Option<Status>,
    /// Octets of content that were said.
    pub content: u64,
    /// From the complete head to the end of the answer.
    pub took: Duration,
    /// Whether the answer is incomplete.
    pub is_cut: bool,
}

/// Content for the answer to a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorBody {
    /// Its media type.
    pub content_type: String,
    /// Its octets.
    pub content: Vec<u8>,
}

impl Client {
    /// Records the answer to the request under way if it has come to its end. To be called when one may have.
    #[inline]
    pub fn observe(&mut self, shared: &Shared) {
        if shared.wants_answers {
            let ended = self.link.conn.answer().is_some_and(|answer| answer.progress != AnswerProgress::Open);
            if ended {
                self.record(shared);
            }
        }
    }

    /// Answers a violation, in the words of the observer if it has any.
    #[cold]
    pub fn refuse(&mut self, shared: &Shared, env: &Env<'_>, violation: Violation) {
        // An answer that ended before is on record.
        let was_answered = self.link.conn.answer().is_some_and(|answer| answer.progress != AnswerProgress::Open);
        refuse(&mut self.link, &self.peer, shared, env, violation);
        if was_answered || !shared.wants_answers {
            return;
        }
        if self.request.as_ref().is_some_and(|request| request.begun.is_some()) {
            self.record(shared);
        } else if let Some(answer) = self.link.conn.answer() {
            tell(shared, |observer| {
                observer.answered(&Record {
                    peer: &self.peer,
                    head: None,
                    status: Some(answer.status),
                    content: answer.content,
                    took: Duration::ZERO,
                    is_cut: answer.progress == AnswerProgress::Cut,
                });
            });
        }
    }

    /// Drops what went on without its handler, because it is over. What it forgave is counted.
    pub(crate) fn end_ongoing(&mut self, shared: &Shared) {
        let Some(ongoing) = self.ongoing.take() else { return };
        note_forgiven(ongoing.violation(), shared, &self.peer);
        // The destructor of a payload is the application's own.
        guarded(|| drop(ongoing));
    }

    /// The answer that went on without its handler has come to its end.
    pub fn conclude(&mut self, shared: &Shared) {
        self.end_ongoing(shared);
        self.observe(shared);
    }

    /// Answers that the server is too busy for the request that is due.
    #[cold]
    pub fn overloaded(&mut self, shared: &Shared, env: &Env<'_>) {
        shared.stats.add(Count::Refused);
        self.link.conn.overloaded(env, &mut self.link.tx);
        self.observe(shared);
        self.request = None;
        self.end_ongoing(shared);
    }

    /// The storage of the request, if it is not in use any more.
    #[inline]
    pub fn take_request(&mut self) -> Option<Box<Request>> {
        self.request.take_if(|request| !request.is_due && request.begun.is_none())
    }

    /// Counts what passed since the last call.
    #[inline]
    pub fn count_traffic(&mut self, shared: &Shared) {
        let traffic = self.link.take_traffic();
        if traffic.received > 0 {
            shared.stats.add_many(Count::Received, traffic.received);
        }
        if traffic.sent > 0 {
            shared.stats.add_many(Count::Sent, traffic.sent);
        }
    }

    /// Lets go of the socket: with a reset if what was sent must not look complete. A request that is still open is over.
    pub fn finish(mut self, shared: &Shared) {
        self.count_traffic(shared);
        self.record(shared);
        self.end_ongoing(shared);
        if let Some(why) = self.preface.as_ref().and_then(|preface| preface.failure) {
            unproxied(shared, &self.peer, why);
        }
        let late = self.link.conn.expired();
        if let Some(cause) = late {
            shared.stats.add(cause.into());
        }
        tell(shared, |observer| observer.closed(&self.peer, late));
        if self.hopeless || self.link.conn.is_cut() {
            self.stream.reset();
        }
    }

    /// Records the request under way, if it is not on record.
    pub(crate) fn record(&mut self, shared: &Shared) {
        let Some(request) = &mut self.request else { return };
        let Some(begun) = request.begun.take() else { return };
        let answer = self.link.conn.answer();
        tell(shared, |observer| {
            observer.answered(&Record {
                peer: &self.peer,
                head: Some(request.head.head()),
                status: answer.map(|answer| answer.status),
                content: answer.map_or(0, |answer| answer.content),
                took: Clock::look().since(begun),
                is_cut: answer.is_none_or(|answer| answer.progress != AnswerProgress::Complete),
            });
        });
    }
}

impl Request {
    /// Notes when the head was complete, if somebody wants to know.
    #[inline]
    pub(crate) fn note_begin(&mut self, shared: &Shared, now: Instant) {
        self.begun = shared.wants_answers.then_some(now);
    }

    /// Counts how the handler ended, and gives the answer that goes on without it.
    #[inline]
    pub fn conclude(
        &self,
        answered: Answered,
        shared: &Shared,
        peer: &Peer,
    ) -> Option<Box<cherrystone_core::gateway::Ongoing>> {
        match answered {
            Answered::Ongoing(more) => {
                note_forgiven(self.intake.violation(), shared, peer);
                return Some(Box::new(more));
            }
            Answered::Failed(failure) => {
                shared.stats.add(Count::Failures);
                tell(shared, |observer| observer.failed(self.head.head(), &failure, peer));
            }
            Answered::Panicked => {
                shared.stats.add(Count::Panics);
                tell(shared, |observer| observer.panicked(self.head.head(), peer));
            }
            _ => note_forgiven(self.intake.violation(), shared, peer),
        }
        None
    }
}

/// Takes note of a violation that the application came upon, and answered by itself.
#[inline]
pub(crate) fn note_forgiven(violation: Option<Violation>, shared: &Shared, peer: &Peer) {
    if let Some(violation) = violation {
        shared.stats.add_violation(violation.kind);
        tell(shared, |observer| observer.violated(violation, &[], peer));
    }
}

/// Answers a violation, in the words of the observer if it has any.
#[cold]
pub fn refuse(link: &mut Link, peer: &Peer, shared: &Shared, env: &Env<'_>, violation: Violation) {
    shared.stats.add_violation(violation.kind);
    let unread = link.rx.unread();
    let unread = &unread[..unread.len().min(GLIMPSE)];
    let body = tell(shared, |observer| observer.violated(violation, unread, peer)).flatten();
    let said = body.is_some_and(|body| {
        let fields = [("Content-Type", body.content_type.as_bytes())];
        link.conn.refuse_with(env, violation, &fields, &body.content, &mut link.tx).is_ok()
    });
    if !said {
        link.conn.refuse(env, violation, &mut link.tx);
    }
}

/// Takes note of a connection that is not served for want of a proxy.
#[cold]
pub(crate) fn unproxied(shared: &Shared, peer: &Peer, why: ProxyError) {
    shared.stats.add(Count::ProxyRefusals);
    tell(shared, |observer| observer.unproxied(peer, why));
}

/// Tells the observer, if there is one. Its panics end here.
#[inline]
pub(crate) fn tell<T>(shared: &Shared, what: impl FnOnce(&dyn Observer) -> T) -> Option<T> {
    let observer = shared.settings.observer.as_deref()?;
    catch_unwind(AssertUnwindSafe(|| what(observer))).ok()
}
