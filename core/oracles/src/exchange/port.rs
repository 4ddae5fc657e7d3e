//! How is a play played?
//!
//! By a driver over a [`Memory`], in the manner of either backend: on the loop content is collected before the handler sees the request, on
//! a worker the handler reads it from the port. Time stands still, and the client ends its side when everything has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use cherrystone_core::gateway::{Advance, Answered, Endpoint, Exchange, Intake, Ongoing, Peer, PeerAddress, answer};
use cherrystone_core::{AnswerProgress, Config, Event, Head, HeadBuf};

use super::Play;
use super::handler::{Act, Later};
use super::memory::{Memory, Passed, Way};

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
    /// From an answer to the socket.
    pub(super) way: Way,
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

struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Plays it.
pub(super) fn run(play: &Play, config: &Config, manner: Manner<'_>) -> Wire {
    let mut memory = Memory::new(&play.traffic.octets, config, manner);
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
    memory.take_all();
    assert!(memory.ends_well(), "the end was not told as it is: {:?}", memory.link);
    Wire { is_cut: memory.link.conn.is_cut(), octets: memory.said, asked: scene.asked, is_tunnel: scene.is_tunnel }
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
        let blocks = memory.blocks;
        let (link, env) = memory.split();
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
                let content = if self.due { self.intake.room(&memory.link, ROOM) } else { None };
                match content {
                    None => Self::await_input(memory),
                    Some(content) => {
                        memory.take();
                        memory.feed_into(content);
                    }
                }
            }
            Ok(Event::NeedContinue) => link.conn.proceed(&mut link.tx).expect("the client waits"),
            Ok(Event::NeedResponse | Event::Upgraded) => {
                link.conn.abort(&env, &mut link.tx);
                link.conn.end_upgrade();
            }
            Ok(Event::Shutdown) => {
                link.farewell();
                memory.take();
            }
            Ok(Event::Closed) => return true,
            Err(violation) => {
                self.due = false;
                link.conn.refuse(&env, violation, &mut link.tx);
            }
        }
        false
    }

    /// What the stage still has comes first.
    fn await_input(memory: &mut Memory<'_>) {
        if !memory.link.resume().expect("the stage has nothing to complain of") {
            memory.take();
            memory.feed();
        }
    }

    fn handle(&mut self, memory: &mut Memory<'_>) {
        self.due = false;
        let act = &self.acts[(self.asked.len() - 1) % self.acts.len()];
        let (act, later) = (act.clone(), Arc::clone(&self.later));
        let gateway = move |_: Head<'_>, exchange: Exchange<'_>| act.handle(exchange, &later);
        match answer(&gateway, self.head.head(), memory, &mut self.intake, &self.peer) {
            Answered::Ongoing(ongoing) => self.ongoing = Some(ongoing),
            Answered::Failed(_) | Answered::Panicked => {
                // Given up now, and not when the rest of the content has come.
                let answer = memory.link.conn.answer().expect("a failure is answered at once");
                assert_ne!(answer.progress, AnswerProgress::Open, "a failed answer goes on");
            }
            _ => {}
        }
    }

    fn go_on(&mut self, memory: &mut Memory<'_>) {
        let Some(ongoing) = &mut self.ongoing else { return };
        match memory.pass_on(ongoing).expect("the file can be read") {
            Passed::Nothing => {}
            Passed::Some => return,
            Passed::Finished => return self.ongoing = None,
        }
        self.bell.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.bell));
        let (link, env) = memory.split();
        let advance = ongoing.advance(link, &env, 1 << 10, &waker);
        assert!(advance != Advance::Input || ongoing.reads_input(), "{ongoing:?} waits for input and reads none");
        match advance {
            Advance::Finished => self.ongoing = None,
            Advance::Room => drop(memory.take()),
            Advance::Input => Self::await_input(memory),
            Advance::Waker => {
                assert!(ongoing.needs_waker(), "{ongoing:?} waits for a waker that it does not need");
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
