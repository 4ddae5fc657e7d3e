//! What happens when?
//!
//! An [`Agenda`] holds all that is to come. What is due at the same time comes in the order that chance decides; what has to keep its
//! order is given different times.

use std::collections::BTreeMap;

use super::dice::Dice;

/// Nanoseconds in a millisecond.
pub(super) const MS: u64 = 1_000_000;

/// Something that happens; the number is that of the visitor whose connection it is about.
#[derive(Debug)]
pub(super) enum Due {
    /// A visitor goes on with its steps.
    Act(usize),
    /// A visitor's system sends what it has.
    Transmit(usize),
    /// Octets of a visitor come to the server.
    Arrive(usize, Vec<u8>),
    /// The end of a visitor's side comes to the server.
    ArriveEnd(usize),
    /// A visitor's reset comes to the server.
    ArriveReset(usize),
    /// Octets of the server come to a visitor.
    Deliver(usize, Vec<u8>),
    /// The end of the server's side comes to a visitor.
    DeliverEnd(usize),
    /// A reset by the server comes to a visitor.
    DeliverReset(usize),
    /// A slow visitor takes something.
    Take(usize),
    /// The server's socket has room again.
    Room(usize),
    /// A connection's time may be up.
    Timer(usize, u64),
    /// A connection that had not finished gets another turn.
    Turn(usize),
    /// A worker looks for a job.
    Work,
    /// A handler that waits looks again.
    Resume(usize),
    /// A handler waits no longer.
    Expire(usize, u64),
    /// An application does what it put off.
    Alarm(usize),
    /// The server is told to stop.
    Stop,
    /// Its patience is over.
    Cut,
}

/// What is to come, and the time that it is.
#[derive(Debug)]
pub(super) struct Agenda {
    now: u64,
    entries: BTreeMap<(u64, u64, u64), Due>,
    entered: u64,
    /// Chance, for everybody.
    pub(super) dice: Dice,
}

impl Agenda {
    /// An empty one at the beginning of time.
    pub(super) fn new(dice: Dice) -> Self {
        Self { now: 0, entries: BTreeMap::new(), entered: 0, dice }
    }

    /// The time.
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// Puts something down for a time; one that has passed is now.
    pub(super) fn at(&mut self, time: u64, due: Due) {
        self.entered += 1;
        let key = (time.max(self.now), self.dice.throw(), self.entered);
        self.entries.insert(key, due);
    }

    /// Puts something down for a moment from now: `most` nanoseconds at the latest.
    pub(super) fn soon(&mut self, most: u64, due: Due) {
        let time = self.now + self.dice.within(0, most);
        self.at(time, due);
    }

    /// When the next thing happens.
    pub(super) fn next_time(&self) -> Option<u64> {
        self.entries.first_key_value().map(|((time, ..), _)| *time)
    }

    /// Lets time pass to the next thing, and takes that out.
    pub(super) fn next(&mut self) -> Option<Due> {
        let ((time, ..), due) = self.entries.pop_first()?;
        self.now = time;
        Some(due)
    }
}
