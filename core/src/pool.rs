//! Where is the storage of buffers that nobody uses?
//!
//! In a [`Pool`]. An idle [`Link`](crate::Link) gives its storage there, and one that wakes up takes some: memory is held for links that
//! have something to do.

use alloc::vec::Vec;

use crate::head::Index;
use crate::{RecvBuf, SendBuf};

/// Storage that idle links gave back, for those that wake up. One for each thread that drives links.
#[derive(Debug, Default)]
pub struct Pool {
    receive: Vec<(Vec<u8>, Index)>,
    send: Vec<Vec<u8>>,
}

impl Pool {
    /// Buffers of each kind that are kept.
    const KEPT: usize = 256;
    /// Octets beyond which a buffer is freed and not kept.
    const LARGE: usize = 128 << 10;

    pub(crate) fn keep(&mut self, rx: &mut RecvBuf, tx: &mut SendBuf) {
        if let Some((bytes, index)) = rx.take_storage()
            && self.receive.len() < Self::KEPT
            && bytes.capacity() <= Self::LARGE
        {
            self.receive.push((bytes, index));
        }
        if let Some(bytes) = tx.take_storage()
            && self.send.len() < Self::KEPT
            && bytes.capacity() <= Self::LARGE
        {
            self.send.push(bytes);
        }
    }

    pub(crate) fn lend(&mut self, rx: &mut RecvBuf, tx: &mut SendBuf) {
        if rx.capacity() == 0
            && let Some((bytes, index)) = self.receive.pop()
        {
            rx.set_storage(bytes, index);
        }
        if tx.capacity() == 0
            && let Some(bytes) = self.send.pop()
        {
            tx.set_storage(bytes);
        }
    }
}
