//! What happens next between this client and this server?
//!
//! [`Connection`] is the conversation with one client: a plain value of 128 bytes at most, without heap. Bytes come in through
//! [`poll`](Connection::poll), whose answer is an exhaustive [`Event`] that also says why nothing more can happen;
//! answers go out through [`respond`](Connection::respond), [`write`](Connection::write) and
//! [`finish`](Connection::finish), which append to a [`SendBuf`]. The crate's front page has the canonical loop.
//!
//! Invariants (each is a property test and a fuzz assertion):
//! 1. Requests, data, trailers and violations depend on the bytes, not on how they arrived.
//! 2. Bytes pushed = bytes consumed + bytes unread; nothing behind the end of a message is touched.
//! 3. Each `poll` consumes, changes state, or answers `Need*` or `Closed`; without news it repeats its answer.
//! 4. `NeedInput` is never the answer while the peer waits for us.
//! 5. A method that returns [`Misuse`](crate::Misuse) has changed neither state nor buffer.
//! 6. Output is a valid sequence of messages, or ends unterminated; an aborted body never looks complete.
//! 7. A violation is reported once; no request follows it, and once it is answered `poll` leads through `Shutdown` to `Closed`.

mod answer;
mod direct;
mod pace;
mod receive;
mod reuse;
mod send;

use core::time::Duration;

pub use self::answer::{Answer, AnswerProgress};
use self::pace::Allowance;
use self::receive::{Receive, Taken};
use crate::head::{Fields, Head};
use crate::{Env, Instant, RecvBuf, Status, Violation};

/// The rules of one client's conversation.
#[derive(Debug)]
pub struct Connection {
    receive: Receive,
    reply: Reply,
    /// Octets of the connection that were consumed.
    offset: u64,
    /// Content that the request may still have.
    budget: u64,
    /// When the idle, head or linger time ends.
    until: Instant,
    body_pace: Allowance,
    send_pace: Allowance,
    /// Unread octets when the wait for content began.
    seen: u32,
    /// Content that was dropped after an early answer.
    drained: u32,
    /// Requests so far.
    requests: u32,
    closing: Closing,
    request: Traits,
    /// Of the answer to the last request, from its head on.
    status: Option<Status>,
    waits: Waits,
    /// Content octets of that answer so far.
    content: u64,
}

/// What is known of the request under way.
#[derive(Clone, Copy, Debug, Default)]
struct Traits {
    /// The client speaks HTTP/1.1.
    modern: bool,
    /// The answer has no content octets: HEAD, or 304.
    mute: bool,
    /// CONNECT: a success has no framing and switches protocols.
    connect: bool,
    /// The client offered to switch protocols.
    offers_upgrade: bool,
    /// The client holds its content back until it sees 100.
    waits_for_continue: bool,
    /// The connection will be kept after this request.
    keep: bool,
    /// No further request after this one, whatever it says.
    retired: bool,
    /// The connection is secured, so `https` targets may come in.
    secured: bool,
}

/// Where the answer to the request under way stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    /// No request, no answer.
    Idle,
    /// A request, and no answer yet.
    Due,
    /// Content of announced length, of which this much is missing.
    Length(u64),
    Chunked,
    /// Content that the close delimits.
    UntilClose,
    Done,
    /// Given up before its end: nothing may be added that would make it look complete.
    Broken,
}

/// How far the connection is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Open,
    /// `Shutdown` is to be reported.
    Due,
    /// It was reported; the time to linger has not begun.
    Told,
    /// Listening until the peer ends its side or the time is over.
    Lingering,
    Closed,
    /// Closed, and what was sent must not look complete.
    Cut,
}

/// How the waits for the client stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Running,
    /// The one for content stands still, since the client still takes output.
    Held,
    /// The connection ends for this one.
    Expired(Cause),
}

/// What came in, or why nothing can.
#[derive(Debug)]
pub enum Event<'b> {
    /// A whole, valid head. Its content follows as `Data` and `End`, also if it has none.
    Request(Head<'b>),
    /// Some content, already consumed.
    Data(&'b [u8]),
    /// The content is complete; these are its trailer fields.
    End(Fields<'b>),
    /// Only more bytes, the end of input, or time can move this on.
    NeedInput,
    /// The client holds its content back: call `proceed` for 100, or send a final answer.
    NeedContinue,
    /// The request is complete and the answer is not: do not read on.
    NeedResponse,
    /// HTTP is over; unread bytes and all that follow belong to the next protocol.
    Upgraded,
    /// Send what is queued, then shut down the sending side, then poll on: the peer may need to read the last answer
    /// while it still sends (RFC 9112, 9.6).
    Shutdown,
    /// Nothing is left to say or hear: drop the socket, after [`Connection::is_cut`] with a reset.
    Closed,
}

/// When a wait ends, and which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// When to call `poll`, or `sent` with 0, at the latest.
    pub at: Instant,
    /// Which wait it is.
    pub cause: Cause,
}

/// A wait that has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// For the first octet of a further request.
    Idle,
    /// For the end of a head, or the first octet of the first one.
    Head,
    /// For content.
    Body,
    /// For the peer to take output.
    Send,
    /// For the peer to end its side.
    Linger,
}

/// The peer takes output too slowly: drop the socket with a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer takes the answer too slowly")]
pub struct Stalled;

impl Connection {
    /// A connection whose time for the first head begins now.
    pub fn new(env: &Env<'_>) -> Self {
        let times = &env.config.timeouts;
        Self {
            receive: Receive::START,
            reply: Reply::Idle,
            offset: 0,
            budget: 0,
            until: env.now + times.head,
            body_pace: Allowance::full(times.body),
            send_pace: Allowance::full(times.send),
            seen: 0,
            drained: 0,
            requests: 0,
            closing: Closing::Open,
            request: Traits::default(),
            status: None,
            waits: Waits::Running,
            content: 0,
        }
    }

    /// Declares the transport secured, so that `https` targets are not misdirected (RFC 9110, 7.4).
    pub fn secure(&mut self) {
        self.request.secured = true;
    }

    /// The next event that the bytes in `rx`, and the time, allow.
    ///
    /// # Errors
    /// What the peer did wrong; answer with [`refuse`](Self::refuse), or an answer of your own. No request follows.
    #[inline]
    pub fn poll<'b>(&mut self, env: &Env<'_>, rx: &'b mut RecvBuf) -> Result<Event<'b>, Violation> {
        let taken = self.take(env, rx)?;
        Ok(match taken {
            Taken::Request(len) => {
                self.offset += len as u64;
                let (raw, index) = rx.split_off(len);
                Event::Request(Head::new(raw, index))
            }
            Taken::Data(len) => {
                self.offset += len as u64;
                Event::Data(rx.split_off(len).0)
            }
            Taken::End(0) => Event::End(Fields::default()),
            Taken::End(len) => {
                self.offset += len as u64;
                let (raw, index) = rx.split_off(len);
                Event::End(Fields::new(raw, &index.fields))
            }
            Taken::NeedInput => Event::NeedInput,
            Taken::NeedContinue => Event::NeedContinue,
            Taken::NeedResponse => Event::NeedResponse,
            Taken::Upgraded => Event::Upgraded,
            Taken::Shutdown => Event::Shutdown,
            Taken::Closed => Event::Closed,
        })
    }

    /// The earliest end of a wait that is under way; `None` if only bytes, or the application, can move this on.
    pub fn deadline(&self) -> Option<Deadline> {
        let reading = self.reading_deadline();
        let sending = Deadline { at: self.send_pace.ends(), cause: Cause::Send };
        let earliest = if sending.at < reading.at { sending } else { reading };
        (earliest.at != Instant::NEVER).then_some(earliest)
    }

    fn reading_deadline(&self) -> Deadline {
        let (at, cause) = match (self.closing, &self.receive) {
            (Closing::Lingering, _) => (self.linger_ends(), Cause::Linger),
            (Closing::Open, Receive::Head(head)) if self.reply == Reply::Idle => {
                let first = self.requests == 0 || head.has_begun();
                // Whoever still takes the last answer is not idle.
                let until = if first || !self.send_pace.is_waiting() { self.until } else { Instant::NEVER };
                (until, if first { Cause::Head } else { Cause::Idle })
            }
            (Closing::Open, _) => (self.body_pace.ends(), Cause::Body),
            _ => (Instant::NEVER, Cause::Idle),
        };
        Deadline { at, cause }
    }

    /// Whether the connection waits for a request of which nothing has come.
    pub fn is_idle(&self) -> bool {
        let untouched = matches!(&self.receive, Receive::Head(head) if !head.has_begun());
        untouched && self.reply == Reply::Idle && self.closing == Closing::Open
    }

    /// Whether HTTP is over because both sides switched to another protocol.
    pub fn is_upgraded(&self) -> bool {
        matches!(self.receive, Receive::Upgraded)
    }

    /// Whether what was sent must not be taken for complete: reset the connection instead of closing it. Only then is
    /// output that is still queued worth nothing.
    pub fn is_cut(&self) -> bool {
        self.closing == Closing::Cut
    }

    /// Requests seen so far.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// Octets of input consumed so far.
    pub fn consumed(&self) -> u64 {
        self.offset
    }

    /// Content of announced length that was not reported yet; `None` if no length was announced.
    pub fn announced(&self) -> Option<u64> {
        match self.receive {
            Receive::Length(left) => Some(left),
            _ => None,
        }
    }

    /// How long until the deadline, at least zero; for drivers whose sockets take a time-out.
    pub fn patience(&self, now: Instant) -> Option<Duration> {
        self.deadline().map(|deadline| deadline.at.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_hold_the_budget() {
        assert!(size_of::<Connection>() <= 128, "{}", size_of::<Connection>());
        assert!(size_of::<crate::Link>() <= 320, "{}", size_of::<crate::Link>());
    }
}
