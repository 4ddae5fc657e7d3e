//! What does the core do with the octets of a case, with nothing around it?
//!
//! [`Memory`] connects to the test gateway over a link in memory. Time passes only while the judge waits.

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use cherrystone::gateway::{Advance, Answered, Endpoint, Intake, Ongoing, Peer, PeerAddress, Port, answer};
use cherrystone::{Config, Date, Env, Event, HeadBuf, Link};

use crate::channel::{Channel, Connect, Received};
use crate::testbed::Testbed;

/// The core and the test gateway, in memory.
#[derive(Debug)]
pub struct Memory {
    gateway: Arc<Testbed>,
    config: Arc<Config>,
}

impl Memory {
    /// A server of this gateway with these rules.
    pub fn new(gateway: Testbed, config: Config) -> Self {
        Self { gateway: Arc::new(gateway), config: Arc::new(config) }
    }
}

impl Connect for Memory {
    fn connect(&self) -> io::Result<Box<dyn Channel>> {
        let clock = Clock { now: cherrystone::Instant::from_nanos(0), date: Date::from_unix(1_790_000_000) };
        let link = Link::new(&clock.env(&self.config), None);
        Ok(Box::new(Connection {
            gateway: Arc::clone(&self.gateway),
            link,
            world: World { clock, config: Arc::clone(&self.config), out: Vec::new() },
            began: Instant::now(),
            head: HeadBuf::default(),
            intake: Intake::default(),
            collecting: false,
            ongoing: None,
            ended: false,
            gone: false,
        }))
    }
}

#[derive(Debug)]
struct Clock {
    now: cherrystone::Instant,
    date: Date,
}

impl Clock {
    fn env<'e>(&'e self, config: &'e Config) -> Env<'e> {
        Env { config, now: self.now, date: Some(&self.date) }
    }
}

/// What is around the link.
#[derive(Debug)]
struct World {
    clock: Clock,
    config: Arc<Config>,
    /// What the client has not yet received.
    out: Vec<u8>,
}

struct Connection {
    gateway: Arc<Testbed>,
    link: Link,
    world: World,
    began: Instant,
    head: HeadBuf,
    intake: Intake,
    collecting: bool,
    ongoing: Option<Ongoing>,
    /// The server has ended its direction.
    ended: bool,
    /// The server has dropped the connection.
    gone: bool,
}

/// A port that never waits, as on the event loop.
struct MemoryPort<'p> {
    link: &'p mut Link,
    world: &'p mut World,
}

impl Port for MemoryPort<'_> {
    fn parts(&mut self) -> (&mut Link, Env<'_>) {
        (self.link, self.world.clock.env(&self.world.config))
    }

    fn fill(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn drain(&mut self) -> io::Result<()> {
        self.world.take(self.link);
        Ok(())
    }

    fn is_gone(&mut self) -> bool {
        false
    }
}

impl World {
    /// The client's side takes all that was said.
    fn take(&mut self, link: &mut Link) {
        self.out.extend_from_slice(link.tx.unsent());
        let octets = link.tx.len();
        link.sent(&self.clock.env(&self.config), octets).expect("a client in memory is never slow");
    }
}

impl Connection {
    /// Moves the server on until it needs something.
    fn drive(&mut self) {
        while !self.gone {
            if let Some(ongoing) = &mut self.ongoing {
                let env = self.world.clock.env(&self.world.config);
                let advance = ongoing.advance(&mut self.link, &env, 1 << 16, Waker::noop());
                self.world.take(&mut self.link);
                match advance {
                    Advance::Finished => self.ongoing = None,
                    Advance::Room => {}
                    Advance::Waker | Advance::Input => return,
                }
                continue;
            }
            let env = self.world.clock.env(&self.world.config);
            match self.link.conn.poll(&env, &mut self.link.rx) {
                Ok(Event::Request(head)) => {
                    head.copy_into(&mut self.head);
                    self.intake.clear();
                    self.collecting = true;
                    if let Err(violation) = self.link.conn.admit() {
                        self.link.conn.refuse(&env, violation, &mut self.link.tx);
                    } else if self.head.head().path() == "/discard" {
                        self.answer();
                    }
                }
                Ok(Event::Data(data)) if self.collecting => self.intake.collect(data),
                Ok(Event::End(trailers)) if self.collecting => {
                    self.intake.end(trailers);
                    self.answer();
                }
                Ok(Event::Data(_) | Event::End(_)) => {}
                Ok(Event::NeedContinue) => self.link.conn.proceed(&mut self.link.tx).expect("the client waits"),
                Ok(Event::NeedInput) => return self.world.take(&mut self.link),
                Ok(Event::NeedResponse | Event::Upgraded) => {
                    self.link.conn.abort(&env, &mut self.link.tx);
                    self.link.conn.end_upgrade();
                }
                Ok(Event::Shutdown) => {
                    self.world.take(&mut self.link);
                    self.ended = true;
                }
                Ok(Event::Closed) => {
                    self.ended = true;
                    self.gone = true;
                }
                Err(violation) => self.link.conn.refuse(&env, violation, &mut self.link.tx),
            }
        }
    }

    fn answer(&mut self) {
        self.collecting = false;
        let peer = Peer::new(PeerAddress::Unix(None), Arc::new(Endpoint::new(PeerAddress::Unix(None), "memory")));
        let mut port = MemoryPort { link: &mut self.link, world: &mut self.world };
        let answered = answer(&*self.gateway, self.head.head(), &mut port, &mut self.intake, &peer);
        if let Answered::Ongoing(ongoing) = answered {
            self.ongoing = Some(ongoing);
        }
    }

    /// Lets time pass, and the server see each of its deadlines on the way.
    fn advance(&mut self, end: cherrystone::Instant) {
        while self.world.out.is_empty() && !self.ended && self.world.clock.now < end {
            let ahead = |at: &cherrystone::Instant| *at > self.world.clock.now && *at < end;
            let deadline = self.link.conn.deadline().map(|deadline| deadline.at).filter(ahead);
            self.world.clock.now = deadline.unwrap_or(end);
            self.drive();
        }
    }
}

impl Channel for Connection {
    fn send(&mut self, bytes: &[u8], _: Duration) -> io::Result<usize> {
        if self.gone {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        // A piece at a time, as a socket would: what is not consumed is bounded.
        for piece in bytes.chunks(16 << 10) {
            self.link.rx.push(piece);
            self.drive();
        }
        Ok(bytes.len())
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Received> {
        let end = self.world.clock.now + wait;
        self.drive();
        self.advance(end);
        if self.world.out.is_empty() {
            return Ok(if self.ended { Received::End } else { Received::Nothing });
        }
        let n = self.world.out.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.world.out[..n]);
        self.world.out.drain(..n);
        Ok(Received::Bytes(n))
    }

    fn half_close(&mut self) -> io::Result<()> {
        self.link.rx.close();
        self.drive();
        Ok(())
    }

    fn pause(&mut self, time: Duration) {
        let end = self.world.clock.now + time;
        let out = std::mem::take(&mut self.world.out);
        self.advance(end);
        self.world.clock.now = end;
        self.drive();
        let later = std::mem::replace(&mut self.world.out, out);
        self.world.out.extend(later);
    }

    fn now(&self) -> Instant {
        self.began + self.world.clock.now.since(cherrystone::Instant::from_nanos(0))
    }
}
