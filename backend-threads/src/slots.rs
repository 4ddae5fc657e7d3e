//! Which connections does a loop hold, and what does it know of each?
//!
//! [`Slots`] has a place for each connection of a loop, which stays its own while a worker has the connection, and says which of
//! them are to be looked at: their time is up, or their last turn ended before they were done.
//!
//! Invariants:
//! 1. A connection is in its place, or with whoever took it; what comes to be known in the meantime is kept in the place.
//! 2. A place has one entry in the timers at most, and is once among the unfinished.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

use cherrystone_core::{Env, Instant};
use mio::event::Event;
use slab::Slab;

use crate::client::{Client, Read};
use crate::inbox::{ConnectionWaker, Inbox};
use crate::sockets::PeerState;
use crate::timers::{Armed, Timers};

/// The connections of a loop.
#[derive(Debug, Default)]
pub struct Slots {
    slab: Slab<Slot>,
    timers: Timers,
    /// Connections whose turn ended before they were done.
    unfinished: Vec<usize>,
}

/// The place of a connection.
#[derive(Debug)]
pub struct Slot {
    client: Option<Box<Client>>,
    armed: Armed,
    /// Whether the socket may have something; only a read that finds nothing more clears it.
    pub readable: bool,
    /// Whether the peer is known to have ended its side, so that even a short read is not the last.
    ended: bool,
    /// Whether the application may have something to say: it has not been asked, or its waker was called since.
    pub woken: bool,
    /// Whether it is among the unfinished.
    listed: bool,
    waker: Option<Arc<ConnectionWaker>>,
}

impl Slot {
    /// Reads once, and remembers whether there may be more.
    ///
    /// # Errors
    /// As for [`Client::read`].
    #[inline]
    pub fn read(&mut self, client: &mut Client) -> std::io::Result<Read> {
        let read = client.read()?;
        self.readable = match read {
            Read::Some => true,
            Read::Last => self.ended,
            Read::Nothing | Read::End => false,
        };
        Ok(read)
    }

    /// Whether the peer has gone. One that is half-closed may still read.
    pub fn is_deserted(&self, client: &Client) -> bool {
        self.ended && client.stream.peer_state() == PeerState::Gone
    }

    /// The waker of this connection, which the loop knows as `key`; calls from now on count.
    pub fn waker(&mut self, key: usize, inbox: &Arc<Inbox>) -> &Arc<ConnectionWaker> {
        let waker = self.waker.get_or_insert_with(|| ConnectionWaker::new(Arc::clone(inbox), key));
        waker.rearm();
        waker
    }
}

impl Slots {
    /// How many there are, those with workers included.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// A place for a newcomer.
    pub(crate) fn insert(&mut self, client: Box<Client>) -> usize {
        self.slab.insert(Slot {
            client: Some(client),
            armed: Armed::NOT,
            readable: true,
            ended: false,
            woken: true,
            listed: false,
            waker: None,
        })
    }

    /// Gives the place up, and the connection if it is there.
    pub(crate) fn remove(&mut self, key: usize) -> Option<Box<Client>> {
        self.slab.remove(key).client
    }

    /// Empties all places.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Option<Box<Client>>> {
        self.slab.drain().map(|slot| slot.client)
    }

    pub(crate) fn keys(&self) -> Vec<usize> {
        self.slab.iter().map(|(key, _)| key).collect()
    }

    pub(crate) fn find(&mut self, key: usize) -> Option<&mut Slot> {
        self.slab.get_mut(key)
    }

    /// Takes the connection, if it is there.
    #[inline]
    pub(crate) fn take(&mut self, key: usize) -> Option<Box<Client>> {
        self.slab.get_mut(key)?.client.take()
    }

    /// Puts the connection back.
    #[inline]
    pub(crate) fn put(&mut self, key: usize, client: Box<Client>) -> &mut Slot {
        let slot = &mut self.slab[key];
        slot.client = Some(client);
        slot
    }

    /// Puts the connection back, to be looked at when `deadline` has passed, or earlier.
    #[inline(always)]
    pub(crate) fn put_until(&mut self, key: usize, client: Box<Client>, deadline: Option<Instant>) {
        let slot = &mut self.slab[key];
        slot.client = Some(client);
        self.timers.set(key, deadline, &mut slot.armed);
    }

    /// Puts the connection back, to be looked at when others had their turn.
    pub(crate) fn put_unfinished(&mut self, key: usize, client: Box<Client>) {
        let slot = self.put(key, client);
        if !std::mem::replace(&mut slot.listed, true) {
            self.unfinished.push(key);
        }
    }

    pub(crate) fn has_unfinished(&self) -> bool {
        !self.unfinished.is_empty()
    }

    /// Those that are to be looked at since they were not done.
    pub(crate) fn take_unfinished(&mut self) -> Vec<usize> {
        let keys = std::mem::take(&mut self.unfinished);
        for key in &keys {
            if let Some(slot) = self.slab.get_mut(*key) {
                slot.listed = false;
            }
        }
        keys
    }

    /// Takes note of what the poller says of a socket.
    #[inline]
    pub(crate) fn note(&mut self, key: usize, event: &Event) {
        if let Some(slot) = self.slab.get_mut(key) {
            let has_ended = event.is_read_closed() || event.is_error();
            slot.readable |= event.is_readable() || has_ended;
            slot.ended |= has_ended;
        }
    }

    /// When the next deadline is to be looked at.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Those that are to be looked at since a deadline may have passed.
    #[inline]
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<usize> {
        let mut expired = Vec::new();
        self.timers.expired(now, &mut expired);
        if expired.is_empty() {
            return Vec::new();
        }
        expired.retain(|(key, entry)| {
            let Some(slot) = self.slab.get_mut(*key) else { return false };
            let is_due = slot.armed.fires(*entry);
            // Its event may be yet to come.
            slot.readable |= is_due;
            is_due
        });
        expired.into_iter().map(|(key, _)| key).collect()
    }

    /// Lets waits that began at `seen` or later begin now; see [`Connection::excuse`](cherrystone_core::Connection::excuse).
    #[cold]
    pub(crate) fn excuse(&mut self, seen: Instant, env: &Env<'_>) {
        for (_, slot) in &mut self.slab {
            if let Some(client) = &mut slot.client {
                client.link.conn.excuse(seen, env);
            }
        }
    }
}

impl Index<usize> for Slots {
    type Output = Slot;

    #[inline]
    fn index(&self, key: usize) -> &Slot {
        &self.slab[key]
    }
}

impl IndexMut<usize> for Slots {
    #[inline]
    fn index_mut(&mut self, key: usize) -> &mut Slot {
        &mut self.slab[key]
    }
}
