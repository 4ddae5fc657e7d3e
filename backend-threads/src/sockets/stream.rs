//! What can a backend do with a client's socket?
//!
//! The same things, whether it came over TCP or a UNIX socket. The `try_` calls never wait; the others wait until a
//! deadline.
//!
//! ```
//! use std::os::unix::net::UnixStream;
//! use std::time::{Duration, Instant};
//! use cherrystone_threads::sockets::Stream;
//!
//! let (client, server) = UnixStream::pair()?;
//! let (client, server) = (Stream::try_from(client)?, Stream::try_from(server)?);
//! client.try_send(b"hello")?;
//! let mut buffer = [0; 16];
//! let n = server.recv(&mut buffer, Instant::now() + Duration::from_secs(1))?;
//! assert_eq!(&buffer[..n], b"hello");
//! # std::io::Result::Ok(())
//! ```
//!
//! Invariants:
//! 1. No `try_` call blocks, even if somebody cleared `O_NONBLOCK` through a duplicate; an interrupted call is repeated.
//! 2. A wait ends at its deadline: the error is `ErrorKind::TimedOut`.

use std::fs::File;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, getpeername, getsockname, recv, send, sendmsg,
    shutdown, sockopt,
};

use super::listener::{LocalAddr, canonical};
use super::wait::now;
use super::{Interest, PeerCredentials, wait};

/// A connected socket. Dropping it closes it.
#[derive(Debug)]
pub struct Stream {
    socket: OwnedFd,
    peer: PeerAddr,
}

/// Where a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddr {
    /// Its TCP address. An IPv4 peer of a dual-stack listener has an IPv4 address here.
    Tcp(SocketAddr),
    /// On this machine; see [`Stream::credentials`].
    Unix,
}

/// How much of a connection its peer still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// Nothing speaks against it.
    Open,
    /// The peer will send nothing more. On TCP it may still read, or be gone: only sending can tell.
    Finished,
    /// Nothing that is sent can arrive.
    Gone,
}

impl Stream {
    /// Takes in what has arrived; 0 is the end of input.
    ///
    /// # Errors
    /// `ErrorKind::WouldBlock` when nothing has; else what the system said.
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(retry_on_intr(|| recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT))?.0)
    }

    /// Sends as much of `data` as the kernel takes now, and says how much that was.
    ///
    /// # Errors
    /// `ErrorKind::WouldBlock` when it takes nothing; else what the system said.
    pub fn try_send(&self, data: &[u8]) -> io::Result<usize> {
        Ok(retry_on_intr(|| send(&self.socket, data, SEND))?)
    }

    /// [`Self::try_send`] for what more follows at once, so that no packet leaves for this alone.
    ///
    /// # Errors
    /// As for [`Self::try_send`].
    pub fn try_send_more(&self, data: &[u8]) -> io::Result<usize> {
        Ok(retry_on_intr(|| send(&self.socket, data, SEND.union(SendFlags::MORE)))?)
    }

    /// [`Self::try_send`] for several pieces in one call. The system limits their number (1,024); more are left unsent.
    ///
    /// # Errors
    /// As for [`Self::try_send`].
    pub fn try_send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let pieces = &pieces[..pieces.len().min(PIECES)];
        Ok(retry_on_intr(|| sendmsg(&self.socket, pieces, &mut SendAncillaryBuffer::default(), SEND))?)
    }

    /// Sends up to `count` octets of `file` from `offset` on without copying them through this process; 0 is the end of
    /// the file.
    ///
    /// `sendfile(2)` knows no flags: a program that has restored the default action of `SIGPIPE` (Rust's runtime and
    /// Python ignore the signal) is killed when the peer is gone.
    ///
    /// # Errors
    /// `ErrorKind::WouldBlock` when the kernel takes nothing now; `ErrorKind::InvalidInput` for a file that cannot be sent
    /// so; else what the system said.
    pub fn send_file(&self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        // The kernel cuts a larger count itself, but not before it has checked offset + count for overflow.
        let count = count.min(0x7fff_f000);
        Ok(retry_on_intr(|| rustix::fs::sendfile(&self.socket, file, Some(&mut { offset }), count))?)
    }

    /// [`Self::try_recv`] that waits for bytes.
    ///
    /// # Errors
    /// `ErrorKind::TimedOut` when none came until `deadline`; else what the system said.
    pub fn recv(&self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        self.until(Interest::Readable, deadline, || self.try_recv(buffer))
    }

    /// Lets [`Self::recv_soon`] wait for at most `patience`, which the kernel rounds to its ticks. From then on
    /// [`Self::send_file`] may wait too.
    ///
    /// # Errors
    /// What the system said.
    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        rustix::io::ioctl_fionbio(&self.socket, false)?;
        Ok(sockopt::set_socket_timeout(&self.socket, sockopt::Timeout::Recv, Some(patience))?)
    }

    /// Ends the patience: no call but those with a deadline waits any more.
    ///
    /// # Errors
    /// What the system said.
    pub fn end_patience(&self) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(&self.socket, true)?)
    }

    /// [`Self::try_recv`] that waits a little, in one system call; for bytes that are about to come.
    ///
    /// # Errors
    /// `ErrorKind::WouldBlock` when none came within the patience, or no patience was set; else what the system said.
    pub fn recv_soon(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(recv(&self.socket, buffer, RecvFlags::empty())?.0)
    }

    /// [`Self::try_send`] that waits for space; it may still send only a part.
    ///
    /// # Errors
    /// `ErrorKind::TimedOut` when there was none until `deadline`; else what the system said.
    pub fn send(&self, data: &[u8], deadline: Instant) -> io::Result<usize> {
        self.until(Interest::Writable, deadline, || self.try_send(data))
    }

    /// Tells the peer that nothing more will come, and goes on receiving. A peer that is gone already is no error.
    ///
    /// # Errors
    /// What the system said.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match shutdown(&self.socket, Shutdown::Write) {
            Ok(()) | Err(Errno::NOTCONN) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Cuts the connection: unsent data is dropped, and a TCP peer sees a reset rather than a regular end.
    pub fn reset(self) {
        // Without lingering for no time at all the close would be a regular one, which is the best that is left then.
        let _ = sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
    }

    /// Where the peer is, as known since the connection was accepted.
    pub fn peer(&self) -> PeerAddr {
        self.peer
    }

    /// Our own address, as the peer addressed it.
    ///
    /// # Errors
    /// What the system said.
    pub fn local_addr(&self) -> io::Result<LocalAddr> {
        LocalAddr::try_from(getsockname(&self.socket)?)
    }

    /// Who the peer is: `None` over TCP.
    ///
    /// # Errors
    /// What the system said.
    pub fn credentials(&self) -> io::Result<Option<PeerCredentials>> {
        match self.peer {
            PeerAddr::Tcp(_) => Ok(None),
            PeerAddr::Unix => PeerCredentials::of(&self.socket).map(Some),
        }
    }

    /// Whether the peer has left, for one system call that neither waits nor reads.
    pub fn peer_state(&self) -> PeerState {
        match now(&self.socket, PollFlags::RDHUP) {
            Ok(events) if events.intersects(PollFlags::ERR | PollFlags::HUP) => PeerState::Gone,
            Ok(events) if events.contains(PollFlags::RDHUP) => PeerState::Finished,
            Ok(_) => PeerState::Open,
            Err(_) => PeerState::Gone,
        }
    }

    pub(super) fn accepted(socket: OwnedFd, peer: PeerAddr) -> Self {
        Self { socket, peer }
    }

    fn until<T>(
        &self,
        interest: Interest,
        deadline: Instant,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match attempt() {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait(&self.socket, interest, deadline)?,
                done => return done,
            }
        }
    }
}

/// A connected stream socket of any family that this module knows. It becomes non-blocking.
impl TryFrom<OwnedFd> for Stream {
    type Error = io::Error;

    fn try_from(socket: OwnedFd) -> io::Result<Self> {
        let peer = match sockopt::socket_domain(&socket)? {
            AddressFamily::UNIX => PeerAddr::Unix,
            _ => match getpeername(&socket)?.map(SocketAddr::try_from) {
                Some(Ok(addr)) => PeerAddr::Tcp(canonical(addr)),
                _ => return Err(Errno::AFNOSUPPORT.into()),
            },
        };
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self { socket, peer })
    }
}

impl TryFrom<TcpStream> for Stream {
    type Error = io::Error;

    fn try_from(stream: TcpStream) -> io::Result<Self> {
        OwnedFd::from(stream).try_into()
    }
}

impl TryFrom<UnixStream> for Stream {
    type Error = io::Error;

    fn try_from(stream: UnixStream) -> io::Result<Self> {
        OwnedFd::from(stream).try_into()
    }
}

impl From<Stream> for OwnedFd {
    fn from(stream: Stream) -> Self {
        stream.socket
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

const SEND: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);

/// `IOV_MAX` of Linux.
const PIECES: usize = 1024;
