//! What does the server say through `tracing`?
//!
//! Starts and stops at `info`, pauses of accepting at `warn`, handlers that panic at `error`, those that fail at `warn`, unless a client
//! that left or broke a rule is why: that, and everything about single connections, is at `debug`. A server with the feature `tracing`
//! says it to whatever subscriber the program has.
//!
//! Invariants:
//! 1. What clients send is said escaped, so that no line of a log can be forged.

use std::io::{self, ErrorKind};

use cherrystone_core::gateway::{Failure, Peer};
use cherrystone_core::{Cause, Head, StageError, Violation};
use cherrystone_threads::sockets::LocalAddr;
use tracing::{debug, error, info, warn};

use crate::{ErrorBody, Observer, ProxyError};

/// The observer that says it; each server has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace;

/// Says where a server that is about to start listens.
pub(crate) fn listening(address: &LocalAddr) {
    info!(%address, "listening");
}

impl Observer for Trace {
    fn wants_answers(&self) -> bool {
        false
    }

    fn violated(&self, violation: Violation, _: &[u8], peer: &Peer) -> Option<ErrorBody> {
        debug!(peer = %peer.address, %violation, "a client broke a rule");
        None
    }

    fn unsecured(&self, error: StageError, peer: &Peer) {
        debug!(peer = %peer.address, %error, "TLS failed");
    }

    fn failed(&self, head: Head<'_>, failure: &Failure, peer: &Peer) {
        let (method, target, peer) = (head.method(), head.target().escape_debug(), &peer.address);
        if is_of_the_client(failure) {
            debug!(%peer, method, %target, %failure, "a handler had to give up");
        } else {
            warn!(%peer, method, %target, failure = %failure.to_string().escape_debug(), "a handler failed");
        }
    }

    fn panicked(&self, head: Head<'_>, peer: &Peer) {
        error!(peer = %peer.address, method = head.method(), target = %head.target().escape_debug(), "a handler panicked");
    }

    fn opened(&self, peer: &Peer) {
        debug!(peer = %peer.address, "connected");
    }

    fn unproxied(&self, peer: &Peer, why: ProxyError) {
        debug!(peer = %peer.address, %why, "a connection was refused");
    }

    fn closed(&self, peer: &Peer, late: Option<Cause>) {
        debug!(peer = %peer.address, ?late, "disconnected");
    }

    fn accepting_paused(&self, why: &io::Error) {
        warn!(%why, "accepting pauses, clients wait");
    }

    fn accepting_resumed(&self) {
        warn!("accepting again, nobody waits any more");
    }

    fn stopped(&self) {
        info!("stopped");
    }
}

/// Whether the client is why the handler failed.
fn is_of_the_client(failure: &Failure) -> bool {
    match failure {
        Failure::Violation(_) => true,
        Failure::Io(error) => {
            matches!(
                error.kind(),
                ErrorKind::BrokenPipe
                    | ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::NotConnected
                    | ErrorKind::UnexpectedEof
                    | ErrorKind::TimedOut
            ) || error.get_ref().is_some_and(|inner| inner.is::<Violation>())
        }
        _ => false,
    }
}
