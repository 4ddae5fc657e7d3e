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
    /// The proxy that spoke for the client, by the PROXY protocol.
    pub via: Option<Arc<Via>>,
}

/// A proxy that spoke for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Via {
    /// Where the proxy itself is.
    pub proxy: PeerAddress,
    /// Where the client connected to at the proxy.
    pub destination: PeerAddress,
}

impl Peer {
    /// A client at `address` that connected to `endpoint`.
    pub fn new(address: PeerAddress, endpoint: Arc<Endpoint>) -> Self {
        Self { address, credentials: None, endpoint, via: None }
    }

    /// Makes this the client at `source` that connected to `destination` at the peer so far, a proxy.
    pub fn spoken_for(&mut self, source: PeerAddress, destination: PeerAddress) {
        let proxy = core::mem::replace(&mut self.address, source);
        // Those of the proxy say nothing about the client.
        self.credentials = None;
        self.via = Some(Arc::new(Via { proxy, destination }));
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
