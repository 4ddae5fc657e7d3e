//! Why could a server not listen?

use std::io;
use std::path::PathBuf;

use super::BindAddr;

/// Why no listener came to be. Each text names the place, so that it makes sense in a log with several of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The system refused the address: it is in use, not ours, or not permitted.
    #[error("cannot listen at {addr}: {}", words(addr, source))]
    Refused {
        /// The address.
        addr: BindAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The host name has no usable address.
    #[error("cannot listen at {name}:{port}: the name does not resolve: {source}")]
    Unresolved {
        /// The host name.
        name: String,
        /// The port.
        port: u16,
        /// What the resolver said.
        source: io::Error,
    },
    /// Another server answers at the socket's path.
    #[error("cannot listen at unix:{}: another server is listening there", path.display())]
    Live {
        /// The path.
        path: PathBuf,
    },
    /// Something that is not a socket is in the way; it was not touched.
    #[error("cannot listen at unix:{}: {what} is in the way, and is left alone", path.display())]
    InTheWay {
        /// The path.
        path: PathBuf,
        /// What it is: "a regular file", "a symbolic link", and so on.
        what: &'static str,
    },
    /// The path or abstract name is longer than a socket address holds, 107 octets.
    #[error("cannot listen at {addr}: the name is longer than the 107 octets of a UNIX socket address")]
    NameTooLong {
        /// The address.
        addr: BindAddr,
    },
    /// The descriptor is not one of a listening stream socket.
    #[error("cannot listen on descriptor {number}: {what}")]
    NotAListener {
        /// The descriptor's number in this process.
        number: i32,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The service manager's variables make no sense.
    #[error("cannot take over the listeners of the service manager: {what}")]
    Activation {
        /// What is wrong.
        what: &'static str,
    },
}

/// What the system said, and what may help.
fn words(addr: &BindAddr, source: &io::Error) -> String {
    let port = match addr {
        BindAddr::Tcp(at) => Some(at.port()),
        BindAddr::Host { port, .. } => Some(*port),
        _ => None,
    };
    match source.kind() {
        io::ErrorKind::PermissionDenied if port.is_some_and(|port| (1..1024).contains(&port)) => {
            "permission denied; try a port above 1023, or grant cap_net_bind_service".to_owned()
        }
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::AddrInUse if port.is_some() => {
            "the address is in use; another server listens there, or try port 0 for a free one".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        io::ErrorKind::NotFound => "no such directory".to_owned(),
        _ => source.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(addr: &str, kind: io::ErrorKind) -> String {
        BindError::Refused { addr: addr.parse().unwrap(), source: kind.into() }.to_string()
    }

    #[test]
    fn an_error_says_what_may_help() {
        assert_eq!(
            said("127.0.0.1:80", io::ErrorKind::PermissionDenied),
            "cannot listen at 127.0.0.1:80: permission denied; try a port above 1023, or grant cap_net_bind_service"
        );
        assert!(said("localhost:443", io::ErrorKind::PermissionDenied).contains("cap_net_bind_service"));
        assert!(!said("unix:/run/x", io::ErrorKind::PermissionDenied).contains("port"));
        assert!(said("127.0.0.1:8070", io::ErrorKind::AddrInUse).contains("the address is in use"));
        assert!(said("192.0.2.1:8070", io::ErrorKind::AddrNotAvailable).contains("does not have"));
    }
}
