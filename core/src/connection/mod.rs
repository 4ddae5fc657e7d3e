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

mod pace;
mod receive;
mod reuse;
mod send;

use core::time::Duration;

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
    /// The wait that the connection ends for.
    expired: Option<Cause>,
    /// Content octets of that answer so far.
    content: u64,
}

/// The answer to a request, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Its status; 101, which no application can name, after a switch of protocols.
    pub status: Status,
    /// Content octets that were said; none for HEAD.
    pub content: u64,
    /// How far it has come.
    pub progress: AnswerProgress,
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerProgress {
    /// More content may follow.
    Open,
    /// Everything was said.
    Complete,
    /// It was given up before its end.
    Cut,
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
            expired: None,
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
            Taken::End(len) => {
                self.offset += len as u64;
                let (raw, index) = rx.split_off(len);
                Event::End(if len == 0 { Fields::default() } else { Fields::new(raw, &index.fields) })
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
            (Closing::Lingering, _) => (self.until, Cause::Linger),
            (Closing::Open, Receive::Head(head)) if self.reply == Reply::Idle => {
                let first = self.requests == 0 || head.has_begun();
                (self.until, if first { Cause::Head } else { Cause::Idle })
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

    /// The final answer to the request under way or, between requests, to the last one; those of the server's own count too.
    /// `None` before its head.
    pub fn answer(&self) -> Option<Answer> {
        let progress = match self.reply {
            Reply::Done => AnswerProgress::Complete,
            _ if self.closing == Closing::Open => AnswerProgress::Open,
            _ => AnswerProgress::Cut,
        };
        self.status.map(|status| Answer { status, content: self.content, progress })
    }

    /// The wait whose end ends the connection. What came too late in the middle of a request is a [`Violation`] and not here.
    pub fn expired(&self) -> Option<Cause> {
        self.expired
    }

    fn expire(&mut self, cause: Cause) {
        self.expired.get_or_insert(cause);
    }

    /// Makes an answer due that nothing was said of.
    fn owe(&mut self) {
        self.reply = Reply::Due;
        self.status = None;
        self.content = 0;
    }

    /// Requests seen so far.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// Octets of input consumed so far.
    pub fn consumed(&self) -> u64 {
        self.offset
    }

    /// How long until the deadline, at least zero; for drivers whose sockets take a time-out.
    pub fn patience(&self, now: Instant) -> Option<Duration> {
        self.deadline().map(|deadline| deadline.at.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::{Config, SendBuf, Size};

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

    /// What is known of the answer after these octets and what `say` says.
    fn answer_to(octets: &[u8], say: impl Fn(&mut Connection, &Env<'_>, &mut SendBuf)) -> (Option<Answer>, Connection) {
        let config = Config::default();
        let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
        let (mut conn, mut rx, mut tx) = (Connection::new(&env), RecvBuf::default(), SendBuf::default());
        rx.push(octets);
        let violation = conn.poll(&env, &mut rx).err();
        assert_eq!(conn.answer(), None);
        if let Some(violation) = violation {
            conn.refuse(&env, violation, &mut tx);
        }
        say(&mut conn, &env, &mut tx);
        (conn.answer(), conn)
    }

    #[test]
    fn an_answer_is_known_as_far_as_it_has_come() {
        let known = |status, content, progress| Some(Answer { status, content, progress });
        let begin = |conn: &mut Connection, env: &Env<'_>, tx: &mut SendBuf| {
            conn.respond(env, Status::OK, &[], Size::Unknown, tx).unwrap();
            conn.write(b"abc", tx).unwrap();
        };
        let (open, mut conn) = answer_to(REQUEST, begin);
        assert_eq!(open, known(Status::OK, 3, AnswerProgress::Open));
        conn.finish(&[], &mut SendBuf::default()).unwrap();
        assert_eq!(conn.answer(), known(Status::OK, 3, AnswerProgress::Complete));
        let (cut, _) = answer_to(REQUEST, |conn, env, tx| {
            begin(conn, env, tx);
            conn.abort(env, tx);
        });
        assert_eq!(cut, known(Status::OK, 3, AnswerProgress::Cut));
        let (mute, _) = answer_to(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", begin);
        assert_eq!(mute, known(Status::OK, 0, AnswerProgress::Open));
    }

    #[test]
    fn the_servers_own_answers_are_known_too() {
        let text = "the server failed to answer this request\n".len() as u64;
        let (aborted, _) = answer_to(REQUEST, |conn, env, tx| conn.abort(env, tx));
        let known = |status, content| Some(Answer { status, content, progress: AnswerProgress::Complete });
        assert_eq!(aborted, known(Status::INTERNAL_SERVER_ERROR, text));
        let (refused, _) = answer_to(b"\0", |_, _, _| ());
        assert_eq!(refused.map(|answer| answer.status), Some(Status::BAD_REQUEST));
        let (busy, _) = answer_to(b"", |conn, env, tx| conn.overloaded(env, tx));
        assert_eq!(busy.map(|answer| answer.status), Some(Status::SERVICE_UNAVAILABLE));
    }

    #[test]
    fn a_refusal_may_have_content_of_the_application() {
        let config = Config::default();
        let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
        let (mut conn, mut rx, mut tx) = (Connection::new(&env), RecvBuf::default(), SendBuf::default());
        rx.push(b"\0");
        let violation = conn.poll(&env, &mut rx).unwrap_err();
        let forbidden = conn.refuse_with(&env, violation, &[("Content-Length", b"9")], b"no", &mut tx);
        assert_eq!((forbidden, tx.len()), (Err(crate::Misuse::ReservedField), 0));
        conn.refuse_with(&env, violation, &[("Content-Type", b"a/b")], b"no", &mut tx).unwrap();
        let said = b"HTTP/1.1 400 Bad Request\r\nContent-Type: a/b\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
        assert_eq!(tx.unsent(), said);
        assert_eq!(conn.answer().map(|answer| answer.content), Some(2));
        assert!(matches!(conn.poll(&env, &mut rx), Ok(Event::Shutdown)));
    }

    #[test]
    fn sizes_hold_the_budget() {
        assert!(size_of::<Connection>() <= 128, "{}", size_of::<Connection>());
        assert!(size_of::<crate::Link>() <= 320, "{}", size_of::<crate::Link>());
    }
}
