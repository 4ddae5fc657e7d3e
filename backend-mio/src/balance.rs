//! How do several loops share the connections?
//!
//! Each accepts what it can get. Whoever has clearly more than the least busy one passes a newcomer on to it.

use std::sync::Arc;

use cherrystone_threads::{Client, Desk, Note};

use crate::event_loop::EventLoop;

/// Connections that a loop may have more than the least busy one before it passes newcomers on.
const IMBALANCE: usize = 4;

impl EventLoop {
    /// The way to this loop.
    pub(crate) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.reactor.desk)
    }

    /// Lets the loop pass newcomers on to others.
    pub(crate) fn share_with(&mut self, neighbours: Vec<Arc<Desk>>) {
        self.neighbours = neighbours;
    }

    /// Passes a newcomer on to a loop with less to do, or gives it back.
    pub(crate) fn pass_on(&self, newcomer: Box<Client>) -> Option<Box<Client>> {
        // A loop that has ended already would leave it where it is.
        if self.reactor.desk.shared.is_stopping() {
            return Some(newcomer);
        }
        let Some(idlest) = self.neighbours.iter().min_by_key(|desk| desk.inbox.load()) else { return Some(newcomer) };
        if idlest.inbox.load() + IMBALANCE >= self.reactor.desk.inbox.load() {
            return Some(newcomer);
        }
        idlest.inbox.expect();
        idlest.inbox.send(Note::Welcome(newcomer));
        None
    }
}
