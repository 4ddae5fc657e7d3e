//! Where is the storage of buffers that nobody uses?
//!
//! In a [`Pool`]. An idle [`Link`](crate::Link) gives its storage there, and one that wakes up takes some: memory is held for links that
//! have something to do. So does content that has been read or sent: an allocator that gives the pages of large pieces back to the system each
//! time pays more for getting them again than for the content.

use alloc::vec::Vec;

use crate::head::Index;
use crate::{RecvBuf, SendBuf};

/// Storage that idle links gave back, for those that wake up. One for each thread that drives links.
#[derive(Debug, Default)]
pub struct Pool {
    receive: Vec<(Vec<u8>, Index)>,
    send: Vec<Vec<u8>>,
    content: Vec<Vec<u8>>,
    /// Octets of storage in `content`.
    held: usize,
    /// Octets that were lent for content and that nothing came back for: as much is kept, so that content of answers is not, where there
    /// is none of requests.
    owed: usize,
}

impl Pool {
    /// Buffers of each kind that are kept.
    const KEPT: usize = 256;
    /// Octets beyond which a buffer is freed and not kept.
    const LARGE: usize = 128 << 10;
    /// Octets of storage for content that are kept in all, and more than which is never owed.
    #[cfg(feature = "std")]
    const CONTENT: usize = 16 << 20;
    /// Octets that storage may have too much for content that it is lent for.
    #[cfg(feature = "std")]
    const WASTE: usize = 64 << 10;

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

    /// Storage for so many octets of content.
    #[cfg(feature = "std")]
    pub(crate) fn lend_content(&mut self, octets: usize) -> Vec<u8> {
        self.owed = (self.owed + octets).min(Self::CONTENT);
        let fits = octets..=octets.saturating_add(Self::WASTE);
        match self.content.iter().rposition(|storage| fits.contains(&storage.capacity())) {
            None => Vec::with_capacity(octets),
            Some(found) => {
                let storage = self.content.remove(found);
                self.held -= storage.capacity();
                storage
            }
        }
    }

    /// Keeps storage of content in the place of some that was lent; what was lent may never come back.
    #[cfg(feature = "std")]
    pub(crate) fn keep_content(&mut self, mut storage: Vec<u8>) {
        let octets = storage.capacity();
        if octets == 0 || octets > self.owed {
            return;
        }
        self.owed -= octets;
        while self.held > Self::CONTENT - octets || self.content.len() >= Self::KEPT {
            self.held -= self.content.remove(0).capacity();
        }
        storage.clear();
        self.held += octets;
        self.content.push(storage);
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn content_is_kept_only_in_the_place_of_what_was_lent() {
        let mut pool = Pool::default();
        pool.keep_content(Vec::with_capacity(MIB));
        assert_eq!(pool.held, 0);
        let lent = pool.lend_content(MIB);
        assert!(lent.capacity() >= MIB);
        pool.keep_content(alloc::vec![b'x'; MIB]);
        pool.keep_content(lent);
        assert_eq!(pool.held, MIB);
        let again = pool.lend_content(MIB);
        assert_eq!((again.len(), again.capacity(), pool.held), (0, MIB, 0));
    }

    #[test]
    fn what_is_kept_is_bounded_and_fits() {
        let mut pool = Pool::default();
        let lent: Vec<_> = (0..40).map(|_| pool.lend_content(MIB)).collect();
        lent.into_iter().for_each(|storage| pool.keep_content(storage));
        assert_eq!(pool.held, Pool::CONTENT);
        // More than is kept was lent, and is not made up for later.
        assert_eq!(pool.owed, 0);
        assert_eq!(pool.lend_content(MIB / 2).capacity(), MIB / 2);
        // The oldest goes when something else is used now.
        for _ in 0..8 {
            let storage = pool.lend_content(2 * MIB);
            pool.keep_content(storage);
        }
        assert!(pool.held <= Pool::CONTENT && pool.lend_content(2 * MIB).capacity() == 2 * MIB);
        assert!(pool.content.len() < 16, "{}", pool.content.len());
    }
}
