//! How does a backend have a request answered?
//!
//! It calls [`answer`], which runs the handler and sees to it that the connection is left in a state that makes sense whatever the
//! handler did: answered, ongoing, refused, or visibly cut.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use super::{Exchange, Failure, Gateway, Intake, Ongoing, Peer, Port};
use crate::Head;

/// How the handler ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Answered {
    /// The answer is complete.
    Complete,
    /// The answer goes on without the handler.
    Ongoing(Ongoing),
    /// The handler failed; the connection was given up.
    Failed(Failure),
    /// The handler panicked; the connection was given up.
    Panicked,
}

/// Has `gateway` answer the request.
#[inline]
pub fn answer(
    gateway: &dyn Gateway,
    head: Head<'_>,
    port: &mut dyn Port,
    intake: &mut Intake,
    peer: &Peer,
) -> Answered {
    let handled = catch_unwind(AssertUnwindSafe(|| gateway.handle(head, Exchange::new(port, intake, peer))));
    match handled {
        Ok(Ok(done)) => done.ongoing.map_or(Answered::Complete, Answered::Ongoing),
        Ok(Err(failure)) => {
            give_up(port, intake);
            Answered::Failed(failure)
        }
        Err(_) => {
            give_up(port, intake);
            Answered::Panicked
        }
    }
}

#[cold]
fn give_up(port: &mut dyn Port, intake: &Intake) {
    match intake.violation() {
        Some(violation) => port.refuse(violation),
        None => {
            let (link, env) = port.parts();
            link.conn.abort(&env, &mut link.tx);
        }
    }
}
