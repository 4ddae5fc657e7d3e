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
//! 2. A stage that failed is told of once, by `received`, `resume` or `close`. From then on what arrives is dropped, what was
//!    said and not sealed is not sent, and the conversation is over: `poll` leads to `Closed`.

use alloc::boxed::Box;

use crate::{Connection, Env, PeerFacts, Pool, RecvBuf, SendBuf, Stage, StageError, Stalled};

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
    pub(crate) traffic: Traffic,
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
    /// Whether the stage says goodbye once everything is sealed.
    leaving: bool,
    /// A failure that nobody has taken notice of.
    failure: Option<StageError>,
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
            Box::new(Secure {
                stage,
                wire: RecvBuf::default(),
                out: SendBuf::default(),
                failed: false,
                leaving: false,
                failure: None,
            })
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
    /// The stage failed: send what is outgoing and poll on.
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
                secure.open(&mut self.rx, &mut self.conn)
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
        secure.open(&mut self.rx, &mut self.conn)?;
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
                secure.open(&mut self.rx, &mut self.conn)
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
                secure.seal(&mut self.tx, &mut self.conn)?;
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

    /// The socket took `n` bytes of content that went past the link's buffers, and `left` that were offered are not sent; only
    /// without a stage.
    ///
    /// # Errors
    /// As for [`sent`](Self::sent).
    pub fn passed(&mut self, env: &Env<'_>, n: usize, left: usize) -> Result<(), Stalled> {
        self.traffic.sent += n as u64;
        self.conn.sent(env, n, left)
    }

    /// What passed since the last call.
    pub fn take_traffic(&mut self) -> Traffic {
        core::mem::take(&mut self.traffic)
    }

    /// Bytes that were said and not sent.
    #[inline]
    pub fn pending(&self) -> usize {
        match &self.secure {
            None => self.tx.len(),
            Some(secure) if secure.failed => secure.out.len(),
            Some(secure) => self.tx.len() + secure.out.len(),
        }
    }

    /// Lets the stage say goodbye behind everything that was said; call it at `Shutdown`, before the last writes.
    pub fn farewell(&mut self) {
        if let Some(secure) = &mut self.secure {
            secure.leaving = true;
        }
    }

    /// Whether the stage still negotiates, so that nothing that was said could be sent.
    pub fn is_handshaking(&self) -> bool {
        self.secure.as_ref().is_some_and(|secure| !secure.failed && secure.stage.is_handshaking())
    }

    /// Why the stage failed, if it has and nobody asked before.
    pub fn take_failure(&mut self) -> Option<StageError> {
        self.secure.as_mut().and_then(|secure| secure.failure.take())
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
    fn open(&mut self, rx: &mut RecvBuf, conn: &mut Connection) -> Result<(), StageError> {
        if self.failed {
            self.wire.consume(usize::MAX);
            if self.wire.is_closed() {
                rx.close();
            }
            return Ok(());
        }
        let opened = self.stage.open(&mut self.wire, rx, &mut self.out);
        self.note(opened, conn)
    }

    fn seal(&mut self, tx: &mut SendBuf, conn: &mut Connection) -> Result<(), StageError> {
        if self.failed {
            return Ok(());
        }
        let sealed = self.stage.seal(tx, &mut self.out);
        self.note(sealed, conn)?;
        if self.leaving && tx.is_empty() {
            self.stage.close(&mut self.out);
        }
        Ok(())
    }

    fn note(&mut self, outcome: Result<(), StageError>, conn: &mut Connection) -> Result<(), StageError> {
        if let Err(error) = outcome {
            self.failed = true;
            self.failure = Some(error);
            conn.hang_up();
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Event, Instant};

    /// Passes octets on, and fails at a zero.
    struct Fragile;

    impl Stage for Fragile {
        fn open(&mut self, wire: &mut RecvBuf, rx: &mut RecvBuf, out: &mut SendBuf) -> Result<(), StageError> {
            if wire.unread().contains(&0) {
                out.put(b"alert");
                return Err(StageError::Failed);
            }
            rx.push(wire.unread());
            wire.consume(usize::MAX);
            Ok(())
        }

        fn seal(&mut self, tx: &mut SendBuf, out: &mut SendBuf) -> Result<(), StageError> {
            out.put(&tx.unsent()[..tx.len().min(20)]);
            tx.advance(20);
            Ok(())
        }

        fn close(&mut self, out: &mut SendBuf) {
            if !out.unsent().ends_with(b"bye") {
                out.put(b"bye");
            }
        }
    }

    fn receive(link: &mut Link, octets: &[u8]) -> Result<(), StageError> {
        link.spare(octets.len())[..octets.len()].copy_from_slice(octets);
        link.received(octets.len())
    }

    #[test]
    fn a_failure_is_told_of_once_and_ends_the_conversation() {
        let config = Config::default();
        let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
        let mut link = Link::new(&env, Some(Box::new(Fragile)));
        receive(&mut link, b"GET / HTTP/1.1\r\n").unwrap();
        assert_eq!(receive(&mut link, b"\0"), Err(StageError::Failed));
        assert_eq!((link.take_failure(), link.take_failure()), (Some(StageError::Failed), None));
        assert!(matches!(link.conn.poll(&env, &mut link.rx), Ok(Event::Shutdown)));
        link.farewell();
        assert_eq!(link.outgoing().unwrap(), b"alert");
        link.sent(&env, 5).unwrap();
        assert_eq!((receive(&mut link, b"GET / HTTP/1.1\r\n\r\n\0"), link.pending()), (Ok(()), 0));
        assert!(matches!(link.conn.poll(&env, &mut link.rx), Ok(Event::NeedInput)));
        link.close().unwrap();
        assert!(matches!(link.conn.poll(&env, &mut link.rx), Ok(Event::Closed)));
        assert!(!link.conn.is_cut());
    }

    #[test]
    fn the_goodbye_comes_behind_everything() {
        let config = Config::default();
        let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
        let mut link = Link::new(&env, Some(Box::new(Fragile)));
        link.tx.put(&[b'x'; 50]);
        link.farewell();
        let mut sent = alloc::vec::Vec::new();
        while let Ok(out) = link.outgoing()
            && !out.is_empty()
            && sent.len() < 100
        {
            let n = out.len();
            sent.extend_from_slice(out);
            link.sent(&env, n).unwrap();
            if sent.ends_with(b"bye") {
                break;
            }
        }
        assert_eq!(sent, [&[b'x'; 50][..], b"bye"].concat());
    }
}
