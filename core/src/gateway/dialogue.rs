//! How does an answer come from elsewhere while its request is still being read?
//!
//! From a [`Dialogue`], which gets a turn whenever content has come, the client has room, or its waker was called, and says in each what
//! it can. In between it holds no thread, however slowly the client sends or takes: the way for runtimes that have tasks of their own.
//!
//! Invariants:
//! 1. Content is read from the connection only when a turn asks for it: what the application does not take, the client keeps.
//! 2. A dialogue whose client has gone, or whose server stops, is dropped.
//! 3. Content that breaks off is an error however often it is asked for, never an end.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::task::Waker;
use std::io;

use super::{Failure, Intake, Upgrade};
use crate::{Env, Event, Field, Fields, Interim, Link, Misuse, Size, Status};

/// An answer that is worked out elsewhere, from content that may still be coming.
pub trait Dialogue: Send {
    /// Says and hears what is possible now. The waker given last is the one to call when there is more to say, or to hear; it may be
    /// called at any time, from any thread.
    ///
    /// # Errors
    /// A [`Failure`] before the answer has begun becomes 500, or the status of the client's violation; after that the connection is
    /// cut.
    fn turn(&mut self, talk: &mut Talk<'_>, waker: &Waker) -> Result<Turn, Failure>;
}

/// What a [`Dialogue`] has come to.
pub enum Turn {
    /// It goes on: when the waker was called, when content has come if [`Talk::read`] found none, or when there is room if there was
    /// none.
    Later,
    /// The answer is complete; these trailer fields follow, where the framing has room for them.
    End(Vec<(String, Vec<u8>)>),
    /// [`Talk::upgrade`] was called: another protocol goes on. Without that the request is given up.
    Upgrade(Box<dyn Upgrade>),
}

impl core::fmt::Debug for Turn {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Later => "Later",
            Self::End(_) => "End",
            Self::Upgrade(_) => "Upgrade",
        })
    }
}

/// A piece of the content of a request.
#[derive(Debug)]
pub enum Piece<'p> {
    /// Octets.
    Data(Vec<u8>),
    /// The content is complete; these are its trailer fields.
    End(Fields<'p>),
    /// Nothing has come that was not read.
    Later,
}

/// What one turn of a [`Dialogue`] is had with.
pub struct Talk<'t> {
    link: &'t mut Link,
    env: &'t Env<'t>,
    intake: &'t mut Intake,
    mark: usize,
    waits_for_input: bool,
}

impl core::fmt::Debug for Talk<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Talk").field("link", &self.link).finish_non_exhaustive()
    }
}

impl<'t> Talk<'t> {
    pub(crate) fn new(link: &'t mut Link, env: &'t Env<'t>, intake: &'t mut Intake, mark: usize) -> Self {
        Self { link, env, intake, mark, waits_for_input: false }
    }

    /// Whether the turn found less content than it asked for.
    pub(crate) fn waits_for_input(&self) -> bool {
        self.waits_for_input
    }

    /// The next piece of content. Asking for it sends 100 (Continue) to a client that waits for that.
    ///
    /// # Errors
    /// [`Failure::Violation`] if the client broke a rule, each time that it is asked for; it is best handed on. Otherwise the client is
    /// lost.
    pub fn read(&mut self) -> Result<Piece<'_>, Failure> {
        loop {
            let collected = self.intake.take();
            if !collected.is_empty() {
                return Ok(Piece::Data(collected));
            }
            if self.intake.has_ended() {
                return Ok(Piece::End(self.intake.trailers()));
            }
            if let Some(violation) = self.intake.violation() {
                return Err(violation.into());
            }
            let Link { conn, rx, tx, .. } = &mut *self.link;
            if conn.is_answered() {
                return Err(Misuse::ContentDropped.into());
            }
            match conn.poll(self.env, rx).inspect_err(|violation| self.intake.violate(*violation))? {
                Event::Data(octets) => return Ok(Piece::Data(octets.to_vec())),
                Event::End(trailers) => self.intake.end(trailers),
                Event::NeedContinue => conn.proceed(tx)?,
                Event::NeedInput => {
                    if !self.link.resume().map_err(io::Error::other)? {
                        self.waits_for_input = true;
                        return Ok(Piece::Later);
                    }
                }
                Event::NeedResponse => return Err(Misuse::ContentRefused.into()),
                Event::Request(_) | Event::Upgraded | Event::Shutdown | Event::Closed => {
                    return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into());
                }
            }
        }
    }

    /// Octets that may be written before the client has to take some.
    pub fn room(&self) -> usize {
        self.mark.saturating_sub(self.link.tx.len())
    }

    /// Sends an interim answer of the application.
    ///
    /// # Errors
    /// As for [`Connection::inform`](crate::Connection::inform).
    pub fn inform(&mut self, status: Interim, fields: &[Field<'_>]) -> Result<(), Misuse> {
        self.link.conn.inform(status, fields, &mut self.link.tx)
    }

    /// Begins the answer.
    ///
    /// # Errors
    /// As for [`Connection::respond`](crate::Connection::respond).
    pub fn respond(&mut self, status: Status, fields: &[Field<'_>], size: Size) -> Result<(), Misuse> {
        self.link.conn.respond(self.env, status, fields, size, &mut self.link.tx)
    }

    /// Appends content to the answer; in a chunked answer it is one chunk.
    ///
    /// # Errors
    /// As for [`Connection::write`](crate::Connection::write).
    pub fn write(&mut self, data: &[u8]) -> Result<(), Misuse> {
        self.link.conn.write(data, &mut self.link.tx)
    }

    /// Whether content of the answer goes out at all; not for HEAD and 304.
    pub fn sends_content(&self) -> bool {
        self.link.conn.sends_content()
    }

    /// Switches to another protocol; follow with [`Turn::Upgrade`].
    ///
    /// # Errors
    /// As for [`Connection::upgrade`](crate::Connection::upgrade): the content has to be read to its end before.
    pub fn upgrade(&mut self, fields: &[Field<'_>]) -> Result<(), Misuse> {
        self.link.conn.upgrade(self.env, fields, &mut self.link.tx)
    }

    /// Lets the connection end after this answer; to be called before it begins.
    pub fn close_after(&mut self) {
        self.link.conn.retire();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{Advance, Ongoing};
    use crate::{Config, Instant};

    /// Answers with what comes, as it comes.
    struct Echo {
        has_begun: bool,
    }

    impl Dialogue for Echo {
        fn turn(&mut self, talk: &mut Talk<'_>, _: &Waker) -> Result<Turn, Failure> {
            if !core::mem::replace(&mut self.has_begun, true) {
                talk.respond(Status::OK, &[], Size::Unknown)?;
            }
            while talk.room() > 0 {
                match talk.read()? {
                    Piece::Data(octets) => talk.write(&octets)?,
                    Piece::End(trailers) => {
                        let sum = trailers.get("Sum").unwrap_or_default().to_vec();
                        return Ok(Turn::End(alloc::vec![("Sum".into(), sum)]));
                    }
                    Piece::Later => break,
                }
            }
            Ok(Turn::Later)
        }
    }

    fn answer_to(pieces: &[&[u8]]) -> (Vec<u8>, Vec<Advance>) {
        let config = Config::default();
        let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
        let mut link = Link::new(&env, None);
        link.rx.push(pieces[0]);
        assert!(matches!(link.conn.poll(&env, &mut link.rx), Ok(Event::Request(_))));
        let mut ongoing = Ongoing::dialogue(Box::new(Echo { has_begun: false }), Intake::default());
        let mut advances = alloc::vec![ongoing.advance(&mut link, &env, 1 << 16, Waker::noop())];
        for piece in &pieces[1..] {
            assert_eq!(ongoing.reads_input(), advances.last() == Some(&Advance::Input));
            link.rx.push(piece);
            advances.push(ongoing.advance(&mut link, &env, 1 << 16, Waker::noop()));
        }
        (link.tx.unsent().to_vec(), advances)
    }

    #[test]
    fn content_is_answered_while_it_comes() {
        let head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab";
        let (said, advances) = answer_to(&[head, b"c\r\n", b"1\r\nd\r\n0\r\nSum: 4\r\n\r\n"]);
        assert_eq!(advances, [Advance::Input, Advance::Input, Advance::Finished]);
        assert!(
            said.ends_with(b"\r\n\r\n2\r\nab\r\n1\r\nc\r\n1\r\nd\r\n0\r\nSum: 4\r\n\r\n"),
            "{}",
            said.escape_ascii()
        );
    }

    /// Does what these functions do, one a turn.
    type Act = fn(&mut Talk<'_>) -> Result<Turn, Failure>;
    struct Acts(alloc::collections::VecDeque<Act>);

    impl Dialogue for Acts {
        fn turn(&mut self, talk: &mut Talk<'_>, _: &Waker) -> Result<Turn, Failure> {
            self.0.pop_front().map_or(Ok(Turn::Later), |act| act(talk))
        }
    }

    fn begin(stream: &[u8], acts: &[Act], env: &Env<'_>) -> (Link, Ongoing) {
        let mut link = Link::new(env, None);
        link.rx.push(stream);
        assert!(matches!(link.conn.poll(env, &mut link.rx), Ok(Event::Request(_))));
        (link, Ongoing::dialogue(Box::new(Acts(acts.iter().copied().collect())), Intake::default()))
    }

    #[test]
    fn a_wait_for_content_has_no_end_while_nobody_waits() {
        let config = Config::default();
        let at = |secs: u64| Env { config: &config, now: Instant::from_nanos(secs * 1_000_000_000), date: None };
        let read: Act = |talk| talk.read().map(|_| Turn::Later);
        let rest: Act = |_| Ok(Turn::Later);
        let (mut link, mut ongoing) =
            begin(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n", &[read, rest, read], &at(0));
        let mut turn = |secs| {
            let advance = ongoing.advance(&mut link, &at(secs), 1 << 16, Waker::noop());
            (advance, link.conn.deadline().map(|deadline| deadline.at))
        };
        let (advance, ends) = turn(0);
        let grace = ends.unwrap().as_nanos();
        assert_eq!(advance, Advance::Input);
        assert_eq!(turn(1), (Advance::Waker, None));
        // The second that was waited before is spent.
        assert_eq!(turn(100), (Advance::Input, Some(Instant::from_nanos(grace + 99_000_000_000))));
    }

    #[test]
    fn nothing_is_read_behind_a_complete_answer() {
        let config = Config::default();
        let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
        let answer: Act = |talk| {
            talk.respond(Status::NO_CONTENT, &[], Size::Empty)?;
            assert!(talk.read().is_err());
            Ok(Turn::End(Vec::new()))
        };
        let stream = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /next HTTP/1.1\r\nHost: h\r\n\r\n";
        let (mut link, mut ongoing) = begin(stream, &[answer], &env);
        assert_eq!(ongoing.advance(&mut link, &env, 1 << 16, Waker::noop()), Advance::Finished);
        let next = link.conn.poll(&env, &mut link.rx);
        assert!(matches!(&next, Ok(Event::Request(head)) if head.path() == "/next"), "{next:?}");
    }

    #[test]
    fn content_that_broke_off_never_ends() {
        let config = Config::default();
        let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
        let forgive: Act = |talk| {
            for _ in 0..3 {
                assert!(matches!(talk.read(), Err(Failure::Violation(_))));
            }
            talk.respond(Status::OK, &[], Size::Empty)?;
            Ok(Turn::End(Vec::new()))
        };
        let stream = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
        let (mut link, mut ongoing) = begin(stream, &[forgive], &env);
        assert_eq!(ongoing.violation(), None);
        assert_eq!(ongoing.advance(&mut link, &env, 1 << 16, Waker::noop()), Advance::Finished);
        assert!(ongoing.violation().is_some());
        assert!(link.tx.unsent().starts_with(b"HTTP/1.1 200 "));
    }

    #[test]
    fn a_violation_ends_it_in_sight() {
        let head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (said, advances) = answer_to(&[head, b"+3\r\n"]);
        assert_eq!(advances, [Advance::Input, Advance::Finished]);
        assert!(!said.ends_with(b"0\r\n\r\n"), "{}", said.escape_ascii());
    }
}
