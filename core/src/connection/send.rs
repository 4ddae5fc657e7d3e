//! What may be said now?
//!
//! The sending half: each method checks all of its inputs, then appends to the buffer. What an answer's framing is follows
//! from the method, the version, the status and the [`Size`], never from a field that the application sets.

use super::receive::Receive;
use super::{Cause, Closing, Connection, Reply, Stalled, Waits};
use crate::response::encode::{self, Coda, Encoder};
use crate::response::frame::Frame;
use crate::{Env, Field, Interim, Misuse, SendBuf, Size, Status, StatusLine, Violation};

impl Connection {
    /// Sends 100 (Continue) to a client that holds its content back (RFC 9110, 15.2.1).
    ///
    /// # Errors
    /// [`Misuse::NotExpected`] if it does not, [`Misuse::AlreadyStarted`] if the answer has begun.
    pub fn proceed(&mut self, tx: &mut SendBuf) -> Result<(), Misuse> {
        self.expect_due()?;
        if !self.request.waits_for_continue {
            return Err(Misuse::NotExpected);
        }
        tx.put(b"HTTP/1.1 100 Continue\r\n\r\n");
        self.request.waits_for_continue = false;
        Ok(())
    }

    /// Sends an interim answer of the application, such as 103 (Early Hints); nothing to an HTTP/1.0 client (RFC 9110, 15.2).
    ///
    /// # Errors
    /// [`Misuse::InvalidField`] and [`Misuse::ReservedField`] for the fields, [`Misuse::AlreadyStarted`] after the head
    /// of the final answer, [`Misuse::NotStarted`] without a request.
    pub fn inform(&mut self, status: Interim, fields: &[Field<'_>], tx: &mut SendBuf) -> Result<(), Misuse> {
        self.expect_due()?;
        let mut encoder = Encoder::new(tx);
        encoder.interim_line(status);
        encoder.fields(fields)?;
        if self.request.modern {
            encoder.end(Coda { upgrade: encoder.has_upgrade(), ..Coda::default() });
        }
        Ok(())
    }

    /// Begins the final answer: writes its head. With [`Size::Empty`] the answer is complete.
    ///
    /// An answer to a client that still holds its content back refuses the content: no more of it is reported, and the
    /// connection ends after the answer.
    ///
    /// Content of unknown size goes out in chunks, to HTTP/1.0 clients until the close. Answers to HEAD keep the fields that GET
    /// would have; `write` then counts content and sends none. `Date` and `Server` are added unless given.
    ///
    /// # Errors
    /// [`Misuse::NotStarted`] and [`Misuse::AlreadyStarted`]; [`Misuse::BodyNotAllowed`] for content with 204 or 205;
    /// [`Misuse::InvalidField`] for a malformed field, [`Misuse::Reason`] for a malformed reason phrase;
    /// [`Misuse::ReservedField`] for `Content-Length`, `Transfer-Encoding`, `Connection` or `Keep-Alive`.
    #[inline]
    pub fn respond<'r>(
        &mut self,
        env: &Env<'_>,
        status: impl Into<StatusLine<'r>>,
        fields: &[Field<'_>],
        size: Size,
        tx: &mut SendBuf,
    ) -> Result<(), Misuse> {
        let line = status.into();
        let status = line.status();
        self.expect_due()?;
        let tunnel = self.request.connect && status.code() < 300;
        if (status.is_bodiless() && status != Status::NOT_MODIFIED || tunnel)
            && !matches!(size, Size::Empty | Size::Exact(0))
        {
            return Err(Misuse::BodyNotAllowed);
        }
        let mut encoder = Encoder::new(tx);
        encoder.worded_line(line)?;
        encoder.fields(fields)?;
        let unframed = status.forbids_length() || tunnel || status == Status::NOT_MODIFIED && size == Size::Empty;
        let reply = match size {
            Size::Empty | Size::Exact(0) => Reply::Done,
            Size::Exact(octets) => Reply::Length(octets),
            Size::Unknown if self.request.modern => Reply::Chunked,
            Size::Unknown => Reply::UntilClose,
        };
        let mute = self.request.mute || status == Status::NOT_MODIFIED;
        let keep = self.settle((reply != Reply::UntilClose || mute) && !tunnel, env);
        encoder.end(Coda {
            env: Some(env),
            size: (!unframed).then_some(size),
            chunked: reply == Reply::Chunked,
            close: !keep,
            keep_alive: keep && !self.request.modern,
            upgrade: encoder.has_upgrade(),
        });
        self.request.mute = mute;
        self.reply = reply;
        self.status = Some(status);
        if self.request.waits_for_continue {
            // The client was never told to send its content. Some of it may have come all the same, but whether it has by now
            // is chance, and must not decide what the application sees.
            self.receive = Receive::Refused;
            self.request.waits_for_continue = false;
        }
        Ok(())
    }

    /// Whether content of the answer under way goes out at all; not for HEAD and 304.
    pub fn sends_content(&self) -> bool {
        matches!(self.reply, Reply::Length(_) | Reply::Chunked | Reply::UntilClose) && !self.request.mute
    }

    /// Content of announced size that is still to be written; `None` if no size was announced or no answer is open.
    pub fn unwritten(&self) -> Option<u64> {
        match self.reply {
            Reply::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Appends content, framed.
    ///
    /// # Errors
    /// [`Misuse::NotWriting`] if no answer with content is open, [`Misuse::TooMuch`] beyond the announced size.
    #[inline]
    pub fn write(&mut self, data: &[u8], tx: &mut SendBuf) -> Result<(), Misuse> {
        let frame = self.frame(data.len() as u64)?;
        if !self.request.mute && !data.is_empty() {
            tx.put(frame.prefix());
            tx.put(data);
            tx.put(frame.suffix());
        }
        Ok(())
    }

    /// Counts `len` octets of content that the caller sends by itself, between the frame's prefix and suffix; if
    /// [`sends_content`](Self::sends_content) is false they must not be sent.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    pub fn frame(&mut self, len: u64) -> Result<Frame, Misuse> {
        let frame = match &mut self.reply {
            Reply::Length(left) => {
                *left = left.checked_sub(len).ok_or(Misuse::TooMuch)?;
                Frame::bare()
            }
            Reply::Chunked if len > 0 && !self.request.mute => Frame::chunk(len),
            Reply::Chunked | Reply::UntilClose => Frame::bare(),
            // An answer whose size is zero has been complete since its head.
            Reply::Done if len == 0 => Frame::bare(),
            Reply::Done if self.closing == Closing::Open => return Err(Misuse::TooMuch),
            Reply::Idle | Reply::Due | Reply::Done | Reply::Broken => return Err(Misuse::NotWriting),
        };
        if !self.request.mute {
            self.content = self.content.saturating_add(len);
        }
        Ok(frame)
    }

    /// Ends the answer. Trailers go out behind chunks; other framings have no place for them and drop them.
    ///
    /// # Errors
    /// [`Misuse::TooLittle`] if content is missing: only [`abort`](Self::abort) is left then. [`Misuse::NotWriting`] without
    /// an answer; [`Misuse::InvalidField`] and [`Misuse::ReservedField`] for trailers that are malformed or that no trailer may
    /// be (RFC 9110, 6.5.1).
    pub fn finish(&mut self, trailers: &[Field<'_>], tx: &mut SendBuf) -> Result<(), Misuse> {
        encode::check_trailers(trailers)?;
        match self.reply {
            Reply::Idle | Reply::Due | Reply::Broken => return Err(Misuse::NotWriting),
            Reply::Length(left) if left > 0 && !self.request.mute => return Err(Misuse::TooLittle),
            Reply::Chunked if !self.request.mute => {
                tx.put(b"0\r\n");
                Encoder::new(tx).trailers(trailers);
            }
            Reply::Length(_) | Reply::Chunked | Reply::UntilClose | Reply::Done => {}
        }
        self.reply = Reply::Done;
        Ok(())
    }

    /// All of the content that was announced, and the end of the answer: [`write`](Self::write) and [`finish`](Self::finish) in one.
    ///
    /// # Errors
    /// As for both.
    #[inline]
    pub(crate) fn conclude(&mut self, content: &[u8], tx: &mut SendBuf) -> Result<(), Misuse> {
        if self.reply != Reply::Length(content.len() as u64) || self.request.mute {
            self.write(content, tx)?;
            return self.finish(&[], tx);
        }
        tx.put(content);
        self.content += content.len() as u64;
        self.reply = Reply::Done;
        if matches!(self.receive, Receive::Length(0)) {
            // Nearly all requests end so: nothing is left to be drained.
            self.receive = Receive::Complete;
        }
        Ok(())
    }

    /// Switches to another protocol: 101, or a success for CONNECT. From then on `poll` answers `Upgraded`.
    ///
    /// # Errors
    /// [`Misuse::NotOffered`] if the client did not ask; [`Misuse::Unread`] before the request content was read to its
    /// end (RFC 9110, 7.8); [`Misuse::InvalidField`] if 101 lacks `Upgrade`, and as for [`respond`](Self::respond).
    pub fn upgrade(&mut self, env: &Env<'_>, fields: &[Field<'_>], tx: &mut SendBuf) -> Result<(), Misuse> {
        self.expect_due()?;
        if !self.request.connect && !self.request.offers_upgrade {
            return Err(Misuse::NotOffered);
        }
        if !matches!(self.receive, Receive::Length(0) | Receive::Complete) {
            return Err(Misuse::Unread);
        }
        let mut encoder = Encoder::new(tx);
        if self.request.connect {
            encoder.status_line(Status::OK);
        } else {
            encoder.switching_line();
        }
        encoder.fields(fields)?;
        if !self.request.connect && !encoder.has_upgrade() {
            return Err(Misuse::InvalidField);
        }
        encoder.end(Coda { env: Some(env), upgrade: encoder.has_upgrade(), ..Coda::default() });
        self.receive = Receive::Upgraded;
        self.reply = Reply::Done;
        self.status = Some(if self.request.connect { Status::OK } else { Status::SWITCHING });
        Ok(())
    }

    /// Answers a violation with its status and a line of text, if an answer is still possible, and ends the connection.
    pub fn refuse(&mut self, env: &Env<'_>, why: Violation, tx: &mut SendBuf) {
        self.give_up(env, why.status(), why.kind.text(), tx);
    }

    /// Answers a violation as [`refuse`](Self::refuse) does, with this content in place of the line of text. The status, the
    /// framing and the end of the connection stay what they are.
    ///
    /// # Errors
    /// As for [`respond`](Self::respond) about the fields.
    pub fn refuse_with(
        &mut self,
        env: &Env<'_>,
        why: Violation,
        fields: &[Field<'_>],
        content: &[u8],
        tx: &mut SendBuf,
    ) -> Result<(), Misuse> {
        if self.closing == Closing::Open && self.reply == Reply::Due {
            let mut encoder = Encoder::new(tx);
            encoder.status_line(why.status());
            encoder.last(fields, content, self.request.mute, env)?;
            self.said_all(why.status(), content.len());
        }
        // The answer that was due is complete now: what is left is to end the connection.
        self.refuse(env, why, tx);
        Ok(())
    }

    /// Gives the request up for a fault of ours: 500 if no answer has begun, else the answer ends where it is and does not
    /// look complete. Ends the connection.
    pub fn abort(&mut self, env: &Env<'_>, tx: &mut SendBuf) {
        self.give_up(env, Status::INTERNAL_SERVER_ERROR, "the server failed to answer this request", tx);
    }

    /// Answers that the server is too busy, also before any request came, and ends the connection (RFC 9110, 15.6.4).
    pub fn overloaded(&mut self, env: &Env<'_>, tx: &mut SendBuf) {
        if self.reply == Reply::Idle && self.closing == Closing::Open {
            self.owe();
        }
        self.give_up(env, Status::SERVICE_UNAVAILABLE, "the server is too busy; try again later", tx);
    }

    fn give_up(&mut self, env: &Env<'_>, status: Status, text: &str, tx: &mut SendBuf) {
        if self.closing != Closing::Open {
            return;
        }
        self.closing = Closing::Due;
        match self.reply {
            Reply::Due => {
                let mut encoder = Encoder::new(tx);
                encoder.canned(status, text, self.request.mute, env);
                self.said_all(status, text.len() + 1);
            }
            Reply::Length(_) | Reply::Chunked => self.reply = Reply::Broken,
            Reply::UntilClose => {
                self.reply = Reply::Broken;
                if !self.request.mute {
                    self.closing = Closing::Cut;
                }
            }
            Reply::Idle | Reply::Done | Reply::Broken => {}
        }
        self.receive = Receive::Refused;
    }

    /// A whole answer of the server's own was said, the last one.
    fn said_all(&mut self, status: Status, octets: usize) {
        self.request.keep = false;
        self.reply = Reply::Done;
        self.status = Some(status);
        self.content = if self.request.mute { 0 } else { octets as u64 };
    }

    /// Reports that the socket took `n` octets of output and `left` are queued; call it with 0 at the deadline too.
    ///
    /// # Errors
    /// [`Stalled`] if the peer has been too slow.
    #[inline]
    pub fn sent(&mut self, env: &Env<'_>, n: usize, left: usize) -> Result<(), Stalled> {
        let waited = self.send_pace.is_waiting();
        if n > 0 {
            self.send_pace.earn(n, env.now, env.config.timeouts.send);
        }
        if left == 0 {
            if waited {
                self.taken(env);
            }
        } else {
            self.send_pace.wait(env.now);
            if self.closing == Closing::Open && self.body_pace.is_waiting() {
                self.body_pace.earn(0, env.now, env.config.timeouts.body);
                self.hold();
            }
            if env.now >= self.send_pace.ends() {
                self.expire(Cause::Send);
                return Err(Stalled);
            }
        }
        Ok(())
    }

    /// The peer has taken everything that it was waited for to take: what it is allowed until it sends something begins now.
    #[cold]
    fn taken(&mut self, env: &Env<'_>) {
        self.send_pace.earn(0, env.now, env.config.timeouts.send);
        if self.requests > 0 && self.is_idle() {
            self.until = env.now + env.config.timeouts.idle;
        }
        if self.waits == Waits::Held && self.closing == Closing::Open {
            self.release();
            self.body_pace.wait(env.now);
        }
    }

    /// The wait for content begins or, while the peer still takes output, when it has: it may need that before it sends more, 100 above all.
    pub(super) fn await_content(&mut self, env: &Env<'_>) {
        if self.send_pace.is_waiting() {
            self.hold();
        } else {
            self.body_pace.wait(env.now);
        }
    }

    fn hold(&mut self) {
        if self.waits == Waits::Running {
            self.waits = Waits::Held;
        }
    }

    /// No wait for content stands still any more.
    #[inline]
    pub(super) fn release(&mut self) {
        if self.waits == Waits::Held {
            self.waits = Waits::Running;
        }
    }

    fn expect_due(&self) -> Result<(), Misuse> {
        match self.reply {
            _ if self.closing != Closing::Open => Err(Misuse::NotStarted),
            Reply::Idle => Err(Misuse::NotStarted),
            Reply::Due => Ok(()),
            Reply::Length(_) | Reply::Chunked | Reply::UntilClose | Reply::Done | Reply::Broken => {
                Err(Misuse::AlreadyStarted)
            }
        }
    }
}
