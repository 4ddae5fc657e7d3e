//! What can be handed over as the content of an answer?

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use std::fs::File;

use super::Source;
use crate::Size;

/// The content of an answer, which the backend pulls as the client takes it.
pub enum Payload {
    /// None.
    Empty,
    /// Octets of the program.
    Static(&'static [u8]),
    /// Octets that several answers share.
    Shared(Arc<[u8]>),
    /// Octets of this answer alone.
    Owned(Vec<u8>),
    /// A part of a file, by offsets from its start. Without TLS the kernel sends it by itself. A file that has become shorter than the part
    /// ends the connection, short of the length that was announced.
    File(File, Range<u64>),
    /// Pieces that come one after the other.
    Chunks(Box<dyn Source>),
}

impl Payload {
    /// How much content there is.
    pub(crate) fn size(&self) -> Size {
        match self {
            Self::Empty => Size::Empty,
            Self::File(_, range) => Size::Exact(range.end.saturating_sub(range.start)),
            Self::Chunks(source) => source.size(),
            Self::Static(_) | Self::Shared(_) | Self::Owned(_) => Size::Exact(self.octets().len() as u64),
        }
    }

    /// The octets that are in memory.
    pub(crate) fn octets(&self) -> &[u8] {
        match self {
            Self::Static(octets) => octets,
            Self::Shared(octets) => octets,
            Self::Owned(octets) => octets,
            Self::Empty | Self::File(..) | Self::Chunks(_) => &[],
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(_, range) => write!(f, "Payload::File({range:?})"),
            _ => write!(f, "Payload({:?})", self.size()),
        }
    }
}

impl From<()> for Payload {
    fn from((): ()) -> Self {
        Self::Empty
    }
}

impl From<&'static str> for Payload {
    fn from(text: &'static str) -> Self {
        Self::Static(text.as_bytes())
    }
}

impl From<&'static [u8]> for Payload {
    fn from(octets: &'static [u8]) -> Self {
        Self::Static(octets)
    }
}

impl<const N: usize> From<&'static [u8; N]> for Payload {
    fn from(octets: &'static [u8; N]) -> Self {
        Self::Static(octets)
    }
}

impl From<Vec<u8>> for Payload {
    fn from(octets: Vec<u8>) -> Self {
        Self::Owned(octets)
    }
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self::Owned(text.into_bytes())
    }
}

impl From<Arc<[u8]>> for Payload {
    fn from(octets: Arc<[u8]>) -> Self {
        Self::Shared(octets)
    }
}

impl From<(File, Range<u64>)> for Payload {
    fn from((file, range): (File, Range<u64>)) -> Self {
        Self::File(file, range)
    }
}

impl From<Box<dyn Source>> for Payload {
    fn from(source: Box<dyn Source>) -> Self {
        Self::Chunks(source)
    }
}
