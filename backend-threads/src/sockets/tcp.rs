//! How does a TCP listener come to be?
//!
//! Invariants:
//! 1. The settings of connections are set on the listener before it listens: accepted sockets inherit them, which saves
//!    two system calls per connection.
//! 2. All addresses of a host name get the same port, also when the system chooses it.
//! 3. A server that is to listen at all interfaces of both families does, in either order.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, listen, socket_with, sockopt};
use socket2::SockRef;

use super::listener::LocalAddr;
use super::{BindAddr, BindError, Listener, Options};

/// How often a free port is looked for that is free on all addresses of a name.
const PORT_ATTEMPTS: usize = 16;

pub(super) fn bind(addr: SocketAddr, options: &Options) -> io::Result<Listener> {
    open(addr, addr.ip().is_unspecified(), options)
}

/// Listens beside these listeners of the same server; at no further socket if one of them is at the address already.
pub(super) fn bind_beside(addr: SocketAddr, options: &Options, others: &[Listener]) -> io::Result<Vec<Listener>> {
    let is_twin = |other: SocketAddr| {
        addr.ip().is_unspecified()
            && other.ip().is_unspecified()
            && addr.port() == other.port()
            && addr.is_ipv4() != other.is_ipv4()
    };
    let twin = others.iter().find(|other| other.local_addr().tcp().is_some_and(is_twin));
    match twin {
        Some(dual) if addr.is_ipv4() && sockopt::ipv6_v6only(dual.as_fd()) == Ok(false) => Ok(Vec::new()),
        _ => open(addr, addr.ip().is_unspecified() && twin.is_none(), options).map(|listener| vec![listener]),
    }
}

/// Listens; at an IPv6 address for IPv4 as well if it is to be `dual`.
fn open(addr: SocketAddr, dual: bool, options: &Options) -> io::Result<Listener> {
    let family = if addr.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    if addr.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !dual)?;
    }
    // Else a restart would have to wait for connections of the last run to leave TIME_WAIT. Both runs need the option, so
    // it is also set when the system chooses the port, which never makes it choose one in use.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if options.reuse_port {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    settle(&socket, options)?;
    rustix::net::bind(&socket, &addr)?;
    listen(&socket, options.backlog.into())?;
    let addr = LocalAddr::of(&socket)?;
    Ok(Listener::own(socket, addr, None))
}

pub(super) fn bind_host(name: &str, port: u16, options: &Options) -> Result<Vec<Listener>, BindError> {
    let unresolved = |source| BindError::Unresolved { name: name.into(), port, source };
    let mut addrs = Vec::new();
    for addr in (name, port).to_socket_addrs().map_err(unresolved)? {
        if !addrs.contains(&addr) {
            addrs.push(addr);
        }
    }
    let mut attempts = if port == 0 { PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        match bind_each(&addrs, options) {
            Ok(listeners) if listeners.is_empty() => return Err(unresolved(io::ErrorKind::NotFound.into())),
            Ok(listeners) => return Ok(listeners),
            Err((_, source)) if attempts > 0 && source.kind() == io::ErrorKind::AddrInUse => {}
            Err((addr, source)) => return Err(BindError::Refused { addr: BindAddr::Tcp(addr), source }),
        }
    }
}

/// What connections inherit from their listener.
pub(super) fn settle(socket: &OwnedFd, options: &Options) -> io::Result<()> {
    sockopt::set_tcp_nodelay(socket, true)?;
    match options.unsent_mark {
        Some(mark) => SockRef::from(socket).set_tcp_notsent_lowat(mark),
        None => Ok(()),
    }
}

/// Passes over the addresses that this machine does not have, such as IPv6 ones in a container without it.
fn bind_each(addrs: &[SocketAddr], options: &Options) -> Result<Vec<Listener>, (SocketAddr, io::Error)> {
    let mut listeners: Vec<Listener> = Vec::new();
    let mut absent = None;
    for &addr in addrs {
        let mut addr = addr;
        if let Some(first) = listeners.first().and_then(|l| l.local_addr().tcp()) {
            addr.set_port(first.port());
        }
        match bind(addr, options) {
            Ok(listener) => listeners.push(listener),
            Err(e) if is_absent(&e) => absent = Some((addr, e)),
            Err(e) => return Err((addr, e)),
        }
    }
    match absent {
        Some(failure) if listeners.is_empty() => Err(failure),
        _ => Ok(listeners),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT | Errno::NETUNREACH))
}
