//! How does an exchange reach the socket?
//!
//! Through a [`Port`]: the link and the surroundings, and two ways to move bytes. A blocking port waits, up to the
//! connection's deadline; an inline port never does.

use alloc::vec::Vec;
use std::io;

use crate::{Env, Link, Violation};

/// The way from an exchange to a socket; implemented by backends.
pub trait Port {
    /// The link, and the surroundings of this moment.
    fn parts(&mut self) -> (&mut Link, Env<'_>);

    /// Brings more bytes into the link, or notes the end of input, or lets time pass until the deadline.
    ///
    /// # Errors
    /// `WouldBlock` where waiting is not possible; otherwise the connection is lost.
    fn fill(&mut self) -> io::Result<()>;

    /// [`fill`](Self::fill), for a reader who has room for content: what may go past the link ([`Link::make_room`]) is appended to `content`,
    /// the rest comes into the link. By default all of it does.
    ///
    /// # Errors
    /// As for [`fill`](Self::fill).
    fn fill_content(&mut self, content: &mut Vec<u8>, most: usize) -> io::Result<()> {
        let _ = (content, most);
        self.fill()
    }

    /// Sends what is queued. A blocking port sends all of it; an inline one as much as the socket takes, and says
    /// `WouldBlock` only if more than its high-water mark is left.
    ///
    /// # Errors
    /// `WouldBlock` where waiting is not possible; `TimedOut` if the client is too slow; otherwise the connection is lost.
    fn drain(&mut self) -> io::Result<()>;

    /// Sends what is queued and, behind it, these pieces of content in their order, without a copy and without waiting; says how many
    /// octets of the pieces the socket took. The others are still to be queued. By default, and through a stage, it takes none.
    ///
    /// # Errors
    /// The connection is lost, or the client is too slow.
    fn pass(&mut self, pieces: [&[u8]; 3]) -> io::Result<usize> {
        let _ = pieces;
        Ok(0)
    }

    /// Octets of queued output above which a writer has to `drain`.
    fn high_water(&self) -> usize {
        64 << 10
    }

    /// Answers a violation that kept the handler from answering.
    fn refuse(&mut self, why: Violation) {
        let (link, env) = self.parts();
        link.conn.refuse(&env, why, &mut link.tx);
    }

    /// Whether the client is known to have gone.
    fn is_gone(&mut self) -> bool;
}
