//! Where does the time of a runtime come from?
//!
//! From a [`Clock`], read once a turn: monotonic time since it was started, and the date, which is written anew once a second.

use std::time::{self, SystemTime};

use cherrystone_core::{Config, Date, Env, Instant};

/// The system's time.
#[derive(Clone, Debug)]
pub struct Clock {
    began: time::Instant,
    now: Instant,
    second: u64,
    date: Date,
}

impl Default for Clock {
    fn default() -> Self {
        let mut clock =
            Self { began: time::Instant::now(), now: Instant::from_nanos(0), second: 0, date: Date::from_unix(0) };
        clock.tick();
        clock
    }
}

impl Clock {
    /// Looks what time it is.
    pub fn tick(&mut self) -> Instant {
        self.now = Instant::from_nanos(u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        let second = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        if second != self.second {
            self.second = second;
            self.date = Date::from_unix(second);
        }
        self.now
    }

    /// When somebody looked last.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The surroundings of a call, at that time.
    pub fn env<'e>(&'e self, config: &'e Config) -> Env<'e> {
        Env { config, now: self.now, date: Some(&self.date) }
    }
}
