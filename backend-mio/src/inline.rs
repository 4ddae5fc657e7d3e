//! How does a handler on the event loop reach its socket?
//!
//! Through an [`InlinePort`], which never waits: content was collected before, and output beyond the high-water mark is refused.

use std::io;

use cherrystone_core::gateway::{Peer, Port, answer};
use cherrystone_core::{Env, Link, Violation};
use cherrystone_threads::sockets::{PeerState, Stream};
use cherrystone_threads::{Client, Clock, Shared, pass, refuse};

/// Octets that a handler may push before the client takes any.
const HIGH_WATER: usize = 1 << 20;

/// A port that never waits.
struct InlinePort<'p> {
    link: &'p mut Link,
    stream: &'p Stream,
    clock: &'p Clock,
    shared: &'p Shared,
    peer: &'p Peer,
}

impl Port for InlinePort<'_> {
    fn parts(&mut self) -> (&mut Link, Env<'_>) {
        (self.link, self.clock.env(&self.shared.settings.config))
    }

    fn fill(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn drain(&mut self) -> io::Result<()> {
        let out = self.link.outgoing().map_err(io::Error::other)?;
        if !out.is_empty() {
            match self.stream.try_send(out) {
                Ok(n) => {
                    let env = self.clock.env(&self.shared.settings.config);
                    self.link.sent(&env, n).map_err(io::Error::other)?;
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
        if self.link.pending() > HIGH_WATER { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    fn pass(&mut self, pieces: [&[u8]; 3]) -> io::Result<usize> {
        pass(self.link, self.stream, &self.clock.env(&self.shared.settings.config), pieces)
    }

    fn high_water(&self) -> usize {
        HIGH_WATER
    }

    fn refuse(&mut self, why: Violation) {
        let env = self.clock.env(&self.shared.settings.config);
        refuse(self.link, self.peer, self.shared, &env, why);
    }

    fn is_gone(&mut self) -> bool {
        self.stream.peer_state() == PeerState::Gone
    }
}

/// Has the request that is due answered here and now.
#[inline]
pub(crate) fn handle(client: &mut Client, clock: &Clock, shared: &Shared) {
    let Client { link, stream, peer, request, ongoing, .. } = client;
    let Some(request) = request else { return };
    request.is_due = false;
    let mut port = InlinePort { link, stream, clock, shared, peer };
    let answered = answer(&*shared.gateway, request.head.head(), &mut port, &mut request.intake, peer);
    *ongoing = request.conclude(answered, shared, peer);
    client.observe(shared);
}
