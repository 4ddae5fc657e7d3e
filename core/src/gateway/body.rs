//! How does a handler read the content of a request?
//!
//! [`Body`] is a reader over what was collected before the handler ran, and then over the connection. The end of the content
//! is the end of the reader; content that breaks off is an error, never an end.
//!
//! Invariants:
//! 1. Reading never passes the end of the content, and an error repeats.
//! 2. Content that has not left the connection when the answer is complete cannot be read any more.

use alloc::vec::Vec;
use std::io::{self, BufRead, Read};

use super::Port;
use crate::{Event, Fields, HeadBuf, Violation, ViolationKind};

/// The content of one request, as far as it left the connection. A backend keeps one for each exchange and uses it again.
#[derive(Debug, Default)]
pub struct Intake {
    /// Content that was taken from the connection and not yet read.
    octets: Vec<u8>,
    at: usize,
    state: State,
    trailers: HeadBuf,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// More may be in the connection.
    #[default]
    Open,
    Ended,
    Violated(Violation),
}

impl Intake {
    /// Prepares for the next request.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.at = 0;
        self.state = State::Open;
        self.trailers.clear();
    }

    /// Makes room for so much content, so that collecting it piece by piece does not move it.
    pub fn expect(&mut self, octets: usize) {
        self.octets.reserve(octets);
    }

    /// Collects a piece of content ahead of the handler.
    pub fn collect(&mut self, data: &[u8]) {
        self.octets.extend_from_slice(data);
    }

    /// Notes that the content is complete.
    pub fn end(&mut self, trailers: Fields<'_>) {
        self.state = State::Ended;
        if !trailers.is_empty() {
            self.trailers.copy_fields(trailers);
        }
    }

    /// Octets that were collected and not read.
    pub fn len(&self) -> usize {
        self.octets.len() - self.at
    }

    /// Whether nothing is collected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the client did wrong, if that ended the content.
    pub fn violation(&self) -> Option<Violation> {
        match self.state {
            State::Violated(violation) => Some(violation),
            State::Open | State::Ended => None,
        }
    }

    /// What was collected and not read.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut octets = core::mem::take(&mut self.octets);
        octets.drain(..core::mem::take(&mut self.at));
        octets
    }

    /// Whether all content has left the connection.
    pub(crate) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Notes what the client did wrong: nothing more is to be read.
    pub(crate) fn violate(&mut self, violation: Violation) {
        self.state = State::Violated(violation);
    }

    pub(crate) fn trailers(&self) -> Fields<'_> {
        self.trailers.head().fields()
    }

    /// Notes that nothing more is to be read: the content was refused, or is nobody's concern.
    pub(crate) fn give_up(&mut self) {
        if self.state == State::Open {
            self.state = State::Ended;
        }
    }
}

/// A reader of the content of a request.
pub struct Body<'b> {
    port: &'b mut dyn Port,
    intake: &'b mut Intake,
}

impl core::fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Body").field("intake", &self.intake).finish_non_exhaustive()
    }
}

impl<'b> Body<'b> {
    pub(crate) fn new(port: &'b mut dyn Port, intake: &'b mut Intake) -> Self {
        Self { port, intake }
    }

    /// The trailer fields; none before the content was read to its end.
    pub fn trailers(&self) -> Fields<'_> {
        self.intake.trailers()
    }

    /// Takes the next piece of content from the connection: offers it to `take`, which says how much it took, and leaves the rest in the
    /// intake.
    fn pull(&mut self, take: &mut dyn FnMut(&[u8]) -> usize) -> io::Result<usize> {
        loop {
            match self.intake.state {
                State::Open => {}
                State::Ended => return Ok(0),
                State::Violated(violation) => return Err(as_io(violation)),
            }
            let (link, env) = self.port.parts();
            if link.conn.is_answered() {
                return Err(dropped());
            }
            match link.conn.poll(&env, &mut link.rx) {
                Ok(Event::Data(data)) => {
                    let n = take(data).min(data.len());
                    self.intake.octets.clear();
                    self.intake.at = 0;
                    self.intake.octets.extend_from_slice(&data[n..]);
                    return Ok(n);
                }
                Ok(Event::End(trailers)) => self.intake.end(trailers),
                Ok(Event::NeedInput) => {
                    if !link.resume().map_err(io::Error::other)? {
                        self.port.fill()?;
                    }
                }
                Ok(Event::NeedContinue) => match link.conn.proceed(&mut link.tx) {
                    Ok(()) => self.port.drain()?,
                    // The answer has begun, and with it the content was refused.
                    Err(_) => self.intake.give_up(),
                },
                Ok(_) => self.intake.give_up(),
                Err(violation) => self.intake.violate(violation),
            }
        }
    }
}

/// The answer is complete, and what comes now is no content for the application, but perhaps the next request.
pub(super) fn dropped() -> io::Error {
    io::Error::other("the answer is complete, and the rest of the content is dropped")
}

fn as_io(violation: Violation) -> io::Error {
    let kind = match violation.kind {
        ViolationKind::Truncated => io::ErrorKind::UnexpectedEof,
        ViolationKind::BodyTimeout => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, violation)
}

impl Read for Body<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.intake.is_empty() {
            if buf.is_empty() {
                return Ok(0);
            }
            return self.pull(&mut |data| {
                let n = data.len().min(buf.len());
                buf[..n].copy_from_slice(&data[..n]);
                n
            });
        }
        let n = self.intake.len().min(buf.len());
        buf[..n].copy_from_slice(&self.intake.octets[self.intake.at..][..n]);
        self.intake.at += n;
        Ok(n)
    }

    fn read_to_end(&mut self, out: &mut Vec<u8>) -> io::Result<usize> {
        /// Content for which there is room at once, whatever length was announced.
        const AHEAD: u64 = 1 << 20;
        let start = out.len();
        if out.is_empty() && self.intake.at == 0 {
            core::mem::swap(out, &mut self.intake.octets);
        } else {
            out.extend_from_slice(&self.intake.octets[self.intake.at..]);
        }
        self.intake.at = self.intake.octets.len();
        let announced = self.port.parts().0.conn.announced().unwrap_or(0);
        out.reserve(announced.min(AHEAD) as usize);
        loop {
            let taken = self.pull(&mut |data| {
                out.extend_from_slice(data);
                data.len()
            })?;
            if taken == 0 {
                return Ok(out.len() - start);
            }
        }
    }
}

impl BufRead for Body<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.intake.is_empty() {
            self.pull(&mut |_| 0)?;
        }
        Ok(&self.intake.octets[self.intake.at..])
    }

    fn consume(&mut self, n: usize) {
        self.intake.at = self.intake.at.saturating_add(n).min(self.intake.octets.len());
    }
}
