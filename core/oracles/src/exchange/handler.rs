//! What may a handler do?
//!
//! An [`Act`] is a small program: what is read and said before the answer, and how the answer is given.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use arbitrary::{Arbitrary, Result, Unstructured};
use cherrystone_core::gateway::{ChunkOut, Deferred, Done, Exchange, Failure, Payload, Progress, Source};
use cherrystone_core::{Interim, Size, Status};

use super::dialogue::{Move, Moves, Protocol, Taken, moves};
use super::file;

/// One handler.
#[derive(Arbitrary, Clone, Debug)]
pub struct Act {
    /// How much of the content is read before the answer; all of it if that is not said.
    #[arbitrary(with = some_or_all)]
    pub reads: Option<u8>,
    /// Whether hints are sent before it, and how many.
    #[arbitrary(with = |u: &mut Unstructured<'_>| u.int_in_range(0..=2))]
    pub hints: u8,
    /// Whether the connection is to end with it, and when the handler thinks of that.
    pub trouble: Option<Trouble>,
    /// The answer.
    pub answer: Answer,
}

/// What else a handler may do.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Lets no request follow.
    CloseAfter,
    /// Fails before the answer.
    Fail,
    /// Panics before the answer.
    Panic,
    /// Fails in the middle of the answer, if it has one.
    FailMidway,
}

/// How an answer is given.
#[derive(Arbitrary, Clone, Debug)]
pub enum Answer {
    /// As a payload.
    Whole(u16, Content),
    /// Pushed, with the announced size or without one.
    Pushed(u16, Content, Announced),
    /// Pulled from a source.
    Pulled(Content, Announced),
    /// A part of a file, from here on and so long; the file may end before.
    File(u32, u32),
    /// Later, by somebody else.
    Later(u16, Content),
    /// By nobody.
    Never,
    /// With another protocol.
    Upgrade(Protocol),
    /// In a dialogue.
    Converse(#[arbitrary(with = moves)] Vec<Move>),
}

/// Whether the size of pushed or pulled content is announced.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// It is.
    Exactly,
    /// It is not.
    NotAtAll,
    /// A greater one.
    TooMuch,
    /// A smaller one.
    TooLittle,
}

/// Content in pieces.
#[derive(Clone, Debug)]
pub struct Content(pub Vec<Piece>);

/// A piece of content.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Piece {
    /// Its octets.
    pub len: u16,
    /// Whether a source waits before it, and whether it is called at once.
    pub waits: Option<Called>,
}

/// When a source that waits is called.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// While it is being asked.
    AtOnce,
    /// When the connection has nothing else to do.
    Later,
}

impl<'a> Arbitrary<'a> for Content {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut pieces = Vec::new();
        while pieces.len() < 6 && u.ratio(2, 3)? {
            let mut piece = Piece::arbitrary(u)?;
            // Short ones mostly, and now and then one that no buffer holds.
            piece.len = if piece.len.is_multiple_of(16) { piece.len } else { piece.len % 40 };
            pieces.push(piece);
        }
        Ok(Self(pieces))
    }
}

impl Content {
    fn pieces(&self) -> impl Iterator<Item = Vec<u8>> {
        let letter = |at: usize| b'a' + (at % 26) as u8;
        self.0.iter().enumerate().map(move |(at, piece)| vec![letter(at); piece.len.into()])
    }

    fn joined(&self) -> Vec<u8> {
        self.pieces().flatten().collect()
    }

    fn size(&self, announced: Announced) -> Size {
        let len = self.joined().len() as u64;
        match announced {
            Announced::Exactly => Size::Exact(len),
            Announced::NotAtAll => Size::Unknown,
            Announced::TooMuch => Size::Exact(len + 1),
            Announced::TooLittle => Size::Exact(len.saturating_sub(1)),
        }
    }
}

/// What handlers leave to be done later.
pub(super) type Later = Arc<Mutex<Vec<Put>>>;

#[derive(Debug)]
pub(super) enum Put {
    Wake(Waker),
    Answer(Deferred, Status, Vec<u8>),
}

impl Put {
    pub(super) fn done(self) {
        match self {
            Self::Wake(waker) => waker.wake(),
            Self::Answer(deferred, status, content) => deferred.respond(status, &[("X-Late", b"yes")], content),
        }
    }
}

impl Act {
    /// Whether nothing happens before all content was read.
    pub(super) fn reads_all_first(&self) -> bool {
        let hears = matches!(&self.answer, Answer::Converse(moves) if moves.first() == Some(&Move::Hear(None)));
        self.reads.is_none() || hears && self.reads == Some(0) && self.hints == 0 && self.trouble.is_none()
    }

    /// Whether no part of the content is read without the rest.
    pub(super) fn reads_all_or_nothing(&self) -> bool {
        let is_choosy = matches!(&self.answer, Answer::Converse(moves)
            if moves.iter().any(|next| matches!(next, Move::Hear(Some(1..)))));
        self.reads.is_none() || self.reads == Some(0) && !is_choosy
    }

    /// Handles a request.
    pub(super) fn handle(&self, mut exchange: Exchange<'_>, later: &Later) -> core::result::Result<Done, Failure> {
        match self.reads {
            None => drop(std::io::copy(&mut exchange.body(), &mut std::io::sink())?),
            Some(octets) => drop(exchange.body().take(octets.into()).read_to_end(&mut Vec::new())?),
        }
        for _ in 0..self.hints {
            exchange.inform(Interim::EARLY_HINTS, &[("Link", b"</a>")])?;
        }
        match self.trouble {
            Some(Trouble::CloseAfter) => exchange.close_after(),
            Some(Trouble::Fail) => return Err(Failure::application("as asked for")),
            Some(Trouble::Panic) => std::panic::resume_unwind(Box::new("as asked for")),
            Some(Trouble::FailMidway) | None => {}
        }
        let fails = self.trouble == Some(Trouble::FailMidway);
        let fields: [(&str, &[u8]); 1] = [("X-Act", b"1")];
        match &self.answer {
            Answer::Whole(code, content) => exchange.respond(status(*code), &fields, content.joined()),
            Answer::Pushed(code, content, announced) => {
                let mut writer = exchange.start_response(status(*code), &fields, content.size(*announced))?;
                for piece in content.pieces() {
                    writer.write_all(&piece)?;
                }
                if fails {
                    return Err(Failure::application("as asked for"));
                }
                writer.finish_with(&[("Sum", b"1")])
            }
            Answer::Pulled(content, announced) => {
                let source = Pieces {
                    content: content.clone(),
                    at: 0,
                    waited: false,
                    size: content.size(*announced),
                    fails,
                    later: Arc::clone(later),
                };
                exchange.respond(Status::OK, &fields, Payload::Chunks(Box::new(source)))
            }
            Answer::File(start, len) => {
                let start = u64::from(*start) % (file::LEN + 100);
                // Short ones mostly, and now and then one that takes several reads.
                let len = if len.is_multiple_of(4) { u64::from(*len) % file::LEN } else { u64::from(*len) % 300 };
                exchange.respond(Status::OK, &fields, (file::file()?, start..start + len))
            }
            Answer::Later(code, content) => {
                let (deferred, done) = exchange.defer();
                let put = Put::Answer(deferred, status(*code), content.joined());
                later.lock().expect("no panic holds it").push(put);
                Ok(done)
            }
            Answer::Never => Ok(exchange.defer().1),
            Answer::Upgrade(protocol) => {
                let taken = Taken { protocol: *protocol, octets: 0 };
                exchange.upgrade(&[("Upgrade", b"echo")], Box::new(taken))
            }
            Answer::Converse(moves) => Ok(exchange.converse(Box::new(Moves::new(moves, fails, later)))),
        }
    }
}

/// All or nothing mostly.
fn some_or_all(u: &mut Unstructured<'_>) -> Result<Option<u8>> {
    Ok(match u.int_in_range(0..=5)? {
        0..=2 => None,
        3 | 4 => Some(0),
        _ => Some(u.arbitrary()?),
    })
}

pub(super) fn status(code: u16) -> Status {
    let often = [200, 204, 205, 206, 304, 404, 500, 599];
    let code = often.get(usize::from(code)).copied().unwrap_or(200 + code % 400);
    Status::new(code).unwrap_or(Status::OK)
}

/// A source that waits as it is told.
struct Pieces {
    content: Content,
    at: usize,
    waited: bool,
    size: Size,
    fails: bool,
    later: Later,
}

impl Source for Pieces {
    fn next(&mut self, out: &mut ChunkOut<'_>, waker: &Waker) -> core::result::Result<Progress, Failure> {
        let Some(piece) = self.content.0.get(self.at) else {
            return if self.fails {
                Err(Failure::application("as asked for"))
            } else {
                Ok(Progress::EndWith(vec![("Sum".into(), b"1".to_vec())]))
            };
        };
        if let Some(called) = piece.waits
            && !std::mem::replace(&mut self.waited, true)
        {
            match called {
                Called::AtOnce => waker.wake_by_ref(),
                Called::Later => self.later.lock().expect("no panic holds it").push(Put::Wake(waker.clone())),
            }
            return Ok(Progress::Later);
        }
        self.waited = false;
        let octets = self.content.pieces().nth(self.at).unwrap_or_default();
        out.write(&octets)?;
        self.at += 1;
        Ok(Progress::More)
    }

    fn size(&self) -> Size {
        self.size
    }
}
