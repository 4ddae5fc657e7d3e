//! Which application does the simulated server have?
//!
//! [`Application`] is a [`Gateway`] that answers `/KIND/NUMBER/AMOUNT` in the manner that the kind names. What it puts off it leaves
//! as an [`Alarm`], which the world sets off.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use cherrystone_core::gateway::{
    ChunkOut, Deferred, Dialogue, Done, Exchange, Failure, Gateway, Mode, Payload, Piece, Progress, Source, Talk, Turn,
    Upgrade,
};
use cherrystone_core::{Head, Interim, RecvBuf, SendBuf, Size, Status};

use super::script::{Dispatch, Kind};

/// Octets that are pushed or dripped at once.
pub(super) const PIECE: usize = 700;
/// How long an answer is put off, in milliseconds.
const LATER: u64 = 40;
/// How long the other protocol waits for a word, in milliseconds.
const PATIENCE: u64 = 3_000;

/// Something put off.
#[derive(Debug)]
pub(super) struct Alarm {
    /// For how many milliseconds.
    pub(super) after: u64,
    pub(super) what: Put,
}

#[derive(Debug)]
pub(super) enum Put {
    Wake(Waker),
    Answer(Deferred, u64, u64),
    Drop(Deferred),
}

/// What the application and the world leave for each other.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) alarms: Vec<Alarm>,
    /// How long the handler that runs wants to take, in milliseconds.
    pub(super) nap: u64,
    /// The time, in milliseconds.
    pub(super) now: u64,
    /// The numbers of the requests that were handled.
    pub(super) handled: Vec<u64>,
}

/// The application.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) dispatch: Dispatch,
    pub(super) notes: Arc<Mutex<Notes>>,
}

/// Content that belongs to a number.
pub(super) fn pattern(number: u64, octets: u64) -> Vec<u8> {
    (0..octets).map(|at| b'a' + ((number + at + at / 26) % 26) as u8).collect()
}

/// What a path says: kind, number and amount.
fn route(path: &str) -> Option<(Kind, u64, u64)> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let name = parts.next()?;
    let (_, kind) = Kind::ALL.into_iter().find(|(known, _)| *known == name)?;
    Some((kind, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

impl Gateway for Application {
    fn mode(&self, head: Head<'_>) -> Mode {
        match (self.dispatch, route(head.path())) {
            (_, Some((Kind::Sleep, ..))) | (Dispatch::Workers, _) => Mode::Blocking,
            (Dispatch::Mixed, Some((_, number, _))) if number.is_multiple_of(2) => Mode::Blocking,
            _ => Mode::Inline,
        }
    }

    fn handle(&self, head: Head<'_>, mut exchange: Exchange<'_>) -> Result<Done, Failure> {
        let Some((kind, number, amount)) = route(head.path()) else {
            return exchange.respond(Status::NOT_FOUND, &[], Payload::Empty);
        };
        self.notes.lock().expect("no panic holds it").handled.push(number);
        let name = number.to_string();
        let fields = [("Id", name.as_bytes())];
        let shared = || Payload::Shared(pattern(number, amount).into());
        match kind {
            Kind::Plain => exchange.respond(Status::OK, &fields, shared()),
            Kind::Ignore => {
                // The wait for content ends with the interest in it.
                let _ = exchange.body().read(&mut [0])?;
                exchange.respond(Status::OK, &fields, shared())
            }
            Kind::Echo => {
                let mut content = Vec::new();
                exchange.body().read_to_end(&mut content)?;
                exchange.respond(Status::OK, &fields, content)
            }
            Kind::Push => {
                let size = if number.is_multiple_of(3) { Size::Exact(amount) } else { Size::Unknown };
                let mut writer = exchange.start_response(Status::OK, &fields, size)?;
                for piece in pattern(number, amount).chunks(PIECE) {
                    writer.write_all(piece)?;
                }
                writer.finish_with(&[("Sum", name.as_bytes())])
            }
            Kind::Drip => {
                let rest = pattern(number, amount);
                let drip = Drip { rest, at: 0, waited: false, notes: Arc::clone(&self.notes) };
                exchange.respond(Status::OK, &fields, Payload::Chunks(Box::new(drip)))
            }
            Kind::Later | Kind::Never => {
                let (deferred, done) = exchange.defer();
                let what =
                    if kind == Kind::Later { Put::Answer(deferred, number, amount) } else { Put::Drop(deferred) };
                self.put(LATER, what);
                Ok(done)
            }
            Kind::Duplex => {
                let mut writer = exchange.start_response(Status::OK, &fields, Size::Unknown)?;
                let mut piece = [0; 97];
                loop {
                    let n = writer.body().read(&mut piece)?;
                    if n == 0 {
                        return writer.finish();
                    }
                    writer.write_all(&piece[..n])?;
                }
            }
            Kind::Converse => Ok(exchange.converse(Box::new(Parrot { id: name, has_begun: false }))),
            Kind::Sleep => {
                // Whoever asks for the client gets its answer after the nap.
                self.notes.lock().expect("no panic holds it").nap = amount;
                let _ = exchange.is_client_gone();
                exchange.respond(Status::OK, &fields, "slept")
            }
            Kind::Fail => Err(Failure::application("as asked for")),
            Kind::Midway => {
                let mut writer = exchange.start_response(Status::OK, &fields, Size::Unknown)?;
                writer.write_all(b"half of it")?;
                Err(Failure::application("as asked for"))
            }
            // Without the hook: it is caught, and no news.
            Kind::Panic => std::panic::resume_unwind(Box::new("as asked for")),
            Kind::Hints => {
                exchange.inform(Interim::EARLY_HINTS, &[("Link", b"</a>")])?;
                exchange.respond(Status::OK, &fields, shared())
            }
            Kind::Goodbye => {
                exchange.close_after();
                exchange.respond(Status::OK, &fields, shared())
            }
            Kind::Upgrade => exchange
                .upgrade(&[("Upgrade", b"echo")], Box::new(Echo { heard_at: None, notes: Arc::clone(&self.notes) })),
        }
    }
}

impl Application {
    fn put(&self, after: u64, what: Put) {
        self.notes.lock().expect("no panic holds it").alarms.push(Alarm { after, what });
    }
}

impl Put {
    /// Does what was put off.
    pub(super) fn done(self) {
        match self {
            Self::Wake(waker) => waker.wake(),
            Self::Answer(deferred, number, amount) => {
                let name = number.to_string();
                deferred.respond(Status::OK, &[("Id", name.as_bytes())], pattern(number, amount));
            }
            Self::Drop(deferred) => drop(deferred),
        }
    }
}

/// Content that comes piece by piece; before each third it has to be waited for, and each second time no time at all.
struct Drip {
    rest: Vec<u8>,
    at: usize,
    waited: bool,
    notes: Arc<Mutex<Notes>>,
}

impl Source for Drip {
    fn next(&mut self, out: &mut ChunkOut<'_>, waker: &Waker) -> Result<Progress, Failure> {
        let left = &self.rest[self.at..];
        if left.is_empty() {
            return Ok(Progress::EndWith(vec![("Sum".into(), b"1".to_vec())]));
        }
        let piece = self.at / PIECE;
        if piece.is_multiple_of(3) && !std::mem::replace(&mut self.waited, true) {
            if piece.is_multiple_of(2) {
                waker.wake_by_ref();
            } else {
                let alarm = Alarm { after: LATER, what: Put::Wake(waker.clone()) };
                self.notes.lock().expect("no panic holds it").alarms.push(alarm);
            }
            return Ok(Progress::Later);
        }
        self.waited = false;
        let n = left.len().min(PIECE);
        out.write(&left[..n])?;
        self.at += n;
        Ok(Progress::More)
    }
}

/// A dialogue that says what it hears, as it hears it.
struct Parrot {
    id: String,
    has_begun: bool,
}

impl Dialogue for Parrot {
    fn turn(&mut self, talk: &mut Talk<'_>, _: &Waker) -> Result<Turn, Failure> {
        while talk.room() > 0 {
            let heard = match talk.read()? {
                Piece::Later => return Ok(Turn::Later),
                Piece::Data(octets) => Some(octets),
                Piece::End(_) => None,
            };
            if !std::mem::replace(&mut self.has_begun, true) {
                talk.respond(Status::OK, &[("Id", self.id.as_bytes())], Size::Unknown)?;
            }
            match heard {
                Some(octets) => talk.write(&octets)?,
                None => return Ok(Turn::End(Vec::new())),
            }
        }
        Ok(Turn::Later)
    }
}

/// Another protocol: what comes goes back, until the client ends, or says nothing for too long. An upgraded connection has no
/// time limit but its application's.
struct Echo {
    heard_at: Option<u64>,
    notes: Arc<Mutex<Notes>>,
}

impl Upgrade for Echo {
    fn ready(&mut self, rx: &mut RecvBuf, tx: &mut SendBuf, waker: &Waker) -> Result<Progress, Failure> {
        let mut notes = self.notes.lock().expect("no panic holds it");
        let now = notes.now;
        if !rx.is_empty() || self.heard_at.is_none() {
            self.heard_at = Some(now);
            notes.alarms.push(Alarm { after: PATIENCE, what: Put::Wake(waker.clone()) });
        }
        let n = rx.unread().len().min(PIECE);
        tx.put(&rx.unread()[..n]);
        rx.consume(n);
        let is_over = rx.is_empty() && rx.is_closed() || self.heard_at.is_some_and(|heard| now >= heard + PATIENCE);
        Ok(if is_over { Progress::End } else { Progress::More })
    }
}
