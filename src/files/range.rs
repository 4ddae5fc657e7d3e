//! Which part of a file does a `Range` field ask for?
//!
//! Invariants:
//! 1. A [`Selection::Part`] is not empty and lies within the content.
//! 2. Whatever is not exactly one byte range is answered with the whole content, which RFC 9110, 14.2, always permits:
//!    other units, broken syntax, and several ranges, whose multipart form costs more than it saves.
//! 3. Positions too large for 64 bits count as past the end.

use std::ops::Range;

/// What to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// Everything: there is no usable range.
    Whole,
    /// These octets.
    Part(Range<u64>),
    /// Nothing: the range begins past the end (416).
    Unsatisfiable,
}

/// Reads the value of a `Range` field for content of this many octets (RFC 9110, 14.1.2).
pub(super) fn select(value: &[u8], length: u64) -> Selection {
    // No range of empty content can be written down in Content-Range; ignoring the field is the better answer.
    if length == 0 {
        return Selection::Whole;
    }
    match single(value) {
        Some(Spec::From(first)) if first < length => Selection::Part(first..length),
        Some(Spec::Between(first, last)) if first < length => Selection::Part(first..last.min(length - 1) + 1),
        Some(Spec::Suffix(count)) if count > 0 => Selection::Part(length.saturating_sub(count)..length),
        Some(_) => Selection::Unsatisfiable,
        None => Selection::Whole,
    }
}

enum Spec {
    From(u64),
    Between(u64, u64),
    Suffix(u64),
}

/// The only range in the value, if it is one and valid; empty list members do not count (RFC 9110, 5.6.1.2).
fn single(value: &[u8]) -> Option<Spec> {
    let equals = value.iter().position(|&b| b == b'=')?;
    let (unit, set) = (&value[..equals], &value[equals + 1..]);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut specs = set.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty());
    let spec = specs.next()?;
    if specs.next().is_some() {
        return None;
    }
    let dash = spec.iter().position(|&b| b == b'-')?;
    match (&spec[..dash], &spec[dash + 1..]) {
        (b"", count) => Some(Spec::Suffix(number(count)?)),
        (first, b"") => Some(Spec::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

/// ASCII digits only; what does not fit is the largest number.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, b| {
        b.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u64::from(b - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_selected() {
        for (value, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-9", 0..10),
            ("bytes=2-5", 2..6),
            ("bytes=2-", 2..10),
            ("bytes=9-", 9..10),
            ("bytes=5-99", 5..10),
            ("bytes=-3", 7..10),
            ("bytes=-10", 0..10),
            ("bytes=-99", 0..10),
            ("BYTES=1-2", 1..3),
            ("bytes= 1-2 ", 1..3),
            ("bytes=1-2,", 1..3),
            ("bytes=, ,1-2", 1..3),
            ("bytes=00001-0002", 1..3),
            ("bytes=1-99999999999999999999999999", 1..10),
            ("bytes=-99999999999999999999999999", 0..10),
        ] {
            assert_eq!(select(value.as_bytes(), 10), Selection::Part(part), "{value}");
        }
    }

    #[test]
    fn past_the_end_is_unsatisfiable() {
        for value in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999999-"] {
            assert_eq!(select(value.as_bytes(), 10), Selection::Unsatisfiable, "{value}");
        }
    }

    #[test]
    fn anything_else_is_whole() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=1 - 2",
            "bytes=--1",
            "bytes=1-2-3",
            "bytes=0x1-2",
            "bytes=0-1,3-4",
            "bytes=20-,30-",
            "lines=0-1",
            " bytes=0-1",
            "bytes =0-1",
            "0-1",
            "bytes:0-1",
        ] {
            assert_eq!(select(value.as_bytes(), 10), Selection::Whole, "{value}");
        }
    }

    #[test]
    fn empty_content_has_no_ranges() {
        for value in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(select(value.as_bytes(), 0), Selection::Whole, "{value}");
        }
    }

    #[test]
    fn the_largest_content_does_not_overflow() {
        assert_eq!(select(b"bytes=0-18446744073709551615", u64::MAX), Selection::Part(0..u64::MAX));
        assert_eq!(select(b"bytes=18446744073709551615-", u64::MAX), Selection::Unsatisfiable);
    }
}
