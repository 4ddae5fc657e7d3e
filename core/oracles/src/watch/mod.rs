//! Does one connection keep its promises, call by call?
//!
//! A [`Watched`] connection has the methods of a `Connection` and a small model of what the two sides owe each
//! other. Every `poll` is held to conservation, progress, no deadlock, one violation and deadlines that lie ahead; every
//! call is held to "a misuse changes nothing"; and [`check_output`](Watched::check_output) reads all answers back.
//!
//! A driver of your own is held to the same promises when it is given a [`Watched`] in place of its connection:
//!
//! ```
//! use cherrystone_core::{Config, Size, Status};
//! use cherrystone_oracles::wire::SAMPLES;
//! use cherrystone_oracles::watch::{Lines, Seen, Watched};
//!
//! /// The driver under test, up to where it needs more input. It gives back what it is sent.
//! fn drive(conn: &mut Watched<'_>, content: &mut Vec<u8>) {
//!     loop {
//!         match conn.poll() {
//!             Seen::Request(_) => content.clear(),
//!             Seen::Data(data) => content.extend(data),
//!             Seen::End(_) => {
//!                 let tunnel = conn.respond(Status::NOT_FOUND, &Lines::new(), Size::Exact(content.len() as u64));
//!                 tunnel.and_then(|()| conn.write(content)).and_then(|()| conn.finish(&Lines::new())).unwrap();
//!             }
//!             Seen::NeedContinue => conn.proceed().unwrap(),
//!             Seen::Violated(why) => conn.give_up(why.status(), |conn, env, tx| conn.refuse(env, why, tx)),
//!             Seen::NeedResponse | Seen::Upgraded => unreachable!("every request is answered at its end"),
//!             Seen::Shutdown => {}
//!             Seen::NeedInput | Seen::Closed => return,
//!         }
//!     }
//! }
//!
//! let config = Config::default();
//! for sample in SAMPLES {
//!     let (mut conn, mut content) = (Watched::new(&config), Vec::new());
//!     for octet in sample.octets.as_bytes().chunks(1) {
//!         conn.push(octet);                      // each poll is judged,
//!         drive(&mut conn, &mut content);
//!     }
//!     conn.check_output();                       // and in the end all that was said
//! }
//! ```

mod answer;
mod judge;
mod seen;

use core::ops::Range;

use cherrystone_core::{
    Config, Connection, Date, Env, Instant, Interim, Misuse, RecvBuf, SendBuf, Size, Stalled, Status, Violation,
};

use self::answer::{Answer, Part};
pub use self::seen::{Request, Seen};
use crate::replies;

/// Field lines as an application gives or gets them.
pub type Lines = Vec<(String, Vec<u8>)>;

/// What the client has said of the request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Head,
    All,
}

/// A connection that is judged on every call.
#[derive(Debug)]
pub struct Watched<'c> {
    /// The connection; calls that are not watched may be made directly.
    pub conn: Connection,
    /// Its input.
    pub rx: RecvBuf,
    /// Its output that was not [`flush`](Self::flush)ed.
    pub tx: SendBuf,
    /// The time of the next call.
    pub now: Instant,
    pub(crate) config: &'c Config,
    date: Date,
    sent: Vec<u8>,
    continues: Vec<Range<usize>>,
    answers: Vec<Answer>,
    /// The first of them that belongs to the request under way.
    due: usize,
    pushed: u64,
    /// Not after buffers were exchanged.
    conserves: bool,
    asked: Asked,
    /// Whether the method is HEAD; unknown if the request line may be broken.
    head: Option<bool>,
    connect: bool,
    request_at: u64,
    waits: bool,
    refused: bool,
    violated: bool,
    given_up: bool,
    said_close: bool,
    switched: bool,
    shut: bool,
}

impl<'c> Watched<'c> {
    /// A connection that was just made, at time zero.
    pub fn new(config: &'c Config) -> Self {
        let now = Instant::from_nanos(0);
        Self {
            conn: Connection::new(&Env { config, now, date: None }),
            rx: RecvBuf::default(),
            tx: SendBuf::default(),
            now,
            config,
            date: Date::from_unix(0),
            sent: Vec::new(),
            continues: Vec::new(),
            answers: Vec::new(),
            due: 0,
            pushed: 0,
            conserves: true,
            asked: Asked::Nothing,
            head: Some(false),
            connect: false,
            request_at: 0,
            waits: false,
            refused: false,
            violated: false,
            given_up: false,
            said_close: false,
            switched: false,
            shut: false,
        }
    }

    /// Octets arrive.
    pub fn push(&mut self, data: &[u8]) {
        self.rx.push(data);
        self.pushed += data.len() as u64;
    }

    /// Another buffer takes the place of the input, as no sane driver would do.
    pub fn exchange(&mut self, other: &mut RecvBuf) {
        core::mem::swap(&mut self.rx, other);
        self.conserves = false;
    }

    /// Asks for the next event, and judges it.
    pub fn poll(&mut self) -> Seen {
        let seen = self.ask();
        // What was left of an answered request is dropped before; what is refused stays unread.
        self.judge(&seen, self.rx.unread().starts_with(b"HEAD "));
        if seen.is_wait() {
            let state = self.visible();
            assert_eq!(self.ask(), seen, "the answer changes without news");
            assert_eq!(self.visible(), state, "the state changes without news");
            self.judge_deadline();
        }
        if self.conserves && !self.switched {
            let unread = self.rx.unread().len() as u64;
            assert_eq!(self.pushed, self.conn.consumed() + unread, "octets were lost or made up");
        }
        seen
    }

    /// What can be seen of the state from outside.
    fn visible(&self) -> impl PartialEq + core::fmt::Debug + use<'c> {
        let conn = &self.conn;
        let flags = (conn.is_idle(), conn.is_upgraded(), conn.is_cut(), conn.sends_content());
        (conn.consumed(), conn.deadline(), conn.requests(), conn.unwritten(), flags)
    }

    fn ask(&mut self) -> Seen {
        let env = Env { config: self.config, now: self.now, date: Some(&self.date) };
        Seen::of(self.conn.poll(&env, &mut self.rx))
    }

    fn has_begun(&self) -> bool {
        self.answers[self.due..].last().is_some_and(|answer| answer.part == Part::Open)
    }

    fn is_answered(&self) -> bool {
        self.answers[self.due..]
            .last()
            .is_some_and(|answer| matches!(answer.part, Part::Finished | Part::Broken | Part::Canned))
    }

    /// Makes a call that may be a misuse, which then must have changed nothing.
    fn attempt<T>(
        &mut self,
        call: impl FnOnce(&mut Connection, &Env<'_>, &mut SendBuf) -> Result<T, Misuse>,
    ) -> Result<T, Misuse> {
        let (state, said) = (format!("{:?}", self.conn), self.tx.unsent().to_vec());
        let env = Env { config: self.config, now: self.now, date: Some(&self.date) };
        let done = call(&mut self.conn, &env, &mut self.tx);
        if let Err(misuse) = &done {
            assert_eq!(format!("{:?}", self.conn), state, "{misuse:?} changed the state");
            assert_eq!(self.tx.unsent(), said, "{misuse:?} changed the output");
        }
        done
    }

    /// As `Connection::proceed`.
    ///
    /// # Errors
    /// As there.
    pub fn proceed(&mut self) -> Result<(), Misuse> {
        self.flush();
        self.attempt(|conn, _, tx| conn.proceed(tx))?;
        self.waits = false;
        let start = self.sent.len();
        self.flush();
        self.continues.push(start..self.sent.len());
        self.record(100, &[], Part::Interim, Size::Empty, Some(true));
        Ok(())
    }

    /// As `Connection::inform`.
    ///
    /// # Errors
    /// As there.
    pub fn inform(&mut self, status: Interim, fields: &Lines) -> Result<(), Misuse> {
        let before = self.tx.len();
        self.attempt(|conn, _, tx| conn.inform(status, &borrowed(fields), tx))?;
        if self.tx.len() > before {
            self.record(status.code(), fields, Part::Interim, Size::Empty, Some(true));
        }
        Ok(())
    }

    /// As `Connection::respond`.
    ///
    /// # Errors
    /// As there.
    pub fn respond(&mut self, status: Status, fields: &Lines, size: Size) -> Result<(), Misuse> {
        self.flush();
        self.attempt(|conn, env, tx| conn.respond(env, status, &borrowed(fields), size, tx))?;
        let (head, behind) = replies::read(self.tx.unsent(), true).expect("a head was written");
        assert!(behind.is_empty(), "more than a head was written");
        self.said_close = head.lists("Connection", "close");
        assert!(self.said_close || !self.waits, "content is refused, and the client is not told: {self:?}");
        let tunnel = self.connect && status.code() < 300;
        let part = if matches!(size, Size::Empty | Size::Exact(0)) { Part::Finished } else { Part::Open };
        let mute = if tunnel || status == Status::NOT_MODIFIED { Some(true) } else { self.head };
        self.record(status.code(), fields, part, size, mute);
        self.refused |= self.waits;
        Ok(())
    }

    /// As `Connection::write`.
    ///
    /// # Errors
    /// As there.
    pub fn write(&mut self, data: &[u8]) -> Result<(), Misuse> {
        self.attempt(|conn, _, tx| conn.write(data, tx))?;
        self.wrote(data);
        Ok(())
    }

    /// As `Connection::frame`, with the content sent as its documentation says.
    ///
    /// # Errors
    /// As there.
    pub fn frame(&mut self, data: &[u8]) -> Result<(), Misuse> {
        let frame = self.attempt(|conn, _, _| conn.frame(data.len() as u64))?;
        if self.conn.sends_content() && !data.is_empty() {
            self.tx.put(frame.prefix());
            self.tx.put(data);
            self.tx.put(frame.suffix());
        }
        self.wrote(data);
        Ok(())
    }

    fn wrote(&mut self, data: &[u8]) {
        if !data.is_empty() {
            let answer = self.answers.last_mut().expect("an answer is open");
            assert_eq!(answer.part, Part::Open, "content outside of an answer");
            answer.content.extend_from_slice(data);
        }
    }

    /// As `Connection::finish`.
    ///
    /// # Errors
    /// As there.
    pub fn finish(&mut self, trailers: &Lines) -> Result<(), Misuse> {
        self.attempt(|conn, _, tx| conn.finish(&borrowed(trailers), tx))?;
        let answer = self.answers.last_mut().expect("an answer was begun");
        if answer.part == Part::Open {
            answer.part = Part::Finished;
            answer.trailers.clone_from(trailers);
        }
        Ok(())
    }

    /// As `Connection::upgrade`.
    ///
    /// # Errors
    /// As there.
    pub fn upgrade(&mut self, fields: &Lines) -> Result<(), Misuse> {
        self.attempt(|conn, env, tx| conn.upgrade(env, &borrowed(fields), tx))?;
        let status = if self.connect { 200 } else { 101 };
        self.record(status, fields, Part::Finished, Size::Empty, Some(true));
        self.switched = true;
        Ok(())
    }

    /// As `Connection::refuse`, `abort` or `overloaded`: `call` ends the connection, with `status` if nothing was said.
    pub fn give_up(&mut self, status: Status, call: impl FnOnce(&mut Connection, &Env<'_>, &mut SendBuf)) {
        let env = Env { config: self.config, now: self.now, date: Some(&self.date) };
        let before = self.tx.len();
        call(&mut self.conn, &env, &mut self.tx);
        if self.tx.len() > before {
            let known = self.violated || self.asked != Asked::Nothing && !self.is_answered();
            let mute = if known { self.head } else { None };
            self.record(status.code(), &Lines::new(), Part::Canned, Size::Empty, mute);
        } else if self.has_begun() {
            self.answers.last_mut().expect("an answer was begun").part = Part::Broken;
        }
        self.given_up = true;
        self.switched = false;
    }

    /// As `Connection::admit`.
    ///
    /// # Errors
    /// As there.
    pub fn admit(&mut self) -> Result<(), Violation> {
        let admitted = self.conn.admit();
        assert!(admitted.is_ok() || !self.is_answered(), "a request that was answered is refused: {self:?}");
        if let Err(violation) = admitted {
            self.judge(&Seen::Violated(violation), false);
        }
        admitted
    }

    /// As `Connection::end_upgrade`.
    pub fn end_upgrade(&mut self) {
        self.conn.end_upgrade();
        self.given_up |= self.switched;
        self.switched = false;
    }

    /// As `Connection::sent`.
    ///
    /// # Errors
    /// As there.
    pub fn sent(&mut self, n: usize, left: usize) -> Result<(), Stalled> {
        let env = Env { config: self.config, now: self.now, date: Some(&self.date) };
        self.conn.sent(&env, n, left)
    }

    /// Takes all output away, as a socket would.
    pub fn flush(&mut self) {
        self.sent.extend_from_slice(self.tx.unsent());
        self.tx.advance(usize::MAX);
    }

    /// All output without 100 (Continue), which depends on when content comes.
    pub fn output(&mut self) -> Vec<u8> {
        self.flush();
        let mut output = self.sent.clone();
        for range in self.continues.iter().rev() {
            output.drain(range.clone());
        }
        output
    }

    fn record(&mut self, status: u16, fields: &[(String, Vec<u8>)], part: Part, size: Size, mute: Option<bool>) {
        let (content, trailers) = (Vec::new(), Vec::new());
        self.answers.push(Answer { status, fields: fields.to_vec(), part, mute, size, content, trailers });
    }

    /// Reads the whole output back: it must be what was asked for, in order, and nothing else.
    pub fn check_output(&mut self) {
        self.flush();
        let mut rest = &self.sent[..];
        for answer in &self.answers {
            rest = answer.find(rest, self.conn.is_cut());
        }
        assert!(rest.is_empty(), "output that nobody asked for: {}", rest.escape_ascii());
    }
}

fn borrowed(lines: &Lines) -> Vec<(&str, &[u8])> {
    lines.iter().map(|(name, value)| (name.as_str(), &value[..])).collect()
}
