//! When has the peer taken too long?
//!
//! Waiting spends an [`Allowance`], octets earn it back (see [`Pace`]). The clock runs only while the server waits for the
//! peer: from `NeedInput` to the next octet, or while output cannot be sent.
//!
//! Invariants:
//! 1. A slow handler is never the client's fault: nothing is spent while nobody waits.
//! 2. Time that runs backwards stands still; no sum overflows.

use crate::clock::nanos;
use crate::{Instant, Pace};

/// What a peer may still spend on waiting, and since when it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    left: u64,
    /// When the wait under way began; [`Instant::NEVER`] if there is none, which is when such a wait would end.
    since: Instant,
}

impl Allowance {
    /// The whole grace, and no wait.
    pub(crate) fn full(pace: Pace) -> Self {
        Self { left: nanos(pace.grace), since: Instant::NEVER }
    }

    /// Whether a wait is under way.
    pub(crate) fn is_waiting(&self) -> bool {
        self.since != Instant::NEVER
    }

    /// The wait begins, unless it is under way already.
    pub(crate) fn wait(&mut self, now: Instant) {
        if !self.is_waiting() {
            self.since = now;
        }
    }

    /// `octets` were moved: the wait ends, what it took is spent, what they earn is added.
    #[inline]
    pub(crate) fn earn(&mut self, octets: usize, now: Instant, pace: Pace) {
        if self.is_waiting() {
            self.settle(octets, now, pace);
        }
    }

    #[cold]
    fn settle(&mut self, octets: usize, now: Instant, pace: Pace) {
        let grace = nanos(pace.grace);
        let earned = match u64::from(pace.rate) {
            0 if octets == 0 => 0,
            0 => grace,
            rate => (octets as u64).saturating_mul(1_000_000_000) / rate,
        };
        if grace != u64::MAX {
            self.left = self.left.saturating_sub(nanos(now.since(self.since))).saturating_add(earned).min(grace);
        }
        self.since = Instant::NEVER;
    }

    /// The wait is over for a reason that is not the peer's speed: nobody waits for the octets any more.
    pub(crate) fn stop(&mut self) {
        self.since = Instant::NEVER;
    }

    /// When the wait under way has spent everything; [`Instant::NEVER`] if there is none.
    pub(crate) fn ends(&self) -> Instant {
        Instant::from_nanos(self.since.as_nanos().saturating_add(self.left))
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    const PACE: Pace = Pace { grace: Duration::from_secs(10), rate: 100 };

    fn second(n: u64) -> Instant {
        Instant::from_nanos(n * 1_000_000_000)
    }

    #[test]
    fn a_dribble_spends_the_grace() {
        let mut allowance = Allowance::full(PACE);
        for n in 0..5 {
            allowance.wait(second(2 * n));
            allowance.earn(1, second(2 * n + 2), PACE);
        }
        allowance.wait(second(10));
        assert!(allowance.ends() < second(11), "{:?}", allowance.ends());
    }

    #[test]
    fn a_steady_peer_is_welcome_for_ever() {
        let mut allowance = Allowance::full(PACE);
        for n in 0..1000 {
            allowance.wait(second(n));
            allowance.earn(100, second(n + 1), PACE);
        }
        allowance.wait(second(1000));
        assert_eq!(allowance.ends(), second(1010));
    }

    #[test]
    fn without_a_rate_any_octet_earns_everything_and_none_nothing() {
        let any = Pace { rate: 0, ..PACE };
        let mut allowance = Allowance::full(any);
        for (octets, left) in [(0, 6), (0, 2), (1, 10)] {
            allowance.wait(second(0));
            allowance.earn(octets, second(4), any);
            allowance.wait(second(4));
            assert_eq!(allowance.ends(), second(4 + left), "{octets}");
            allowance.stop();
        }
    }

    #[test]
    fn nothing_overflows_and_backwards_stands_still() {
        let endless = Pace { grace: Duration::MAX, rate: 1 };
        let mut allowance = Allowance::full(endless);
        allowance.wait(second(5));
        assert_eq!(allowance.ends(), Instant::NEVER);
        allowance.earn(usize::MAX, second(1), endless);
        allowance.wait(second(2));
        assert_eq!(allowance.ends(), Instant::NEVER);
    }
}
