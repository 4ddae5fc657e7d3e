//! Why could a server not listen?

use std::io;
use std::path::PathBuf;

use super::BindAddr;

/// Why no listener came to be. Each text names the place, so that it makes sense in a log with several of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The system refused the address: it is in use, not ours, or not permitted.
    #[error("cannot listen at {addr}: {source}")]
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
