//! Is a Date field an IMF-fixdate that names a real moment (RFC 9110, 5.6.7)?

/// Whether `text` is one, the day of the week included.
pub(super) fn is_imf_fixdate(text: &[u8]) -> bool {
    const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    if text.len() != 29 {
        return false;
    }
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0_u32, |n, &b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
    };
    let punctuation = text[3..5] == *b", " && text[7] == b' ' && text[11] == b' ' && text[16] == b' ';
    let (Some(month), Some(weekday)) =
        (MONTHS.iter().position(|m| *m == &text[8..11]), DAYS.iter().position(|d| *d == &text[0..3]))
    else {
        return false;
    };
    let (Some(day), Some(year), Some(hour), Some(minute), Some(second)) =
        (number(5, 7), number(12, 16), number(17, 19), number(20, 22), number(23, 25))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month];
    punctuation
        && text[19] == b':'
        && text[22] == b':'
        && text[25..] == *b" GMT"
        && (1..=days).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && weekday == weekday_of(year, month, day)
}

/// Monday is 0 (Sakamoto's method).
fn weekday_of(year: u32, month: usize, day: u32) -> usize {
    const SHIFT: [u32; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    // 400 years are a whole number of weeks; adding them keeps the year 0 from going below zero.
    let y = year + 400 - u32::from(month < 2);
    ((y + y / 4 - y / 100 + y / 400 + SHIFT[month] + day + 6) % 7) as usize
}

#[cfg(test)]
mod tests {
    use super::is_imf_fixdate;

    #[test]
    fn only_real_moments_in_the_one_form_pass() {
        for good in ["Sun, 06 Nov 1994 08:49:37 GMT", "Thu, 29 Feb 2024 23:59:60 GMT", "Thu, 26 Nov 2026 00:00:00 GMT"]
        {
            assert!(is_imf_fixdate(good.as_bytes()), "{good}");
        }
        for bad in [
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Wed, 29 Feb 2023 00:00:00 GMT",
            "sun, 06 Nov 1994 08:49:37 GMT",
            "",
        ] {
            assert!(!is_imf_fixdate(bad.as_bytes()), "{bad}");
        }
    }
}
