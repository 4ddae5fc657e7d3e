//! How is a play played?
//!
//! By a driver in memory, in the manner of either backend: on the loop content is collected before the handler sees the request, on
//! a worker the handler reads it from the port. Time stands still, and the client ends its side when everything has come.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use cherrystone_core::gateway::{
    Advance, Answered, Endpoint, Exchange, Intake, Ongoing, Peer, PeerAddress, Port, answer,
};
use cherrystone_core::{Config, Date, Env, Event, Head, HeadBuf, Instant, Link};

use super::Play;
use super::handler::{Act, Later};

/// Events and turns that are taken in one play at most; each takes an octet at least, or is one of few.
const MOST: usize = 200_000;

/// Octets that content is collected in at a time.
const ROOM: usize = 1 << 10;

/// One way to play.
#[derive(Clone, Copy)]
pub(super) struct Manner<'m> {
    /// Sizes of what arrives; everything at once if there are none.
    pub(super) arrivals: &'m [u8],
    /// Sizes of what the socket takes; everything at once if there are none.
    pub(super) takes: &'m [u8],
    /// Whether handlers run on the loop.
    pub(super) is_inline: bool,
}

/// What a client got.
pub(super) struct Wire {
    pub(super) octets: Vec<u8>,
    pub(super) is_cut: bool,
    /// For each request whether it was one of HEAD.
    pub(super) asked: Vec<bool>,
    /// Whether a CONNECT was among them, after which anything may be said.
    pub(super) is_tunnel: bool,
}

/// What is around the link.
struct Memory<'m> {
    link: Link,
    config: &'m Config,
    date: Date,
    pieces: VecDeque<&'m [u8]>,
    takes: std::iter::Cycle<std::slice::Iter<'m, u8>>,
    out: Vec<u8>,
    blocks: bool,
}

impl Memory<'_> {
    /// More arrives, or the end; nothing after that.
    fn feed(&mut self) {
        match self.pieces.pop_front() {
            Some(piece) => {
                self.link.spare(piece.len())[..piece.len()].copy_from_slice(piece);
                self.link.received(piece.len()).expect("there is no stage");
            }
            None => self.link.close().expect("there is no stage"),
        }
    }

    /// More arrives in the room of `content`, as much as there is, or the end.
    fn feed_into(&mut self, content: &mut Vec<u8>) {
        let Some(piece) = self.pieces.pop_front() else { return self.feed() };
        let (now, later) = piece.split_at(piece.len().min(content.capacity() - content.len()));
        if !later.is_empty() {
            self.pieces.push_front(later);
        }
        let before = content.len();
        content.extend_from_slice(now);
        let env = Env { config: self.config, now: Instant::from_nanos(0), date: Some(&self.date) };
        self.link.received_into(&env, content, before);
    }

    /// The socket takes something.
    fn take(&mut self) {
        let most = self.takes.next().map_or(usize::MAX, |n| usize::from(*n).max(1) * 50);
        let octets = self.link.outgoing().expect("there is no stage");
        let n = octets.len().min(most);
        self.out.extend_from_slice(&octets[..n]);
        let env = Env { config: self.config, now: Instant::from_nanos(0), date: Some(&self.date) };
        // Under some settings nobody is quick enough; the octets count all the same.
        let _ = self.link.sent(&env, n);
    }
}

impl Port for Memory<'_> {
    fn parts(&mut self) -> (&mut Link, Env<'_>) {
        (&mut self.link, Env { config: self.config, now: Instant::from_nanos(0), date: Some(&self.date) })
    }

    fn fill(&mut self) -> io::Result<()> {
        if !self.blocks {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.feed();
        Ok(())
    }

    fn fill_content(&mut self, content: &mut Vec<u8>, most: usize) -> io::Result<()> {
        if !self.blocks || !self.link.make_room(content, most) {
            return self.fill();
        }
        self.feed_into(content);
        Ok(())
    }

    fn drain(&mut self) -> io::Result<()> {
        self.take();
        while self.blocks && self.link.pending() > 0 {
            self.take();
        }
        Ok(())
    }

    fn is_gone(&mut self) -> bool {
        false
    }
}

struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Plays it.
pub(super) fn run(play: &Play, config: &Config, manner: Manner<'_>) -> Wire {
    let date = Date::from_unix(0);
    let env = Env { config, now: Instant::from_nanos(0), date: Some(&date) };
    let mut memory = Memory {
        link: Link::new(&env, None),
        config,
        date,
        pieces: pieces(&play.traffic.octets, manner.arrivals),
        takes: manner.takes.iter().cycle(),
        out: Vec::new(),
        blocks: !manner.is_inline,
    };
    let mut scene = Scene {
        acts: &play.acts,
        later: Later::default(),
        bell: Arc::new(Bell(AtomicBool::new(false))),
        peer: Peer::new(PeerAddress::Unix(None), Arc::new(Endpoint::new(PeerAddress::Unix(None), "memory"))),
        head: HeadBuf::default(),
        intake: Intake::default(),
        due: false,
        ongoing: None,
        asked: Vec::new(),
        is_tunnel: false,
    };
    let ends = (0..MOST).any(|_| scene.turn(&mut memory));
    assert!(ends, "no end of events: {:?}", memory.link);
    while memory.link.pending() > 0 {
        memory.take();
    }
    Wire { octets: memory.out, is_cut: memory.link.conn.is_cut(), asked: scene.asked, is_tunnel: scene.is_tunnel }
}

/// The handlers, and what is under way.
struct Scene<'s> {
    acts: &'s [Act],
    later: Later,
    bell: Arc<Bell>,
    peer: Peer,
    head: HeadBuf,
    intake: Intake,
    due: bool,
    ongoing: Option<Ongoing>,
    asked: Vec<bool>,
    is_tunnel: bool,
}

impl Scene<'_> {
    /// One step; says whether it was the last.
    fn turn(&mut self, memory: &mut Memory<'_>) -> bool {
        if self.ongoing.is_some() {
            self.go_on(memory);
            return false;
        }
        let (config, blocks) = (memory.config, memory.blocks);
        let env = Env { config, now: Instant::from_nanos(0), date: Some(&memory.date) };
        let link = &mut memory.link;
        match link.conn.poll(&env, &mut link.rx) {
            Ok(Event::Request(head)) => {
                head.copy_into(&mut self.head);
                self.intake.clear();
                self.asked.push(head.method() == "HEAD");
                self.is_tunnel |= head.method() == "CONNECT";
                if let Err(violation) = link.conn.admit() {
                    link.conn.refuse(&env, violation, &mut link.tx);
                } else if blocks {
                    self.handle(memory);
                } else {
                    self.due = true;
                }
            }
            Ok(Event::Data(data)) => {
                if self.due {
                    self.intake.collect(data);
                }
            }
            Ok(Event::End(trailers)) => {
                if self.due {
                    self.intake.end(trailers);
                    self.handle(memory);
                }
            }
            Ok(Event::NeedInput) => {
                memory.take();
                match self.intake.room(&memory.link, ROOM) {
                    Some(content) if self.due => memory.feed_into(content),
                    _ => memory.feed(),
                }
            }
            Ok(Event::NeedContinue) => link.conn.proceed(&mut link.tx).expect("the client waits"),
            Ok(Event::NeedResponse | Event::Upgraded) => {
                link.conn.abort(&env, &mut link.tx);
                link.conn.end_upgrade();
            }
            Ok(Event::Shutdown) => memory.take(),
            Ok(Event::Closed) => return true,
            Err(violation) => {
                self.due = false;
                link.conn.refuse(&env, violation, &mut link.tx);
            }
        }
        false
    }

    fn handle(&mut self, memory: &mut Memory<'_>) {
        self.due = false;
        let act = &self.acts[(self.asked.len() - 1) % self.acts.len()];
        let (act, later) = (act.clone(), Arc::clone(&self.later));
        let gateway = move |_: Head<'_>, exchange: Exchange<'_>| act.handle(exchange, &later);
        if let Answered::Ongoing(ongoing) = answer(&gateway, self.head.head(), memory, &mut self.intake, &self.peer) {
            self.ongoing = Some(ongoing);
        }
    }

    fn go_on(&mut self, memory: &mut Memory<'_>) {
        let Some(ongoing) = &mut self.ongoing else { return };
        self.bell.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.bell));
        let env = Env { config: memory.config, now: Instant::from_nanos(0), date: Some(&memory.date) };
        match ongoing.advance(&mut memory.link, &env, 1 << 10, &waker) {
            Advance::Finished => self.ongoing = None,
            Advance::Room => memory.take(),
            Advance::Input => {
                memory.take();
                memory.feed();
            }
            Advance::Waker => {
                memory.take();
                if !self.bell.0.load(Ordering::Relaxed) {
                    let later = std::mem::take(&mut *self.later.lock().expect("no panic holds it"));
                    later.into_iter().for_each(super::handler::Put::done);
                    assert!(self.bell.0.load(Ordering::Relaxed), "an answer waits for nobody");
                }
            }
        }
    }
}

fn pieces<'o>(mut rest: &'o [u8], sizes: &[u8]) -> VecDeque<&'o [u8]> {
    let mut pieces = VecDeque::new();
    for size in sizes.iter().cycle().take(if sizes.is_empty() { 0 } else { rest.len() }) {
        let (piece, behind) = rest.split_at(usize::from(*size).max(1).min(rest.len()));
        pieces.push_back(piece);
        rest = behind;
    }
    pieces.push_back(rest);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
