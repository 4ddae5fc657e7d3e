//! Does the server of the simulator pass the cases, in simulated time?
//!
//! The judge's waits are jumps of the clock: what takes seconds over a socket takes none here.

use std::io;
use std::time;
use std::time::Duration;

use cherrystone_conformance::channel::{Channel, Connect, Received};
use cherrystone_conformance::testbed::limits;
use cherrystone_core::{Config, Instant};

use super::simulator::Server;

/// Where each connection is a world of its own.
pub(crate) struct World {
    config: &'static Config,
    began: time::Instant,
}

impl Default for World {
    fn default() -> Self {
        Self { config: Box::leak(Box::new(limits())), began: time::Instant::now() }
    }
}

impl Connect for World {
    fn connect(&self) -> io::Result<Box<dyn Channel>> {
        let now = Instant::from_nanos(0);
        Ok(Box::new(Line { server: Server::new(self.config, now), now, began: self.began, said: Vec::new() }))
    }
}

struct Line {
    server: Server<'static>,
    now: Instant,
    began: time::Instant,
    /// What the client has not yet received.
    said: Vec<u8>,
}

impl Line {
    fn turn(&mut self) {
        self.server.turn(self.now);
        self.said.extend(self.server.take(self.now));
    }

    /// Lets time pass until something is said, or the end of it.
    fn pass(&mut self, end: Instant) {
        while self.said.is_empty() && !self.server.has_ended && self.now < end {
            self.now = self.server.deadline().filter(|at| *at > self.now && *at < end).unwrap_or(end);
            self.turn();
        }
    }
}

impl Channel for Line {
    fn send(&mut self, bytes: &[u8], _: Duration) -> io::Result<usize> {
        if self.server.is_over {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.server.receive(bytes);
        self.turn();
        Ok(bytes.len())
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Received> {
        self.turn();
        self.pass(self.now + wait);
        if self.said.is_empty() {
            return Ok(if self.server.has_ended { Received::End } else { Received::Nothing });
        }
        let n = self.said.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.said[..n]);
        self.said.drain(..n);
        Ok(Received::Bytes(n))
    }

    fn half_close(&mut self) -> io::Result<()> {
        self.server.receive_end();
        self.turn();
        Ok(())
    }

    fn pause(&mut self, time: Duration) {
        let (end, said) = (self.now + time, std::mem::take(&mut self.said));
        self.pass(end);
        self.now = end;
        self.turn();
        let later = std::mem::replace(&mut self.said, said);
        self.said.extend(later);
    }

    fn now(&self) -> time::Instant {
        self.began + self.now.since(Instant::from_nanos(0))
    }
}
