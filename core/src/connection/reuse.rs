//! Is the connection kept, and how does it end?
//!
//! Everything that decides about keeping and closing (RFC 9112, 9.3 and 9.6). [`Connection::settle`] takes the verdict once for
//! each answer, when its head is written, since the head announces it.
//!
//! Invariants:
//! 1. An answer that says `close` is the last one, and one that does not is not, unless the peer breaks a rule, stops
//!    sending, or sends more unread content than is drained.

use core::time::Duration;

use super::receive::{Receive, Taken};
use super::{Allowance, Cause, Closing, Connection, Reply, Traits};
use crate::{Env, Instant, Pace, RecvBuf};

/// How long a closing connection listens to a peer that says nothing: it has had the time to read. Any octet earns all of it anew.
const SILENCE: Pace = Pace { grace: Duration::from_secs(5), rate: 0 };

impl Connection {
    /// Decides whether the connection is kept after the answer whose head is being written.
    pub(super) fn settle(&mut self, delimited: bool, env: &Env<'_>) -> bool {
        let unread_is_small = match self.receive {
            Receive::Length(left) => left <= u64::from(env.config.limits.drain),
            Receive::Refused => false,
            _ => true,
        };
        let request = &mut self.request;
        request.keep &= delimited && unread_is_small && !request.waits_for_continue && !request.retired;
        request.keep
    }

    /// The request is complete: wait for the answer, then for the next request, or close.
    pub(super) fn complete(&mut self, env: &Env<'_>) -> Option<Taken> {
        match self.reply {
            Reply::Done if self.request.keep => {
                self.receive = Receive::START;
                self.reply = Reply::Idle;
                // What comes next may never become a request, and is answered by none of this one's rules then.
                let Traits { retired, secured, .. } = self.request;
                self.request = Traits { retired, secured, ..Traits::default() };
                self.until = env.now + env.config.timeouts.idle;
                None
            }
            Reply::Done | Reply::Idle => {
                self.closing = Closing::Due;
                None
            }
            _ => Some(Taken::NeedResponse),
        }
    }

    /// The peer broke a rule: an answer that has begun may be ended, nothing else happens.
    pub(super) fn refused(&mut self) -> Option<Taken> {
        match self.reply {
            Reply::Length(_) | Reply::Chunked | Reply::UntilClose => Some(Taken::NeedResponse),
            Reply::Idle | Reply::Due | Reply::Done | Reply::Broken => {
                self.closing = Closing::Due;
                None
            }
        }
    }

    /// The way from the last octet said to the end.
    pub(super) fn close_on(&mut self, env: &Env<'_>, rx: &mut RecvBuf) -> Taken {
        match self.closing {
            Closing::Due => {
                self.closing = Closing::Told;
                return Taken::Shutdown;
            }
            Closing::Told => {
                self.until = env.now + env.config.timeouts.linger;
                self.body_pace = Allowance::full(SILENCE);
                self.closing = Closing::Lingering;
            }
            Closing::Open | Closing::Lingering => {}
            Closing::Closed | Closing::Cut => return Taken::Closed,
        }
        let drained = rx.unread().len();
        self.offset += drained as u64;
        rx.consume(usize::MAX);
        if drained > 0 {
            self.body_pace.earn(drained, env.now, SILENCE);
        }
        if rx.is_closed() || env.now >= self.linger_ends() {
            if !rx.is_closed() {
                self.expire(Cause::Linger);
            }
            self.closing = Closing::Closed;
            return Taken::Closed;
        }
        self.body_pace.wait(env.now);
        Taken::NeedInput
    }

    /// When listening ends to a peer that neither ends its side nor says anything more.
    pub(super) fn linger_ends(&self) -> Instant {
        self.until.min(self.body_pace.ends())
    }

    /// Lets no further request follow: an idle connection closes at the next `poll`, a request under way is answered
    /// with `Connection: close`.
    pub fn retire(&mut self) {
        self.request.retired = true;
        if matches!(self.reply, Reply::Due | Reply::Idle) {
            self.request.keep = false;
        }
    }

    /// Ends an upgraded connection: `poll` leads through `Shutdown` to `Closed`.
    pub fn end_upgrade(&mut self) {
        if matches!(self.receive, Receive::Upgraded) && self.closing == Closing::Open {
            self.closing = Closing::Due;
        }
    }

    /// Ends the conversation where it stands, since nothing more can be said: an answer that is due or under way is cut.
    pub(crate) fn hang_up(&mut self) {
        if self.closing == Closing::Open {
            self.closing = if self.reply == Reply::Idle { Closing::Due } else { Closing::Cut };
        }
    }

    /// Ends the linger time at `now`; for a server that stops.
    pub fn hasten(&mut self, now: Instant) {
        if self.closing == Closing::Lingering {
            self.until = self.until.min(now);
        }
    }
}
