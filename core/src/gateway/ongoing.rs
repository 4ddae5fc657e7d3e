//! What is still to be done for an answer after its handler has returned?
//!
//! An [`Ongoing`] payload, deferred answer or upgraded protocol. A backend calls [`Ongoing::advance`] when there is room in the
//! output, when the waker was called, and for an upgrade when there are bytes; in between it holds no thread.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::task::Waker;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::deferred::{Answer, Slot};
use super::{ChunkOut, Dialogue, Failure, Intake, Payload, Progress, Talk, Turn, Upgrade};
use crate::{Env, Event, Link, Pool, Size, StatusLine, Violation};
use alloc::boxed::Box;

/// An answer under way.
#[derive(Debug)]
pub struct Ongoing(Kind);

enum Kind {
    /// Octets in memory, from this position on.
    Octets(Payload, usize),
    /// A part of a file, and how it gets to the socket.
    File(File, Range<u64>, Way),
    Source(Box<dyn super::Source>),
    Deferred(Arc<Slot>),
    Dialogue(Box<Conversation>),
    Upgrade(Box<dyn Upgrade>),
}

/// How a file gets to the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The kernel may move it.
    Kernel,
    /// Through the output, since the kernel would not.
    Output,
}

/// Content that a backend may hand to the socket itself, behind what the link has queued.
#[derive(Debug)]
pub enum Content<'o> {
    /// What is left of octets in memory.
    Octets(&'o [u8]),
    /// What is left of a part of a file.
    File(&'o File, Range<u64>),
}

/// A dialogue, and content that was collected for it.
struct Conversation {
    dialogue: Box<dyn Dialogue>,
    intake: Intake,
    waits_for_input: bool,
}

/// What an ongoing answer waits for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// For room in the output.
    Room,
    /// For its waker.
    Waker,
    /// For bytes from the client, or its waker: an upgraded protocol, or a dialogue that wants more content.
    Input,
    /// For nothing: the answer is complete, or was given up and the connection ends.
    Finished,
}

/// Content up to this size is copied behind what is queued, so that all leaves in one write; larger content stays where it is.
pub(super) const SMALL: usize = 16 << 10;
/// How many octets of a file are read into the output at a time.
const FILE_PIECE: u64 = 64 << 10;

impl Ongoing {
    pub(crate) fn payload(payload: Payload) -> Self {
        Self(match payload {
            Payload::File(file, range) => Kind::File(file, range, Way::Kernel),
            Payload::Chunks(source) => Kind::Source(source),
            octets => Kind::Octets(octets, 0),
        })
    }

    pub(crate) fn deferred(slot: Arc<Slot>) -> Self {
        Self(Kind::Deferred(slot))
    }

    pub(crate) fn dialogue(dialogue: Box<dyn Dialogue>, intake: Intake) -> Self {
        Self(Kind::Dialogue(Box::new(Conversation { dialogue, intake, waits_for_input: false })))
    }

    pub(crate) fn upgrade(next: Box<dyn Upgrade>) -> Self {
        Self(Kind::Upgrade(next))
    }

    /// Moves on until the output holds `mark` octets, or there is nothing to do now. A violation that is come upon is answered by
    /// [`Connection::refuse`](crate::Connection::refuse).
    pub fn advance(&mut self, link: &mut Link, env: &Env<'_>, mark: usize, waker: &Waker) -> Advance {
        self.try_advance(link, env, mark, waker).unwrap_or_else(|violation| {
            link.conn.refuse(env, violation, &mut link.tx);
            Advance::Finished
        })
    }

    /// [`advance`](Self::advance) for a backend that answers violations in words of its own.
    ///
    /// # Errors
    /// The client broke a rule, which is to be answered; nothing else is left to do.
    pub fn try_advance(
        &mut self,
        link: &mut Link,
        env: &Env<'_>,
        mark: usize,
        waker: &Waker,
    ) -> Result<Advance, Violation> {
        match self.step(link, env, mark, waker) {
            Ok(advance) => Ok(advance),
            Err(Failure::Violation(violation)) => {
                link.conn.end_upgrade();
                Err(violation)
            }
            // What failed is the application's or a file's fault.
            Err(_) => Ok(self.give_up(link, env)),
        }
    }

    /// Gives the storage of content that was handed over to `pool`, once the answer has come to its end.
    pub fn rest(&mut self, pool: &mut Pool) {
        if let Kind::Octets(Payload::Owned(octets), _) = &mut self.0 {
            pool.keep_content(core::mem::take(octets));
        }
    }

    /// Ends the answer where it is, so that the client sees that it is incomplete.
    pub fn give_up(&mut self, link: &mut Link, env: &Env<'_>) -> Advance {
        link.conn.abort(env, &mut link.tx);
        link.conn.end_upgrade();
        Advance::Finished
    }

    /// Whether this reads what the client sends now: another protocol, or a dialogue that wants more content.
    pub fn reads_input(&self) -> bool {
        match &self.0 {
            Kind::Upgrade(_) => true,
            Kind::Dialogue(conversation) => conversation.waits_for_input,
            _ => false,
        }
    }

    /// What the client did wrong, if that ended the content of a dialogue. If [`try_advance`](Self::try_advance) did not say so, the
    /// dialogue has answered it by itself.
    pub fn violation(&self) -> Option<Violation> {
        match &self.0 {
            Kind::Dialogue(conversation) => conversation.intake.violation(),
            _ => None,
        }
    }

    /// Whether it may wait for its waker, so that the backend has to have one.
    pub fn needs_waker(&self) -> bool {
        matches!(self.0, Kind::Source(_) | Kind::Deferred(_) | Kind::Dialogue(_) | Kind::Upgrade(_))
    }

    /// What may go to the socket past the output of `link`: content of known length, where there is no stage. A backend that sends
    /// some of it says so by [`passed`](Self::passed); [`advance`](Self::advance) goes on from there too.
    pub fn content(&self, link: &Link) -> Option<Content<'_>> {
        match &self.0 {
            _ if link.is_secured() || !link.conn.sends_content() => None,
            Kind::Octets(payload, at) => Some(Content::Octets(payload.octets().get(*at..).unwrap_or_default())),
            Kind::File(file, range, Way::Kernel) => Some(Content::File(file, range.clone())),
            _ => None,
        }
    }

    /// Notes that the socket took `n` octets of the [`content`](Self::content).
    pub fn passed(&mut self, n: usize, link: &mut Link, env: &Env<'_>) -> Advance {
        self.note_passed(n, link).unwrap_or_else(|_| self.give_up(link, env))
    }

    /// Notes that the kernel cannot move this file to the socket: from now on it goes through the output.
    pub fn refuse_file(&mut self) {
        if let Kind::File(_, _, way) = &mut self.0 {
            *way = Way::Output;
        }
    }

    fn note_passed(&mut self, n: usize, link: &mut Link) -> Result<Advance, Failure> {
        link.conn.frame(n as u64)?;
        let left = match &mut self.0 {
            Kind::Octets(payload, at) => {
                *at = at.saturating_add(n);
                payload.octets().len().saturating_sub(*at) as u64
            }
            Kind::File(_, range, _) => {
                range.start = range.start.saturating_add(n as u64);
                range.end.saturating_sub(range.start)
            }
            Kind::Source(_) | Kind::Deferred(_) | Kind::Dialogue(_) | Kind::Upgrade(_) => return Ok(Advance::Room),
        };
        if left == 0 { finish(link, &[]) } else { Ok(Advance::Room) }
    }

    fn step(&mut self, link: &mut Link, env: &Env<'_>, mark: usize, waker: &Waker) -> Result<Advance, Failure> {
        loop {
            if let Kind::Upgrade(next) = &mut self.0 {
                return upgraded(next.as_mut(), link, env, mark, waker);
            }
            if link.tx.len() >= mark && !matches!(self.0, Kind::Deferred(_)) {
                return Ok(Advance::Room);
            }
            match &mut self.0 {
                Kind::Octets(payload, at) => {
                    let rest = payload.octets().get(*at..).unwrap_or_default();
                    let n = rest.len().min(mark - link.tx.len());
                    link.conn.write(&rest[..n], &mut link.tx)?;
                    *at += n;
                    if n == rest.len() {
                        return finish(link, &[]);
                    }
                }
                Kind::File(file, range, _) => {
                    if range.start >= range.end {
                        return finish(link, &[]);
                    }
                    let want = (range.end - range.start).min(FILE_PIECE) as usize;
                    let n = link.tx.put_with(want, |room| file.read_at(room, range.start))?;
                    if n == 0 {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                    }
                    link.conn.frame(n as u64)?;
                    range.start += n as u64;
                }
                Kind::Source(source) => match source.next(&mut ChunkOut::new(&mut link.conn, &mut link.tx), waker)? {
                    Progress::More => {}
                    Progress::Later => return Ok(Advance::Waker),
                    Progress::End => return finish(link, &[]),
                    Progress::EndWith(trailers) => return finish(link, &trailers),
                },
                Kind::Deferred(slot) => match slot.take(waker) {
                    None => return Ok(Advance::Waker),
                    Some(Answer::Dropped) => return Err(Failure::application("nobody answered the request")),
                    Some(Answer::Respond { status, fields, payload }) => {
                        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
                        match begin(link, env, status.into(), &fields, payload)? {
                            Some(ongoing) => *self = ongoing,
                            None => return Ok(Advance::Finished),
                        }
                    }
                },
                Kind::Dialogue(conversation) => {
                    let Conversation { dialogue, intake, waits_for_input } = &mut **conversation;
                    let mut talk = Talk::new(link, env, intake, mark);
                    let turn = dialogue.turn(&mut talk, waker)?;
                    *waits_for_input = talk.waits_for_input();
                    if !*waits_for_input {
                        link.conn.hold_content(env);
                    }
                    match turn {
                        Turn::Later if link.tx.len() >= mark => return Ok(Advance::Room),
                        Turn::Later if *waits_for_input => return Ok(Advance::Input),
                        Turn::Later => return Ok(Advance::Waker),
                        Turn::End(trailers) => return finish(link, &trailers),
                        Turn::Upgrade(next) if link.conn.is_upgraded() => *self = Self::upgrade(next),
                        Turn::Upgrade(_) => return Err(Failure::application("a protocol that was not switched to")),
                    }
                }
                Kind::Upgrade(_) => {}
            }
        }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        if let Kind::Deferred(slot) = &self.0 {
            slot.abandon();
        }
    }
}

/// Writes the head of an answer and as much of its payload as is small enough to copy; what is left goes on.
#[inline]
pub(crate) fn begin(
    link: &mut Link,
    env: &Env<'_>,
    status: StatusLine<'_>,
    fields: &[crate::Field<'_>],
    payload: Payload,
) -> Result<Option<Ongoing>, Failure> {
    let size = payload.size();
    link.conn.respond(env, status, fields, size, &mut link.tx)?;
    let octets = payload.octets();
    let is_all = size == Size::Exact(octets.len() as u64);
    if !link.conn.sends_content() || is_all && octets.len() <= SMALL {
        link.conn.conclude(octets, &mut link.tx)?;
        return Ok(None);
    }
    Ok(Some(Ongoing::payload(payload)))
}

fn finish(link: &mut Link, trailers: &[(alloc::string::String, Vec<u8>)]) -> Result<Advance, Failure> {
    let trailers: Vec<_> = trailers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
    link.conn.finish(&trailers, &mut link.tx)?;
    Ok(Advance::Finished)
}

fn upgraded(
    next: &mut dyn Upgrade,
    link: &mut Link,
    env: &Env<'_>,
    mark: usize,
    waker: &Waker,
) -> Result<Advance, Failure> {
    if !matches!(link.conn.poll(env, &mut link.rx), Ok(Event::Upgraded)) {
        return Ok(Advance::Finished);
    }
    loop {
        if link.tx.len() >= mark {
            return Ok(Advance::Room);
        }
        let before = (link.rx.unread().len(), link.tx.len());
        match next.ready(&mut link.rx, &mut link.tx, waker)? {
            Progress::End | Progress::EndWith(_) => {
                link.conn.end_upgrade();
                return Ok(Advance::Finished);
            }
            // Asked again as long as that moves something.
            Progress::More if before != (link.rx.unread().len(), link.tx.len()) && !link.rx.is_empty() => {}
            Progress::More | Progress::Later => return Ok(Advance::Input),
        }
    }
}

impl core::fmt::Debug for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Octets(..) => "Octets",
            Self::File(..) => "File",
            Self::Source(_) => "Source",
            Self::Deferred(_) => "Deferred",
            Self::Dialogue(_) => "Dialogue",
            Self::Upgrade(_) => "Upgrade",
        })
    }
}
