//! How does time enter a core that owns no clock?
//!
//! As two values that the driver passes in: a monotonic [`Instant`] for deadlines and a [`Date`] for the `Date` field.
//!
//! ```
//! use cherrystone_core::{Date, Instant};
//! use core::time::Duration;
//!
//! let start = Instant::from_nanos(0);
//! assert_eq!((start + Duration::from_secs(2)).since(start), Duration::from_secs(2));
//! assert_eq!(Date::from_unix(784_111_777).as_str(), "Sun, 06 Nov 1994 08:49:37 GMT");
//! ```
//!
//! Invariants:
//! 1. Arithmetic saturates: a distant deadline is "never", and time that runs backwards stands still.

use core::ops::Add;
use core::time::Duration;

/// A point in monotonic time: nanoseconds from an epoch that the driver chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The end of time: a deadline here never passes.
    pub const NEVER: Self = Self(u64::MAX);

    /// `nanos` nanoseconds after the driver's epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the driver's epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time that passed from `earlier` to `self`, zero if it lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::NEVER`].
    fn add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(nanos(after)))
    }
}

/// The nanoseconds of `span`, saturating: 584 years are for ever.
pub(crate) fn nanos(span: Duration) -> u64 {
    span.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(span.subsec_nanos()))
}

/// The text of a `Date` field in IMF-fixdate form (RFC 9110, 5.6.7), always 29 octets; kept as a whole field line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Date([u8; 37]);

impl Date {
    /// The date of `seconds` after 1970-01-01T00:00:00Z. Times from the year 10000 on are shown as the end of 9999.
    pub fn from_unix(seconds: u64) -> Self {
        let seconds = seconds.min(253_402_300_799);
        let (day, clock) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day_of_month) = civil(day);
        let mut line = *b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
        let text = &mut line[6..35];
        let weekday = (day % 7) as usize * 3;
        text[..3].copy_from_slice(&b"ThuFriSatSunMonTueWed"[weekday..weekday + 3]);
        two_digits(&mut text[5..7], day_of_month);
        let month = (month as usize - 1) * 3;
        text[8..11].copy_from_slice(&b"JanFebMarAprMayJunJulAugSepOctNovDec"[month..month + 3]);
        two_digits(&mut text[12..14], year / 100);
        two_digits(&mut text[14..16], year % 100);
        two_digits(&mut text[17..19], clock / 3600);
        two_digits(&mut text[20..22], clock / 60 % 60);
        two_digits(&mut text[23..25], clock % 60);
        Self(line)
    }

    /// The 29 octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0[6..35]
    }

    /// The whole field line.
    pub(crate) const fn line(&self) -> &[u8] {
        &self.0
    }

    /// The same as text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl core::fmt::Debug for Date {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

fn two_digits(out: &mut [u8], value: u64) {
    out[0] = b'0' + (value / 10 % 10) as u8;
    out[1] = b'0' + (value % 10) as u8;
}

/// Year, month (1 to 12) and day (1 to 31) of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
fn civil(day: u64) -> (u64, u64, u64) {
    let since_march_0000 = day + 719_468;
    let era = since_march_0000 / 146_097;
    let day_of_era = since_march_0000 % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let cases = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ];
        for (seconds, text) in cases {
            assert_eq!(Date::from_unix(seconds).as_str(), text);
        }
    }

    #[test]
    fn time_saturates() {
        let late = Instant::from_nanos(u64::MAX - 1);
        assert_eq!(late + Duration::MAX, Instant::NEVER);
        assert_eq!(Instant::from_nanos(1).since(late), Duration::ZERO);
    }
}
