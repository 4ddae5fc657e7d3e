//! Under which settings is a connection judged?
//!
//! Under a handful of [`Config`]s whose bounds are close enough to be met by short inputs.

use core::time::Duration;

use cherrystone_core::{Config, Pace, ServerName};

/// A setting for each value: the defaults, tight ones, and ones that no server would run with but that must be safe.
pub fn config(which: u8) -> Config {
    let mut config = Config::default();
    match which % 4 {
        0 => {}
        1 => {
            let limits = &mut config.limits;
            (limits.head, limits.target, limits.fields) = (256, 40, 6);
            (limits.body, limits.trailers, limits.drain) = (64, 48, 24);
            (limits.chunk_line, limits.chunk_overhead, limits.requests) = (24, 30, 5);
            config.server = ServerName::new("oracle").ok();
        }
        2 => {
            (config.limits.drain, config.limits.body) = (0, 20);
            let second = Duration::from_secs(1);
            let times = &mut config.timeouts;
            (times.idle, times.head, times.linger) = (second, second, second);
            times.body = Pace { grace: second, rate: 0 };
            times.send = Pace { grace: second, rate: 10 };
        }
        _ => {
            let limits = &mut config.limits;
            (limits.head, limits.target, limits.fields) = (u32::MAX, u32::MAX, u16::MAX);
            (limits.body, limits.trailers, limits.drain) = (u64::MAX, u32::MAX, u32::MAX);
            (limits.chunk_line, limits.chunk_overhead, limits.requests) = (u32::MAX, u32::MAX, 0);
            let times = &mut config.timeouts;
            (times.idle, times.head, times.linger) = (Duration::MAX, Duration::MAX, Duration::MAX);
            times.body = Pace { grace: Duration::MAX, rate: 1 };
            times.send = Pace { grace: Duration::ZERO, rate: u32::MAX };
        }
    }
    config
}
