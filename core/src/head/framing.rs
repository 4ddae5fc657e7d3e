//! How is the content delimited?
//!
//! One decision from all its inputs (RFC 9112, 6.3): the version, what the Content-Length lines say together, and what
//! the Transfer-Encoding lines say together.
//!
//! | Transfer-Encoding | Content-Length | outcome |
//! | --- | --- | --- |
//! | absent | absent | no content |
//! | absent | one value, however often | that many octets |
//! | absent | malformed, or values that differ | 400 |
//! | present | present | 400 |
//! | present in HTTP/1.0 | absent | 400 |
//! | exactly `chunked` | absent | chunked |
//! | other codings and then `chunked` | absent | 501 |
//! | anything else | absent | 400 |

use crate::{Version, ViolationKind as Kind, syntax};

/// How the content of a request is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Framing {
    /// There is no content.
    #[default]
    None,
    /// This many octets.
    Length(u64),
    /// Chunks, then trailers.
    Chunked,
}

/// What the Content-Length lines say so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Length {
    #[default]
    Absent,
    Value(u64),
    Malformed,
}

impl Length {
    /// Takes one more line in: a number, or a list of equal ones.
    pub(crate) fn add(&mut self, value: &[u8]) {
        for member in value.split(|&b| b == b',').map(syntax::trim) {
            *self = match (*self, syntax::decimal(member)) {
                (Self::Absent, Some(number)) => Self::Value(number),
                (Self::Value(before), Some(number)) if before == number => *self,
                _ => Self::Malformed,
            };
        }
    }
}

/// What the Transfer-Encoding lines say so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    #[default]
    Absent,
    /// Lines, but no coding yet.
    Empty,
    /// Exactly `chunked`.
    Chunked,
    /// Codings that are not understood.
    Unknown,
    /// Codings that are not understood, then `chunked`.
    UnknownChunked,
    /// `chunked`, and then more.
    Beyond,
}

impl Encoding {
    /// Takes one more line in.
    pub(crate) fn add(&mut self, value: &[u8]) {
        if *self == Self::Absent {
            *self = Self::Empty;
        }
        for member in syntax::members(value) {
            let chunked = syntax::is_name(member, b"chunked");
            *self = match (*self, chunked) {
                (Self::Absent | Self::Empty, true) => Self::Chunked,
                (Self::Absent | Self::Empty | Self::Unknown, false) => Self::Unknown,
                (Self::Unknown, true) => Self::UnknownChunked,
                (Self::Chunked | Self::UnknownChunked | Self::Beyond, _) => Self::Beyond,
            };
        }
    }
}

/// The decision table above.
pub(crate) fn decide(version: Version, encoding: Encoding, length: Length) -> Result<Framing, Kind> {
    match (encoding, length) {
        (Encoding::Absent, Length::Absent) => Ok(Framing::None),
        (Encoding::Absent, Length::Value(number)) => Ok(Framing::Length(number)),
        (Encoding::Absent, Length::Malformed) => Err(Kind::ContentLength),
        (_, Length::Value(_) | Length::Malformed) => Err(Kind::LengthAndEncoding),
        (_, Length::Absent) if version == Version::Http10 => Err(Kind::TransferEncoding),
        (Encoding::Chunked, _) => Ok(Framing::Chunked),
        (Encoding::UnknownChunked, _) => Err(Kind::UnknownCoding),
        (Encoding::Empty | Encoding::Unknown | Encoding::Beyond, _) => Err(Kind::TransferEncoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(encodings: &[&str], lengths: &[&str]) -> Result<Framing, Kind> {
        let (mut encoding, mut length) = (Encoding::default(), Length::default());
        encodings.iter().for_each(|value| encoding.add(value.as_bytes()));
        lengths.iter().for_each(|value| length.add(value.as_bytes()));
        decide(Version::Http11, encoding, length)
    }

    #[test]
    fn lengths() {
        assert_eq!(verdict(&[], &[]), Ok(Framing::None));
        assert_eq!(verdict(&[], &["5"]), Ok(Framing::Length(5)));
        assert_eq!(verdict(&[], &["5", "05"]), Ok(Framing::Length(5)));
        assert_eq!(verdict(&[], &["5, 5"]), Ok(Framing::Length(5)));
        for bad in [&["5", "6"][..], &["5,"], &[""], &["5", ""], &["+5"], &["5 5"], &["18446744073709551616"]] {
            assert_eq!(verdict(&[], bad), Err(Kind::ContentLength), "{bad:?}");
        }
    }

    #[test]
    fn encodings() {
        for good in [&["chunked"][..], &["CHUNKED"], &[", chunked ,"], &["", "chunked"]] {
            assert_eq!(verdict(good, &[]), Ok(Framing::Chunked), "{good:?}");
        }
        for unknown in [&["gzip, chunked"][..], &["gzip", "chunked"], &["x;q=1,chunked"]] {
            assert_eq!(verdict(unknown, &[]), Err(Kind::UnknownCoding), "{unknown:?}");
        }
        for bad in [
            &[""][..],
            &["gzip"],
            &["chunked, gzip"],
            &["chunked, chunked"],
            &["chunked", "chunked"],
            &["chunked;q=1"],
            &["\"chunked\""],
            &["chunked chunked"],
        ] {
            assert_eq!(verdict(bad, &[]), Err(Kind::TransferEncoding), "{bad:?}");
        }
        assert_eq!(verdict(&["chunked"], &["5"]), Err(Kind::LengthAndEncoding));
        assert_eq!(verdict(&["x"], &["x"]), Err(Kind::LengthAndEncoding));
        let mut chunked = Encoding::default();
        chunked.add(b"chunked");
        assert_eq!(decide(Version::Http10, chunked, Length::Absent), Err(Kind::TransferEncoding));
    }
}
