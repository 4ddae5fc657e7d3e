//! When has the peer taken too long?
//!
//! Waiting spends an [`Allowance`], octets earn it back (see [`Pace`]). The clock runs only while the server waits for the
//! peer: from `NeedInput` to the next octet, or while output cannot be sent.
//!
//! Invariants:
//! 1. A slow handler is never the client's fault: nothing is spent while nobody waits.
//! 2. Time that runs backwards stands still; no sum overflows.

use super::{Cause, Connection};
use crate::clock::nanos;
use crate::{Env, Instant, Pace};

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

    /// A wait that began at `seen` or later begins at `now`.
    pub(crate) fn excuse(&mut self, seen: Instant, now: Instant) {
        if self.is_waiting() && self.since >= seen {
            self.since = now;
        }
    }

    /// When the wait under way has spent everything; [`Instant::NEVER`] if there is none.
    pub(crate) fn ends(&self) -> Instant {
        Instant::from_nanos(self.since.as_nanos().saturating_add(self.left))
    }
}

impl Connection {
    /// Lets waits that began at `seen` or later begin now: for a driver that was held up after it had looked at the clock, by a handler
    /// perhaps, so that waits have begun which nobody had the chance to end. Earlier ones go on.
    pub fn excuse(&mut self, seen: Instant, env: &Env<'_>) {
        self.body_pace.excuse(seen, env.now);
        self.send_pace.excuse(seen, env.now);
        let times = &env.config.timeouts;
        let patience = match self.reading_deadline().cause {
            Cause::Head => times.head,
            Cause::Idle => times.idle,
            Cause::Linger => times.linger,
            Cause::Body | Cause::Send => return,
        };
        if self.until >= seen + patience {
            self.until = env.now + patience;
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::{Config, Event, RecvBuf, SendBuf, Size, Status, Timeouts};

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

    /// Each wait, as a client comes to it, before the driver was held up for 3 s and meanwhile.
    #[test]
    fn a_driver_that_was_held_up_excuses_what_began_meanwhile() {
        let ten = Duration::from_secs(10);
        let pace = Pace { grace: ten, rate: 0 };
        let timeouts = Timeouts { idle: ten, head: ten, body: pace, send: pace, linger: ten };
        let config = Config { timeouts, ..Config::default() };
        let at = |secs: u64| Env { config: &config, now: second(secs), date: None };
        let cases = [
            ("", Cause::Head, 10),
            ("GET", Cause::Head, 10),
            ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", Cause::Idle, 10),
            ("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", Cause::Linger, 5),
            ("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n", Cause::Body, 10),
        ];
        for (octets, cause, patience) in cases {
            for began in [0, 1] {
                let (mut rx, mut tx) = (RecvBuf::default(), SendBuf::default());
                let mut conn = Connection::new(&at(began));
                rx.push(octets.as_bytes());
                loop {
                    match conn.poll(&at(began), &mut rx).unwrap() {
                        Event::NeedInput => break,
                        Event::End(_) => {
                            conn.respond(&at(began), Status::NO_CONTENT, &[], Size::Empty, &mut tx).unwrap();
                        }
                        _ => {}
                    }
                }
                assert_eq!(conn.deadline().map(|deadline| deadline.cause), Some(cause));
                // Once: a driver that is always busy does not stop the time.
                for (seen, now) in [(1, 4), (5, 6)] {
                    conn.excuse(second(seen), &at(now));
                    let waited = if began == 0 { now } else { now - 4 };
                    let left = Duration::from_secs(u64::saturating_sub(patience, waited));
                    assert_eq!(conn.patience(second(now)), Some(left), "{octets:?} since {began}, at {now}");
                }
            }
        }
        let mut conn = Connection::new(&at(1));
        let _ = conn.sent(&at(1), 0, 7);
        conn.excuse(second(1), &at(4));
        assert_eq!(conn.send_pace.ends(), second(14));
    }
}
