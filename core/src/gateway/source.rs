//! How does content come bit by bit without a thread that waits for it?
//!
//! From a [`Source`], which the backend asks for more whenever the client has room. A source that has nothing yet says
//! [`Progress::Later`] and calls the waker when it has.

use alloc::string::String;
use alloc::vec::Vec;
use core::task::Waker;

use super::Failure;
use crate::{Connection, Misuse, SendBuf, Size};

/// What a [`Source`] or an [`Upgrade`](super::Upgrade) has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It may have more: ask again when there is room.
    More,
    /// It has nothing now, and will call the waker.
    Later,
    /// It has ended.
    End,
    /// It has ended; these trailer fields follow, where the framing has room for them.
    EndWith(Vec<(String, Vec<u8>)>),
}

/// Content that comes in pieces.
pub trait Source: Send {
    /// Writes the next piece, or several small ones, to `out`.
    ///
    /// The waker given last is the one to call after [`Progress::Later`]; it may be called at any time, from any thread. A source
    /// that waits is asked again when it was called, and seldom otherwise. One whose client has gone is dropped; that is noticed
    /// with a reset at once, after a regular end, which may be that of one side, when something is sent.
    ///
    /// # Errors
    /// The content cannot be completed: the connection is cut.
    fn next(&mut self, out: &mut ChunkOut<'_>, waker: &Waker) -> Result<Progress, Failure>;

    /// How much content comes in sum, if that is known.
    fn size(&self) -> Size {
        Size::Unknown
    }
}

/// Where a [`Source`] writes.
#[derive(Debug)]
pub struct ChunkOut<'o> {
    conn: &'o mut Connection,
    tx: &'o mut SendBuf,
}

impl<'o> ChunkOut<'o> {
    pub(crate) fn new(conn: &'o mut Connection, tx: &'o mut SendBuf) -> Self {
        Self { conn, tx }
    }

    /// Appends a piece of content; in a chunked answer it is one chunk.
    ///
    /// # Errors
    /// [`Misuse::TooMuch`] beyond the size that the source announced.
    pub fn write(&mut self, data: &[u8]) -> Result<(), Misuse> {
        self.conn.write(data, self.tx)
    }
}
