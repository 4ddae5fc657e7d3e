//! Which rules apply to a conversation?
//!
//! All surroundings of the protocol arrive in one value, [`Env`]: the [`Config`] in force, the monotonic time and the
//! date. Nothing is read from an operating system.
//!
//! ```
//! use cherrystone_core::Config;
//!
//! let mut config = Config::default();
//! config.limits.body = 1 << 20;
//! assert!(config.check().is_ok());
//! config.limits.head = 10;                    // no request fits
//! assert!(config.check().is_err());
//! ```
//!
//! Invariants:
//! 1. Every default is finite: each wait has a deadline and each count a bound.
//! 2. A `Duration::MAX` means "no limit" and overflows nothing.

use alloc::vec::Vec;
use core::time::Duration;

use crate::{Date, Instant, syntax};

/// The surroundings of one call.
#[derive(Clone, Copy, Debug)]
pub struct Env<'e> {
    /// The rules in force.
    pub config: &'e Config,
    /// The monotonic time of this call.
    pub now: Instant,
    /// What the `Date` field of an answer says; `None` for a server without a clock, which sends none (RFC 9110, 6.6.1).
    pub date: Option<&'e Date>,
}

/// The rules of all conversations of a server.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// Sizes and counts.
    pub limits: Limits,
    /// Waits.
    pub timeouts: Timeouts,
    /// What the `Server` field of answers says; `None` sends no such field.
    pub server: Option<ServerName>,
}

/// Bounds on what a peer may send. Sizes are in octets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Request line and header section, line ends included: at most 65,535, default 32,768. Beyond it: 414 when the
    /// request line alone is too long, else 431.
    pub head: u32,
    /// The request target: default 16,384. Beyond it: 414.
    pub target: u32,
    /// Field lines in a header section: at most 4,096, default 100. Beyond it: 431.
    pub fields: u16,
    /// Content of one request, decoded: default 1 GiB. Beyond it: 413. `limit_body` overrides it for one request.
    pub body: u64,
    /// Trailer section, line ends included, in at most `fields` lines: at most 65,535, default 8,192.
    pub trailers: u32,
    /// One chunk-size line with its extensions and without its line end: default 4,096.
    pub chunk_line: u32,
    /// The chunk extensions of one request in sum, with size digits beyond 16: default 16,384.
    pub chunk_overhead: u32,
    /// Content that is read and dropped after an answer that did not wait for it, to keep the connection: default
    /// 256 KiB. More than that closes it.
    pub drain: u32,
    /// Requests on one connection; the last one is answered with `Connection: close`. Default `u32::MAX`.
    pub requests: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 32_768,
            target: 16_384,
            fields: 100,
            body: 1 << 30,
            trailers: 8_192,
            chunk_line: 4_096,
            chunk_overhead: 16_384,
            drain: 262_144,
            requests: u32::MAX,
        }
    }
}

/// How long the server waits for a peer. `Duration::MAX` is for ever.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Timeouts {
    /// From an answer that was taken to the first octet of the next request: default 60 s, then a silent close.
    pub idle: Duration,
    /// From connecting, or from the first octet of a later request, to the end of its head: default 30 s, then 408.
    pub head: Duration,
    /// How slowly content may come: default 30 s and 512 octets a second, then 408. Stands still while the peer still takes output.
    pub body: Pace,
    /// How slowly answers may be taken: default 60 s and 512 octets a second, then a cut.
    pub send: Pace,
    /// How long a closing connection listens to a peer that goes on sending, so that it can read the last answer: default 30 s. To one that
    /// is silent, 5 s at most.
    pub linger: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            head: Duration::from_secs(30),
            body: Pace { grace: Duration::from_secs(30), rate: 512 },
            send: Pace { grace: Duration::from_secs(60), rate: 512 },
            linger: Duration::from_secs(30),
        }
    }
}

/// An allowance of waiting time: waiting spends it, each octet earns `1/rate` seconds back, up to `grace`.
///
/// So a peer may pause for `grace`, and in the long run has to keep up `rate` octets a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The most that can be saved up, and what there is at the start.
    pub grace: Duration,
    /// Octets a second that keep the peer welcome; 0 lets any octet restore the whole grace.
    pub rate: u32,
}

/// The prepared `Server` field line of a [`Config`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName(Vec<u8>);

impl ServerName {
    /// A `Server` field with this value.
    ///
    /// # Errors
    /// [`ConfigError::Server`] for an empty value, or one with octets that no field value may have.
    pub fn new(value: &str) -> Result<Self, ConfigError> {
        if syntax::trim(value.as_bytes()).is_empty() || !syntax::is_value(value.as_bytes()) {
            return Err(ConfigError::Server);
        }
        let mut line = Vec::with_capacity(value.len() + 10);
        line.extend_from_slice(b"Server: ");
        line.extend_from_slice(syntax::trim(value.as_bytes()));
        line.extend_from_slice(b"\r\n");
        Ok(Self(line))
    }

    /// The whole field line.
    pub(crate) fn line(&self) -> &[u8] {
        &self.0
    }
}

/// A setting with which no server would work, or that asks for what cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// `limits.head` is out of range.
    #[error("limits.head must be between 256 and 65535 octets")]
    Head,
    /// `limits.target` is out of range.
    #[error("limits.target must be between 1 octet and limits.head")]
    Target,
    /// `limits.fields` is out of range.
    #[error("limits.fields must be between 1 and 4096")]
    Fields,
    /// `limits.trailers` is out of range.
    #[error("limits.trailers must be between 2 and 65535 octets")]
    Trailers,
    /// `limits.chunk_line` is out of range.
    #[error("limits.chunk_line must be between 18 and 65535 octets")]
    ChunkLine,
    /// `limits.requests` is zero.
    #[error("limits.requests must be at least 1")]
    Requests,
    /// A timeout is zero: nobody could ever be in time.
    #[error("timeouts must be longer than zero (the longest duration means no limit)")]
    Timeout,
    /// The `Server` value is no field value.
    #[error("the Server field must be visible text without control characters")]
    Server,
}

impl Config {
    /// Whether a server could work with these settings.
    ///
    /// # Errors
    /// The first setting that is out of its range. The machine itself stays safe with any values.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (limits, times) = (&self.limits, &self.timeouts);
        let waits = [times.idle, times.head, times.body.grace, times.send.grace, times.linger];
        let rules = [
            ((256..=65_535).contains(&limits.head), ConfigError::Head),
            ((1..=limits.head).contains(&limits.target), ConfigError::Target),
            ((1..=4_096).contains(&limits.fields), ConfigError::Fields),
            ((2..=65_535).contains(&limits.trailers), ConfigError::Trailers),
            ((18..=65_535).contains(&limits.chunk_line), ConfigError::ChunkLine),
            (limits.requests >= 1, ConfigError::Requests),
            (!waits.contains(&Duration::ZERO), ConfigError::Timeout),
        ];
        rules.into_iter().find_map(|(holds, error)| (!holds).then_some(error)).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_sound() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn impossible_settings_are_refused() {
        type Change = fn(&mut Config);
        let broken: [(Change, ConfigError); 5] = [
            (|c| c.limits.head = 0, ConfigError::Head),
            (|c| c.limits.head = 100_000, ConfigError::Head),
            (|c| c.limits.fields = 0, ConfigError::Fields),
            (|c| c.limits.requests = 0, ConfigError::Requests),
            (|c| c.timeouts.idle = Duration::ZERO, ConfigError::Timeout),
        ];
        for (change, error) in broken {
            let mut config = Config::default();
            change(&mut config);
            assert_eq!(config.check(), Err(error));
        }
    }

    #[test]
    fn server_names_cannot_inject() {
        assert!(ServerName::new("cherrystone/0.1").is_ok());
        for bad in ["", " ", "a\r\nX: y", "a\0"] {
            assert_eq!(ServerName::new(bad), Err(ConfigError::Server), "{bad:?}");
        }
    }
}
