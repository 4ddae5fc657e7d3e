//! How does content reach its reader without passing the receive buffer?
//!
//! Content of announced length needs no look at its octets, so a driver may read it straight to where it is wanted. It asks
//! [`direct`](Connection::direct) how much may come so, and says how much [`came`](Connection::came); `poll` goes on from there as if the
//! octets had been reported. A [`Link`](crate::Link) does both.
//!
//! Invariants:
//! 1. What comes directly is content of the request under way and nothing else, within its limit.
//! 2. Limits, paces and offsets are the same whichever way content comes.

use super::receive::Receive;
use super::{Closing, Connection, Reply};
use crate::{Env, RecvBuf};

impl Connection {
    /// Octets that may be read past `rx`: what is missing of content of announced length, as long as none of it is unread, it is within its
    /// limit, and somebody may want it.
    pub fn direct(&self, rx: &RecvBuf) -> u64 {
        match self.receive {
            Receive::Length(left)
                if left <= self.budget
                    && rx.is_empty()
                    && !rx.is_closed()
                    && self.closing == Closing::Open
                    && self.reply != Reply::Done =>
            {
                left
            }
            _ => 0,
        }
    }

    /// `octets` of content came past the buffer, at most as many as [`direct`](Self::direct) said; more do not count.
    pub fn came(&mut self, env: &Env<'_>, octets: u64) {
        let Receive::Length(left) = &mut self.receive else { return };
        let octets = octets.min(*left);
        *left -= octets;
        self.budget = self.budget.saturating_sub(octets);
        self.offset += octets;
        self.request.waits_for_continue = false;
        self.body_pace.earn(usize::try_from(octets).unwrap_or(usize::MAX), env.now, env.config.timeouts.body);
        self.seen = 0;
    }
}
