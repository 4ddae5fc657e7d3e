//! What was said on one connection, and what is known of its state?
//!
//! 1. Reading goes on while sending: a server that answers early never blocks on us.
//! 2. Answers are taken out in order, each once; an answer that was awaited while sending is kept for the check.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::answer::{Answer, Malformed, Reader};
use crate::case::To;
use crate::channel::{Channel, Received};

/// How long one attempt to send may block before the answers are looked at again.
const SEND_SLICE: Duration = Duration::from_millis(5);
const SHORTEST_WAIT: Duration = Duration::from_millis(5);
/// A server that takes nothing for so long has stalled.
const SEND_LIMIT: Duration = Duration::from_secs(3);

/// What went over the wire in one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// What was sent, in full.
    pub sent: Vec<u8>,
    /// What was received, in full.
    pub received: Vec<u8>,
    /// How it stood at the end.
    pub outlook: Outlook,
}

/// The state of the server's direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// More may come.
    Open,
    /// It was ended in order.
    Closed,
    /// It was broken off.
    Reset,
}

/// A final answer with the interim statuses before it.
pub(super) struct Exchange {
    pub(super) interim: Vec<Answer>,
    pub(super) answer: Answer,
}

pub(super) struct Conversation {
    channel: Option<Box<dyn Channel>>,
    reader: Reader,
    sent: Vec<u8>,
    outlook: Outlook,
    /// Interim answers that still wait for their final one.
    interim: Vec<Answer>,
    /// Final answers that nobody has asked for yet, and how many were asked for.
    finals: VecDeque<Exchange>,
    taken: usize,
    last_announced_close: bool,
    upgraded: bool,
}

impl Conversation {
    pub(super) fn new(channel: Box<dyn Channel>) -> Self {
        Self {
            channel: Some(channel),
            reader: Reader::new(),
            sent: Vec::new(),
            outlook: Outlook::Open,
            interim: Vec::new(),
            finals: VecDeque::new(),
            taken: 0,
            last_announced_close: false,
            upgraded: false,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.channel.as_ref().map_or_else(Instant::now, |channel| channel.now())
    }

    pub(super) fn outlook(&self) -> Outlook {
        self.outlook
    }

    /// Whether the last final answer said that the connection would be closed.
    pub(super) fn close_was_announced(&self) -> bool {
        self.last_announced_close
    }

    /// Whether 101 was answered.
    pub(super) fn is_upgraded(&self) -> bool {
        self.upgraded
    }

    /// Octets that belong to no answer so far, or an answer that nobody asked for.
    pub(super) fn surplus(&self) -> Option<String> {
        if let Some(exchange) = self.finals.front() {
            return Some(format!("an answer of status {}", exchange.answer.status));
        }
        match self.reader.rest() {
            [] => None,
            rest => Some(format!("octets \"{}\"", crate::bytes::excerpt(rest, 160))),
        }
    }

    /// Takes out a 408 that says why the server closes, as it may before a timer of its own closes; whether there was one.
    pub(super) fn forgive_timeout(&mut self) -> bool {
        let alone = self.finals.is_empty() && self.interim.is_empty();
        if !alone || self.reader.rest().get(8..13) != Some(b" 408 ") {
            return false;
        }
        matches!(self.reader.next(To::Other), Ok(Some(_)))
    }

    /// What came after the last answer.
    pub(super) fn rest(&self) -> &[u8] {
        self.reader.rest()
    }

    /// All that came, in full.
    pub(super) fn received(&self) -> &[u8] {
        self.reader.seen()
    }

    pub(super) fn into_transcript(self) -> Transcript {
        Transcript { received: self.received().to_vec(), sent: self.sent, outlook: self.outlook }
    }

    /// Sends all of `data`, or as much as the server takes; reads meanwhile. After the server ended its direction,
    /// sends on only when `insist` says so.
    pub(super) fn send(&mut self, data: &[u8], insist: Insist) {
        let mut left = data;
        let mut stalled_at = self.now() + SEND_LIMIT;
        while !left.is_empty() && (self.outlook == Outlook::Open || insist == Insist::AfterTheEnd) {
            let Some(channel) = &mut self.channel else { return };
            match channel.send(left, SEND_SLICE) {
                Ok(n) => {
                    let (gone, rest) = left.split_at(n.min(left.len()));
                    self.sent.extend_from_slice(gone);
                    left = rest;
                    if n > 0 {
                        stalled_at = self.now() + SEND_LIMIT;
                    }
                }
                Err(_) => {
                    // What the server said before it broke off is still to be read.
                    while self.hear(Duration::ZERO) {}
                    self.ended(Outlook::Reset);
                    return;
                }
            }
            self.hear(Duration::ZERO);
            if self.now() >= stalled_at {
                return;
            }
        }
    }

    /// Lets time pass; what comes meanwhile is read.
    pub(super) fn pause(&mut self, time: Duration) {
        let until = self.now() + time;
        // A wait of the system's sockets is of some milliseconds at least: a thousand short pauses would add up.
        while self.outlook == Outlook::Open && time > SHORTEST_WAIT {
            let left = until.saturating_duration_since(self.now());
            if left.is_zero() {
                return;
            }
            self.hear(left);
        }
        let left = until.saturating_duration_since(self.now());
        if let Some(channel) = self.channel.as_mut().filter(|_| !left.is_zero()) {
            channel.pause(left);
        }
        self.hear(Duration::ZERO);
    }

    /// Waits until something is there that belongs to no answer taken so far, or `time` is over.
    pub(super) fn listen(&mut self, time: Duration) {
        let until = self.now() + time;
        while self.outlook == Outlook::Open && self.surplus().is_none() {
            let left = until.saturating_duration_since(self.now());
            if left.is_zero() {
                return;
            }
            self.hear(left);
        }
    }

    /// Waits until at least `octets` came after the last answer, or `time` is over.
    pub(super) fn listen_for(&mut self, octets: usize, time: Duration) {
        let until = self.now() + time;
        while self.outlook == Outlook::Open && self.rest().len() < octets {
            let left = until.saturating_duration_since(self.now());
            if left.is_zero() {
                return;
            }
            self.hear(left);
        }
    }

    /// Waits for an interim or final answer; keeps what comes.
    pub(super) fn await_any(&mut self, to: To, time: Duration) -> Result<(), Malformed> {
        let before = self.interim.len() + self.finals.len();
        let until = self.now() + time;
        while self.interim.len() + self.finals.len() == before && self.next_answer(to, until)? {}
        Ok(())
    }

    /// Waits for the final answer number `n`, from 0; keeps it.
    pub(super) fn await_final(&mut self, n: usize, to: To, time: Duration) -> Result<(), Malformed> {
        let until = self.now() + time;
        while self.taken + self.finals.len() <= n && self.next_answer(to, until)? {}
        Ok(())
    }

    /// The final answer number `n`, from 0; none when the server does not give it in time.
    pub(super) fn final_answer(&mut self, n: usize, to: To, time: Duration) -> Result<Option<Exchange>, Malformed> {
        self.await_final(n, to, time)?;
        let exchange = self.finals.pop_front();
        if let Some(exchange) = &exchange {
            self.taken += 1;
            self.last_announced_close = exchange.answer.announces_close();
        }
        Ok(exchange)
    }

    /// Ends the sending direction.
    pub(super) fn half_close(&mut self) -> std::io::Result<()> {
        self.channel.as_mut().map_or(Ok(()), |channel| channel.half_close())
    }

    /// Breaks the connection off.
    pub(super) fn reset(&mut self) -> std::io::Result<()> {
        self.channel.take().map_or(Ok(()), Channel::reset)
    }

    /// Reads one more answer into the queue; false when none came in time.
    fn next_answer(&mut self, to: To, until: Instant) -> Result<bool, Malformed> {
        loop {
            // Behind a 101 the octets are no answers.
            if self.upgraded {
                return Ok(false);
            }
            if let Some(answer) = self.reader.next(to)? {
                if answer.is_interim() {
                    self.interim.push(answer);
                } else {
                    self.upgraded = answer.status == 101;
                    self.finals.push_back(Exchange { interim: std::mem::take(&mut self.interim), answer });
                }
                return Ok(true);
            }
            let left = until.saturating_duration_since(self.now());
            if self.outlook != Outlook::Open || left.is_zero() {
                return Ok(false);
            }
            self.hear(left);
        }
    }

    /// Receives once; true when something came.
    fn hear(&mut self, wait: Duration) -> bool {
        let Some(channel) = self.channel.as_mut().filter(|_| self.outlook == Outlook::Open) else { return false };
        let mut buffer = [0; 16 << 10];
        match channel.receive(&mut buffer, wait) {
            Ok(Received::Bytes(n)) => {
                self.reader.push(&buffer[..n]);
                return true;
            }
            Ok(Received::Nothing) => {}
            Ok(Received::End) => self.ended(Outlook::Closed),
            Err(_) => self.ended(Outlook::Reset),
        }
        false
    }

    fn ended(&mut self, how: Outlook) {
        self.outlook = how;
        self.reader.end();
    }
}

/// Whether to send on after the server ended its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Insist {
    No,
    AfterTheEnd,
}
