//! What does a backend hold for each client, and how does it move bytes without waiting?
//!
//! A [`Client`] is everything about one connection: link, socket, peer and what is under way. It is handed around whole, between
//! a loop and the workers, in a box.

use std::io;
use std::time::Duration;

use cherrystone_core::gateway::{Credentials, Endpoint, Intake, Ongoing, Peer, PeerAddress};
use cherrystone_core::{Cause, Env, Head, HeadBuf, Instant, Link, Violation};
use std::sync::Arc;

use crate::observer::tell;
use crate::proxy::{Header, Preface, ProxyError};
use crate::shared::{LAST_MOMENT, Shared};
use crate::sockets::{PeerAddr, Stream};
use crate::stats::Count;

/// How much a first read has room for.
const READ: usize = 8 << 10;
/// How much room there is once a read filled all of it.
const READ_MORE: usize = 64 << 10;

/// Octets that an upgraded protocol may leave unread.
const UNREAD: usize = 1 << 20;

/// One connection.
#[derive(Debug)]
pub struct Client {
    /// The conversation with its buffers.
    pub link: Link,
    /// The socket.
    pub stream: Stream,
    /// Who it is.
    pub peer: Peer,
    /// An answer that goes on without its handler.
    pub ongoing: Option<Box<Ongoing>>,
    /// A request that waits for its handler, or the storage of the last one.
    pub request: Option<Box<Request>>,
    /// Whether a read filled its room, so that the next one gets more.
    greedy: bool,
    /// Whether the sending side ends when everything is sent.
    ending: bool,
    /// Whether the peer takes nothing, so that what is on its way to it is not to occupy the kernel either.
    pub(crate) hopeless: bool,
    /// The header of the PROXY protocol, as long as one is awaited.
    pub(crate) preface: Option<Box<Preface>>,
    /// Whether the socket was given patience for reads of a worker that stays.
    pub(crate) patient: bool,
}

/// A request on its way to a handler.
#[derive(Debug, Default)]
pub struct Request {
    /// Its head.
    pub head: HeadBuf,
    /// What was collected of its content.
    pub intake: Intake,
    /// Whether it waits for its handler.
    pub is_due: bool,
    /// When its head was complete, until its answer is on record; only if somebody observes.
    pub(crate) begun: Option<Instant>,
}

/// What a read without waiting has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Bytes came, and there may be more.
    Some,
    /// Bytes came, and the socket has no more now.
    Last,
    /// The socket has nothing now.
    Nothing,
    /// The peer ended its side.
    End,
}

/// What a write without waiting has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Everything was sent.
    All,
    /// The socket takes no more now.
    Blocked,
}

impl Client {
    /// A client that has just connected.
    pub fn new(
        env: &Env<'_>,
        stream: Stream,
        stage: Option<Box<dyn cherrystone_core::Stage>>,
        endpoint: Arc<Endpoint>,
    ) -> Self {
        let mut peer = Peer::new(
            match stream.peer() {
                PeerAddr::Tcp(address) => PeerAddress::Ip(address),
                PeerAddr::Unix => PeerAddress::Unix(None),
            },
            endpoint,
        );
        if matches!(peer.address, PeerAddress::Unix(_))
            && let Ok(Some(found)) = stream.credentials()
        {
            peer.credentials = Some(Credentials { pid: found.pid, uid: found.uid, gid: found.gid });
        }
        Self {
            link: Link::new(env, stage),
            stream,
            peer,
            ongoing: None,
            request: None,
            greedy: false,
            ending: false,
            hopeless: false,
            preface: None,
            patient: false,
        }
    }

    /// Awaits a header of the PROXY protocol before anything else.
    pub(crate) fn expect_proxy(&mut self) {
        self.preface = Some(Box::default());
    }

    /// Whether a request waits for its handler.
    pub fn has_request(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.is_due)
    }

    /// Reads once what the socket has.
    ///
    /// # Errors
    /// The connection is lost, or its stage failed; what is outgoing may still be worth a try.
    #[inline]
    pub fn read(&mut self) -> io::Result<Read> {
        let room = self.link.spare(if self.greedy { READ_MORE } else { READ });
        let size = room.len();
        match self.stream.try_recv(room) {
            Ok(0) => self.end_input(),
            Ok(n) => {
                let fresh = if self.preface.is_none() {
                    n
                } else {
                    introduce(&mut self.preface, &mut self.peer, &mut room[..n]).map_err(io::Error::other)?
                };
                if fresh > 0 {
                    self.link.received(fresh).map_err(io::Error::other)?;
                }
                self.greedy = n == size;
                Ok(if self.greedy { Read::Some } else { Read::Last })
            }
            Err(error) => nothing(error),
        }
    }

    /// Whether more may be read for another protocol: not if it leaves too much unread.
    pub fn has_room(&self) -> bool {
        self.link.rx.unread().len() < UNREAD
    }

    /// [`read`](Self::read) while content is collected, of which as much as possible, up to `most` octets, goes straight to the rest.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn collect(&mut self, env: &Env<'_>, most: usize) -> io::Result<Read> {
        let Self { link, stream, request: Some(request), .. } = self else { return self.read() };
        let Some(content) = request.intake.room(link, most) else { return self.read() };
        let (before, room) = (content.len(), content.capacity() - content.len());
        match stream.try_append(content) {
            Ok(0) => self.end_input(),
            Ok(n) => {
                link.received_into(env, content, before);
                self.greedy = false;
                Ok(if n == room { Read::Some } else { Read::Last })
            }
            Err(error) => nothing(error),
        }
    }

    #[cold]
    fn end_input(&mut self) -> io::Result<Read> {
        self.preface.as_mut().map_or(Ok(()), |preface| preface.end()).map_err(io::Error::other)?;
        self.link.close().map_err(io::Error::other)?;
        Ok(Read::End)
    }

    /// Whether its time is up as far as we know. What the socket has got by now came in time for all we know: a server that was
    /// held up has to read it before it judges.
    #[inline]
    pub fn is_overdue(&self, env: &Env<'_>) -> bool {
        self.link.conn.patience(env.now) == Some(Duration::ZERO)
    }

    /// Until when a stopping server waits though nothing has come: whoever has just connected, or was just answered, may have a request on
    /// its way, which a close would cross. `None` if that is not to be expected, or if there is something else to wait for.
    pub fn last_moment(&self, shared: &Shared, now: Instant) -> Option<Instant> {
        if !shared.is_stopping() || !self.link.conn.is_idle() {
            return None;
        }
        let deadline = self.link.conn.deadline()?;
        let times = &shared.settings.config.timeouts;
        let patience = match deadline.cause {
            Cause::Head => times.head,
            Cause::Idle => times.idle,
            _ => return None,
        };
        let patience = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        let began = Instant::from_nanos(deadline.at.as_nanos().saturating_sub(patience));
        Some(began + LAST_MOMENT).filter(|until| *until > now)
    }

    /// Writes what the socket takes of what is queued.
    ///
    /// # Errors
    /// `TimedOut` if the peer has been too slow; else the connection is lost.
    #[inline]
    pub fn write(&mut self, env: &Env<'_>) -> io::Result<Written> {
        loop {
            let out = self.link.outgoing().map_err(io::Error::other)?;
            if out.is_empty() {
                if std::mem::take(&mut self.ending) {
                    self.stream.shutdown_write()?;
                }
                return Ok(Written::All);
            }
            let size = out.len();
            // What is said last leaves in one segment with the end.
            let sent = if self.ending { self.stream.try_send_more(out) } else { self.stream.try_send(out) };
            match sent {
                Ok(n) => {
                    self.link.sent(env, n).map_err(stalled)?;
                    if n < size {
                        return Ok(Written::Blocked);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.link.sent(env, 0).map_err(stalled)?;
                    return Ok(Written::Blocked);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends the sending side once everything that was said is sent; what `Shutdown` asks for. Follow with
    /// [`write`](Self::write).
    pub fn end(&mut self) {
        self.link.farewell();
        self.ending = true;
    }

    /// Whether the sending side is to be ended and output is in the way.
    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// Takes notice of a stage that has failed since the last call: counts it, and forgets what can no longer be answered.
    pub fn note_failure(&mut self, shared: &Shared) -> bool {
        let failure = self.link.take_failure();
        if let Some(error) = failure {
            shared.stats.add(Count::StageFailures);
            tell(shared, |observer| observer.unsecured(error, &self.peer));
            self.record(shared);
            self.request = None;
            self.end_ongoing(shared);
        }
        failure.is_some()
    }

    /// Gives up what is under way because the application panicked: 500 if no answer has begun, else a visible cut.
    pub fn give_up(&mut self, shared: &Shared, env: &Env<'_>) {
        self.end_ongoing(shared);
        self.link.conn.abort(env, &mut self.link.tx);
        self.link.conn.end_upgrade();
        self.record(shared);
        self.request = None;
    }

    /// Ends the connection because the server ends, and says whether that cut anything off.
    pub fn cut(mut self, shared: &Shared, env: &Env<'_>) -> bool {
        let cause = self.link.conn.deadline().map(|deadline| deadline.cause);
        let is_cut = cause != Some(Cause::Linger) && !self.link.conn.is_idle();
        if is_cut {
            self.link.conn.abort(env, &mut self.link.tx);
            // Whoever does not take this at once is not waited for.
            let _ = self.write(env);
        }
        self.finish(shared);
        is_cut
    }

    /// Takes note of an error that ends the connection, and gives what is outgoing, an alert perhaps, one try.
    pub fn fail(&mut self, error: &io::Error, env: &Env<'_>) {
        self.hopeless = error.kind() == io::ErrorKind::TimedOut;
        if !self.hopeless {
            let _ = self.write(env);
        }
    }
}

impl Request {
    /// Copies a head, and forgets the request before.
    pub fn begin(&mut self, head: Head<'_>) {
        head.copy_into(&mut self.head);
        self.intake.clear();
        self.is_due = false;
        self.begun = None;
    }

    /// Makes the request due, unless its content is known to be too large: then it is to be refused, and no handler sees it.
    ///
    /// # Errors
    /// The violation that it is to be refused for.
    pub fn admit(&mut self, link: &mut Link, shared: &Shared, env: &Env<'_>) -> Result<(), Violation> {
        self.note_begin(shared, env.now);
        if let Some(octets) = shared.gateway.body_limit(self.head.head()) {
            link.conn.limit_body(octets);
        }
        link.conn.admit()?;
        self.is_due = true;
        Ok(())
    }
}

/// Lets the header of a proxy say who the peer is, and moves what follows it to the front; says how much that is.
#[cold]
fn introduce(awaited: &mut Option<Box<Preface>>, peer: &mut Peer, octets: &mut [u8]) -> Result<usize, ProxyError> {
    let Some(preface) = awaited else { return Ok(octets.len()) };
    let taken = preface.take(octets)?;
    let Some(header) = taken.header else { return Ok(0) };
    *awaited = None;
    if let Header::Client { source, destination } = header {
        peer.spoken_for(source, destination);
    }
    octets.copy_within(taken.octets.., 0);
    Ok(octets.len() - taken.octets)
}

/// What an error of a read comes to.
fn nothing(error: io::Error) -> io::Result<Read> {
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(Read::Nothing),
        io::ErrorKind::Interrupted => Ok(Read::Some),
        _ => Err(error),
    }
}

/// Whether an error of a read or a write is one of the stage.
pub(crate) fn is_stage_failure(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<cherrystone_core::StageError>())
}

pub(crate) fn stalled(stalled: cherrystone_core::Stalled) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, stalled)
}
