//! What does a recorded client say, to a server's full understanding?
//!
//! An [`Inspector`] takes the octets of one client, in pieces of any size, and tells what a server of this crate would make of them: heads,
//! framing, where content is, trailers, whether the connection goes on, and the rule that was broken, each with its offset. There is no
//! socket, no answer and no clock in it: for checkers of TLS transcripts, forensics on captures, and the triage of fuzz findings.
//!
//! ```
//! use cherrystone::inspect::{Finding, Inspector, Options};
//!
//! let recorded = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nSum: 9\r\n\r\nGET /b HTTP/1.1\nHost: h\r\n\r\n";
//! let mut notes = Vec::new();
//! let mut inspector = Inspector::new(Options::default());
//! inspector.push(recorded, &mut |finding| notes.push(match finding {
//!     Finding::Request { head, at, .. } => format!("{} {} at {at:?}", head.method(), head.target()),
//!     Finding::Content { octets, at, .. } => format!("{:?} at {at:?}", octets.escape_ascii().to_string()),
//!     Finding::End { content, trailers, .. } => format!("{content} octets, {} trailers", trailers.len()),
//!     Finding::Violation { violation, .. } => violation.to_string(),
//!     other => format!("{other:?}"),
//! }));
//! let summary = inspector.finish(&mut |_| ());
//! assert_eq!(notes, [
//!     "POST /a at 0..57", "\"hello\" at 60..65", "5 octets, 1 trailers",
//!     "a line ends in LF without CR (RFC 9112, 2.2; octet 95)",
//! ]);
//! assert_eq!((summary.requests, summary.rest), (1, 80..107));
//! ```
//!
//! Invariants:
//! 1. What is found, pieces of content put together, does not depend on how the octets are cut.
//! 2. Memory is bounded by the limits on heads and trailers and by [`PIECE`], however long the recording is.
//! 3. Time is not recorded, so that nobody is late: of all [`ViolationKind`](crate::ViolationKind)s only the two that are about time
//!    cannot be found.
//! 4. A recording that ends inside a request is a violation, [`Truncated`](crate::ViolationKind::Truncated).

mod print;

use std::io::{self, Read};
use std::ops::Range;

use cherrystone_core::{
    Config, Connection, Env, Event, Fields, Head, Instant, RecvBuf, SendBuf, Size, Status, Violation,
};

pub use print::{Format, Printer};

/// Octets that are looked at together.
pub const PIECE: usize = 64 << 10;

/// How a recording is to be understood.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The limits in force. Times do not matter.
    pub config: Config,
    /// What the server said to offers to switch protocols, and to CONNECT.
    pub switches: Switches,
    /// Whether the connection was secured.
    pub transport: Transport,
}

/// What the server said to offers to switch protocols, and to CONNECT; what follows depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switches {
    /// It went on with HTTP.
    #[default]
    Refused,
    /// It took up the first offer.
    Accepted,
}

/// What the octets were carried by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// A plain connection, on which `https` targets are misdirected.
    #[default]
    Clear,
    /// TLS, of which this is the plaintext.
    Secured,
}

/// Something that was found. Requests are counted from 1, offsets from the first octet of the recording.
#[derive(Debug)]
#[non_exhaustive]
pub enum Finding<'f> {
    /// A whole, valid head.
    Request {
        /// Its number.
        request: u64,
        /// What it says.
        head: Head<'f>,
        /// Where it is, the empty line at its end included.
        at: Range<u64>,
    },
    /// A piece of content, without its framing. Pieces of one chunk, or of content of announced length, join up without a gap.
    Content {
        /// Whose.
        request: u64,
        /// The octets.
        octets: &'f [u8],
        /// Where they are.
        at: Range<u64>,
    },
    /// The end of a request.
    End {
        /// Whose.
        request: u64,
        /// Octets of content in sum.
        content: u64,
        /// The trailer fields.
        trailers: Fields<'f>,
        /// The first octet behind it.
        at: u64,
        /// Whether a request may follow.
        is_kept: bool,
    },
    /// Another protocol follows.
    Switch {
        /// Behind which request.
        request: u64,
        /// Its first octet.
        at: u64,
        /// Its name, as the client offered it; none behind CONNECT.
        protocol: Option<&'f str>,
    },
    /// A rule that the client broke. Nothing follows.
    Violation {
        /// In which request; the head of this one was never complete if no [`Finding::Request`] has this number.
        request: u64,
        /// Which rule, and where.
        violation: Violation,
    },
}

/// What a recording came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Heads that were whole and valid.
    pub requests: u64,
    /// Octets of content of all requests.
    pub content: u64,
    /// All octets.
    pub octets: u64,
    /// The rule that was broken, if one was.
    pub violation: Option<Violation>,
    /// What belongs to nothing that was found: behind the last head, content or end.
    pub rest: Range<u64>,
}

/// Looks at one client's side of a connection.
#[derive(Debug)]
pub struct Inspector {
    options: Options,
    conn: Connection,
    rx: RecvBuf,
    tx: SendBuf,
    /// The last request that began, and whether its end has not come.
    request: u64,
    is_open: bool,
    content: u64,
    is_persistent: bool,
    is_connect: bool,
    /// The protocol that it offers.
    offer: Option<String>,
    summary: Summary,
    is_over: bool,
}

/// Inspects everything that `recording` gives.
///
/// # Errors
/// Those of reading.
pub fn inspect(mut recording: impl Read, options: Options, found: &mut dyn FnMut(Finding<'_>)) -> io::Result<Summary> {
    let mut inspector = Inspector::new(options);
    let mut piece = vec![0; PIECE];
    loop {
        match recording.read(&mut piece) {
            Ok(0) => return Ok(inspector.finish(found)),
            Ok(n) => inspector.push(&piece[..n], found),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Time does not pass.
fn env(config: &Config) -> Env<'_> {
    Env { config, now: Instant::from_nanos(0), date: None }
}

impl Inspector {
    /// Before the first octet.
    pub fn new(options: Options) -> Self {
        let mut conn = Connection::new(&env(&options.config));
        if options.transport == Transport::Secured {
            conn.secure();
        }
        Self {
            options,
            conn,
            rx: RecvBuf::default(),
            tx: SendBuf::default(),
            request: 0,
            is_open: false,
            content: 0,
            is_persistent: false,
            is_connect: false,
            offer: None,
            summary: Summary { requests: 0, content: 0, octets: 0, violation: None, rest: 0..0 },
            is_over: false,
        }
    }

    /// Looks at more octets, and calls `found` with what is in them.
    pub fn push(&mut self, octets: &[u8], found: &mut dyn FnMut(Finding<'_>)) {
        for piece in octets.chunks(PIECE) {
            self.summary.octets += piece.len() as u64;
            if !self.is_over {
                self.rx.push(piece);
                self.advance(found);
            }
        }
    }

    /// There are no more octets.
    pub fn finish(mut self, found: &mut dyn FnMut(Finding<'_>)) -> Summary {
        self.rx.close();
        self.advance(found);
        self.summary.rest.end = self.summary.octets;
        self.summary
    }

    fn advance(&mut self, found: &mut dyn FnMut(Finding<'_>)) {
        while !self.is_over {
            let env = env(&self.options.config);
            match self.conn.poll(&env, &mut self.rx) {
                Ok(Event::Request(head)) => {
                    self.request += 1;
                    self.is_open = true;
                    self.summary.requests += 1;
                    self.content = 0;
                    self.is_persistent = head.is_persistent();
                    self.is_connect = head.method() == "CONNECT";
                    self.offer = head.upgrade().next().map(str::to_owned);
                    let end = self.conn.consumed();
                    let at = end - head.raw().len() as u64..end;
                    self.summary.rest.start = end;
                    found(Finding::Request { request: self.request, head, at });
                    if let Err(violation) = self.conn.admit() {
                        self.violated(self.request, violation, found);
                    }
                }
                Ok(Event::Data(octets)) => {
                    let (len, end) = (octets.len() as u64, self.conn.consumed());
                    self.content += len;
                    self.summary.content += len;
                    self.summary.rest.start = end;
                    found(Finding::Content { request: self.request, octets, at: end - len..end });
                }
                Ok(Event::End(trailers)) => {
                    let (request, content, at) = (self.request, self.content, self.conn.consumed());
                    self.summary.rest.start = at;
                    found(Finding::End { request, content, trailers, at, is_kept: self.is_persistent });
                    self.is_open = false;
                    self.answer();
                }
                Ok(Event::NeedContinue) => {
                    if self.conn.proceed(&mut self.tx).is_err() {
                        self.conn.abort(&env, &mut self.tx);
                    }
                }
                Ok(Event::NeedInput) => break,
                Ok(Event::NeedResponse) => self.conn.abort(&env, &mut self.tx),
                Ok(Event::Upgraded) => {
                    let (request, at) = (self.request, self.conn.consumed());
                    found(Finding::Switch { request, at, protocol: self.offer.as_deref() });
                    self.end();
                }
                Ok(Event::Shutdown | Event::Closed) => self.end(),
                Err(violation) => {
                    // What breaks a rule before its head is complete is a request of its own.
                    let request = if self.is_open { self.request } else { self.request + 1 };
                    self.violated(request, violation, found);
                }
            }
        }
        self.tx.advance(usize::MAX);
    }

    /// Says something, so that the next request is looked at.
    fn answer(&mut self) {
        let env = env(&self.options.config);
        let switched = match (self.options.switches, &self.offer) {
            (Switches::Accepted, Some(offer)) => {
                self.conn.upgrade(&env, &[("Upgrade", offer.as_bytes())], &mut self.tx)
            }
            (Switches::Accepted, None) if self.is_connect => self.conn.upgrade(&env, &[], &mut self.tx),
            _ => Err(cherrystone_core::Misuse::NotOffered),
        };
        let status = if self.is_connect { Status::NOT_IMPLEMENTED } else { Status::NO_CONTENT };
        if switched.is_err() && self.conn.respond(&env, status, &[], Size::Empty, &mut self.tx).is_err() {
            self.conn.abort(&env, &mut self.tx);
        }
    }

    fn violated(&mut self, request: u64, violation: Violation, found: &mut dyn FnMut(Finding<'_>)) {
        found(Finding::Violation { request, violation });
        self.summary.violation = Some(violation);
        self.end();
    }

    /// Nothing that follows is looked at.
    fn end(&mut self) {
        self.is_over = true;
        self.rx = RecvBuf::default();
    }
}

#[cfg(test)]
mod tests;
