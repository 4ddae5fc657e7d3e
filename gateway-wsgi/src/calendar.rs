//! Which day is it?

/// A moment of the proleptic Gregorian calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) year: i64,
    /// Its English name, three letters.
    pub(crate) month: &'static str,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

impl Moment {
    /// The moment so many seconds after 1970-01-01T00:00:00Z.
    pub(crate) fn from_unix(seconds: i64) -> Self {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days since 0000-03-01, so that a leap day is the last of its year.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = (shifted_month + 2) % 12;
        Self {
            year: year_of_era + era * 400 + i64::from(month < 2),
            month: MONTHS[month.unsigned_abs() as usize],
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: second / 3_600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }

    /// `Jan  5 09:00:00 2026 GMT`, as OpenSSL prints it.
    pub(crate) fn to_openssl(self) -> String {
        let Self { year, month, day, hour, minute, second } = self;
        format!("{month} {day:>2} {hour:02}:{minute:02}:{second:02} {year} GMT")
    }

    /// `05/Jan/2026:09:00:00 +0000`, as Apache logs it.
    pub(crate) fn to_log(self) -> String {
        let Self { year, month, day, hour, minute, second } = self;
        format!("{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000")
    }

    /// Now, by the system's clock.
    pub(crate) fn now() -> Self {
        Self::from_unix(unix_now())
    }
}

/// Seconds after 1970-01-01T00:00:00Z, by the system's clock.
pub(crate) fn unix_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_leap_years() {
        let day = |seconds| {
            let at = Moment::from_unix(seconds);
            (at.year, at.month, at.day, at.hour)
        };
        assert_eq!(day(0), (1970, "Jan", 1, 0));
        assert_eq!(day(951_782_399), (2000, "Feb", 28, 23));
        assert_eq!(day(951_782_400), (2000, "Feb", 29, 0));
        assert_eq!(day(1_767_603_600), (2026, "Jan", 5, 9));
        assert_eq!(day(-1), (1969, "Dec", 31, 23));
        assert!(Moment::now().year >= 2025);
    }
    #[test]
    fn forms() {
        assert_eq!(Moment::from_unix(1_767_603_600).to_openssl(), "Jan  5 09:00:00 2026 GMT");
        assert_eq!(Moment::from_unix(951_782_399).to_log(), "28/Feb/2000:23:59:59 +0000");
    }
}
