//! What have the bytes in the buffer become?
//!
//! The receiving half: from octets to at most one event a call. Each step is one of the states of [`Receive`]; which state
//! follows the end of a message is decided in `reuse`.

use super::{Cause, Closing, Connection, Reply, Traits};
use crate::body::chunked::{Chunked, Step};
use crate::head::scan::{Found, Scan};
use crate::head::{Framing, Index, Line, parse};
use crate::{Env, RecvBuf, Version, Violation, ViolationKind as Kind, syntax};

/// Where in the stream of requests the next octet is.
#[derive(Debug)]
pub(super) enum Receive {
    Head(HeadProgress),
    /// This much content of announced length is to come.
    Length(u64),
    Chunked(Chunked),
    Trailers(Scan),
    /// Everything of the request was handed out.
    Complete,
    /// After a violation: nothing is read any more.
    Refused,
    Upgraded,
}

/// How much of a head has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadProgress {
    scan: Scan,
    lead: Lead,
}

/// What has come in front of a request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lead {
    Nothing,
    /// Octets, so that the time for a head runs.
    Octets,
    /// The one empty line that is forgiven.
    EmptyLine,
}

impl HeadProgress {
    pub(super) fn has_begun(&self) -> bool {
        self.lead != Lead::Nothing
    }
}

impl Receive {
    pub(super) const START: Self = Self::Head(HeadProgress { scan: Scan::START, lead: Lead::Nothing });
}

/// An event without the bytes it is about.
pub(super) enum Taken {
    Request(usize),
    Data(usize),
    End(usize),
    NeedInput,
    NeedContinue,
    NeedResponse,
    Upgraded,
    Shutdown,
    Closed,
}

impl Connection {
    /// Moves on until there is an event.
    #[inline]
    pub(super) fn take(&mut self, env: &Env<'_>, rx: &mut RecvBuf) -> Result<Taken, Violation> {
        loop {
            if self.closing != Closing::Open {
                return Ok(self.close_on(env, rx));
            }
            let taken = match self.receive {
                Receive::Head(progress) => self.head(progress, env, rx).inspect_err(|_| {
                    // A refusal of HEAD has no content either (RFC 9110, 9.3.2).
                    self.request.mute = rx.unread().starts_with(b"HEAD ");
                })?,
                Receive::Complete => self.complete(env),
                Receive::Refused => self.refused(),
                Receive::Upgraded => Some(Taken::Upgraded),
                _ if self.reply == Reply::Done => self.drain(env, rx)?,
                _ => self.content(env, rx)?,
            };
            if let Some(taken) = taken {
                return Ok(taken);
            }
        }
    }

    #[inline(never)]
    fn head(&mut self, progress: HeadProgress, env: &Env<'_>, rx: &mut RecvBuf) -> Result<Option<Taken>, Violation> {
        let HeadProgress { mut scan, mut lead } = progress;
        let closed = rx.is_closed();
        let (unread, index) = rx.parts();
        if unread.is_empty() && scan.is_fresh() {
            return self.before_head(lead, closed, env);
        }
        let limits = &env.config.limits;
        if scan.is_fresh()
            && let Some(len) = parse::whole_head(unread, limits, index)
            && !self.misdirects(index.line)
        {
            self.begin_request(unread, index, env);
            return Ok(Some(Taken::Request(len)));
        }
        if lead == Lead::Nothing {
            lead = Lead::Octets;
            if self.requests > 0 {
                self.until = env.now + env.config.timeouts.head;
            }
        }
        if scan.is_fresh() {
            match unread {
                [b'\r', b'\n', ..] if lead != Lead::EmptyLine => {
                    self.receive = Receive::Head(HeadProgress { scan, lead: Lead::EmptyLine });
                    self.offset += 2;
                    rx.consume(2);
                    return Ok(None);
                }
                [b'\r', b'\n', ..] => return Err(self.violated(Kind::EmptyLines, 0)),
                [b'\r'] => {
                    self.receive = Receive::Head(HeadProgress { scan, lead });
                    return self.within_head(closed, env);
                }
                [b'\r', ..] => return Err(self.violated(Kind::BareCr, 0)),
                [b'\n', ..] => return Err(self.violated(Kind::BareLf, 0)),
                [first, ..] if !syntax::is_tchar(*first) => return Err(self.violated(Kind::NotHttp, 0)),
                _ => {}
            }
        }
        if scan.lines() == 0 {
            match scan.next(unread, limits.head) {
                Ok(Found::Line { start, end }) => {
                    // Whatever is wrong further on, an answer to HEAD has no content.
                    self.request.mute = unread.starts_with(b"HEAD ");
                    let line = parse::request_line(&unread[start..end + 2], limits);
                    index.line = line.map_err(|kind| self.violated(kind, start))?;
                    if self.misdirects(index.line) {
                        return Err(self.violated(Kind::Misdirected, start));
                    }
                }
                Ok(Found::End(_) | Found::More) => {
                    self.receive = Receive::Head(HeadProgress { scan, lead });
                    return self.within_head(closed, env);
                }
                Err(kind) => return Err(self.violated(kind.unwrap_or(Kind::TargetTooLong), scan.position())),
            }
        }
        match scan.end(unread, limits.head, usize::from(limits.fields) + 1) {
            Ok(Some(len)) => {
                parse::header_section(&unread[..len], scan.lines().saturating_sub(1), index)
                    .map_err(|kind| self.violated(kind, 0))?;
                self.begin_request(unread, index, env);
                Ok(Some(Taken::Request(len)))
            }
            Ok(None) => {
                self.receive = Receive::Head(HeadProgress { scan, lead });
                self.within_head(closed, env)
            }
            Err(kind) => Err(self.violated(kind.unwrap_or(Kind::HeadTooLarge), scan.position())),
        }
    }

    /// Whether the target is for a secured server, which this is not.
    fn misdirects(&self, line: Line) -> bool {
        line.form.wants_security() && !self.request.secured
    }

    /// Nothing of a request has come, beyond an empty line at most.
    fn before_head(&mut self, lead: Lead, closed: bool, env: &Env<'_>) -> Result<Option<Taken>, Violation> {
        let is_over = || env.now >= self.until && (self.requests == 0 || !self.send_pace.is_waiting());
        if closed || (lead == Lead::Nothing && (self.request.retired || is_over())) {
            if !closed && !self.request.retired {
                self.expire(if self.requests == 0 { Cause::Head } else { Cause::Idle });
            }
            self.closing = Closing::Due;
            return Ok(None);
        }
        if lead == Lead::Nothing { Ok(Some(Taken::NeedInput)) } else { self.within_head(false, env) }
    }

    /// The head is incomplete.
    fn within_head(&mut self, closed: bool, env: &Env<'_>) -> Result<Option<Taken>, Violation> {
        if closed {
            return Err(self.violated(Kind::Truncated, 0));
        }
        if env.now >= self.until {
            return Err(self.violated(Kind::HeadTimeout, 0));
        }
        Ok(Some(Taken::NeedInput))
    }

    /// Takes over what the head in front of `octets` decides.
    #[inline]
    fn begin_request(&mut self, octets: &[u8], index: &Index, env: &Env<'_>) {
        let decisions = index.decisions;
        self.receive = match decisions.framing {
            Framing::None => Receive::Length(0),
            Framing::Length(octets) => Receive::Length(octets),
            Framing::Chunked => Receive::Chunked(Chunked::START),
        };
        self.requests = self.requests.saturating_add(1);
        let Traits { retired, secured, .. } = self.request;
        self.request = Traits {
            modern: index.line.version == Version::Http11,
            mute: octets.starts_with(b"HEAD "),
            connect: octets.starts_with(b"CONNECT "),
            offers_upgrade: decisions.offers_upgrade,
            waits_for_continue: decisions.expects_continue,
            keep: decisions.persistent && !retired && self.requests < env.config.limits.requests,
            retired,
            secured,
        };
        self.owe();
        self.budget = env.config.limits.body;
        self.body_pace = super::Allowance::full(env.config.timeouts.body);
        self.drained = 0;
    }

    /// The next piece of content, with its framing taken off.
    #[inline(always)]
    fn content(&mut self, env: &Env<'_>, rx: &mut RecvBuf) -> Result<Option<Taken>, Violation> {
        match &mut self.receive {
            Receive::Length(0) => {
                self.receive = Receive::Complete;
                Ok(Some(Taken::End(0)))
            }
            Receive::Length(left) => {
                if *left > self.budget {
                    return Err(self.violated(Kind::BodyTooLarge, 0));
                }
                let len = usize::try_from(*left).unwrap_or(usize::MAX).min(rx.unread().len());
                if len == 0 {
                    return self.lacks_content(env, rx);
                }
                *left -= len as u64;
                self.budget -= len as u64;
                self.content_came(env, rx);
                Ok(Some(Taken::Data(len)))
            }
            Receive::Chunked(chunked) => {
                let step = chunked.step(rx.unread(), &mut self.budget, &env.config.limits);
                match step.map_err(|(kind, at)| self.violated(kind, at))? {
                    Step::Data { skip, len } => {
                        self.content_came(env, rx);
                        self.skip(skip, rx);
                        Ok(Some(Taken::Data(len)))
                    }
                    Step::Trailers { skip } => {
                        self.content_came(env, rx);
                        self.skip(skip, rx);
                        self.receive = Receive::Trailers(Scan::START);
                        Ok(None)
                    }
                    Step::More { skip } => {
                        if skip > 0 {
                            self.content_came(env, rx);
                            self.skip(skip, rx);
                        }
                        self.lacks_content(env, rx)
                    }
                }
            }
            Receive::Trailers(scan) => {
                let mut looked = *scan;
                self.trailers(&mut looked, env, rx)
            }
            _ => Ok(None),
        }
    }

    #[cold]
    fn trailers(&mut self, scan: &mut Scan, env: &Env<'_>, rx: &mut RecvBuf) -> Result<Option<Taken>, Violation> {
        let limits = &env.config.limits;
        let (unread, index) = rx.parts();
        match scan.end(unread, limits.trailers, usize::from(limits.fields)) {
            Ok(Some(len)) => {
                parse::trailer_section(&unread[..len], scan.lines(), &mut index.fields)
                    .map_err(|kind| self.violated(kind, 0))?;
                self.receive = Receive::Complete;
                self.content_came(env, rx);
                Ok(Some(Taken::End(len)))
            }
            Ok(None) => {
                self.receive = Receive::Trailers(*scan);
                self.lacks_content(env, rx)
            }
            Err(kind) => Err(self.violated(kind.unwrap_or(Kind::TrailersTooLarge), scan.position())),
        }
    }

    /// More content has to come: from a client that waits for us, has gone, is late, or is about to send.
    #[inline(never)]
    fn lacks_content(&mut self, env: &Env<'_>, rx: &RecvBuf) -> Result<Option<Taken>, Violation> {
        if rx.is_closed() {
            return Err(self.violated(Kind::Truncated, rx.unread().len()));
        }
        if self.request.waits_for_continue {
            return Ok(Some(Taken::NeedContinue));
        }
        let unread = u32::try_from(rx.unread().len()).unwrap_or(u32::MAX);
        if self.body_pace.is_waiting() {
            let news = unread.saturating_sub(self.seen);
            if news > 0 {
                self.body_pace.earn(news as usize, env.now, env.config.timeouts.body);
            } else if env.now >= self.body_pace.ends() {
                return Err(self.violated(Kind::BodyTimeout, 0));
            }
        }
        self.seen = unread;
        self.await_content(env);
        Ok(Some(Taken::NeedInput))
    }

    /// Content, or framing of it, has come: the client is neither waiting nor silent.
    #[inline]
    fn content_came(&mut self, env: &Env<'_>, rx: &RecvBuf) {
        self.request.waits_for_continue = false;
        self.release();
        let news = rx.unread().len().saturating_sub(self.seen as usize);
        self.body_pace.earn(news, env.now, env.config.timeouts.body);
        self.seen = 0;
    }

    /// Nobody waits for content now: what the wait under way took is spent, and it has no end any more.
    pub(crate) fn hold_content(&mut self, env: &Env<'_>) {
        self.release();
        self.body_pace.earn(0, env.now, env.config.timeouts.body);
    }

    /// Consumes framing.
    #[inline]
    fn skip(&mut self, octets: usize, rx: &mut RecvBuf) {
        self.offset += octets as u64;
        rx.consume(octets);
    }

    /// The answer is complete and the content is not: drops a bounded amount of it, so that the connection can be kept.
    #[cold]
    fn drain(&mut self, env: &Env<'_>, rx: &mut RecvBuf) -> Result<Option<Taken>, Violation> {
        if !self.request.keep || self.drained > env.config.limits.drain || rx.is_closed() && rx.is_empty() {
            self.closing = Closing::Due;
            return Ok(None);
        }
        match self.content(env, rx) {
            Ok(Some(Taken::Data(len))) => {
                self.drained = self.drained.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
                self.skip(len, rx);
                Ok(None)
            }
            Ok(Some(Taken::End(len))) => {
                self.skip(len, rx);
                Ok(None)
            }
            Err(late) if matches!(late.kind, Kind::BodyTimeout | Kind::Truncated | Kind::BodyTooLarge) => {
                self.closing = Closing::Due;
                Ok(None)
            }
            other => other,
        }
    }

    /// Notes that the peer broke a rule at `position` of the unread octets.
    #[cold]
    pub(super) fn violated(&mut self, kind: Kind, position: usize) -> Violation {
        self.receive = Receive::Refused;
        self.request.keep = false;
        self.request.waits_for_continue = false;
        self.body_pace.stop();
        self.release();
        if self.reply == Reply::Idle {
            self.owe();
        }
        kind.at(self.offset + position as u64)
    }

    /// Whether the content that was announced is within the limit; to be asked after `limit_body` and before the
    /// application sees the request. Once the answer is complete, or the connection ends, nothing is left to refuse.
    ///
    /// # Errors
    /// [`Kind::BodyTooLarge`], as `poll` would say for the content.
    pub fn admit(&mut self) -> Result<(), Violation> {
        match self.receive {
            Receive::Length(left)
                if left > self.budget && self.reply != Reply::Done && self.closing == Closing::Open =>
            {
                Err(self.violated(Kind::BodyTooLarge, 0))
            }
            _ => Ok(()),
        }
    }

    /// Replaces the limit on the content of the request whose head was just reported.
    pub fn limit_body(&mut self, octets: u64) {
        self.budget = octets;
    }
}
