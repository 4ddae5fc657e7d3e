//! What does a connection do with its turn in the parker?
//!
//! It reads without waiting, and moves on as far as that goes without a worker: through heads, refusals, the drain of content
//! that nobody read, and the time to linger.

use std::io;

use cherrystone_core::Event;

use super::{Next, Parker};
use crate::client::{Client, Read, Written};
use crate::sockets::PeerState;

/// Steps, and so reads, that a connection may take before others get their turn.
const ROUNDS: usize = 32;
/// Octets that an upgraded protocol may leave unread; with more nothing is read for it.
const UNREAD: usize = 1 << 20;

impl Parker {
    /// Moves a connection on as far as that is possible without waiting.
    ///
    /// # Errors
    /// The connection is lost, or too slow.
    pub(super) fn advance(&mut self, key: usize, client: &mut Client) -> io::Result<Next> {
        if client.has_request() {
            return Ok(Next::Worker);
        }
        if client.ongoing.is_some() {
            return self.await_application(key, client);
        }
        client.link.wake(&mut self.pool);
        if self.slots[key].readable && client.is_overdue(&self.clock.env(&self.desk.shared.settings.config)) {
            self.read(key, client)?;
        }
        for _ in 0..ROUNDS {
            if let Some(next) = self.round(key, client)? {
                return Ok(next);
            }
        }
        Ok(Next::Again)
    }

    /// One event of the protocol.
    fn round(&mut self, key: usize, client: &mut Client) -> io::Result<Option<Next>> {
        let shared = &self.desk.shared;
        let env = self.clock.env(&shared.settings.config);
        let Client { link, request, .. } = client;
        match link.conn.poll(&env, &mut link.rx) {
            Ok(Event::Request(head)) => {
                let mut storage = self.requests.pop().unwrap_or_default();
                storage.begin(head);
                let admitted = storage.admit(link, shared, &env);
                *request = Some(storage);
                match admitted {
                    Ok(()) => return Ok(Some(Next::Worker)),
                    Err(violation) => client.refuse(shared, &env, violation),
                }
                self.requests.extend(client.take_request());
            }
            Ok(Event::NeedInput) => {
                if link.resume().map_err(io::Error::other)? {
                    return Ok(None);
                }
                if link.pending() > 0 && client.write(&env)? == Written::Blocked {
                    return Ok(Some(Next::Worker));
                }
                if !self.slots[key].readable {
                    return Ok(Some(Next::Stay));
                }
                self.read(key, client)?;
            }
            Ok(Event::Shutdown) => {
                // Nothing was said that a close could destroy.
                if link.is_handshaking() {
                    return Ok(Some(Next::Drop));
                }
                client.end();
                if client.write(&env)? == Written::Blocked {
                    return Ok(Some(Next::Worker));
                }
            }
            Ok(Event::Closed) => return Ok(Some(Next::Drop)),
            Ok(_) => return Ok(Some(Next::Worker)),
            Err(violation) => client.refuse(shared, &env, violation),
        }
        Ok(None)
    }

    /// Reads once, and says whether anything came, or the end.
    fn read(&mut self, key: usize, client: &mut Client) -> io::Result<bool> {
        let read = client.read()?;
        let slot = &mut self.slots[key];
        slot.readable = match read {
            Read::Some => true,
            Read::Last => slot.ended,
            Read::Nothing | Read::End => false,
        };
        Ok(read != Read::Nothing)
    }

    /// Looks whether an answer under way, or another protocol, has something for a worker to do.
    fn await_application(&mut self, key: usize, client: &mut Client) -> io::Result<Next> {
        if self.slots[key].woken {
            return Ok(Next::Worker);
        }
        let reads = client.ongoing.as_ref().is_some_and(|ongoing| ongoing.reads_input());
        if reads && client.link.resume().map_err(io::Error::other)? {
            return Ok(Next::Worker);
        }
        let has_room = !client.link.rx.is_closed() && client.link.rx.unread().len() < UNREAD;
        if reads && has_room && self.slots[key].readable && self.read(key, client)? {
            return Ok(Next::Worker);
        }
        if reads && client.is_overdue(&self.clock.env(&self.desk.shared.settings.config)) {
            return Ok(Next::Worker);
        }
        // A half-closed peer may still read; one that has gone will not.
        let has_left = self.slots[key].ended && client.stream.peer_state() == PeerState::Gone;
        Ok(if has_left { Next::Drop } else { Next::Stay })
    }
}
