//! Which connection's time is up?
//!
//! [`Timers`] keeps one entry for each connection at most, in buckets of [`GRAIN`]: an entry never fires early, and at most a grain
//! late. Deadlines that move later cost nothing: the entry stays, fires, and is set again by whoever finds the deadline
//! ahead.
//!
//! Invariants:
//! 1. The cost of setting an entry does not depend on how many connections there are, but on how many buckets.
//! 2. With no entry there is no next time: an idle loop sleeps.
//! 3. An entry that its connection left behind, by ending or for an earlier one, fires once and is not set again: whoever looks
//!    compares what fired with what the connection remembers.

use std::collections::BTreeMap;
use std::time::Duration;

use cherrystone_core::Instant;

/// How far a deadline may be overstepped, so that many expire in one wake-up.
pub(crate) const GRAIN: Duration = Duration::from_millis(32);

/// Tokens by when to look at them.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    buckets: BTreeMap<u64, Vec<usize>>,
    /// Emptied buckets, for their storage.
    spare: Vec<Vec<usize>>,
}

/// What a connection remembers of its entry: the bucket, `u64::MAX` for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Armed(u64);

impl Armed {
    /// No entry.
    pub(crate) const NOT: Self = Self(u64::MAX);

    /// Whether `fired` is the entry that is remembered here; then it is forgotten.
    pub(crate) fn fires(&mut self, fired: Self) -> bool {
        let is_ours = *self == fired;
        if is_ours {
            *self = Self::NOT;
        }
        is_ours
    }
}

impl Timers {
    /// Sees to it that `token` fires at `at` or soon after; `None` is never. An entry for an earlier time stays.
    #[inline]
    pub(crate) fn set(&mut self, token: usize, at: Option<Instant>, armed: &mut Armed) {
        let Some(at) = at else { return };
        let bucket = bucket(at).saturating_add(1);
        if bucket < armed.0 {
            armed.0 = bucket;
            self.insert(bucket, token);
        }
    }

    fn insert(&mut self, bucket: u64, token: usize) {
        let spare = &mut self.spare;
        self.buckets.entry(bucket).or_insert_with(|| spare.pop().unwrap_or_default()).push(token);
    }

    /// When the next entry fires.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.buckets.first_key_value().map(|(bucket, _)| starts(*bucket))
    }

    /// Takes out the tokens whose time has come, each with its entry. Only the connection that remembers this very entry has
    /// been called, and has none any more; another one that has got the same token since then has not.
    pub(crate) fn expired(&mut self, now: Instant, out: &mut Vec<(usize, Armed)>) {
        while let Some(first) = self.buckets.first_entry() {
            let armed = Armed(*first.key());
            if starts(armed.0) > now {
                break;
            }
            let mut tokens = first.remove();
            out.extend(tokens.drain(..).map(|token| (token, armed)));
            if self.spare.len() < 64 {
                self.spare.push(tokens);
            }
        }
    }
}

fn bucket(at: Instant) -> u64 {
    at.as_nanos() / GRAIN.as_nanos() as u64
}

fn starts(bucket: u64) -> Instant {
    Instant::from_nanos(bucket.saturating_mul(GRAIN.as_nanos() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Instant {
        Instant::from_nanos(n * 1_000_000)
    }

    #[test]
    fn nothing_fires_early_or_a_grain_late() {
        let mut timers = Timers::default();
        let (mut armed, mut out) = (Armed::NOT, Vec::new());
        timers.set(7, Some(ms(100)), &mut armed);
        timers.expired(ms(99), &mut out);
        assert!(out.is_empty());
        let next = timers.next().unwrap();
        assert!(next >= ms(100) && next <= ms(100) + GRAIN);
        timers.expired(next, &mut out);
        assert_eq!((&out[..], timers.next()), (&[(7, armed)][..], None));
        assert!(armed.fires(out[0].1));
        assert_eq!(armed, Armed::NOT);
    }

    #[test]
    fn entries_that_were_left_behind_die_out() {
        let mut timers = Timers::default();
        // Many short connections, one after the other with the same token, then one that stays.
        for n in 0..100 {
            timers.set(1, Some(ms(1000 + n)), &mut Armed::NOT.clone());
        }
        let (mut armed, mut now) = (Armed::NOT, 1);
        timers.set(1, Some(ms(now + 1000)), &mut armed);
        let mut calls = 0;
        for _ in 0..10 {
            now += 1000;
            let mut out = Vec::new();
            timers.expired(ms(now) + GRAIN, &mut out);
            for (token, fired) in out {
                if armed.fires(fired) {
                    calls += 1;
                    timers.set(token, Some(ms(now + 1000)), &mut armed);
                }
            }
        }
        assert!(calls <= 10, "{calls}");
        assert_eq!(timers.buckets.values().map(Vec::len).sum::<usize>(), 1);
    }

    #[test]
    fn a_later_deadline_costs_nothing_and_an_earlier_one_comes_first() {
        let mut timers = Timers::default();
        let mut armed = Armed::NOT;
        timers.set(1, Some(ms(1000)), &mut armed);
        let first = timers.next();
        timers.set(1, Some(ms(5000)), &mut armed);
        assert_eq!((timers.next(), timers.buckets.len()), (first, 1));
        timers.set(1, Some(ms(10)), &mut armed);
        assert!(timers.next() < first);
        timers.set(1, None, &mut armed);
        timers.set(2, Some(Instant::NEVER), &mut Armed::NOT.clone());
    }
}
