//! What is around a link that is in memory?
//!
//! [`Memory`]: input that arrives in pieces, a socket that takes any number of octets at a time, and one of three [`Way`]s from an
//! answer to that socket. It is a port, too.
//!
//! Invariants:
//! 1. Whatever the way, [`said`](Memory::said) is what a client has read by then.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::FileExt;

use arbitrary::{Arbitrary, Result, Unstructured};
use cherrystone_core::gateway::{Advance, Content, Ongoing, Port};
use cherrystone_core::{Config, Date, Env, Instant, Link};

use super::port::Manner;
use crate::records::{Client, Records};

/// How what is said gets to the socket.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through the output of the link.
    Copied,
    /// Past it, as far as there is content that can pass; files no more after so many calls, if that is said.
    Passed(#[arbitrary(with = some_calls)] Option<u8>),
    /// Through a stage.
    Sealed,
}

/// Few, so that answers go on behind them.
fn some_calls(u: &mut Unstructured<'_>) -> Result<Option<u8>> {
    Ok(if u.arbitrary()? { Some(u.int_in_range(0..=3)?) } else { None })
}

/// What passing content on has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// There is none that can pass.
    Nothing,
    Some,
    /// The answer is complete, or was given up.
    Finished,
}

/// What is around the link.
pub(super) struct Memory<'m> {
    pub(super) link: Link,
    config: &'m Config,
    date: Date,
    coming: VecDeque<u8>,
    arrivals: std::iter::Cycle<std::slice::Iter<'m, u8>>,
    takes: std::iter::Cycle<std::slice::Iter<'m, u8>>,
    /// What the client read.
    pub(super) said: Vec<u8>,
    pub(super) blocks: bool,
    way: Way,
    /// Calls that moved a part of a file.
    files: u8,
    client: Option<Client>,
}

impl<'m> Memory<'m> {
    pub(super) fn new(stream: &[u8], config: &'m Config, manner: Manner<'m>) -> Self {
        let date = Date::from_unix(0);
        let env = Env { config, now: Instant::from_nanos(0), date: Some(&date) };
        let mut client = (manner.way == Way::Sealed).then(Client::default);
        let mut link = Link::new(&env, client.is_some().then(|| Box::new(Records::default()) as _));
        // Whether a target may be one of https is not to depend on the way.
        link.conn.secure();
        if let Some(client) = &mut client {
            client.say(stream);
        }
        Self {
            link,
            config,
            date,
            coming: if client.is_some() { VecDeque::new() } else { stream.iter().copied().collect() },
            arrivals: manner.arrivals.iter().cycle(),
            takes: manner.takes.iter().cycle(),
            said: Vec::new(),
            blocks: !manner.is_inline,
            way: manner.way,
            files: 0,
            client,
        }
    }

    /// The link, and what is around it.
    pub(super) fn split(&mut self) -> (&mut Link, Env<'_>) {
        (&mut self.link, Env { config: self.config, now: Instant::from_nanos(0), date: Some(&self.date) })
    }

    /// More arrives, or the end; nothing after that.
    pub(super) fn feed(&mut self) {
        if self.link.is_handshaking() {
            // The client has nothing to say before it was greeted.
            self.take_all();
        }
        if let Some(client) = &mut self.client {
            self.coming.extend(client.take_out());
            if self.coming.is_empty() {
                client.leave();
                self.coming.extend(client.take_out());
            }
        }
        let mut n = self.coming.len();
        if let Some(most) = self.arrivals.next() {
            n = n.min(usize::from(*most).max(1));
            // As real clients send it: content does not come in one piece with its head, and may be held back.
            let piece = &self.coming.make_contiguous()[..n];
            if most.is_multiple_of(2)
                && let Some(at) = piece.windows(4).position(|end| end == b"\r\n\r\n")
            {
                n = at + 4;
            }
        }
        let outcome = if n == 0 {
            self.link.close()
        } else {
            let room = self.link.spare(n);
            room.iter_mut().zip(self.coming.drain(..n)).for_each(|(to, octet)| *to = octet);
            self.link.received(n)
        };
        outcome.expect("the stage has nothing to complain of");
    }

    /// More arrives in the room of `content`, or the end.
    pub(super) fn feed_into(&mut self, content: &mut Vec<u8>) {
        let most = self.arrivals.next().map_or(usize::MAX, |most| usize::from(*most).max(1));
        let n = self.coming.len().min(content.capacity() - content.len()).min(most);
        if n == 0 {
            return self.feed();
        }
        let before = content.len();
        content.extend(self.coming.drain(..n));
        let (link, env) = self.split();
        link.received_into(&env, content, before);
    }

    /// How much the socket takes now.
    fn room(&mut self) -> usize {
        self.takes.next().map_or(usize::MAX, |n| usize::from(*n).max(1) * 50)
    }

    /// The socket takes something of what is queued; says whether there was anything.
    pub(super) fn take(&mut self) -> bool {
        let most = self.room();
        let octets = self.link.outgoing().expect("the stage has nothing to complain of");
        let n = octets.len().min(most);
        let heard = match &mut self.client {
            None => octets[..n].to_vec(),
            Some(client) => client.hear(&octets[..n]).expect("the records are as they should be"),
        };
        self.said.extend(heard);
        // Under some settings nobody is quick enough; the octets count all the same.
        let (link, env) = self.split();
        let _ = link.sent(&env, n);
        n > 0
    }

    /// Everything that is queued is taken.
    pub(super) fn take_all(&mut self) {
        while self.take() {}
    }

    /// Content of an answer under way passes, behind what is queued, as in the backends.
    pub(super) fn pass_on(&mut self, ongoing: &mut Ongoing) -> io::Result<Passed> {
        let Way::Passed(refuses) = self.way else { return Ok(Passed::Nothing) };
        let (most, queued) = (self.room(), self.link.tx.len());
        let piece = match ongoing.content(&self.link) {
            None => return Ok(Passed::Nothing),
            Some(Content::Octets(octets)) => octets[..octets.len().min(most.saturating_sub(queued))].to_vec(),
            Some(Content::File(..)) if queued > 0 => Vec::new(),
            Some(Content::File(..)) if refuses.is_some_and(|calls| self.files >= calls) => {
                ongoing.refuse_file();
                return Ok(Passed::Nothing);
            }
            Some(Content::File(file, range)) => {
                self.files = self.files.saturating_add(1);
                let mut piece = vec![0; most.min(range.end.saturating_sub(range.start) as usize)];
                let n = file.read_at(&mut piece, range.start)?;
                piece.truncate(n);
                if n == 0 {
                    let (link, env) = self.split();
                    ongoing.give_up(link, &env);
                    return Ok(Passed::Finished);
                }
                piece
            }
        };
        let sent = queued.min(most);
        self.said.extend_from_slice(&self.link.tx.unsent()[..sent]);
        self.said.extend_from_slice(&piece);
        let (link, env) = self.split();
        let _ = link.sent(&env, sent);
        if piece.is_empty() {
            return Ok(if queued > 0 { Passed::Some } else { Passed::Nothing });
        }
        let _ = link.passed(&env, piece.len(), 0);
        Ok(match ongoing.passed(piece.len(), link, &env) {
            Advance::Finished => Passed::Finished,
            _ => Passed::Some,
        })
    }

    /// Whether the end of the conversation was told in the way that this is about.
    pub(super) fn ends_well(&self) -> bool {
        self.client.as_ref().is_none_or(|client| client.was_left() != self.link.conn.is_cut())
    }
}

impl Port for Memory<'_> {
    fn parts(&mut self) -> (&mut Link, Env<'_>) {
        self.split()
    }

    fn fill(&mut self) -> io::Result<()> {
        if !self.blocks {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.take_all();
        self.feed();
        Ok(())
    }

    fn fill_content(&mut self, content: &mut Vec<u8>, most: usize) -> io::Result<()> {
        if !self.blocks || !self.link.make_room(content, most) {
            return self.fill();
        }
        self.take_all();
        self.feed_into(content);
        Ok(())
    }

    fn drain(&mut self) -> io::Result<()> {
        if self.blocks {
            self.take_all();
        } else {
            self.take();
        }
        Ok(())
    }

    fn pass(&mut self, pieces: [&[u8]; 3]) -> io::Result<usize> {
        if !matches!(self.way, Way::Passed(_)) {
            return Ok(0);
        }
        let most = self.room();
        let sent = self.link.tx.len().min(most);
        self.said.extend_from_slice(&self.link.tx.unsent()[..sent]);
        let content = pieces.concat();
        let passed = content.len().min(most - sent);
        self.said.extend_from_slice(&content[..passed]);
        let (link, env) = self.split();
        let _ = link.sent(&env, sent);
        let _ = link.passed(&env, passed, 0);
        Ok(passed)
    }

    fn is_gone(&mut self) -> bool {
        false
    }
}
