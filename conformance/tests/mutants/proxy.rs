//! How does a fault get between the judge and a sound server?

use std::io;
use std::time::{Duration, Instant};

use cherrystone_conformance::channel::{Channel, Connect, Received};

/// What a faulty server does to one connection. Octets are characters here, one each.
pub(crate) trait Fault: Send {
    /// What the sound server gets to read in the place of `piece`.
    fn request(&mut self, piece: String) -> String {
        piece
    }

    /// What the client gets to read in the place of `piece`.
    fn answer(&mut self, piece: String) -> String {
        piece
    }

    /// What becomes of the server's end of the connection.
    fn ending(&self) -> Ending {
        Ending::InOrder
    }

    /// How long answers are held back.
    fn delay(&self) -> Duration {
        Duration::ZERO
    }
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As the sound server ends it.
    InOrder,
    /// By a reset.
    Reset,
    /// Not at all.
    Never,
    /// Behind the first piece of an answer.
    Early,
    /// As soon as the client ends its own direction, with nothing more said.
    WithTheClient,
}

/// Connections with a fault each.
pub(crate) struct Proxy<'s> {
    pub(crate) server: &'s dyn Connect,
    pub(crate) fault: fn() -> Box<dyn Fault>,
}

impl Connect for Proxy<'_> {
    fn connect(&self) -> io::Result<Box<dyn Channel>> {
        Ok(Box::new(Connection {
            inner: self.server.connect()?,
            fault: (self.fault)(),
            held: Vec::new(),
            due: None,
            ended: false,
            waited: Duration::ZERO,
        }))
    }
}

struct Connection {
    inner: Box<dyn Channel>,
    fault: Box<dyn Fault>,
    /// What the client has not yet received, and from when on it may.
    held: Vec<u8>,
    due: Option<Instant>,
    ended: bool,
    /// Time that passed for the client alone, after the sound server had ended.
    waited: Duration,
}

impl Connection {
    fn hold(&mut self, piece: &[u8]) {
        let text = piece.iter().map(|&octet| char::from(octet)).collect();
        self.held.extend(octets(&self.fault.answer(text)));
        self.due.get_or_insert(self.inner.now() + self.fault.delay());
    }
}

impl Channel for Connection {
    fn send(&mut self, bytes: &[u8], wait: Duration) -> io::Result<usize> {
        let text = bytes.iter().map(|&octet| char::from(octet)).collect();
        let changed = octets(&self.fault.request(text));
        let mut left = changed.as_slice();
        while !left.is_empty() {
            match self.inner.send(left, wait) {
                Ok(n) => left = &left[n..],
                Err(_) if self.fault.ending() == Ending::Never => break,
                Err(e) => return Err(e),
            }
        }
        Ok(bytes.len())
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Received> {
        if self.held.is_empty() && !self.ended {
            let mut raw = vec![0; buffer.len()];
            match self.inner.receive(&mut raw, wait)? {
                Received::Bytes(n) => self.hold(&raw[..n]),
                Received::End if self.fault.ending() == Ending::Reset => {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                Received::End if self.fault.ending() == Ending::Never => {
                    self.waited += wait;
                    return Ok(Received::Nothing);
                }
                other => return Ok(other),
            }
        }
        let early = self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(self.inner.now()));
        if !early.is_zero() {
            self.inner.pause(early.min(wait));
            return Ok(Received::Nothing);
        }
        let n = self.held.len().min(buffer.len());
        if n == 0 {
            return Ok(if self.ended { Received::End } else { Received::Nothing });
        }
        buffer[..n].copy_from_slice(&self.held[..n]);
        self.held.drain(..n);
        self.ended |= self.fault.ending() == Ending::Early;
        Ok(Received::Bytes(n))
    }

    fn half_close(&mut self) -> io::Result<()> {
        if self.fault.ending() == Ending::WithTheClient {
            self.held.clear();
            self.ended = true;
        }
        self.inner.half_close()
    }

    fn pause(&mut self, time: Duration) {
        self.inner.pause(time);
    }

    fn now(&self) -> Instant {
        self.inner.now() + self.waited
    }
}

fn octets(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("an octet each")).collect()
}
