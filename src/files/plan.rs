//! What is the answer made of?
//!
//! Invariants:
//! 1. Answers without a file say in a line of text what is wrong, and nothing about paths, owners or the system.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::Range;

use rustix::io::Errno;

/// An answer, ready to be sent.
#[derive(Debug)]
pub struct Plan {
    /// The status code.
    pub status: u16,
    /// All fields but those that frame the message and those that the server adds to every answer.
    pub fields: Vec<(&'static str, Cow<'static, [u8]>)>,
    /// The content that GET gets; HEAD gets its length.
    pub content: Content,
}

/// The content of an answer.
#[derive(Debug)]
pub enum Content {
    /// None.
    Empty,
    /// A text that is part of the program.
    Static(&'static [u8]),
    /// A page that was made for this answer.
    Bytes(Vec<u8>),
    /// These octets of a file. The file was that long when it was opened; it may shrink before it is sent.
    File(File, Range<u64>),
}

impl Content {
    /// How many octets there are to send.
    pub fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Static(text) => text.len() as u64,
            Self::Bytes(page) => page.len() as u64,
            Self::File(_, part) => part.end.saturating_sub(part.start),
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Plan {
    /// The value of a field of the answer.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }

    pub(super) fn new(status: u16, content: Content) -> Self {
        Self { status, fields: Vec::new(), content }
    }

    pub(super) fn text(status: u16, text: &'static str) -> Self {
        Self::new(status, Content::Static(text.as_bytes())).with("Content-Type", "text/plain; charset=utf-8")
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into().0));
        self
    }

    pub(super) fn allow(status: u16, content: Content) -> Self {
        let plan = Self::new(status, content).with("Allow", "GET, HEAD, OPTIONS");
        if plan.content.is_empty() { plan } else { plan.with("Content-Type", "text/plain; charset=utf-8") }
    }

    pub(super) fn not_found() -> Self {
        Self::text(404, "not found\n")
    }

    pub(super) fn precondition_failed() -> Self {
        Self::text(412, "precondition failed\n")
    }

    /// The root itself is not there: it may be about to be replaced.
    pub(super) fn unavailable() -> Self {
        Self::text(503, "the files are not available\n")
    }

    /// The answer to an error of the file system.
    pub(super) fn failed(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::NAMETOOLONG
                | Errno::LOOP
                | Errno::NXIO
                | Errno::NODEV
                | Errno::ILSEQ,
            ) => Self::not_found(),
            Some(Errno::ACCESS | Errno::PERM | Errno::XDEV) => Self::text(403, "forbidden\n"),
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::INTR) => Self::unavailable(),
            _ => Self::text(500, "the file cannot be read\n"),
        }
    }
}

/// The value of a field.
pub(super) struct Value(Cow<'static, [u8]>);

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Value {
    fn from(octets: Vec<u8>) -> Self {
        Self(Cow::Owned(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_statuses() {
        for (error, status) in [
            (Errno::NOENT, 404),
            (Errno::NAMETOOLONG, 404),
            (Errno::LOOP, 404),
            (Errno::ACCESS, 403),
            (Errno::XDEV, 403),
            (Errno::MFILE, 503),
            (Errno::IO, 500),
        ] {
            assert_eq!(Plan::failed(&error.into()).status, status, "{error}");
        }
        assert_eq!(Plan::failed(&io::Error::other("odd")).status, 500);
    }
}
