//! What does the network do between a visitor and the server?
//!
//! A [`Wire`] is one connection as the server's socket sees it, and what is on its way. It takes no more than the visitor has room
//! for, and it forgets what a close destroys.
//!
//! Invariants:
//! 1. Octets keep their order, whatever the delays.
//! 2. Closing a socket while something is unread, or hearing from the visitor after that, resets the connection: what the visitor
//!    has not received by then is lost.

use std::collections::VecDeque;
use std::io;

use super::agenda::{Agenda, Due, MS};

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    key: usize,
    latency: u64,
    /// Octets that may be on their way or unread, in either direction.
    window: usize,
    /// What the server has not read.
    inbox: VecDeque<u8>,
    /// Octets on their way to the server.
    coming: usize,
    ended: bool,
    reset: bool,
    /// What the server sent since it was last collected.
    said: Vec<u8>,
    says_end: bool,
    /// Octets that were sent and that the visitor has not taken.
    untaken: usize,
    /// Whether the server was told that there is no room.
    blocked: bool,
    /// Whether the server has dropped its socket.
    pub(super) dropped: bool,
    /// Whether what is on its way to the visitor is lost.
    pub(super) destroyed: bool,
    /// Whether the visitor waits for the server to read.
    throttled: bool,
    /// Arrival of what was sent last, either way.
    up: u64,
    down: u64,
    /// When the server heard something for the last time.
    pub(super) heard_at: u64,
    /// When the server could say something for the last time.
    pub(super) said_at: u64,
    /// When its application did something for it that a worker or a waker was for.
    pub(super) touched_at: u64,
    /// When the server ended its side.
    pub(super) ended_at: Option<u64>,
    /// When the server dropped the socket.
    pub(super) dropped_at: Option<u64>,
}

impl Wire {
    /// A connection over which nothing was said, made at this time.
    pub(super) fn new(key: usize, latency: u64, window: u64, now: u64) -> Self {
        Self {
            key,
            latency: latency * MS + 1,
            window: window as usize,
            inbox: VecDeque::new(),
            coming: 0,
            ended: false,
            reset: false,
            said: Vec::new(),
            says_end: false,
            untaken: 0,
            blocked: false,
            dropped: false,
            destroyed: false,
            throttled: false,
            up: 0,
            down: 0,
            heard_at: now,
            said_at: now,
            touched_at: now,
            ended_at: None,
            dropped_at: None,
        }
    }

    // The server's socket.

    /// Reads; 0 is the end.
    pub(super) fn recv(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if self.inbox.is_empty() {
            return if self.ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let n = self.inbox.len().min(room.len());
        for (to, octet) in room.iter_mut().zip(self.inbox.drain(..n)) {
            *to = octet;
        }
        Ok(n)
    }

    /// Sends as much as there is room for.
    pub(super) fn send(&mut self, octets: &[u8], now: u64) -> io::Result<usize> {
        if self.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if self.says_end || self.ended_at.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let n = octets.len().min(self.window - self.untaken);
        if n == 0 {
            self.blocked = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.blocked |= n < octets.len();
        self.said.extend_from_slice(&octets[..n]);
        self.untaken += n;
        self.said_at = now;
        Ok(n)
    }

    /// Ends the server's side.
    pub(super) fn shutdown(&mut self) {
        self.says_end = true;
    }

    /// Drops the server's socket.
    pub(super) fn drop_socket(&mut self, reset: bool, agenda: &mut Agenda) {
        self.dropped = true;
        self.dropped_at = Some(agenda.now());
        if !self.reset && (reset || !self.inbox.is_empty()) {
            self.destroy(agenda);
        } else {
            self.says_end = true;
            self.carry(agenda);
        }
    }

    /// Whether the visitor has reset the connection.
    pub(super) fn is_reset(&self) -> bool {
        self.reset
    }

    fn destroy(&mut self, agenda: &mut Agenda) {
        if !self.destroyed {
            self.destroyed = true;
            agenda.at(agenda.now() + self.latency, Due::DeliverReset(self.key));
        }
    }

    /// Puts on its way what the server said since the last call.
    pub(super) fn carry(&mut self, agenda: &mut Agenda) {
        let mut rest = &self.said[..];
        while !rest.is_empty() {
            let most = agenda.dice.pick(&[1, 7, 200, 2_000, 20_000]);
            let (piece, behind) = rest.split_at(rest.len().min(most));
            self.down = after(self.down, self.latency, agenda);
            agenda.at(self.down, Due::Deliver(self.key, piece.to_vec()));
            rest = behind;
        }
        self.said.clear();
        if self.says_end && self.ended_at.is_none() {
            self.ended_at = Some(agenda.now());
            self.down = after(self.down, self.latency, agenda);
            agenda.at(self.down, Due::DeliverEnd(self.key));
        }
    }

    // The visitor's side.

    /// Puts octets of the visitor on their way, and says how many there was room for.
    pub(super) fn transmit(&mut self, octets: &[u8], agenda: &mut Agenda) -> usize {
        let room = self.window.saturating_sub(self.coming + self.inbox.len());
        let most = agenda.dice.pick(&[1, 5, 60, 1_000, 20_000]);
        let n = octets.len().min(room).min(most);
        self.throttled = n == 0 && !octets.is_empty();
        if n > 0 {
            self.coming += n;
            self.up = after(self.up, self.latency, agenda);
            agenda.at(self.up, Due::Arrive(self.key, octets[..n].to_vec()));
        }
        n
    }

    /// Puts something of the visitor on its way behind all that was sent.
    pub(super) fn follow(&mut self, due: Due, agenda: &mut Agenda) {
        self.up = after(self.up, self.latency, agenda);
        agenda.at(self.up, due);
    }

    /// The visitor took octets, so that there is room again, as the server will learn.
    pub(super) fn taken(&mut self, octets: usize, agenda: &mut Agenda) {
        self.untaken -= octets;
        if octets > 0 && std::mem::take(&mut self.blocked) {
            agenda.at(agenda.now() + self.latency, Due::Room(self.key));
        }
    }

    /// Octets come to the server's socket.
    pub(super) fn arrive(&mut self, octets: &[u8], agenda: &mut Agenda) {
        self.coming -= octets.len();
        if self.dropped {
            return self.destroy(agenda);
        }
        self.hear(agenda.now());
        self.inbox.extend(octets);
    }

    /// The end of the visitor's side comes to the server's socket.
    pub(super) fn arrive_end(&mut self, now: u64) {
        self.ended = true;
        self.hear(now);
    }

    /// A reset comes to the server's socket.
    pub(super) fn arrive_reset(&mut self, now: u64) {
        self.reset = true;
        self.hear(now);
        self.inbox.clear();
    }

    /// What comes after the end of the server's side has no part in what led to it.
    fn hear(&mut self, now: u64) {
        if self.ended_at.is_none() {
            self.heard_at = now;
        }
    }

    /// When a visitor that was held up learns that it may go on.
    pub(super) fn resumes_at(&mut self, now: u64) -> Option<u64> {
        let has_room = self.coming + self.inbox.len() < self.window;
        (has_room && std::mem::take(&mut self.throttled)).then_some(now + self.latency)
    }
}

/// When something arrives that is sent now, behind what arrives at `last`.
fn after(last: u64, latency: u64, agenda: &mut Agenda) -> u64 {
    let jitter = agenda.dice.below(MS);
    (agenda.now() + latency + jitter).max(last + 1)
}
