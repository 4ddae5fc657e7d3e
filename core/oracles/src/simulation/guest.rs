//! What does a visitor do, and what does it get?
//!
//! A [`Guest`] follows its steps, sends as fast as the network lets it, takes what comes at its own pace, and reads answers with the
//! independent reader of [`replies`](crate::replies). It ends its side when the server has.

use std::collections::VecDeque;

use super::agenda::{Agenda, Due, MS};
use super::gateway::pattern;
use super::script::{Ask, Body, Kind, Manner, Passage, Step, Visitor};
use super::wire::Wire;
use crate::records::Client;
use crate::replies::{self, Ending, Reply};

/// How often a slow visitor takes something.
const TICK: u64 = 10 * MS;

/// How the connection ended for a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Regularly,
    ByReset,
}

/// A visitor at work.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) key: usize,
    pub(super) plan: Visitor,
    at: usize,
    /// The requests that were made, each with its number.
    pub(super) asked: Vec<(u64, Ask)>,
    /// What is to be sent.
    pending: VecDeque<u8>,
    /// Its end of the stage, as long as that holds.
    client: Option<Client>,
    /// Whether an octet is to be damaged.
    damages: bool,
    /// The requests that were made when one was.
    pub(super) damaged: Option<usize>,
    transmitting: bool,
    /// Content that the server has to ask for.
    held: Option<Vec<u8>>,
    /// Whether it waits until everything is answered.
    awaits: bool,
    ends: bool,
    half_closed: bool,
    appetite: Option<u64>,
    /// What came and was not taken.
    unread: VecDeque<u8>,
    fin: bool,
    pub(super) received: Vec<u8>,
    /// How much of it are whole answers.
    pub(super) parsed: usize,
    /// Whole final answers.
    pub(super) replies: Vec<Reply>,
    /// Whether HTTP is over.
    pub(super) switched: bool,
    /// Whether the visitor has left without a word, or with a reset.
    pub(super) left: bool,
    /// Whether the stage has failed.
    is_lost: bool,
    pub(super) ended: Option<Ended>,
}

impl Guest {
    pub(super) fn new(key: usize, plan: Visitor) -> Self {
        let client = (plan.passage == Passage::Sealed).then(Client::default);
        Self {
            key,
            plan,
            at: 0,
            asked: Vec::new(),
            pending: VecDeque::new(),
            client,
            damages: false,
            damaged: None,
            transmitting: false,
            held: None,
            awaits: false,
            ends: false,
            half_closed: false,
            appetite: None,
            unread: VecDeque::new(),
            fin: false,
            received: Vec::new(),
            parsed: 0,
            replies: Vec::new(),
            switched: false,
            left: false,
            is_lost: false,
            ended: None,
        }
    }

    /// Goes on with the steps as far as that is possible now.
    pub(super) fn act(&mut self, wire: &mut Wire, agenda: &mut Agenda) {
        while !self.left && self.ended.is_none() && self.held.is_none() {
            if self.awaits && self.replies.len() < self.asked.len() {
                break;
            }
            self.awaits = false;
            let Some(step) = self.plan.steps.get(self.at).copied() else { break };
            self.at += 1;
            match step {
                Step::Ask(ask) => {
                    let number = self.number();
                    self.asked.push((number, ask));
                    let (head, body) = request(number, &ask);
                    self.say(&head);
                    if matches!(ask.body, Body::Expected(_)) {
                        self.held = Some(body);
                    } else {
                        self.say(&body);
                    }
                    self.awaits = ask.kind == Kind::Upgrade;
                }
                Step::Await => self.awaits = true,
                Step::Pause(millis) => {
                    self.send(agenda);
                    return agenda.at(agenda.now() + millis * MS, Due::Act(self.key));
                }
                Step::Take(octets) => {
                    if self.appetite.replace(octets).is_none() {
                        agenda.at(agenda.now() + TICK, Due::Take(self.key));
                    }
                }
                Step::Stall(ask, octets) => {
                    // It may be answered before its content is there.
                    let number = self.number();
                    self.asked.push((number, ask));
                    let (mut part, body) = request(number, &ask);
                    part.extend(body);
                    part.truncate(part.len().saturating_sub(1).min(octets as usize));
                    self.say(&part);
                    if let Some(client) = &mut self.client {
                        // In the middle of a record, perhaps one of the handshake.
                        self.pending.extend(client.take_out());
                        self.pending.truncate(self.pending.len().saturating_sub(3));
                    }
                    self.at = self.plan.steps.len();
                }
                Step::Garbage => {
                    self.pending.extend(b"\0 this is no request\r\n\r\n");
                    self.at = self.plan.steps.len();
                }
                Step::HalfClose | Step::Sever => {
                    if step == Step::HalfClose
                        && let Some(client) = &mut self.client
                    {
                        client.leave();
                    }
                    self.ends = true;
                    self.at = self.plan.steps.len();
                }
                Step::Damage => self.damages = self.client.is_some(),
                Step::Reset => {
                    self.left = true;
                    wire.follow(Due::ArriveReset(self.key), agenda);
                }
                Step::Vanish => self.left = true,
            }
        }
        self.send(agenda);
    }

    /// Says something, through the stage if there is one.
    fn say(&mut self, octets: &[u8]) {
        match &mut self.client {
            None => self.pending.extend(octets),
            Some(client) => client.say(octets),
        }
    }

    /// That of the next request.
    fn number(&self) -> u64 {
        self.key as u64 * 100 + self.asked.len() as u64
    }

    /// Has something sent if there is something.
    fn send(&mut self, agenda: &mut Agenda) {
        if let Some(client) = &mut self.client {
            self.pending.extend(client.take_out());
        }
        let wants = !self.pending.is_empty() || self.ends && !self.half_closed;
        if wants && !self.left && !std::mem::replace(&mut self.transmitting, true) {
            agenda.soon(MS, Due::Transmit(self.key));
        }
    }

    /// Its system puts on the way what it can.
    pub(super) fn transmit(&mut self, wire: &mut Wire, agenda: &mut Agenda) {
        self.transmitting = false;
        if self.left {
            return;
        }
        if self.damages && !self.pending.is_empty() {
            let at = agenda.dice.below(self.pending.len() as u64) as usize;
            self.pending[at] ^= agenda.dice.within(1, 255) as u8;
            (self.damages, self.damaged) = (false, Some(self.asked.len()));
        }
        let n = wire.transmit(self.pending.make_contiguous(), agenda);
        self.pending.drain(..n);
        let holds = self.ended.is_none() && self.client.as_ref().is_some_and(Client::holds);
        if self.pending.is_empty() && self.ends && !holds && !self.half_closed {
            self.half_closed = true;
            wire.follow(Due::ArriveEnd(self.key), agenda);
        }
        // Without room it is woken by the server's reading.
        if n > 0 {
            self.send(agenda);
        }
    }

    /// Octets come.
    pub(super) fn deliver(&mut self, octets: &[u8], wire: &mut Wire, agenda: &mut Agenda) {
        if self.left || self.ended.is_some() {
            return;
        }
        self.unread.extend(octets);
        if self.appetite.is_none() {
            self.take(usize::MAX, wire, agenda);
        }
    }

    /// The end of the server's side comes.
    pub(super) fn deliver_end(&mut self, wire: &mut Wire, agenda: &mut Agenda) {
        self.fin = true;
        self.take(0, wire, agenda);
    }

    /// A reset comes: what was not taken is lost.
    pub(super) fn deliver_reset(&mut self) {
        if !self.left && self.ended.is_none() {
            self.unread.clear();
            self.ended = Some(Ended::ByReset);
        }
    }

    /// A slow visitor takes something.
    pub(super) fn tick(&mut self, wire: &mut Wire, agenda: &mut Agenda) {
        if let Some(octets) = self.appetite
            && octets > 0
            && !self.left
            && self.ended.is_none()
        {
            self.take(octets as usize, wire, agenda);
            agenda.at(agenda.now() + TICK, Due::Take(self.key));
        }
    }

    fn take(&mut self, most: usize, wire: &mut Wire, agenda: &mut Agenda) {
        if self.left || self.ended.is_some() {
            return;
        }
        let n = self.unread.len().min(most);
        let octets: Vec<u8> = self.unread.drain(..n).collect();
        match self.client.as_mut().map(|client| client.hear(&octets)) {
            None if self.is_lost => {}
            None => self.received.extend(octets),
            Some(Ok(said)) => {
                self.received.extend(said);
                self.send(agenda);
            }
            // The server gives up, or is not to be understood: nothing more is said to it.
            Some(Err(_)) => {
                (self.client, self.ends, self.at) = (None, true, self.plan.steps.len());
                (self.is_lost, self.held) = (true, None);
                self.pending.clear();
                self.send(agenda);
            }
        }
        wire.taken(n, agenda);
        if self.read_answers() {
            agenda.at(agenda.now(), Due::Act(self.key));
        }
        if self.fin && self.unread.is_empty() {
            self.ended = Some(Ended::Regularly);
            self.pending.clear();
            self.ends = true;
            self.send(agenda);
        }
    }

    /// Whether the end of what the server said was announced, where a stage has a way to do that.
    pub(super) fn was_told_the_end(&self) -> bool {
        !self.is_lost && self.client.as_ref().is_none_or(Client::was_left)
    }

    /// Reads what came; says whether the visitor may have something to do now.
    fn read_answers(&mut self) -> bool {
        let mut news = false;
        while !self.switched {
            let mute = self.asked.get(self.replies.len()).is_some_and(|(_, ask)| ask.manner == Manner::Head);
            let Ok((reply, behind)) = replies::read(&self.received[self.parsed..], mute) else { break };
            let end = self.received.len() - behind.len();
            if reply.status >= 200 && reply.ending != Ending::Complete {
                break;
            }
            self.parsed = end;
            news = true;
            match reply.status {
                100 => {
                    let held = self.held.take().unwrap_or_default();
                    self.say(&held);
                }
                101 => {
                    self.switched = true;
                    if let Some((number, ask)) = self.asked.get(self.replies.len()) {
                        self.say(&pattern(*number, ask.amount));
                    }
                    if let Some(client) = &mut self.client {
                        client.leave();
                    }
                    (self.ends, self.at) = (true, self.plan.steps.len());
                    self.replies.push(reply);
                }
                status if status >= 200 => {
                    self.replies.push(reply);
                    // Whoever is answered before 100 need not send its content any more.
                    if self.replies.len() == self.asked.len() {
                        self.held = None;
                    }
                }
                _ => {}
            }
        }
        news
    }
}

/// A request's head and content.
fn request(number: u64, ask: &Ask) -> (Vec<u8>, Vec<u8>) {
    let method = match (ask.manner, ask.body) {
        (Manner::Head, _) => "HEAD",
        (_, Body::Nothing) => "GET",
        _ => "POST",
    };
    let version = if ask.manner == Manner::Old { "1.0" } else { "1.1" };
    let mut head = format!("{method} /{}/{number}/{} HTTP/{version}\r\nHost: h\r\n", ask.kind.name(), ask.amount);
    if ask.manner == Manner::Last {
        head.push_str("Connection: close\r\n");
    }
    if ask.kind == Kind::Upgrade {
        head.push_str("Connection: upgrade\r\nUpgrade: echo\r\n");
    }
    let content = content(number, ask);
    let body = match ask.body {
        Body::Nothing => content,
        Body::Length(_) => {
            head.push_str(&format!("Content-Length: {}\r\n", content.len()));
            content
        }
        Body::Expected(_) => {
            head.push_str(&format!("Content-Length: {}\r\nExpect: 100-continue\r\n", content.len()));
            content
        }
        Body::Chunked(_) => {
            head.push_str("Transfer-Encoding: chunked\r\n");
            let mut chunked = Vec::new();
            for chunk in content.chunks(333) {
                chunked.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
                chunked.extend_from_slice(chunk);
                chunked.extend(b"\r\n");
            }
            chunked.extend(b"0\r\n\r\n");
            chunked
        }
    };
    head.push_str("\r\n");
    (head.into_bytes(), body)
}

/// The content of a request.
pub(super) fn content(number: u64, ask: &Ask) -> Vec<u8> {
    match ask.body {
        Body::Nothing => Vec::new(),
        Body::Length(octets) | Body::Chunked(octets) | Body::Expected(octets) => pattern(number + 7, octets),
    }
}
