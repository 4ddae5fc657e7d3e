//! How is a case played over a Unix socket?

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::tcp::{received, sent};
use super::{Channel, Received};

/// A connection over a Unix socket; it cannot be reset.
#[derive(Debug)]
pub struct UnixChannel {
    stream: UnixStream,
}

impl UnixChannel {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    ///
    /// When nothing listens there.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { stream: UnixStream::connect(path)? })
    }
}

impl Channel for UnixChannel {
    fn send(&mut self, bytes: &[u8], wait: Duration) -> io::Result<usize> {
        self.stream.set_nonblocking(wait.is_zero())?;
        if !wait.is_zero() {
            self.stream.set_write_timeout(Some(wait))?;
        }
        sent(self.stream.write(bytes))
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Received> {
        self.stream.set_nonblocking(wait.is_zero())?;
        if !wait.is_zero() {
            self.stream.set_read_timeout(Some(wait))?;
        }
        received(self.stream.read(buffer))
    }

    fn half_close(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}
