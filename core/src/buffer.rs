//! Where do bytes wait between the socket and the machine?
//!
//! In two buffers that the driver owns and lends to each call. [`RecvBuf`] holds what arrived and was not consumed;
//! [`SendBuf`] what was said and not sent. Each is one allocation with a window:
//!
//! ```text
//! RecvBuf   | consumed | unread() ........ | spare(min) ......... |
//! SendBuf   | sent     | unsent() ........ | room to grow         |
//! ```
//!
//! ```
//! use cherrystone_core::RecvBuf;
//!
//! let mut rx = RecvBuf::default();
//! let room = rx.spare(5);                 // at least 5 bytes to read into
//! room[..5].copy_from_slice(b"GET /");
//! rx.filled(5);                           // as many were read
//! assert_eq!(rx.unread(), b"GET /");
//! rx.consume(4);
//! assert_eq!(rx.unread(), b"/");
//! ```
//!
//! Invariants:
//! 1. The default value owns no heap, and an empty buffer can give its storage away.
//! 2. Bytes pushed = bytes consumed + bytes unread.
//! 3. A buffer grows only in `spare` and `push` (receiving) and in `put` (sending).

use alloc::vec::Vec;

use crate::head::Index;

/// Bytes that arrived and were not yet consumed, and whether more can come.
#[derive(Debug, Default)]
pub struct RecvBuf {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    closed: bool,
    /// Where the parts of the head last parsed from here are; kept here so that a head can be a borrowed view.
    pub(crate) index: Index,
}

impl RecvBuf {
    /// Room for at least `min` more bytes, to read into; follow with [`filled`](Self::filled).
    ///
    /// What the room contains is unspecified. Moves unread bytes to the front before it grows the storage.
    #[inline]
    pub fn spare(&mut self, min: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < min {
            self.make_room(min);
        }
        &mut self.bytes[self.end..]
    }

    #[cold]
    fn make_room(&mut self, min: usize) {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let wanted = self.end.saturating_add(min);
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted.max(self.bytes.capacity()), 0);
        }
    }

    /// Takes the first `n` bytes of the room given by [`spare`](Self::spare) as received; at most the room's length
    /// counts.
    #[inline]
    pub fn filled(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.bytes.len());
    }

    /// Appends a copy of `data`.
    #[inline]
    pub fn push(&mut self, data: &[u8]) {
        self.spare(data.len())[..data.len()].copy_from_slice(data);
        self.filled(data.len());
    }

    /// The peer has ended its side: nothing comes after the unread bytes.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether the peer has ended its side.
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// What has arrived and was not consumed.
    #[inline]
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether nothing is unread.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Drops the first `n` unread bytes, or all if there are fewer.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Bytes of storage held, used or not.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Consumes the first `n` unread bytes and returns them together with the index; the storage stays untouched
    /// until the next `spare` or `push`.
    #[inline]
    pub(crate) fn split_off(&mut self, n: usize) -> (&[u8], &Index) {
        let start = self.start;
        self.consume(n);
        (self.bytes.get(start..start + n).unwrap_or_default(), &self.index)
    }

    /// Unread bytes beside the index, which is about to be written.
    #[inline]
    pub(crate) fn parts(&mut self) -> (&[u8], &mut Index) {
        (&self.bytes[self.start..self.end], &mut self.index)
    }

    /// Gives the storage away if nothing is unread.
    pub(crate) fn take_storage(&mut self) -> Option<(Vec<u8>, Index)> {
        (self.is_empty() && self.bytes.capacity() > 0)
            .then(|| (core::mem::take(&mut self.bytes), core::mem::take(&mut self.index)))
    }

    /// Takes storage over if there is none yet.
    pub(crate) fn set_storage(&mut self, bytes: Vec<u8>, index: Index) {
        if self.bytes.capacity() == 0 {
            (self.bytes, self.index) = (bytes, index);
        }
    }
}

/// Bytes that were said and not yet sent.
#[derive(Debug, Default)]
pub struct SendBuf {
    bytes: Vec<u8>,
    start: usize,
}

impl SendBuf {
    /// What is to be sent, in order.
    #[inline]
    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Drops the first `n` unsent bytes, or all if there are fewer.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        self.start = self.start.saturating_add(n);
        if self.start >= self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// How many bytes are unsent.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether nothing is unsent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a copy of `data`.
    #[inline]
    pub fn put(&mut self, data: &[u8]) {
        self.reclaim(data.len());
        self.bytes.extend_from_slice(data);
    }

    /// Appends what `write` puts into room of `most` bytes, as many as it says.
    ///
    /// # Errors
    /// Those of `write`; nothing is appended then.
    pub(crate) fn put_with<E>(
        &mut self,
        most: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        self.reclaim(most);
        let end = self.bytes.len();
        self.bytes.resize(end + most, 0);
        let written = write(&mut self.bytes[end..]).map(|n| n.min(most));
        self.bytes.truncate(end + written.as_ref().map_or(0, |n| *n));
        written
    }

    /// Bytes of storage held, used or not.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Moves the unsent bytes to the front when that saves growing.
    #[inline]
    fn reclaim(&mut self, more: usize) {
        if self.start > 0 && self.bytes.capacity() - self.bytes.len() < more {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }

    /// The storage behind the unsent bytes, to be appended to; an encoder that fails truncates back to its length.
    #[inline]
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        self.reclaim(512);
        &mut self.bytes
    }

    /// Gives the storage away if nothing is unsent.
    pub(crate) fn take_storage(&mut self) -> Option<Vec<u8>> {
        (self.is_empty() && self.bytes.capacity() > 0).then(|| core::mem::take(&mut self.bytes))
    }

    /// Takes storage over if there is none yet.
    pub(crate) fn set_storage(&mut self, bytes: Vec<u8>) {
        if self.bytes.capacity() == 0 {
            self.bytes = bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receive_window_moves_before_it_grows() {
        let mut rx = RecvBuf::default();
        assert_eq!(rx.capacity(), 0);
        rx.push(b"0123456789");
        rx.consume(8);
        let capacity = rx.capacity();
        rx.push(b"abcdefgh");
        assert_eq!((rx.unread(), rx.capacity()), (&b"89abcdefgh"[..], capacity));
        rx.consume(usize::MAX);
        assert!(rx.is_empty());
        rx.filled(usize::MAX);
        assert_eq!(rx.unread().len(), 10);
    }

    #[test]
    fn send_window_is_reused() {
        let mut tx = SendBuf::default();
        tx.put(b"hello");
        tx.advance(2);
        assert_eq!((tx.unsent(), tx.len()), (&b"llo"[..], 3));
        tx.advance(9);
        assert!(tx.is_empty());
    }
}
