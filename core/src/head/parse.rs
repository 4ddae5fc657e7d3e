//! What do the octets of a head mean?
//!
//! [`request_line`] judges the first line as soon as it is complete; [`header_section`] gives the field lines to
//! `httparse` once, keeps 8-byte spans of what it finds, and takes every decision that the fields call for.
//! `httparse` is not given the request line, since it knows no minor version above 1 and reports one error for all faults.
//! [`whole_head`] is the short way for nearly all heads, which come in one piece and have nothing wrong: it needs no scan,
//! and leaves everything else to it, a fault and its place above all.
//!
//! Invariants:
//! 1. What `httparse` tolerates and this server does not (bare LF) is refused by the scan, and left to it by [`whole_head`].
//! 2. The short way is tried once for each head, so that the work stays linear however a head arrives; a head with many fields is
//!    begun twice.

use alloc::vec::Vec;

use super::scan::LONGEST;
use super::seen::Seen;
use super::{FieldSpan, Form, Index, Line};
use crate::{Limits, Version, ViolationKind as Kind, syntax};

/// Judges a request line, which `octets` begin with; more may follow behind its CRLF.
#[inline(always)]
pub(crate) fn request_line(octets: &[u8], limits: &Limits) -> Result<Line, Kind> {
    let Some(method_len) = method_len(octets) else { return Err(Kind::RequestLine) };
    match octets[method_len] {
        b' ' if method_len > 0 => {}
        b'\r' => return Err(Kind::RequestLine),
        _ => return Err(Kind::Method),
    }
    let (method, rest) = (&octets[..method_len], &octets[method_len + 1..]);
    // The target ends at the next space; that the version ends the line is checked by its reader, and that the line does not end
    // before by the target's.
    let Some(target_len) = memchr::memchr(b' ', rest) else { return Err(Kind::RequestLine) };
    let (target, version) = (&rest[..target_len], &rest[target_len + 1..]);
    let version = self::version(version)?;
    if target.is_empty() {
        return Err(Kind::RequestLine);
    }
    if target.len() > limits.target as usize {
        return Err(Kind::TargetTooLong);
    }
    Ok(Line {
        method_len: method_len as u16,
        target_end: (method_len + 1 + target_len) as u16,
        version,
        form: Form::of(method, target)?,
    })
}

/// Where the first octet is that no method has.
#[inline]
fn method_len(octets: &[u8]) -> Option<usize> {
    // By far the most frequent one is known at a glance.
    if octets.starts_with(b"GET ") { Some(3) } else { octets.iter().position(|&b| !syntax::is_tchar(b)) }
}

/// `HTTP/` digit `.` digit CRLF, whatever follows.
fn version(text: &[u8]) -> Result<Version, Kind> {
    let Some(text) = text.first_chunk() else { return Err(Kind::RequestLine) };
    if text == b"HTTP/1.1\r\n" {
        return Ok(Version::Http11);
    }
    match text {
        b"HTTP/1.0\r\n" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9', b'\r', b'\n'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9', b'\r', b'\n'] => Err(Kind::Version),
        _ => Err(Kind::RequestLine),
    }
}

/// Reads the field lines of a complete head into `index`, whose request line is known, and decides what they call for.
///
/// `lines` is how many there are.
#[inline]
pub(crate) fn header_section(head: &[u8], lines: usize, index: &mut Index) -> Result<(), Kind> {
    let mut seen = Seen::default();
    split(head, index.line.fields_at(), lines, &mut index.fields, &mut seen)?;
    index.decisions = seen.decide(&index.line)?;
    Ok(())
}

/// Reads the field lines of a complete trailer section, which decide nothing.
pub(crate) fn trailer_section(section: &[u8], lines: usize, fields: &mut Vec<FieldSpan>) -> Result<(), Kind> {
    split(section, 0, lines, fields, &mut Seen::default()).map(drop)
}

/// Reads a head that is there as a whole and that every rule admits; its length. `None` says nothing but that the long way
/// has to be gone.
#[inline]
pub(crate) fn whole_head(octets: &[u8], limits: &Limits, index: &mut Index) -> Option<usize> {
    let octets = &octets[..octets.len().min(LONGEST).min(limits.head as usize)];
    index.line = request_line(octets, limits).ok()?;
    let mut seen = Seen::default();
    let section = match split(octets, index.line.fields_at(), USUAL, &mut index.fields, &mut seen) {
        Err(Kind::TooManyFields) => split(octets, index.line.fields_at(), MANY, &mut index.fields, &mut seen),
        usual => usual,
    };
    let section = section.ok()?;
    if !section.lines_end_in_crlf || index.fields.len() > usize::from(limits.fields) {
        return None;
    }
    index.decisions = seen.decide(&index.line).ok()?;
    Some(section.end)
}

/// Where a section ends, and whether it is one that the scan would admit too.
struct Section {
    end: usize,
    lines_end_in_crlf: bool,
}

/// So many field lines have nearly all requests.
const USUAL: usize = 24;

/// So many are still read on the stack.
const MANY: usize = 128;

/// Gives room that suits this number of lines.
#[inline]
fn split(
    section: &[u8],
    at: usize,
    lines: usize,
    spans: &mut Vec<FieldSpan>,
    seen: &mut Seen,
) -> Result<Section, Kind> {
    if lines <= USUAL {
        return split_into(section, at, &mut [httparse::EMPTY_HEADER; USUAL], spans, seen);
    }
    split_many(section, at, lines, spans, seen)
}

#[cold]
fn split_many(
    section: &[u8],
    at: usize,
    lines: usize,
    spans: &mut Vec<FieldSpan>,
    seen: &mut Seen,
) -> Result<Section, Kind> {
    if lines <= MANY {
        return split_into(section, at, &mut [httparse::EMPTY_HEADER; MANY], spans, seen);
    }
    split_into(section, at, &mut alloc::vec![httparse::EMPTY_HEADER; lines], spans, seen)
}

/// Reads field lines, which begin at `at`, and the empty line behind them.
fn split_into<'b>(
    section: &'b [u8],
    at: usize,
    room: &mut [httparse::Header<'b>],
    spans: &mut Vec<FieldSpan>,
    seen: &mut Seen,
) -> Result<Section, Kind> {
    spans.clear();
    // A driver that exchanged buffers under a head has a section here that is not the one it was.
    let (len, fields) = match httparse::parse_headers(section.get(at..).unwrap_or_default(), room) {
        Ok(httparse::Status::Complete(complete)) => complete,
        Ok(httparse::Status::Partial) => return Err(Kind::FieldName),
        Err(httparse::Error::HeaderValue) => return Err(Kind::FieldValue),
        Err(httparse::Error::TooManyHeaders) => return Err(Kind::TooManyFields),
        Err(_) => return Err(Kind::FieldName),
    };
    let base = section.as_ptr().addr();
    let end = at + len;
    // A line ends where the next one begins, and the last one in front of the empty line.
    let ends_in_crlf = |end: usize| section.get(end.wrapping_sub(2)) == Some(&b'\r');
    let mut lines_end_in_crlf = ends_in_crlf(end) && (fields.is_empty() || ends_in_crlf(end - 2));
    spans.extend(fields.iter().map(|field| {
        seen.add(field.name.as_bytes(), field.value);
        let name_at = field.name.as_ptr().addr().wrapping_sub(base);
        lines_end_in_crlf &= ends_in_crlf(name_at);
        // An empty value may point anywhere; any position will do for it.
        let value_at = field.value.as_ptr().addr().wrapping_sub(base);
        FieldSpan::new(name_at, field.name.len(), value_at, field.value.len())
    }));
    Ok(Section { end, lines_end_in_crlf })
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;

    /// A head with this many fields, of which one may end in a bare line feed.
    fn head(fields: usize, bare: Option<usize>) -> String {
        let lines = (0..fields).map(|n| format!("X-{n}: v{}", if bare == Some(n) { "\n" } else { "\r\n" }));
        format!("GET /a?b HTTP/1.1\r\nHost: h\r\n{}\r\n", lines.collect::<String>())
    }

    #[test]
    fn both_ways_find_the_same() {
        let limits = Limits { fields: 4_096, ..Limits::default() };
        for fields in [0, 1, 22, 23, 24, 126, 127, 128, 129, 300] {
            let head = head(fields, None);
            let (mut short, mut long) = (Index::default(), Index::default());
            long.line = request_line(head.as_bytes(), &limits).unwrap();
            header_section(head.as_bytes(), fields + 1, &mut long).unwrap();
            assert_eq!((long.fields.len(), long.line.version), (fields + 1, Version::Http11));
            match whole_head(format!("{head}rest").as_bytes(), &limits, &mut short) {
                Some(len) => assert_eq!((len, &short.fields), (head.len(), &long.fields), "{fields} fields"),
                None => assert!(fields >= MANY, "{fields} fields"),
            }
        }
    }

    #[test]
    fn the_short_way_leaves_what_is_odd_to_the_long_one() {
        let (limits, mut index) = (Limits::default(), Index::default());
        for bare in 0..30 {
            assert_eq!(whole_head(head(30, Some(bare)).as_bytes(), &limits, &mut index), None, "line {bare}");
        }
        for odd in [
            "",
            "GET",
            " / HTTP/1.1\r\nHost: h\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1\nHost: h\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
            "GET /\r\nHost: h HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n\n",
            "GET / HTTP/1.1\r\nHost: h\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\n",
            "GET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(whole_head(odd.as_bytes(), &limits, &mut index), None, "{odd:?}");
        }
    }
}
