//! How does content get from the connection to where the application can read it at any time?
//!
//! Small content is taken into memory before the application is called, so that it costs one attachment to Python for the whole request.
//! Chunked content of any size is taken too, into a file beyond [`SMALL`]: only then is its length known, which frameworks ask for.
//! Longer content of known length stays in the connection until the application reads it.
//!
//! Invariants:
//! 1. A client that waits for 100 (Continue) before content of known length is not told to send it until the application reads.
//! 2. Memory is bounded by [`SMALL`]; what a file takes is bounded by the limit on content.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use cherrystone::{Framing, Head};

use crate::talk::{self, Conversation, Talk};

/// Octets of content that are held in memory.
pub(crate) const SMALL: usize = 64 << 10;

/// What becomes of chunked content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunked {
    /// It is read before the application is called, and given a length.
    Spool,
    /// The application reads it as it comes, without a length.
    Stream,
}

/// Content on its way to the application.
#[derive(Debug)]
pub(crate) enum Content {
    /// None.
    Empty,
    /// All of it, in memory.
    Memory(Vec<u8>),
    /// All of it, in a file.
    Spooled(File, u64),
    /// In the connection.
    Live,
    /// These octets, and then it broke off.
    Broken(Vec<u8>, io::Error),
}

impl Content {
    /// Takes the content of a request, as far as it is to be taken before the application runs.
    pub(crate) fn take(head: Head<'_>, talk: &mut Conversation<'_>, chunked: Chunked) -> Self {
        match head.framing() {
            Framing::None | Framing::Length(0) => Self::Empty,
            Framing::Length(length) if length <= SMALL as u64 && !head.expects_continue() => {
                Self::whole(talk, length as usize)
            }
            Framing::Length(_) => Self::Live,
            Framing::Chunked if chunked == Chunked::Stream => Self::Live,
            Framing::Chunked => Self::spool(talk),
        }
    }

    /// The length of what was taken in whole.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Memory(octets) => Some(octets.len() as u64),
            Self::Spooled(_, length) => Some(*length),
            Self::Live | Self::Broken(..) => None,
        }
    }

    fn whole(talk: &mut Conversation<'_>, length: usize) -> Self {
        let mut octets = vec![0; length];
        match read_up_to(talk, &mut octets) {
            (n, Ok(())) => {
                octets.truncate(n);
                Self::Memory(octets)
            }
            (n, Err(error)) => {
                octets.truncate(n);
                Self::Broken(octets, error)
            }
        }
    }

    fn spool(talk: &mut Conversation<'_>) -> Self {
        let mut octets = vec![0; SMALL];
        match read_up_to(talk, &mut octets) {
            (n, Ok(())) if n < SMALL => {
                octets.truncate(n);
                Self::Memory(octets)
            }
            (_, Ok(())) => to_file(talk, &octets)
                .map_or_else(|error| Self::Broken(Vec::new(), error), |(f, n)| Self::Spooled(f, n)),
            (n, Err(error)) => {
                octets.truncate(n);
                Self::Broken(octets, error)
            }
        }
    }
}

/// Fills `buf`, or reads to the end of the content, and says how far it got.
fn read_up_to(talk: &mut Conversation<'_>, buf: &mut [u8]) -> (usize, io::Result<()>) {
    let mut at = 0;
    while at < buf.len() {
        match talk.read(&mut buf[at..]) {
            Ok(0) => break,
            Ok(n) => at += n,
            Err(error) => return (at, Err(error)),
        }
    }
    (at, Ok(()))
}

fn to_file(talk: &mut Conversation<'_>, first: &[u8]) -> io::Result<(File, u64)> {
    let kept = |error: io::Error| talk::own(error.kind(), format!("the content cannot be kept in a file: {error}"));
    let mut file = tempfile::tempfile().map_err(kept)?;
    let mut length = first.len() as u64;
    file.write_all(first).map_err(kept)?;
    let mut piece = vec![0; SMALL];
    loop {
        let n = talk.read(&mut piece)?;
        if n == 0 {
            file.rewind().map_err(kept)?;
            return Ok((file, length));
        }
        file.write_all(&piece[..n]).map_err(kept)?;
        length += n as u64;
    }
}

/// Reads from the content that was taken, whatever it is in.
pub(crate) fn read_spooled(file: &mut File, buf: &mut [u8]) -> io::Result<usize> {
    file.read(buf)
}
