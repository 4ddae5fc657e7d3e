//! How does a handler on a worker thread reach its socket?
//!
//! Through a [`BlockingPort`], which waits for the socket as long as the connection's deadline allows. It looks up now and then
//! while it waits, since a server that is told to stop must not wait for a slow peer.

use std::io;
use std::time::Duration;

use cherrystone_core::gateway::{Peer, Port};
use cherrystone_core::{Cause, Env, Instant, Link, Violation};

use crate::client::{Request, stalled};
use crate::clock::{Clock, system_instant};
use crate::observer::refuse;
use crate::passing::pass;
use crate::shared::Shared;
use crate::sockets::{Interest, PeerState, Stream, wait};

/// How long a wait lasts before the port looks whether the server is being cut off.
const LOOK_UP: Duration = Duration::from_millis(200);
/// How much a read has room for.
const READ: usize = 16 << 10;
/// How much it has once one filled its room.
const READ_MORE: usize = 64 << 10;

/// What a port waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sending,
    Receiving,
}

/// A port that waits.
pub(crate) struct BlockingPort<'p> {
    link: &'p mut Link,
    stream: &'p Stream,
    clock: &'p mut Clock,
    shared: &'p Shared,
    peer: Option<&'p Peer>,
    /// Room for the next read.
    room: usize,
}

impl core::fmt::Debug for BlockingPort<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BlockingPort").field("link", &self.link).finish_non_exhaustive()
    }
}

impl<'p> BlockingPort<'p> {
    /// A port over the parts of a client.
    pub(crate) fn new(link: &'p mut Link, stream: &'p Stream, clock: &'p mut Clock, shared: &'p Shared) -> Self {
        Self { link, stream, clock, shared, peer: None, room: READ }
    }

    /// Names the client, so that violations that a handler comes upon are observed.
    #[must_use]
    pub(crate) fn to(self, peer: &'p Peer) -> Self {
        Self { peer: Some(peer), ..self }
    }

    /// The end of a wait that began now, for a peer that is to send or to take something. The other deadline does not count: it
    /// may have passed while this one matters.
    fn wait_ends(&self, side: Side) -> std::time::Instant {
        let look_up = self.clock.now() + LOOK_UP;
        let deadline = self.link.conn.deadline();
        let ours = deadline.filter(|deadline| (deadline.cause == Cause::Send) == (side == Side::Sending));
        system_instant(ours.map_or(look_up, |deadline| deadline.at.min(look_up)))
    }

    fn go_on(&mut self) -> io::Result<Instant> {
        if self.shared.is_cutting() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server stops"));
        }
        Ok(self.clock.tick())
    }

    /// Waits a little for bytes, as long as the socket's patience; says whether any came, or their end.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) fn receive_soon(&mut self) -> io::Result<bool> {
        let received = self.stream.recv_soon(self.link.spare(READ));
        self.clock.tick();
        match received {
            Ok(0) => self.link.close().map_err(io::Error::other)?,
            Ok(n) => self.link.received(n).map_err(io::Error::other)?,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Waits until the socket takes something, or it is time to look up.
    ///
    /// # Errors
    /// The server is being cut off, or the connection is lost.
    pub(crate) fn await_room(&mut self) -> io::Result<()> {
        self.go_on()?;
        match wait(self.stream, Interest::Writable, self.wait_ends(Side::Sending)) {
            Err(error) if error.kind() != io::ErrorKind::TimedOut => return Err(error),
            _ => {}
        }
        self.clock.tick();
        Ok(())
    }

    fn receive(&mut self, until: std::time::Instant) -> io::Result<()> {
        match self.stream.recv(self.link.spare(self.room), until) {
            Ok(0) => self.link.close().map_err(io::Error::other)?,
            Ok(n) => {
                if n >= self.room {
                    self.room = READ_MORE;
                }
                self.link.received(n).map_err(io::Error::other)?;
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        self.clock.tick();
        Ok(())
    }
}

impl Port for BlockingPort<'_> {
    fn parts(&mut self) -> (&mut Link, Env<'_>) {
        // A handler may have taken its time.
        self.clock.tick();
        if self.shared.is_leaving() {
            self.link.conn.retire();
        }
        (self.link, self.clock.env(&self.shared.settings.config))
    }

    fn fill(&mut self) -> io::Result<()> {
        // The peer may be waiting for what is queued before it sends more.
        self.drain()?;
        self.go_on()?;
        self.receive(self.wait_ends(Side::Receiving))
    }

    fn drain(&mut self) -> io::Result<()> {
        while self.link.pending() > 0 {
            self.go_on()?;
            let until = self.wait_ends(Side::Sending);
            let out = self.link.outgoing().map_err(io::Error::other)?;
            if out.is_empty() {
                return Ok(());
            }
            let sent = match self.stream.send(out, until) {
                Ok(n) => n,
                Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => 0,
                Err(error) => return Err(error),
            };
            if sent < out.len() {
                self.clock.tick();
            }
            let env = self.clock.env(&self.shared.settings.config);
            self.link.sent(&env, sent).map_err(stalled)?;
        }
        Ok(())
    }

    fn pass(&mut self, pieces: [&[u8]; 3]) -> io::Result<usize> {
        self.go_on()?;
        let env = self.clock.env(&self.shared.settings.config);
        pass(self.link, self.stream, &env, pieces)
    }

    fn refuse(&mut self, why: Violation) {
        let env = self.clock.env(&self.shared.settings.config);
        match self.peer {
            Some(peer) => refuse(self.link, peer, self.shared, &env, why),
            None => self.link.conn.refuse(&env, why, &mut self.link.tx),
        }
    }

    fn is_gone(&mut self) -> bool {
        matches!(self.stream.peer_state(), PeerState::Gone)
    }
}

impl Request {
    /// Has the request answered, with waiting.
    pub(crate) fn answer(&mut self, port: &mut BlockingPort<'_>, peer: &Peer) -> cherrystone_core::gateway::Answered {
        self.is_due = false;
        let shared = port.shared;
        cherrystone_core::gateway::answer(&*shared.gateway, self.head.head(), port, &mut self.intake, peer)
    }
}
