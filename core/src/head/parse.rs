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
//! 2. The short way is tried once for each head, so that the work stays linear however a head arrives.

use alloc::vec::Vec;

use super::framing::{self, Encoding, Framing, Length};
use super::scan::LONGEST;
use super::{Decisions, FieldSpan, Form, Index, Line};
use crate::{Limits, Version, ViolationKind as Kind, syntax};

/// Judges a request line, given without its line end.
pub(crate) fn request_line(line: &[u8], limits: &Limits) -> Result<Line, Kind> {
    let Some(method_len) = line.iter().position(|&b| !syntax::is_tchar(b)) else { return Err(Kind::RequestLine) };
    if line[method_len] != b' ' {
        return Err(Kind::Method);
    }
    let (method, rest) = (&line[..method_len], &line[method_len + 1..]);
    // The target ends at the next space; that the version is all the rest is checked by its reader.
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

/// `HTTP/` digit `.` digit, nothing else.
fn version(text: &[u8]) -> Result<Version, Kind> {
    match text {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Kind::Version),
        _ => Err(Kind::RequestLine),
    }
}

/// Reads the field lines of a complete head into `index`, whose request line is known, and decides what they call for.
///
/// `fields_at` is where the field lines begin in `head`, `lines` how many there are.
#[inline]
pub(crate) fn header_section(head: &[u8], fields_at: usize, lines: usize, index: &mut Index) -> Result<(), Kind> {
    let mut seen = Seen::default();
    split(head, fields_at, lines, &mut index.fields, &mut seen)?;
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
    let fields_at = memchr::memchr(b'\n', octets)? + 1;
    index.line = request_line(octets[..fields_at].strip_suffix(b"\r\n")?, limits).ok()?;
    let mut seen = Seen::default();
    let room = &mut [httparse::EMPTY_HEADER; 32];
    let len = fields_at + split_into(octets, fields_at, room, &mut index.fields, &mut seen).ok()?;
    // A field line ends where the next one begins, and the last one in front of the empty line.
    let starts = index.fields.iter().map(FieldSpan::start).skip(1).chain([len - 2]);
    let lines_end_in_crlf = octets[..len].ends_with(b"\r\n") && starts.into_iter().all(|at| octets[at - 2] == b'\r');
    if !lines_end_in_crlf || index.fields.len() > usize::from(limits.fields) {
        return None;
    }
    index.decisions = seen.decide(&index.line).ok()?;
    Some(len)
}

/// Gives room on the stack that suits the number of lines.
#[inline]
fn split(section: &[u8], at: usize, lines: usize, spans: &mut Vec<FieldSpan>, seen: &mut Seen) -> Result<usize, Kind> {
    match lines {
        0..=16 => split_into(section, at, &mut [httparse::EMPTY_HEADER; 16], spans, seen),
        17..=128 => split_into(section, at, &mut [httparse::EMPTY_HEADER; 128], spans, seen),
        _ => split_into(section, at, &mut alloc::vec![httparse::EMPTY_HEADER; lines], spans, seen),
    }
}

/// Reads field lines and the empty line behind them; how long they are.
fn split_into<'b>(
    section: &'b [u8],
    at: usize,
    room: &mut [httparse::Header<'b>],
    spans: &mut Vec<FieldSpan>,
    seen: &mut Seen,
) -> Result<usize, Kind> {
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
    spans.extend(fields.iter().map(|field| {
        seen.add(field.name.as_bytes(), field.value);
        let name_at = field.name.as_ptr().addr().wrapping_sub(base);
        // An empty value may point anywhere; any position will do for it.
        let value_at = if field.value.is_empty() { 0 } else { field.value.as_ptr().addr().wrapping_sub(base) };
        FieldSpan::new(name_at, field.name.len(), value_at, field.value.len())
    }));
    Ok(len)
}

/// What the fields that matter to the connection say, gathered in one pass.
#[derive(Default)]
struct Seen {
    hosts: u32,
    host_is_bad: bool,
    length: Length,
    encoding: Encoding,
    close: bool,
    keep_alive: bool,
    upgrade_option: bool,
    upgrade_field: bool,
    expects_continue: bool,
    expects_other: bool,
}

impl Seen {
    #[inline]
    fn add(&mut self, name: &[u8], value: &[u8]) {
        // The length tells nearly all fields apart from the six that matter.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"Host") => {
                self.hosts += 1;
                self.host_is_bad |= !value.is_empty() && !syntax::is_authority(value);
            }
            6 if name.eq_ignore_ascii_case(b"Expect") => {
                for member in syntax::members(value) {
                    let known = member.eq_ignore_ascii_case(b"100-continue");
                    self.expects_continue |= known;
                    self.expects_other |= !known;
                }
            }
            7 if name.eq_ignore_ascii_case(b"Upgrade") => self.upgrade_field |= syntax::members(value).next().is_some(),
            10 if name.eq_ignore_ascii_case(b"Connection") => {
                for option in syntax::members(value) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    self.upgrade_option |= option.eq_ignore_ascii_case(b"upgrade");
                }
            }
            14 if name.eq_ignore_ascii_case(b"Content-Length") => self.length.add(value),
            17 if name.eq_ignore_ascii_case(b"Transfer-Encoding") => self.encoding.add(value),
            _ => {}
        }
    }

    #[inline]
    fn decide(self, line: &Line) -> Result<Decisions, Kind> {
        let modern = line.version == Version::Http11;
        match self.hosts {
            0 if modern => return Err(Kind::HostMissing),
            0 | 1 if !self.host_is_bad => {}
            0 | 1 => return Err(Kind::Host),
            _ => return Err(Kind::HostRepeated),
        }
        let framing = framing::decide(line.version, self.encoding, self.length)?;
        if modern && self.expects_other {
            return Err(Kind::Expectation);
        }
        let has_content = !matches!(framing, Framing::None | Framing::Length(0));
        Ok(Decisions {
            framing,
            expects_continue: self.expects_continue && modern && has_content,
            offers_upgrade: modern && self.upgrade_field && self.upgrade_option,
            persistent: !self.close && (modern || self.keep_alive),
        })
    }
}
