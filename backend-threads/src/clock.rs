//! What time is it, for the protocol?
//!
//! A [`Clock`] turns the system's two clocks into what the core takes: nanoseconds since the process began, and the text of the
//! `Date` field, which is made anew when its second is over. Each thread has a clock of its own; all share one epoch.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cherrystone_core::{Config, Date, Env, Instant};

/// The time as one thread saw it last.
#[derive(Debug)]
pub struct Clock {
    now: Instant,
    date: Date,
    /// When the date's second is over.
    date_ends: Instant,
}

impl Clock {
    /// A clock that shows the time of this moment.
    pub fn new() -> Self {
        let mut clock = Self { now: monotonic(), date: Date::from_unix(0), date_ends: Instant::from_nanos(0) };
        clock.renew_date();
        clock
    }

    /// Looks at the system's clock, and says what it shows.
    #[inline]
    pub fn tick(&mut self) -> Instant {
        self.now = monotonic();
        if self.now >= self.date_ends {
            self.renew_date();
        }
        self.now
    }

    /// What the system's clock shows now, whatever was seen before.
    pub fn look() -> Instant {
        monotonic()
    }

    /// The time of the last look.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The surroundings of a call at the time of the last look.
    #[inline]
    pub fn env<'e>(&'e self, config: &'e Config) -> Env<'e> {
        Env { config, now: self.now, date: Some(&self.date) }
    }

    #[cold]
    fn renew_date(&mut self) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.date = Date::from_unix(unix.as_secs());
        let rest = Duration::from_nanos(1_000_000_000 - u64::from(unix.subsec_nanos()));
        self.date_ends = self.now + rest;
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// The system's instant for one of ours, for calls that wait; as late as the system can tell for one that never comes.
pub(crate) fn system_instant(at: Instant) -> std::time::Instant {
    let after = at.since(Instant::from_nanos(0));
    epoch().checked_add(after).unwrap_or_else(|| std::time::Instant::now() + Duration::from_secs(86_400 * 365))
}

fn epoch() -> std::time::Instant {
    static EPOCH: OnceLock<std::time::Instant> = OnceLock::new();
    *EPOCH.get_or_init(std::time::Instant::now)
}

fn monotonic() -> Instant {
    Instant::from_nanos(0) + epoch().elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_of_this_second() {
        let mut clock = Clock::new();
        for _ in 0..3 {
            let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            clock.tick();
            let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let shown = clock.env(&Config::default()).date.copied().unwrap();
            assert!((before..=after).any(|second| Date::from_unix(second) == shown));
            std::thread::sleep(Duration::from_millis(400));
        }
    }

    #[test]
    fn never_is_far() {
        assert!(system_instant(Instant::NEVER) > std::time::Instant::now() + Duration::from_secs(1000));
    }
}
