//! How is a case played over a TCP socket?
//!
//! 1. Nagle's algorithm is off: what one step writes leaves as one segment, as far as the system can do it.
//! 2. No call waits longer than it is told.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::Duration;

use socket2::SockRef;

use super::{Channel, Received};

/// A TCP connection.
#[derive(Debug)]
pub struct TcpChannel {
    pub(super) stream: TcpStream,
    waiting: Waiting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// As opened, without a limit.
    Unset,
    Never,
    Read(Duration),
    Write(Duration),
}

impl TcpChannel {
    /// Connects to `host` and `port`, trying each address of the host for at most `wait`.
    ///
    /// # Errors
    ///
    /// When the name has no address, or none of them accepts.
    pub fn open(host: &str, port: u16, wait: Duration) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("the name {host} has no address"));
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, wait) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Self { stream, waiting: Waiting::Unset });
                }
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    fn wait(&mut self, wanted: Waiting) -> io::Result<()> {
        if self.waiting == wanted {
            return Ok(());
        }
        if (self.waiting == Waiting::Never) != (wanted == Waiting::Never) {
            self.stream.set_nonblocking(wanted == Waiting::Never)?;
        }
        match wanted {
            Waiting::Read(time) => self.stream.set_read_timeout(Some(time))?,
            Waiting::Write(time) => self.stream.set_write_timeout(Some(time))?,
            Waiting::Never | Waiting::Unset => {}
        }
        self.waiting = wanted;
        Ok(())
    }
}

impl Channel for TcpChannel {
    fn send(&mut self, bytes: &[u8], wait: Duration) -> io::Result<usize> {
        self.wait(if wait.is_zero() { Waiting::Never } else { Waiting::Write(wait) })?;
        sent(self.stream.write(bytes))
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Received> {
        self.wait(if wait.is_zero() { Waiting::Never } else { Waiting::Read(wait) })?;
        received(self.stream.read(buffer))
    }

    fn half_close(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    fn reset(self: Box<Self>) -> io::Result<()> {
        // Closing with a linger time of zero sends a reset.
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }
}

/// The outcome of a write, where not being able to is no error.
pub(super) fn sent(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(e) if is_no_time(&e) => Ok(0),
        other => other,
    }
}

/// The outcome of a read, where the lack of bytes is no error.
pub(super) fn received(result: io::Result<usize>) -> io::Result<Received> {
    match result {
        Ok(0) => Ok(Received::End),
        Ok(n) => Ok(Received::Bytes(n)),
        Err(e) if is_no_time(&e) => Ok(Received::Nothing),
        Err(e) => Err(e),
    }
}

fn is_no_time(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
