//! What is a listening socket to a backend?
//!
//! Invariants:
//! 1. The address is the real one: a port that the system chose is known as soon as the listener exists.
//! 2. Clones share one queue of connections. [`close`](Listener::close) ends listening for all of them; for an inherited
//!    listener, which other processes may share, it only ends ours.
//! 3. The file of a UNIX socket that we made is removed by `close` or with the last clone, if it is still the same file.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrAny, SocketAddrUnix, SocketFlags, acceptfrom_with, getsockname, shutdown,
};

use super::unix::SocketFile;
use super::{AcceptError, BindAddr, BindError, Options, PeerAddr, Stream, inherit, inherited, tcp, unix};

/// Listens at `addr`. A host name and `systemd` may give several listeners, everything else gives one.
///
/// # Errors
/// No listener came to be. Of a host name, an address that this machine does not have is passed over as long as another one
/// works.
pub fn bind(addr: &BindAddr, options: &Options) -> Result<Vec<Listener>, BindError> {
    let refused = |source| BindError::Refused { addr: addr.clone(), source };
    match addr {
        BindAddr::Tcp(at) => Ok(vec![tcp::bind(*at, options).map_err(refused)?]),
        BindAddr::Host { name, port } => tcp::bind_host(name, *port, options),
        BindAddr::Unix(path) => Ok(vec![unix::bind_path(path, options)?]),
        BindAddr::Abstract(name) => Ok(vec![unix::bind_abstract(name, options)?]),
        BindAddr::Descriptor(number) => Ok(vec![inherit::descriptor(*number, options)?]),
        BindAddr::Activated => match inherited(options)? {
            found if found.is_empty() => {
                Err(BindError::Activation { what: "none was passed to this process (LISTEN_FDS, LISTEN_PID)" })
            }
            found => Ok(found.into_iter().map(|passed| passed.listener).collect()),
        },
        BindAddr::ActivatedAs(name) => {
            let found = inherited(options)?.into_iter().filter(|passed| passed.name.as_ref() == Some(name));
            let found: Vec<Listener> = found.map(|passed| passed.listener).collect();
            let what = "none of that name was passed to this process (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES)";
            if found.is_empty() { Err(BindError::Activation { what }) } else { Ok(found) }
        }
    }
}

/// As [`bind`], for a server that has these listeners: all interfaces of IPv4 and all of IPv6 at one port are not in each other's way,
/// though a socket at `[::]` would take both. None comes to be where one of them is at the address already.
///
/// # Errors
/// As for [`bind`].
pub fn bind_beside(addr: &BindAddr, options: &Options, others: &[Listener]) -> Result<Vec<Listener>, BindError> {
    match addr {
        BindAddr::Tcp(at) => {
            tcp::bind_beside(*at, options, others).map_err(|source| BindError::Refused { addr: addr.clone(), source })
        }
        _ => bind(addr, options),
    }
}

/// A listening socket, TCP or UNIX, own or inherited.
#[derive(Debug)]
pub struct Listener {
    // Dropped first: as long as the socket is open, the kernel gives the inode of its file to no other one.
    ownership: Ownership,
    addr: LocalAddr,
    socket: OwnedFd,
}

/// Where a socket is bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LocalAddr {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A UNIX socket at this path.
    Unix(PathBuf),
    /// A UNIX socket with this name in the abstract namespace.
    Abstract(Vec<u8>),
    /// A UNIX socket without a name.
    Unnamed,
}

impl Listener {
    /// Takes the next connection, without waiting. It is close-on-exec and non-blocking, and inherits the TCP settings of
    /// [`Options`] from the listener.
    ///
    /// # Errors
    /// [`AcceptError`] says what to do next.
    pub fn accept(&self) -> Result<Stream, AcceptError> {
        let (socket, peer) = match acceptfrom_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            // A UNIX socket that was shut down says so to a blocking call only.
            Err(Errno::WOULDBLOCK) if self.is_closed() => return Err(AcceptError::Closed),
            other => other?,
        };
        let peer = match peer.map(SocketAddr::try_from) {
            Some(Ok(addr)) => PeerAddr::Tcp(canonical(addr)),
            _ => PeerAddr::Unix,
        };
        Ok(Stream::accepted(socket, peer))
    }

    /// Where it listens.
    pub fn local_addr(&self) -> &LocalAddr {
        &self.addr
    }

    /// Whether it was made elsewhere, and so is left alone by [`Self::close`].
    pub fn is_inherited(&self) -> bool {
        matches!(self.ownership, Ownership::Inherited)
    }

    /// A second handle of the same socket, for another thread or loop.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, addr: self.addr.clone(), ownership: self.ownership.clone() })
    }

    /// Ends listening at once, for all clones: newcomers are refused, a clone's [`accept`](Self::accept) says
    /// [`AcceptError::Closed`], and a poller wakes up. Connections that were not accepted are cut, so accept until
    /// [`AcceptError::WouldBlock`] first. An inherited listener is left alone: dropping it is all that may be done.
    ///
    /// Repeating it does nothing.
    pub fn close(&self) {
        if let Ownership::Own { file, closed } = &self.ownership
            && !closed.swap(true, Ordering::AcqRel)
        {
            // The file first: a client that finds it finds a listener, or one that refuses, as after a crash.
            if let Some(file) = file {
                file.remove();
            }
            // It can only fail if the socket no longer listens, which is what is wanted.
            let _ = shutdown(&self.socket, Shutdown::Both);
        }
    }

    /// Leaves the socket, and its file if it has one, to a process that has got it too. From then on [`close`](Self::close) and dropping it
    /// end listening here and nothing else, until it [takes it over](Self::take_over) again.
    pub fn hand_over(&self) {
        if let Ownership::Own { file, closed } = &self.ownership {
            closed.store(true, Ordering::Release);
            if let Some(file) = file {
                file.set_left(true);
            }
        }
    }

    /// Takes on the duties of the process that [handed it over](Self::hand_over): to close it, and to remove its file.
    pub fn take_over(&self) {
        if let Ownership::Own { file, closed } = &self.ownership {
            closed.store(false, Ordering::Release);
            if let Some(file) = file {
                file.set_left(false);
            }
        }
    }

    /// Device and inode of the file that goes with it, for its [heir](Self::heir).
    pub fn file(&self) -> Option<(u64, u64)> {
        match &self.ownership {
            Ownership::Own { file, .. } => file.as_ref().map(|file| file.identity()),
            Ownership::Inherited => None,
        }
    }

    /// A socket from another process of the same program, which still owns it: it is to be [taken over](Self::take_over) when that one
    /// has handed it over. Its file is the one with this device and inode.
    ///
    /// # Errors
    /// It is no listening stream socket.
    pub fn heir(socket: OwnedFd, file: Option<(u64, u64)>) -> Result<Self, BindError> {
        let Self { addr, socket, .. } = Self::try_from(socket)?;
        let file = match (&addr, file) {
            (LocalAddr::Unix(path), Some(identity)) => SocketFile::of_another(path, identity),
            _ => None,
        };
        let heir = Self::own(socket, addr, file);
        heir.hand_over();
        Ok(heir)
    }

    fn is_closed(&self) -> bool {
        matches!(&self.ownership, Ownership::Own { closed, .. } if closed.load(Ordering::Acquire))
    }

    pub(super) fn own(socket: OwnedFd, addr: LocalAddr, file: Option<SocketFile>) -> Self {
        let ownership = Ownership::Own { file: file.map(Arc::new), closed: Arc::new(AtomicBool::new(false)) };
        Self { socket, addr, ownership }
    }

    pub(super) fn foreign(socket: OwnedFd, addr: LocalAddr) -> Self {
        Self { socket, addr, ownership: Ownership::Inherited }
    }
}

/// A listening stream socket that others own, too: it is never shut down, nor is its file removed.
impl TryFrom<OwnedFd> for Listener {
    type Error = BindError;

    fn try_from(socket: OwnedFd) -> Result<Self, BindError> {
        inherit::adopt(socket, &Options::default())
    }
}

impl TryFrom<TcpListener> for Listener {
    type Error = BindError;

    fn try_from(listener: TcpListener) -> Result<Self, BindError> {
        OwnedFd::from(listener).try_into()
    }
}

impl TryFrom<UnixListener> for Listener {
    type Error = BindError;

    fn try_from(listener: UnixListener) -> Result<Self, BindError> {
        OwnedFd::from(listener).try_into()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl LocalAddr {
    pub(super) fn of(socket: &OwnedFd) -> io::Result<Self> {
        getsockname(socket)?.try_into()
    }

    /// The TCP address, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(addr) => Some(*addr),
            _ => None,
        }
    }
}

impl fmt::Display for LocalAddr {
    /// The same forms as [`BindAddr`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => write!(f, "{addr}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Abstract(name) => write!(f, "unix:@{}", String::from_utf8_lossy(name)),
            Self::Unnamed => f.write_str("unix:(unnamed)"),
        }
    }
}

impl TryFrom<SocketAddrAny> for LocalAddr {
    type Error = io::Error;

    fn try_from(addr: SocketAddrAny) -> io::Result<Self> {
        if addr.address_family() != AddressFamily::UNIX {
            return Ok(Self::Tcp(canonical(SocketAddr::try_from(addr)?)));
        }
        let addr = SocketAddrUnix::try_from(addr)?;
        Ok(match (addr.path_bytes(), addr.abstract_name()) {
            (Some(path), _) => Self::Unix(std::ffi::OsStr::from_bytes(path).into()),
            (_, Some(name)) => Self::Abstract(name.into()),
            _ => Self::Unnamed,
        })
    }
}

/// IPv4 addresses as such, also where a dual-stack socket shows them in IPv6 form.
pub(super) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(ip) => SocketAddr::new(ip.into(), v6.port()),
            None => addr,
        },
        SocketAddr::V4(_) => addr,
    }
}

#[derive(Clone, Debug)]
enum Ownership {
    Own { file: Option<Arc<SocketFile>>, closed: Arc<AtomicBool> },
    Inherited,
}
