//! What is still to be done for an answer after its handler has returned?
//!
//! An [`Ongoing`] payload, deferred answer or upgraded protocol. A backend calls [`Ongoing::advance`] when there is room in the
//! output, when the waker was called, and for an upgrade when there are bytes; in between it holds no thread.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;
use std::io;
use std::os::fd::BorrowedFd;

use super::deferred::{Answer, Slot};
use super::{ChunkOut, Dialogue, Failure, Intake, Payload, Progress, Talk, Turn, Upgrade};
use crate::{Env, Event, Link, Size, Status};
use alloc::boxed::Box;

/// An answer under way.
#[derive(Debug)]
pub struct Ongoing(Kind);

enum Kind {
    /// Octets in memory, from this position on.
    Octets(Payload, usize),
    File(std::fs::File, core::ops::Range<u64>),
    Source(Box<dyn super::Source>),
    Deferred(Arc<Slot>),
    Dialogue(Box<Conversation>),
    Upgrade(Box<dyn Upgrade>),
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

/// How many octets of a file are read into the output at a time.
const FILE_PIECE: u64 = 64 << 10;

impl Ongoing {
    pub(crate) fn payload(payload: Payload) -> Self {
        Self(match payload {
            Payload::File(file, range) => Kind::File(file, range),
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

    /// Moves on until the output holds `mark` octets, or there is nothing to do now.
    pub fn advance(&mut self, link: &mut Link, env: &Env<'_>, mark: usize, waker: &Waker) -> Advance {
        let moved = self.step(link, env, mark, waker);
        moved.unwrap_or_else(|failure| {
            match failure {
                Failure::Violation(violation) => link.conn.refuse(env, violation, &mut link.tx),
                // What failed is the application's or a file's fault; the client sees that the answer is incomplete.
                _ => link.conn.abort(env, &mut link.tx),
            }
            link.conn.end_upgrade();
            Advance::Finished
        })
    }

    /// Whether this reads what the client sends now: another protocol, or a dialogue that wants more content.
    pub fn reads_input(&self) -> bool {
        match &self.0 {
            Kind::Upgrade(_) => true,
            Kind::Dialogue(conversation) => conversation.waits_for_input,
            _ => false,
        }
    }

    /// Whether it may wait for its waker, so that the backend has to have one.
    pub fn needs_waker(&self) -> bool {
        matches!(self.0, Kind::Source(_) | Kind::Deferred(_) | Kind::Dialogue(_) | Kind::Upgrade(_))
    }

    /// The part of a file that is to be sent next, for a backend that lets the kernel do it. Not for chunked answers.
    pub fn file(&self) -> Option<(BorrowedFd<'_>, core::ops::Range<u64>)> {
        match &self.0 {
            Kind::File(file, range) => Some((std::os::fd::AsFd::as_fd(file), range.clone())),
            _ => None,
        }
    }

    /// Notes that the kernel has sent `n` octets of the file.
    ///
    /// # Errors
    /// The answer has no room for them.
    pub fn file_sent(&mut self, n: u64, link: &mut Link) -> Result<(), Failure> {
        if let Kind::File(_, range) = &mut self.0 {
            link.conn.frame(n)?;
            range.start += n;
        }
        Ok(())
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
                Kind::File(file, range) => {
                    if range.start >= range.end {
                        return finish(link, &[]);
                    }
                    let want = (range.end - range.start).min(FILE_PIECE) as usize;
                    let mut piece = alloc::vec![0; want];
                    let n = std::os::unix::fs::FileExt::read_at(file, &mut piece, range.start)?;
                    if n == 0 {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                    }
                    link.conn.write(&piece[..n], &mut link.tx)?;
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
                        match begin(link, env, status, &fields, payload)? {
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
                    match turn {
                        Turn::Later if link.tx.len() >= mark => return Ok(Advance::Room),
                        Turn::Later if *waits_for_input => return Ok(Advance::Input),
                        Turn::Later => return Ok(Advance::Waker),
                        Turn::End(trailers) => return finish(link, &trailers),
                        Turn::Upgrade(next) => *self = Self::upgrade(next),
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
    status: Status,
    fields: &[crate::Field<'_>],
    payload: Payload,
) -> Result<Option<Ongoing>, Failure> {
    /// Content up to this size is copied behind its head at once, so that both leave in one write.
    const SMALL: usize = 16 << 10;
    let size = payload.size();
    link.conn.respond(env, status, fields, size, &mut link.tx)?;
    let octets = payload.octets();
    let is_all = size == Size::Exact(octets.len() as u64);
    if !link.conn.sends_content() || is_all && octets.len() <= SMALL {
        link.conn.write(octets, &mut link.tx)?;
        link.conn.finish(&[], &mut link.tx)?;
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
