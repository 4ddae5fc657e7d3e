//! What may a dialogue do, and another protocol?
//!
//! A [`Dialogue`] goes through its [`Move`]s, as far as each turn allows. What it says depends on what it was told to do and on the
//! content as a whole, never on the pieces that this comes in; so does what a [`Protocol`] says.

use std::sync::Arc;
use std::task::Waker;

use arbitrary::{Arbitrary, Result, Unstructured};
use cherrystone_core::gateway::{Dialogue, Failure, Piece, Progress, Talk, Turn, Upgrade};
use cherrystone_core::{Interim, RecvBuf, SendBuf, Size};

use super::handler::{Called, Later, Put, status};

/// One thing that a dialogue does.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Waits for so many octets of content, or for its end; for the end if that is not said.
    Hear(Option<u8>),
    /// Begins the answer, with the announced size or without one.
    Begin(u16, Option<u8>),
    /// Says so many octets.
    Say(u16),
    /// Says what it heard and did not say yet.
    Echo,
    /// Sends hints.
    Hint,
    /// Waits to be called.
    Wait(Called),
    /// Lets no request follow, if the answer has not begun.
    CloseAfter,
    /// Gives up.
    Fail,
    /// Hears everything, and switches to another protocol.
    Switch(Protocol),
    /// Hears everything, and goes on with another protocol without having switched to it.
    Pretend,
}

/// Another protocol: what comes goes back several times over.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// How many octets it takes at a time.
    #[arbitrary(with = |u: &mut Unstructured<'_>| u.int_in_range(1..=200))]
    pub sip: u8,
    /// How often each octet goes back.
    #[arbitrary(with = |u: &mut Unstructured<'_>| u.int_in_range(0..=40))]
    pub times: u8,
    /// How many octets it takes altogether, and whether it fails then.
    pub ends: Option<(u8, bool)>,
}

/// Moves of a dialogue, few of them.
pub(super) fn moves(u: &mut Unstructured<'_>) -> Result<Vec<Move>> {
    let mut moves = Vec::new();
    while moves.len() < 8 && u.ratio(4, 5)? {
        moves.push(match u.int_in_range(0..=6)? {
            0 | 1 => Move::Hear(None),
            2 => Move::Echo,
            3 if moves.is_empty() => Move::Begin(0, None),
            _ => Move::arbitrary(u)?,
        });
    }
    Ok(moves)
}

/// A dialogue under way.
pub(super) struct Moves {
    moves: Vec<Move>,
    fails: bool,
    at: usize,
    has_begun: bool,
    waited: bool,
    heard: Vec<u8>,
    has_heard_all: bool,
    trailers: Vec<(String, Vec<u8>)>,
    later: Later,
}

impl Moves {
    pub(super) fn new(moves: &[Move], fails: bool, later: &Later) -> Self {
        Self {
            moves: moves.to_vec(),
            fails,
            at: 0,
            has_begun: false,
            waited: false,
            heard: Vec::new(),
            has_heard_all: false,
            trailers: Vec::new(),
            later: Arc::clone(later),
        }
    }

    /// Says something, which begins the answer if nothing has.
    fn say(&mut self, talk: &mut Talk<'_>, octets: &[u8]) -> core::result::Result<(), Failure> {
        self.begin(talk, 200, Size::Unknown)?;
        // What never goes out need not be said.
        if talk.sends_content() { Ok(talk.write(octets)?) } else { Ok(()) }
    }

    fn begin(&mut self, talk: &mut Talk<'_>, code: u16, size: Size) -> core::result::Result<(), Failure> {
        if !std::mem::replace(&mut self.has_begun, true) {
            talk.respond(status(code), &[("X-Dialogue", b"1")], size)?;
        }
        Ok(())
    }

    /// Hears content up to this much that was not said yet; says whether it has, or all that there is.
    fn hear(&mut self, talk: &mut Talk<'_>, octets: usize) -> core::result::Result<bool, Failure> {
        while self.heard.len() < octets && !self.has_heard_all {
            match talk.read()? {
                Piece::Data(data) => self.heard.extend(data),
                Piece::End(trailers) => {
                    self.has_heard_all = true;
                    self.trailers = trailers.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
                }
                Piece::Later => return Ok(false),
            }
        }
        Ok(true)
    }
}

impl Dialogue for Moves {
    fn turn(&mut self, talk: &mut Talk<'_>, waker: &Waker) -> core::result::Result<Turn, Failure> {
        while let Some(next) = self.moves.get(self.at).copied() {
            match next {
                Move::Hear(octets) => {
                    if !self.hear(talk, octets.map_or(usize::MAX, usize::from))? {
                        return Ok(Turn::Later);
                    }
                }
                Move::Begin(code, size) => {
                    let size = size.map_or(Size::Unknown, |octets| Size::Exact(octets.into()));
                    self.begin(talk, code, size)?;
                }
                Move::Say(_) | Move::Echo if talk.room() == 0 => return Ok(Turn::Later),
                Move::Say(octets) => self.say(talk, &vec![b's'; usize::from(octets % 3_000)])?,
                Move::Echo => {
                    let heard = std::mem::take(&mut self.heard);
                    self.say(talk, &heard)?;
                }
                Move::Hint => talk.inform(Interim::EARLY_HINTS, &[("Link", b"</d>")])?,
                Move::Wait(called) => {
                    if !std::mem::replace(&mut self.waited, true) {
                        match called {
                            Called::AtOnce => waker.wake_by_ref(),
                            Called::Later => {
                                self.later.lock().expect("no panic holds it").push(Put::Wake(waker.clone()));
                            }
                        }
                        return Ok(Turn::Later);
                    }
                    self.waited = false;
                }
                // Behind a head that says that the connection is kept, whether the next request is seen depends on when it comes.
                Move::CloseAfter if !self.has_begun => talk.close_after(),
                Move::CloseAfter => {}
                Move::Fail => return Err(Failure::application("as asked for")),
                Move::Switch(_) | Move::Pretend if !self.hear(talk, usize::MAX)? => return Ok(Turn::Later),
                Move::Switch(protocol) => {
                    talk.upgrade(&[("Upgrade", b"echo")])?;
                    return Ok(Turn::Upgrade(Box::new(Taken { protocol, octets: 0 })));
                }
                Move::Pretend => {
                    let protocol = Protocol { sip: 1, times: 1, ends: None };
                    return Ok(Turn::Upgrade(Box::new(Taken { protocol, octets: 0 })));
                }
            }
            self.at += 1;
        }
        if self.fails {
            return Err(Failure::application("as asked for"));
        }
        self.begin(talk, 200, Size::Unknown)?;
        let trailers = std::mem::take(&mut self.trailers);
        Ok(Turn::End(trailers))
    }
}

/// A protocol under way.
pub(super) struct Taken {
    pub(super) protocol: Protocol,
    /// How many octets were taken so far.
    pub(super) octets: usize,
}

impl Upgrade for Taken {
    fn ready(&mut self, rx: &mut RecvBuf, tx: &mut SendBuf, _: &Waker) -> core::result::Result<Progress, Failure> {
        let Protocol { sip, times, ends } = self.protocol;
        let left = ends.map_or(usize::MAX, |(octets, _)| usize::from(octets) - self.octets);
        let n = rx.unread().len().min(sip.into()).min(left);
        rx.unread()[..n].iter().for_each(|octet| tx.put(&vec![*octet; times.into()]));
        rx.consume(n);
        self.octets += n;
        match ends {
            Some((_, fails)) if n == left => {
                if fails {
                    Err(Failure::application("as asked for"))
                } else {
                    Ok(Progress::End)
                }
            }
            _ if rx.is_empty() && rx.is_closed() => Ok(Progress::End),
            _ => Ok(Progress::More),
        }
    }
}
