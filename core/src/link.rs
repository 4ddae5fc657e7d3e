//! What does a driver hold for each client?
//!
//! A [`Link`]: the [`Connection`], its two buffers and, on a secured port, a [`Stage`] with the buffers of the wire. A driver
//! moves bytes between the link and a socket and never asks whether there is a stage.
//!
//! ```
//! use cherrystone_core::{Config, Env, Event, Instant, Link, Size, Status};
//!
//! let config = Config::default();
//! let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
//! let mut link = Link::new(&env, None);
//! let request = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
//! link.spare(request.len())[..request.len()].copy_from_slice(request);
//! link.received(request.len()).unwrap();
//! assert!(matches!(link.conn.poll(&env, &mut link.rx), Ok(Event::Request(_))));
//! link.conn.respond(&env, Status::NO_CONTENT, &[], Size::Empty, &mut link.tx).unwrap();
//! assert_eq!(link.outgoing().unwrap(), b"HTTP/1.1 204 No Content\r\n\r\n");
//! ```
//!
//! Invariants:
//! 1. An idle link that was [`rest`](Link::rest)ed owns no heap beyond its stage.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::head::Index;
use crate::{Connection, Env, PeerFacts, RecvBuf, SendBuf, Stage, StageError, Stalled};

/// A connection with its buffers and, perhaps, a stage. The parts are public: a driver may use them directly.
#[derive(Debug)]
pub struct Link {
    /// The conversation.
    pub conn: Connection,
    /// What was received and not consumed.
    pub rx: RecvBuf,
    /// What was said and not sent; with a stage, what was said and not sealed.
    pub tx: SendBuf,
    secure: Option<Box<Secure>>,
    /// Since it was last taken.
    traffic: Traffic,
}

/// Octets that passed between a link and its socket, with those of a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From the socket.
    pub received: u64,
    /// To the socket.
    pub sent: u64,
}

struct Secure {
    stage: Box<dyn Stage>,
    wire: RecvBuf,
    out: SendBuf,
    failed: bool,
}

impl core::fmt::Debug for Secure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Secure").field("wire", &self.wire).field("out", &self.out).finish_non_exhaustive()
    }
}

impl Link {
    /// A link to a client that has just connected.
    pub fn new(env: &Env<'_>, stage: Option<Box<dyn Stage>>) -> Self {
        let mut conn = Connection::new(env);
        let secure = stage.map(|stage| {
            conn.secure();
            Box::new(Secure { stage, wire: RecvBuf::default(), out: SendBuf::default(), failed: false })
        });
        Self { conn, rx: RecvBuf::default(), tx: SendBuf::default(), secure, traffic: Traffic::default() }
    }

    /// Room for at least `min` bytes from the socket; follow with [`received`](Self::received).
    #[inline]
    pub fn spare(&mut self, min: usize) -> &mut [u8] {
        match &mut self.secure {
            None => self.rx.spare(min),
            Some(secure) => secure.wire.spare(min),
        }
    }

    /// The socket gave `n` bytes into the room.
    ///
    /// # Errors
    /// The stage failed: send what is outgoing, then drop the socket.
    #[inline]
    pub fn received(&mut self, n: usize) -> Result<(), StageError> {
        self.traffic.received += n as u64;
        match &mut self.secure {
            None => {
                self.rx.filled(n);
                Ok(())
            }
            Some(secure) => {
                secure.wire.filled(n);
                secure.open(&mut self.rx)
            }
        }
    }

    /// Lets the stage go on with bytes it has already: to be called after `rx` was consumed and before the socket is
    /// waited for. Says whether that brought anything.
    ///
    /// # Errors
    /// As for [`received`](Self::received).
    #[inline]
    pub fn resume(&mut self) -> Result<bool, StageError> {
        let Some(secure) = &mut self.secure else { return Ok(false) };
        let before = (self.rx.unread().len(), self.rx.is_closed());
        secure.open(&mut self.rx)?;
        Ok(before != (self.rx.unread().len(), self.rx.is_closed()))
    }

    /// The peer ended its side of the socket.
    ///
    /// # Errors
    /// As for [`received`](Self::received).
    pub fn close(&mut self) -> Result<(), StageError> {
        match &mut self.secure {
            None => {
                self.rx.close();
                Ok(())
            }
            Some(secure) => {
                secure.wire.close();
                secure.open(&mut self.rx)
            }
        }
    }

    /// What the socket is to be given now.
    ///
    /// # Errors
    /// The stage failed: drop the socket.
    #[inline]
    pub fn outgoing(&mut self) -> Result<&[u8], StageError> {
        match &mut self.secure {
            None => Ok(self.tx.unsent()),
            Some(secure) => {
                if !secure.failed {
                    secure.stage.seal(&mut self.tx, &mut secure.out)?;
                }
                Ok(secure.out.unsent())
            }
        }
    }

    /// The socket took `n` bytes of what was outgoing.
    ///
    /// # Errors
    /// [`Stalled`] if the peer is too slow.
    #[inline]
    pub fn sent(&mut self, env: &Env<'_>, n: usize) -> Result<(), Stalled> {
        self.traffic.sent += n as u64;
        let left = match &mut self.secure {
            None => {
                self.tx.advance(n);
                self.tx.len()
            }
            Some(secure) => {
                secure.out.advance(n);
                secure.out.len()
            }
        };
        self.conn.sent(env, n, left)
    }

    /// What passed since the last call.
    pub fn take_traffic(&mut self) -> Traffic {
        core::mem::take(&mut self.traffic)
    }

    /// Bytes that were said and not sent.
    #[inline]
    pub fn pending(&self) -> usize {
        self.tx.len() + self.secure.as_ref().map_or(0, |secure| secure.out.len())
    }

    /// Says goodbye in the stage's way, behind everything that was said; call it at `Shutdown`, before the last write.
    pub fn farewell(&mut self) {
        if let Some(secure) = &mut self.secure
            && !secure.failed
            && secure.stage.seal(&mut self.tx, &mut secure.out).is_ok()
            && self.tx.is_empty()
        {
            secure.stage.close(&mut secure.out);
        }
    }

    /// Whether bytes pass through a stage, so that they cannot be handed from a file to the socket directly.
    pub fn is_secured(&self) -> bool {
        self.secure.is_some()
    }

    /// What the stage learned of the peer.
    pub fn facts(&self) -> Option<&PeerFacts> {
        self.secure.as_ref().and_then(|secure| secure.stage.facts())
    }

    /// Gives storage that is not in use to `pool`; says whether none is left in use. [`wake`](Self::wake) takes some again.
    pub fn rest(&mut self, pool: &mut Pool) -> bool {
        pool.keep(&mut self.rx, &mut self.tx);
        let mut at_rest = self.rx.capacity() == 0 && self.tx.capacity() == 0;
        if let Some(secure) = &mut self.secure {
            pool.keep(&mut secure.wire, &mut secure.out);
            at_rest &= secure.wire.capacity() == 0 && secure.out.capacity() == 0;
        }
        at_rest
    }

    /// Takes storage from `pool` where there is none.
    pub fn wake(&mut self, pool: &mut Pool) {
        pool.lend(&mut self.rx, &mut self.tx);
        if let Some(secure) = &mut self.secure {
            pool.lend(&mut secure.wire, &mut secure.out);
        }
    }
}

impl Secure {
    fn open(&mut self, rx: &mut RecvBuf) -> Result<(), StageError> {
        if self.failed {
            return Err(StageError::Failed);
        }
        let opened = self.stage.open(&mut self.wire, rx, &mut self.out);
        self.failed = opened.is_err();
        opened
    }
}

/// Storage that idle links gave back, for those that wake up. One for each thread that drives links.
#[derive(Debug, Default)]
pub struct Pool {
    receive: Vec<(Vec<u8>, Index)>,
    send: Vec<Vec<u8>>,
}

impl Pool {
    /// Buffers of each kind that are kept.
    const KEPT: usize = 256;
    /// Octets beyond which a buffer is freed and not kept.
    const LARGE: usize = 128 << 10;

    fn keep(&mut self, rx: &mut RecvBuf, tx: &mut SendBuf) {
        if let Some((bytes, index)) = rx.take_storage()
            && self.receive.len() < Self::KEPT
            && bytes.capacity() <= Self::LARGE
        {
            self.receive.push((bytes, index));
        }
        if let Some(bytes) = tx.take_storage()
            && self.send.len() < Self::KEPT
            && bytes.capacity() <= Self::LARGE
        {
            self.send.push(bytes);
        }
    }

    fn lend(&mut self, rx: &mut RecvBuf, tx: &mut SendBuf) {
        if rx.capacity() == 0
            && let Some((bytes, index)) = self.receive.pop()
        {
            rx.set_storage(bytes, index);
        }
        if tx.capacity() == 0
            && let Some(bytes) = self.send.pop()
        {
            tx.set_storage(bytes);
        }
    }
}
