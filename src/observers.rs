//! How do several observers watch one server?

use std::io;
use std::sync::Arc;

use cherrystone_core::gateway::{Failure, Peer};
use cherrystone_core::{Cause, Head, StageError, Violation};

use crate::{ErrorBody, Observer, ProxyError, Record};

/// Tells each of several observers; the first with content for the answer to a violation decides about it.
pub(crate) struct Observers(pub(crate) Vec<Arc<dyn Observer>>);

impl Observers {
    /// These observers as one, if there is any.
    pub(crate) fn join(mut observers: Vec<Arc<dyn Observer>>) -> Option<Arc<dyn Observer>> {
        match observers.len() {
            0 | 1 => observers.pop(),
            _ => Some(Arc::new(Self(observers))),
        }
    }
}

impl Observer for Observers {
    fn wants_answers(&self) -> bool {
        self.0.iter().any(|observer| observer.wants_answers())
    }

    fn answered(&self, record: &Record<'_>) {
        self.0.iter().filter(|observer| observer.wants_answers()).for_each(|observer| observer.answered(record));
    }

    fn violated(&self, violation: Violation, unread: &[u8], peer: &Peer) -> Option<ErrorBody> {
        self.0.iter().fold(None, |body, observer| {
            let own = observer.violated(violation, unread, peer);
            body.or(own)
        })
    }

    fn unsecured(&self, error: StageError, peer: &Peer) {
        self.0.iter().for_each(|observer| observer.unsecured(error, peer));
    }

    fn failed(&self, head: Head<'_>, failure: &Failure, peer: &Peer) {
        self.0.iter().for_each(|observer| observer.failed(head, failure, peer));
    }

    fn panicked(&self, head: Head<'_>, peer: &Peer) {
        self.0.iter().for_each(|observer| observer.panicked(head, peer));
    }

    fn opened(&self, peer: &Peer) {
        self.0.iter().for_each(|observer| observer.opened(peer));
    }

    fn unproxied(&self, peer: &Peer, why: ProxyError) {
        self.0.iter().for_each(|observer| observer.unproxied(peer, why));
    }

    fn closed(&self, peer: &Peer, late: Option<Cause>) {
        self.0.iter().for_each(|observer| observer.closed(peer, late));
    }

    fn accepting_paused(&self, why: &io::Error) {
        self.0.iter().for_each(|observer| observer.accepting_paused(why));
    }

    fn accepting_resumed(&self) {
        self.0.iter().for_each(|observer| observer.accepting_resumed());
    }

    fn stopped(&self) {
        self.0.iter().for_each(|observer| observer.stopped());
    }
}
