//! Does the loop for blocking sockets serve a line that is none?
//!
//! A pair of unix sockets stands for a serial line: each read gives one octet, each write takes three.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use cherrystone_conformance::channel::{Channel, Connect, Received};

use super::blocking;

/// Connects by a new line.
pub(crate) struct Line;

impl Connect for Line {
    fn connect(&self) -> io::Result<Box<dyn Channel>> {
        let (ours, theirs) = UnixStream::pair()?;
        thread::spawn(move || drop(blocking::serve(Serial(theirs), &cherrystone_conformance::testbed::limits())));
        Ok(Box::new(Client(ours)))
    }
}

struct Serial(UnixStream);

impl Read for Serial {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(&mut buffer[..1])
    }
}

impl Write for Serial {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(&octets[..octets.len().min(3)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl blocking::Wire for Serial {
    fn wait_to_read(&self, at_most: Duration) -> io::Result<()> {
        self.0.set_read_timeout(Some(at_most))
    }

    fn wait_to_write(&self, at_most: Duration) -> io::Result<()> {
        self.0.set_write_timeout(Some(at_most))
    }

    fn end(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

/// The client's end of a line, or of any pair of unix sockets.
pub(crate) struct Client(pub(crate) UnixStream);

impl Channel for Client {
    fn send(&mut self, bytes: &[u8], wait: Duration) -> io::Result<usize> {
        self.0.set_write_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match self.0.write(bytes) {
            Err(error) if is_no_time(&error) => Ok(0),
            other => other,
        }
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Received> {
        self.0.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match self.0.read(buffer) {
            Ok(0) => Ok(Received::End),
            Ok(n) => Ok(Received::Bytes(n)),
            Err(error) if is_no_time(&error) => Ok(Received::Nothing),
            Err(error) => Err(error),
        }
    }

    fn half_close(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

fn is_no_time(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
