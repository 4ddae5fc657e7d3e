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
        Arc::clone(&self.desk)
    }

    /// Lets the loop pass newcomers on to others.
    pub(crate) fn share_with(&mut self, neighbours: Vec<Arc<Desk>>) {
        self.neighbours = neighbours;
    }

    /// Keeps a newcomer, or passes it on to a loop with less to do.
    pub(crate) fn place(&mut self, client: Box<Client>) {
        // A loop that has ended already would leave it where it is.
        if self.desk.shared.is_stopping() {
            return self.welcome(client);
        }
        let idlest = self.neighbours.iter().min_by_key(|desk| desk.inbox.load());
        match idlest {
            Some(desk) if desk.inbox.load() + IMBALANCE < self.desk.inbox.load() => {
                desk.inbox.expect();
                desk.inbox.send(Note::Welcome(client));
            }
            _ => self.welcome(client),
        }
    }
}
