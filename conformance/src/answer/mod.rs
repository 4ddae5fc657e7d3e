//! Is what the server wrote a sequence of valid HTTP/1.x answers, and which ones?
//!
//! A strict reader of its own, which shares no code with the server that this project tests.
//!
//! ```
//! use cherrystone_conformance::answer::Reader;
//! use cherrystone_conformance::case::To;
//!
//! let mut reader = Reader::new();
//! reader.push(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r");
//! assert!(reader.next(To::Other).unwrap().is_none());
//! reader.push(b"\nokHTTP");
//! let answer = reader.next(To::Other).unwrap().unwrap();
//! assert_eq!((answer.status, answer.content.as_slice()), (200, &b"ok"[..]));
//! assert_eq!(reader.rest(), b"HTTP");
//! ```
//!
//! 1. The answers depend on the bytes only, not on the pieces in which they are pushed.
//! 2. What makes the extent of an answer doubtful is [`Malformed`]: nothing is read behind it. What is wrong without
//!    doubt about the extent is a flaw of the answer, so that one fault does not hide the others.
//! 3. Memory is bounded: more than [`MOST_OCTETS`] from one server is `Malformed`.

mod body;
mod date;
mod head;

use std::fmt;

use crate::bytes::excerpt;
use crate::case::To;
use body::Body;

/// No answer of a case is that long; who sends more is stopped.
pub const MOST_OCTETS: usize = 16 << 20;
const LONGEST_HEAD: usize = 64 << 10;

/// One answer, interim or final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The minor version of the status line.
    pub minor_version: u8,
    /// The status code.
    pub status: u16,
    /// Field lines in order, names in lower case, values without outer white space, as Latin-1.
    pub fields: Vec<(String, String)>,
    /// The content, decoded.
    pub content: Vec<u8>,
    /// What is wrong with it, although its extent is clear.
    pub flaws: Vec<String>,
}

impl Answer {
    /// All values of a field, by its name in lower case.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Whether it is an interim answer; 101 is final, as HTTP ends with it.
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// Whether the server says that it closes after this answer.
    pub fn announces_close(&self) -> bool {
        let option = |wanted: &str| {
            self.values("connection").flat_map(|v| v.split(',')).any(|o| o.trim().eq_ignore_ascii_case(wanted))
        };
        option("close") || (self.minor_version == 0 && !option("keep-alive"))
    }
}

/// The server wrote what is no answer of HTTP/1.x.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// Reads answers from bytes as they arrive.
#[derive(Debug, Default)]
pub struct Reader {
    seen: Vec<u8>,
    at: usize,
    /// How far the current head was searched for its end.
    searched: usize,
    ended: End,
    current: Option<(Answer, Body)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    NotYet,
    Reached,
}

impl Reader {
    /// A reader that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.seen.extend_from_slice(bytes);
    }

    /// No more bytes will come.
    pub fn end(&mut self) {
        self.ended = End::Reached;
    }

    /// The next whole answer, interim ones included; none when more bytes are needed, or when nothing is left.
    ///
    /// # Errors
    ///
    /// When the bytes are no answer, or the end came within one.
    pub fn next(&mut self, to: To) -> Result<Option<Answer>, Malformed> {
        if self.seen.len() > MOST_OCTETS {
            return Err(Malformed(format!("more than {MOST_OCTETS} octets")));
        }
        if self.current.is_none() {
            let Some(end) = self.find_head_end()? else { return Ok(None) };
            let answer = head::parse(&self.seen[self.at..end])?;
            let body = Body::of(&answer, to)?;
            self.at = end + 4;
            self.current = Some((answer, body));
        }
        let Some((answer, body)) = &mut self.current else { return Ok(None) };
        let ended = self.ended == End::Reached;
        match body.advance(&self.seen, &mut self.at, &mut answer.content)? {
            body::Progress::Whole => {}
            body::Progress::UntilClose if ended => {}
            body::Progress::Needs(what) if ended => {
                let status = answer.status;
                return Err(Malformed(format!("closed within an answer (status {status}): {what}")));
            }
            _ => return Ok(None),
        }
        self.searched = self.at;
        Ok(self.current.take().map(|(mut answer, _)| {
            if answer.status == 205 && !answer.content.is_empty() {
                answer.flaws.push("205 with content".to_owned());
            }
            answer
        }))
    }

    /// What was pushed and belongs to no answer that was given out.
    pub fn rest(&self) -> &[u8] {
        if self.current.is_some() { &[] } else { &self.seen[self.at..] }
    }

    /// Everything that was pushed.
    pub fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Where the head ends, before its last two line ends. A head that cannot become valid is refused at once.
    fn find_head_end(&mut self) -> Result<Option<usize>, Malformed> {
        let part = &self.seen[self.at..];
        let begin = b"HTTP/1.";
        let known = part.len().min(begin.len());
        if part[..known] != begin[..known] {
            return Err(Malformed(format!("not a status line: {}", excerpt(part, 80))));
        }
        // Three octets back: the end may have been cut anywhere.
        let from = self.searched.saturating_sub(3).max(self.at);
        for (n, &byte) in self.seen[from..].iter().enumerate() {
            let here = from + n;
            if byte != b'\n' {
                continue;
            }
            if here == self.at || self.seen[here - 1] != b'\r' {
                return Err(Malformed(format!("a bare LF in the head: {}", excerpt(&self.seen[self.at..=here], 160))));
            }
            if here >= self.at + 3 && self.seen[here - 3..here] == *b"\r\n\r" {
                return Ok(Some(here - 3));
            }
        }
        self.searched = self.seen.len();
        if part.len() > LONGEST_HEAD {
            return Err(Malformed(format!("a head of more than {LONGEST_HEAD} octets")));
        }
        if self.ended == End::Reached && !part.is_empty() {
            return Err(Malformed(format!("closed within the head of an answer: {}", excerpt(part, 160))));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
