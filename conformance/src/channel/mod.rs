//! How does the suite reach a server: over sockets, or in the memory of a runtime of your own?
//!
//! Implement [`Connect`] and [`Channel`] and every case runs against your runtime; [`Target`](crate::target::Target)
//! implements them for TCP, TLS and Unix sockets.
//!
//! ```
//! use std::io;
//! use std::time::Duration;
//!
//! use cherrystone_conformance::channel::{Channel, Connect, Received};
//!
//! /// A server of one line: whatever comes, it answers and closes.
//! struct Runtime;
//! struct Connection(Vec<u8>);
//!
//! impl Connect for Runtime {
//!     fn connect(&self) -> io::Result<Box<dyn Channel>> {
//!         Ok(Box::new(Connection(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())))
//!     }
//! }
//!
//! impl Channel for Connection {
//!     fn send(&mut self, bytes: &[u8], _wait: Duration) -> io::Result<usize> {
//!         Ok(bytes.len())
//!     }
//!     fn receive(&mut self, buffer: &mut [u8], _wait: Duration) -> io::Result<Received> {
//!         let n = self.0.len().min(buffer.len());
//!         buffer[..n].copy_from_slice(&self.0[..n]);
//!         self.0.drain(..n);
//!         Ok(if n > 0 { Received::Bytes(n) } else { Received::End })
//!     }
//! }
//!
//! let mut connection = Runtime.connect().unwrap();
//! assert_eq!(connection.receive(&mut [0; 99], Duration::ZERO).unwrap(), Received::Bytes(27));
//! ```
//!
//! 1. The judge waits only in [`Channel::receive`], [`Channel::send`] and [`Channel::pause`], always for a stated time, and
//!    reads the clock only through [`Channel::now`]: a runtime with simulated time runs the slow cases in no time.

#[cfg(unix)]
mod local;
mod tcp;
mod tls;

#[cfg(unix)]
pub use local::UnixChannel;
pub use tcp::TcpChannel;
pub use tls::{TlsChannel, TlsSettings};

use std::io;
use std::time::{Duration, Instant};

/// Opens connections to a server under test, from any thread.
pub trait Connect: Send + Sync {
    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// When that is not possible. A case is not judged then.
    fn connect(&self) -> io::Result<Box<dyn Channel>>;
}

/// One connection, as a client sees it.
pub trait Channel: Send {
    /// Sends what can be sent within `wait`, and says how many octets that was; 0 when the server takes nothing now.
    ///
    /// # Errors
    ///
    /// When the server has closed or reset the connection.
    fn send(&mut self, bytes: &[u8], wait: Duration) -> io::Result<usize>;

    /// Receives what is there, or what comes within `wait`.
    ///
    /// # Errors
    ///
    /// When the connection was reset.
    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Received>;

    /// Ends the sending direction only.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported), as by default: cases that need it are untested.
    fn half_close(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Breaks the connection off, so that the server sees an error rather than an end.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported), as by default: cases that need it are untested.
    fn reset(self: Box<Self>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Lets time pass without looking at the connection.
    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    /// The time, for the deadlines of the judge.
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// What [`Channel::receive`] saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// So many octets, at least one, at the start of the buffer.
    Bytes(usize),
    /// Nothing within the time.
    Nothing,
    /// The server ended its direction.
    End,
}
