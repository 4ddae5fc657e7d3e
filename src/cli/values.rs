//! How are the values of flags read, and written back?
//!
//! Invariants:
//! 1. Numbers are digits: no sign, no exponent, no overflow. What is out of range is refused with the range.
//! 2. What a `show_` function writes, its reader reads as the same value.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::sockets::{BindAddr, BindAddrError};

/// How many workers a pool has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    /// As many are always there; at least 1.
    pub min: usize,
    /// As many are there at most; at least `min`.
    pub max: usize,
}

/// More threads than this are a mistake, not a setting.
const MAX_THREADS: u64 = 10_000;

impl FromStr for Threads {
    type Err = String;

    /// Reads `MIN:MAX`, or one number for both.
    fn from_str(text: &str) -> Result<Self, String> {
        let (min, max) = text.split_once(':').unwrap_or((text, text));
        let count = |text| {
            whole(text)
                .filter(|count| (1..=MAX_THREADS).contains(count))
                .and_then(|count| usize::try_from(count).ok())
                .ok_or_else(|| format!("expected MIN:MAX or N, each between 1 and {MAX_THREADS}"))
        };
        let (min, max) = (count(min)?, count(max)?);
        if min > max { Err("MIN is more than MAX".to_owned()) } else { Ok(Self { min, max }) }
    }
}

impl std::fmt::Display for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.min, self.max)
    }
}

/// Where a line for each exchange goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// To the standard output: `-`.
    Stdout,
    /// To the end of this file.
    File(PathBuf),
}

impl FromStr for AccessLog {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(if text == "-" { Self::Stdout } else { Self::File(text.into()) })
    }
}

/// An address to listen at, as it was written.
pub(super) fn address(text: &str) -> Result<String, BindAddrError> {
    text.parse::<BindAddr>().map(|_| text.to_owned())
}

/// Octets, as digits with `K`, `M` or `G` for powers of 1024.
fn octets(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()?.to_ascii_uppercase() {
        b'K' => (&text[..text.len() - 1], 1 << 10),
        b'M' => (&text[..text.len() - 1], 1 << 20),
        b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    whole(digits)?.checked_mul(unit)
}

fn octets_in(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    octets(text)
        .and_then(|octets| u32::try_from(octets).ok())
        .filter(|octets| range.contains(octets))
        .ok_or_else(|| format!("expected octets between {} and {}, such as 4096 or 4K", range.start(), range.end()))
}

/// A size of a request head.
pub(super) fn head(text: &str) -> Result<u32, String> {
    octets_in(text, 256..=65_535)
}

/// Octets a second; 0 lets any octet do.
pub(super) fn rate(text: &str) -> Result<u32, String> {
    octets_in(text, 0..=u32::MAX)
}

/// A size of content; `none` is no limit.
pub(super) fn body(text: &str) -> Result<u64, String> {
    if text == "none" {
        return Ok(u64::MAX);
    }
    octets(text).ok_or_else(|| "expected octets, such as 65536 or 10M, or none".to_owned())
}

/// How [`body`] is written.
pub(super) fn show_body(octets: u64) -> String {
    if octets == u64::MAX { "none".to_owned() } else { octets.to_string() }
}

/// A time longer than zero, in seconds; `none` is for ever.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    seconds(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "expected seconds, more than 0, such as 30 or 0.5, or none".to_owned())
}

/// A time in seconds; `none` is for ever.
pub(super) fn grace(text: &str) -> Result<Duration, String> {
    seconds(text).ok_or_else(|| "expected seconds, such as 30, 0.5 or 0, or none".to_owned())
}

/// How times are written.
pub(super) fn show_seconds(time: Duration) -> String {
    if time == Duration::MAX {
        "none".to_owned()
    } else if time.subsec_nanos() == 0 {
        time.as_secs().to_string()
    } else {
        let text = format!("{}.{:09}", time.as_secs(), time.subsec_nanos());
        text.trim_end_matches('0').to_owned()
    }
}

fn seconds(text: &str) -> Option<Duration> {
    if text == "none" {
        return Some(Duration::MAX);
    }
    let (whole_part, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.len() > 9 {
        return None;
    }
    let nanoseconds = whole(&format!("{fraction:0<9}")).filter(|_| !fraction.is_empty())?;
    Some(Duration::new(whole(whole_part)?, u32::try_from(nanoseconds).ok()?))
}

/// Permissions of a socket file, in octal.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
    octal
        .then(|| u32::from_str_radix(digits, 8).ok())
        .flatten()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "expected octal permissions, such as 660".to_owned())
}

fn whole(digits: &str) -> Option<u64> {
    // Unlike the parser of the standard library, no plus sign.
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads() {
        let threads = |min, max| Ok(Threads { min, max });
        assert_eq!("4".parse(), threads(4, 4));
        assert_eq!("1:1".parse(), threads(1, 1));
        assert_eq!("2:10000".parse(), threads(2, 10_000));
        for bad in ["", "0", ":", "1:", ":1", "0:1", "2:1", "-1", "+1", "1:2:3", "1-2", "10001", "99999999999999999999"]
        {
            assert!(bad.parse::<Threads>().is_err(), "{bad}");
        }
        assert_eq!(Threads { min: 2, max: 8 }.to_string(), "2:8");
    }

    #[test]
    fn sizes() {
        for (text, octets) in
            [("0", 0), ("1", 1), ("4K", 4_096), ("4k", 4_096), ("2M", 2 << 20), ("3G", 3 << 30), ("none", u64::MAX)]
        {
            assert_eq!(body(text), Ok(octets), "{text}");
        }
        for bad in [
            "",
            "K",
            "-1",
            "+1",
            "1.5K",
            "1KB",
            "1 K",
            "0x10",
            "1_000",
            "99999999999G",
            "18446744073709551616",
            "ä",
            "1ä",
        ] {
            assert!(body(bad).is_err(), "{bad}");
        }
        assert_eq!((head("256"), head("32K"), head("65535")), (Ok(256), Ok(32_768), Ok(65_535)));
        for bad in ["0", "255", "64K", "none", "1G", "8G"] {
            assert!(head(bad).unwrap_err().contains("between 256 and 65535"), "{bad}");
        }
        assert_eq!((rate("0"), rate("4294967295")), (Ok(0), Ok(u32::MAX)));
        assert!(rate("4294967296").is_err());
        for octets in [0, 1, 65_536, u64::MAX] {
            assert_eq!(body(&show_body(octets)), Ok(octets));
        }
    }

    #[test]
    fn times() {
        for (text, milliseconds) in [("1", 1_000), ("0.5", 500), ("30", 30_000), ("2.250", 2_250), ("0.001", 1)] {
            assert_eq!(timeout(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(timeout("0.000000001"), Ok(Duration::from_nanos(1)));
        assert_eq!((timeout("none"), grace("0")), (Ok(Duration::MAX), Ok(Duration::ZERO)));
        for bad in [
            "",
            "0",
            "0.0",
            ".",
            "1.",
            "-1",
            "+1",
            "1e3",
            "inf",
            "nan",
            "1s",
            "1,5",
            "0.0000000001",
            "99999999999999999999",
        ] {
            assert!(timeout(bad).is_err(), "{bad}");
        }
        // The largest number of seconds is a very long time, not an overflow.
        assert_eq!(timeout("18446744073709551615"), Ok(Duration::from_secs(u64::MAX)));
        for time in [
            Duration::ZERO,
            Duration::from_millis(1_500),
            Duration::from_nanos(1),
            Duration::from_secs(60),
            Duration::MAX,
        ] {
            assert_eq!(grace(&show_seconds(time)), Ok(time));
        }
    }

    #[test]
    fn modes() {
        for text in ["660", "0660", "0o660"] {
            assert_eq!(mode(text), Ok(0o660), "{text}");
        }
        for bad in ["", "0o", "888", "1777", "rw", "-660", "+660", "0x1b0", "000000660"] {
            assert!(mode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn access_logs() {
        assert_eq!("-".parse(), Ok(AccessLog::Stdout));
        assert_eq!("a.log".parse(), Ok(AccessLog::File("a.log".into())));
    }
}
