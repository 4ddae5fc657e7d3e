//! How do clients come in?
//!
//! [`Doors`] accepts from all listeners of a loop, a batch at a time, and knows when not to: when descriptors have run out, and
//! when there are too many connections.
//!
//! Invariants:
//! 1. No failure of one connection, and no shortage, ends accepting for good.
//! 2. A pause ends by itself, and nothing spins in the meantime.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cherrystone_core::Instant;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use std::os::fd::{AsFd, AsRawFd};

use crate::client::Client;
use crate::clock::Clock;
use crate::guard::guarded;
use crate::observer::{tell, unproxied};
use crate::proxy::ProxyError;
use crate::shared::{Door, Shared};
use crate::sockets::AcceptError;
use crate::stats::Count;

/// How long accepting pauses when the system has run out of something.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections that are accepted before others get their turn.
const BATCH: usize = 64;

/// The listeners of a loop.
#[derive(Debug)]
pub(crate) struct Doors {
    doors: Vec<(Door, bool)>,
    first_token: usize,
    paused_until: Option<Instant>,
    /// Whether somebody may still wait since something ran out.
    short: bool,
    next: usize,
    registry: Registry,
}

impl Doors {
    /// Registers the listeners under tokens from `first_token` on.
    ///
    /// # Errors
    /// The poller refused one.
    pub(crate) fn new(doors: Vec<Door>, registry: &Registry, first_token: usize) -> io::Result<Self> {
        for (i, door) in doors.iter().enumerate() {
            let fd = door.listener.as_fd().as_raw_fd();
            registry.register(&mut SourceFd(&fd), Token(first_token + i), Interest::READABLE)?;
        }
        let doors = doors.into_iter().map(|door| (door, true)).collect();
        Ok(Self { doors, first_token, paused_until: None, short: false, next: 0, registry: registry.try_clone()? })
    }

    /// Notes that a listener became ready; says whether the token is one.
    pub(crate) fn note(&mut self, token: usize) -> bool {
        let door = token.checked_sub(self.first_token).and_then(|i| self.doors.get_mut(i));
        door.map(|(_, ready)| *ready = true).is_some()
    }

    /// When to call [`accept`](Self::accept) again though no listener has become ready: now, after a pause, or not at all.
    pub(crate) fn due(&self, shared: &Shared, now: Instant) -> Option<Instant> {
        let waiting = self.doors.iter().any(|(_, ready)| *ready) && !is_full(shared);
        waiting.then(|| self.paused_until.map_or(now, |until| until.max(now)))
    }

    /// Accepts a batch of connections.
    pub(crate) fn accept(&mut self, shared: &Shared, clock: &Clock, mut welcome: impl FnMut(Box<Client>)) {
        if self.paused_until.is_some_and(|until| clock.now() < until) || self.doors.is_empty() {
            return;
        }
        self.paused_until = None;
        for _ in 0..BATCH {
            if is_full(shared) {
                return;
            }
            // The doors take turns, so that none starves.
            let Some(i) = (0..self.doors.len()).map(|i| (self.next + i) % self.doors.len()).find(|i| self.doors[*i].1)
            else {
                if std::mem::take(&mut self.short) {
                    shared.end_shortage();
                }
                return;
            };
            self.next = i + 1;
            let (door, ready) = &mut self.doors[i];
            match door.listener.accept() {
                Ok(stream) => {
                    let env = clock.env(&shared.settings.config);
                    let Some(stage) = guarded(|| door.stages.as_ref().map(|stages| stages())) else { continue };
                    let mut client = Box::new(Client::new(&env, stream, stage, Arc::clone(&door.endpoint)));
                    shared.stats.add(Count::Accepted);
                    if let Some(proxies) = &door.proxies {
                        if !proxies.contains_peer(&client.peer.address) {
                            unproxied(shared, &client.peer, ProxyError::NotTrusted);
                            continue;
                        }
                        client.expect_proxy();
                    }
                    tell(shared, |observer| observer.opened(&client.peer));
                    if shared.stats.read(Count::Open) >= shared.settings.max_connections as u64 {
                        shared.stats.add(Count::TurnedAway);
                        client.overloaded(shared, &env);
                    }
                    shared.stats.add(Count::Open);
                    welcome(client);
                }
                Err(AcceptError::Next(_)) => {}
                Err(AcceptError::WouldBlock | AcceptError::Closed | AcceptError::Fatal(_)) => *ready = false,
                Err(AcceptError::Pause(why)) => {
                    shared.stats.add(Count::Pauses);
                    if !std::mem::replace(&mut self.short, true) {
                        shared.begin_shortage(&why);
                    }
                    self.paused_until = Some(clock.now() + PAUSE);
                    return;
                }
            }
        }
    }

    /// Takes in what the kernel has completed already, then ends listening. Repeating it does nothing.
    pub(crate) fn close(&mut self, shared: &Shared, clock: &Clock, mut welcome: impl FnMut(Box<Client>)) {
        self.paused_until = None;
        for (_, ready) in &mut self.doors {
            *ready = true;
        }
        while self.doors.iter().any(|(_, ready)| *ready) && self.paused_until.is_none() && !is_full(shared) {
            self.accept(shared, clock, &mut welcome);
        }
        for (door, _) in self.doors.drain(..) {
            // Another process may have the same socket, and this poller would go on hearing of it. Closing it does the rest.
            let _ = self.registry.deregister(&mut SourceFd(&door.listener.as_fd().as_raw_fd()));
            door.listener.close();
        }
    }
}

/// Whether so many connections are open that even refusing more would be too much.
fn is_full(shared: &Shared) -> bool {
    let max = shared.settings.max_connections as u64;
    shared.stats.read(Count::Open) >= max + max / 4 + 16
}
