//! How does a handler read the content of a request?
//!
//! [`Body`] is a reader over what was collected before the handler ran, and then over the connection. The end of the content
//! is the end of the reader; content that breaks off is an error, never an end. In the error is the [`Violation`] of the client, or the
//! [`Misuse`] of the handler, that is why.
//!
//! Invariants:
//! 1. Reading never passes the end of the content, and an error repeats.
//! 2. Content that has not left the connection when the answer is complete cannot be read any more; nor can any that an answer refused
//!    by beginning before 100 (Continue).

use alloc::vec::Vec;
use std::io::{self, BufRead, Read};

use super::Port;
use super::ongoing::SMALL;
use crate::{Event, Fields, HeadBuf, Link, Misuse, Pool, Violation, ViolationKind};

/// Content for which there is room at once, whatever length was announced.
const AHEAD: usize = 1 << 20;

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

    /// Makes room for so much content, with storage from `pool` if there is some, so that collecting it piece by piece does not move it.
    pub fn expect(&mut self, octets: usize, pool: &mut Pool) {
        if octets == 0 {
            return;
        }
        // Room for one more tells a read that has emptied the socket from one that has filled its room.
        let wanted = octets.saturating_add(1);
        if wanted > SMALL && wanted > self.octets.capacity() && self.is_empty() {
            (self.octets, self.at) = (pool.lend_content(wanted), 0);
        }
        self.octets.reserve_exact(wanted);
    }

    /// Gives large storage to `pool`, once the request is answered: what was collected and not read is dropped.
    pub fn rest(&mut self, pool: &mut Pool) {
        if self.octets.capacity() > SMALL {
            pool.keep_content(core::mem::take(&mut self.octets));
            self.at = 0;
        }
    }

    /// Where content may be read to straight from the socket of `link`, in pieces of `most` octets; as [`Link::make_room`] says.
    pub fn room(&mut self, link: &Link, most: usize) -> Option<&mut Vec<u8>> {
        link.make_room(&mut self.octets, most).then_some(&mut self.octets)
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

    /// Takes the next piece of content from the connection, or straight from the socket: as much as the reader wants goes to it, and the rest
    /// to the intake. Says how much the reader got; nothing at the end, or if it only wants to see some.
    fn pull(&mut self, mut want: Want<'_>) -> io::Result<usize> {
        loop {
            match self.intake.state {
                State::Open => {}
                State::Ended => return Ok(0),
                State::Violated(violation) => return Err(as_io(violation)),
            }
            let (link, env) = self.port.parts();
            if link.conn.is_answered() {
                return Err(io::Error::other(Misuse::ContentDropped));
            }
            match link.conn.poll(&env, &mut link.rx) {
                Ok(Event::Data(data)) => {
                    let n = want.take(data);
                    self.intake.octets.clear();
                    self.intake.at = 0;
                    self.intake.octets.extend_from_slice(&data[n..]);
                    return Ok(n);
                }
                Ok(Event::End(trailers)) => self.intake.end(trailers),
                Ok(Event::NeedInput) => {
                    if link.resume().map_err(io::Error::other)? {
                        continue;
                    }
                    let Want::All(all) = &mut want else {
                        self.port.fill()?;
                        continue;
                    };
                    let before = all.len();
                    // Room grows with what has come, whatever length was announced.
                    self.port.fill_content(all, before.max(AHEAD))?;
                    if all.len() > before {
                        return Ok(all.len() - before);
                    }
                }
                Ok(Event::NeedContinue) => {
                    link.conn.proceed(&mut link.tx).map_err(io::Error::other)?;
                    self.port.drain()?;
                }
                Ok(Event::NeedResponse) => return Err(io::Error::other(Misuse::ContentRefused)),
                Ok(Event::Request(_) | Event::Upgraded | Event::Shutdown | Event::Closed) => {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Err(violation) => self.intake.violate(violation),
            }
        }
    }
}

/// What a reader wants of the next piece of content.
enum Want<'w> {
    /// To see that there is some.
    None,
    /// As much as fits.
    Some(&'w mut [u8]),
    All(&'w mut Vec<u8>),
}

impl Want<'_> {
    fn take(&mut self, data: &[u8]) -> usize {
        match self {
            Self::None => 0,
            Self::Some(room) => {
                let n = data.len().min(room.len());
                room[..n].copy_from_slice(&data[..n]);
                n
            }
            Self::All(all) => {
                all.extend_from_slice(data);
                data.len()
            }
        }
    }
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
            return self.pull(Want::Some(buf));
        }
        let n = self.intake.len().min(buf.len());
        buf[..n].copy_from_slice(&self.intake.octets[self.intake.at..][..n]);
        self.intake.at += n;
        Ok(n)
    }

    fn read_to_end(&mut self, out: &mut Vec<u8>) -> io::Result<usize> {
        let start = out.len();
        if out.is_empty() && self.intake.at == 0 {
            core::mem::swap(out, &mut self.intake.octets);
        } else {
            out.extend_from_slice(&self.intake.octets[self.intake.at..]);
        }
        self.intake.at = self.intake.octets.len();
        let announced = self.port.parts().0.conn.announced().unwrap_or(0);
        if announced > 0 {
            // One more than is missing, as `Link::make_room` has it.
            out.reserve_exact(announced.saturating_add(1).min(AHEAD as u64) as usize);
        }
        while self.pull(Want::All(out))? > 0 {}
        Ok(out.len() - start)
    }
}

impl BufRead for Body<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.intake.is_empty() {
            self.pull(Want::None)?;
        }
        Ok(&self.intake.octets[self.intake.at..])
    }

    fn consume(&mut self, n: usize) {
        self.intake.at = self.intake.at.saturating_add(n).min(self.intake.octets.len());
    }
}
