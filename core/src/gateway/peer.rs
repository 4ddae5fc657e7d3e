//! Who is on the other side, and at which door did they come in?

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;

/// A client of a listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Peer {
    /// Where the client is.
    pub address: PeerAddress,
    /// Who the client is, on a unix socket.
    pub credentials: Option<Credentials>,
    /// The listener that the client connected to.
    pub endpoint: Arc<Endpoint>,
}

impl Peer {
    /// A client at `address` that connected to `endpoint`.
    pub fn new(address: PeerAddress, endpoint: Arc<Endpoint>) -> Self {
        Self { address, credentials: None, endpoint }
    }
}

/// An address of either family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    /// IP address and port.
    Ip(SocketAddr),
    /// A unix socket, which seldom has a name on the client's side.
    Unix(Option<Arc<str>>),
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(Some(path)) => write!(f, "unix:{path}"),
            Self::Unix(None) => f.write_str("unix:"),
        }
    }
}

/// The process at the other end of a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// Process id, where the system tells it.
    pub pid: Option<u32>,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// A listener, as its clients see it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Endpoint {
    /// Where it listens.
    pub address: PeerAddress,
    /// Whether its connections are secured.
    pub secured: bool,
    /// The name that the server goes by, for requests that name nobody.
    pub server_name: String,
}

impl Endpoint {
    /// A listener at `address`.
    pub fn new(address: PeerAddress, server_name: impl Into<String>) -> Self {
        Self { address, secured: false, server_name: server_name.into() }
    }
}
