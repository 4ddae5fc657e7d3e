//! What should a loop do when accepting a connection failed?
//!
//! Invariants:
//! 1. Nothing that a client can bring about, and no shortage of resources, is [`Fatal`](AcceptError::Fatal).
//! 2. What may come back at once is a [`Pause`](AcceptError::Pause), so that obeying the answer never spins.

use std::io;

use rustix::io::Errno;

/// Why [`Listener::accept`](super::Listener::accept) gave no connection: each case is something else to do.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// No connection is waiting: poll the listener.
    #[error("no connection is waiting")]
    WouldBlock,
    /// This connection died before it was accepted: try the next one.
    #[error("a connection was lost before it was accepted: {0}")]
    Next(#[source] io::Error),
    /// Descriptors or memory have run out (or the system said something unheard of): stop polling the listener for a while,
    /// then try again. The connection keeps waiting in the kernel.
    #[error("accepting has to pause: {0}")]
    Pause(#[source] io::Error),
    /// The listener was closed, here or through a clone.
    #[error("the listener is closed")]
    Closed,
    /// The descriptor is not a listener: trying again is useless.
    #[error("the listener is unusable: {0}")]
    Fatal(#[source] io::Error),
}

impl From<Errno> for AcceptError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::WOULDBLOCK => Self::WouldBlock,
            // After these the kernel has dropped the connection. Linux passes pending network errors of it on to accept.
            Errno::CONNABORTED
            | Errno::CONNRESET
            | Errno::INTR
            | Errno::PROTO
            | Errno::PERM
            | Errno::TIMEDOUT
            | Errno::NETDOWN
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::NONET
            | Errno::HOSTUNREACH
            | Errno::OPNOTSUPP
            | Errno::NETUNREACH => Self::Next(errno.into()),
            Errno::INVAL => Self::Closed,
            Errno::BADF | Errno::NOTSOCK | Errno::FAULT => Self::Fatal(errno.into()),
            _ => Self::Pause(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_answer() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::IO] {
            assert!(matches!(AcceptError::from(errno), AcceptError::Pause(_)), "{errno:?}");
        }
        for errno in [Errno::CONNABORTED, Errno::INTR, Errno::PROTO, Errno::NETUNREACH, Errno::PERM] {
            assert!(matches!(AcceptError::from(errno), AcceptError::Next(_)), "{errno:?}");
        }
        assert!(matches!(AcceptError::from(Errno::AGAIN), AcceptError::WouldBlock));
        assert!(matches!(AcceptError::from(Errno::INVAL), AcceptError::Closed));
        assert!(matches!(AcceptError::from(Errno::BADF), AcceptError::Fatal(_)));
    }
}
