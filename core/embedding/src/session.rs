//! How does one connection get its requests answered by a gateway, whatever moves its octets?
//!
//! ```
//! use std::sync::Arc;
//! use std::task::Waker;
//!
//! use cherrystone_core::gateway::{Endpoint, Exchange, Peer, PeerAddress};
//! use cherrystone_core::{Config, Env, Head, Instant, Status};
//! use cherrystone_embedding::{Next, Session};
//!
//! let gateway = |_: Head<'_>, exchange: Exchange<'_>| exchange.respond(Status::OK, &[], "hello\n");
//! let (config, here) = (Config::default(), PeerAddress::Unix(None));
//! let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
//! let peer = Peer::new(here.clone(), Arc::new(Endpoint::new(here, "here.example")));
//! let mut session = Session::new(&env, peer, None);
//!
//! session.receive(b"GET / HTTP/1.1\r\nHost: here.example\r\n\r\n");
//! assert_eq!(session.turn(&gateway, &env, Waker::noop()), Next::Read);
//! assert_eq!(session.outgoing(), b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n");
//! let all = session.outgoing().len();
//! session.sent(&env, all)?;                       // the peer has been in time
//! # Ok::<(), cherrystone_core::Stalled>(())
//! ```
//!
//! Invariants:
//! 1. The runtime writes what is [`outgoing`](Session::outgoing) after each turn, before it waits for anything.
//! 2. A handler never waits: content is collected before it runs, and an answer larger than [`MARK`] is a payload that is pulled.
//! 3. What is held for a client is bounded: its content by `Limits::body`, output by the marks, input by what the runtime reads for
//!    one turn.

use std::io;
use std::task::Waker;
use std::time::Duration;

use cherrystone_core::gateway::{Advance, Answered, Gateway, Intake, Ongoing, Peer, Port, answer};
use cherrystone_core::{Env, Event, HeadBuf, Instant, Link, Stage, Stalled};

/// Octets of output above which nothing more is said before the client takes some.
const MARK: usize = 64 << 10;
/// Octets that a handler may push at once.
const HIGH_WATER: usize = 1 << 20;

/// What a runtime is to do after a turn, once it has written what is outgoing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read, for [`Session::patience`] at most, and give another turn; earlier if the waker was called.
    Read,
    /// Give another turn: there is more to say.
    Write,
    /// Give another turn when the waker was called.
    Wait,
    /// End the sending side, and give another turn. The client may need to read what was said while it still sends.
    End,
    /// Drop the socket.
    Close,
    /// Drop the socket with a reset, so that what was sent does not look complete.
    Reset,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    link: Link,
    peer: Peer,
    head: HeadBuf,
    intake: Intake,
    ongoing: Option<Ongoing>,
}

impl Session {
    /// A client that has just connected, through a stage (TLS) if there is one.
    pub fn new(env: &Env<'_>, peer: Peer, stage: Option<Box<dyn Stage>>) -> Self {
        let link = Link::new(env, stage);
        Self { link, peer, head: HeadBuf::default(), intake: Intake::default(), ongoing: None }
    }

    /// Room for octets from the socket; follow with [`received`](Self::received).
    pub fn room(&mut self) -> &mut [u8] {
        self.link.spare(16 << 10)
    }

    /// So many octets were read into the room.
    pub fn received(&mut self, n: usize) {
        // A stage that fails ends the conversation; the next turns see to that.
        let _ = self.link.received(n);
    }

    /// These octets have come; for runtimes that have buffers of their own.
    pub fn receive(&mut self, octets: &[u8]) {
        self.link.spare(octets.len())[..octets.len()].copy_from_slice(octets);
        self.received(octets.len());
    }

    /// The client has ended its side.
    pub fn receive_end(&mut self) {
        let _ = self.link.close();
    }

    /// What is to be written now.
    pub fn outgoing(&mut self) -> &[u8] {
        self.link.outgoing().unwrap_or_default()
    }

    /// The socket took `n` octets; to be told with 0 if it took none for a second or so.
    ///
    /// # Errors
    /// The client is too slow: drop the socket with a reset.
    pub fn sent(&mut self, env: &Env<'_>, n: usize) -> Result<(), Stalled> {
        self.link.sent(env, n)
    }

    /// How long the runtime may wait before it gives another turn; `None` for ever.
    pub fn patience(&self, now: Instant) -> Option<Duration> {
        self.link.conn.patience(now)
    }

    /// Moves on until the runtime has to do something.
    pub fn turn(&mut self, gateway: &dyn Gateway, env: &Env<'_>, waker: &Waker) -> Next {
        loop {
            if let Some(ongoing) = &mut self.ongoing {
                match ongoing.advance(&mut self.link, env, MARK, waker) {
                    Advance::Finished => self.ongoing = None,
                    Advance::Room => return Next::Write,
                    Advance::Waker => return Next::Wait,
                    Advance::Input if self.link.resume().unwrap_or(false) => {}
                    Advance::Input => return Next::Read,
                }
                continue;
            }
            if self.link.tx.len() >= MARK {
                return Next::Write;
            }
            let Self { link, head, intake, .. } = self;
            match link.conn.poll(env, &mut link.rx) {
                Ok(Event::Request(request)) => {
                    request.copy_into(head);
                    intake.clear();
                    if let Some(octets) = gateway.body_limit(request) {
                        link.conn.limit_body(octets);
                    }
                    if let Err(violation) = link.conn.admit() {
                        link.conn.refuse(env, violation, &mut link.tx);
                    }
                }
                Ok(Event::Data(octets)) => intake.collect(octets),
                Ok(Event::End(trailers)) => {
                    intake.end(trailers);
                    self.answer(gateway, env);
                }
                Ok(Event::NeedContinue) => {
                    if link.conn.proceed(&mut link.tx).is_err() {
                        link.conn.abort(env, &mut link.tx);
                    }
                }
                Ok(Event::NeedInput) => {
                    // A stage may hold octets that it could not deliver before.
                    if !link.resume().unwrap_or(false) {
                        return Next::Read;
                    }
                }
                Ok(Event::NeedResponse | Event::Upgraded) => {
                    // A request that nothing answers any more: its handler gave an answer up half-way.
                    link.conn.abort(env, &mut link.tx);
                    link.conn.end_upgrade();
                }
                Ok(Event::Shutdown) => {
                    link.farewell();
                    return Next::End;
                }
                Ok(Event::Closed) if link.conn.is_cut() => return Next::Reset,
                Ok(Event::Closed) => return Next::Close,
                Err(violation) => link.conn.refuse(env, violation, &mut link.tx),
            }
        }
    }

    /// Has the request answered, now that its content is there.
    fn answer(&mut self, gateway: &dyn Gateway, env: &Env<'_>) {
        let mut port = CollectedPort { link: &mut self.link, env: *env };
        let answered = answer(gateway, self.head.head(), &mut port, &mut self.intake, &self.peer);
        if let Answered::Ongoing(ongoing) = answered {
            self.ongoing = Some(ongoing);
        }
    }
}

/// A port of a request whose content was collected: it never waits.
struct CollectedPort<'p> {
    link: &'p mut Link,
    env: Env<'p>,
}

impl Port for CollectedPort<'_> {
    fn parts(&mut self) -> (&mut Link, Env<'_>) {
        (self.link, self.env)
    }

    fn fill(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn drain(&mut self) -> io::Result<()> {
        if self.link.pending() > HIGH_WATER { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    fn high_water(&self) -> usize {
        HIGH_WATER
    }

    fn is_gone(&mut self) -> bool {
        false
    }
}
