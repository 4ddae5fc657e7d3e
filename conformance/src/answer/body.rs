//! Where does the content of an answer end (RFC 9112, 6.3)?
//!
//! 1. [`Body::of`] decides from the head alone; doubt about the extent is an error.
//! 2. [`Body::advance`] looks at each octet once, however it arrives.

use super::{Answer, Malformed, head};
use crate::bytes::excerpt;
use crate::case::To;

const LONGEST_CHUNK_LINE: usize = 4096;
const LONGEST_TRAILERS: usize = 64 << 10;

/// What is left to read of an answer's content.
#[derive(Debug)]
pub(super) enum Body {
    None,
    Length(usize),
    UntilClose,
    ChunkLine,
    ChunkData(usize),
    ChunkEnd,
    Trailers { octets: usize },
}

/// What [`Body::advance`] came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Whole,
    Needs(String),
    UntilClose,
}

impl Body {
    pub(super) fn of(answer: &Answer, to: To) -> Result<Self, Malformed> {
        let lengths: Vec<_> = answer.values("content-length").collect();
        let codings: Vec<_> = answer.values("transfer-encoding").collect();
        let status = answer.status;
        if status < 200 || status == 204 {
            return Ok(Self::None);
        }
        if !lengths.is_empty() && !codings.is_empty() {
            return Err(Malformed("Content-Length and Transfer-Encoding in one answer".to_owned()));
        }
        let length = match lengths[..] {
            [] => None,
            [one] if (1..=15).contains(&one.len()) && one.bytes().all(|b| b.is_ascii_digit()) => {
                one.parse::<usize>().ok()
            }
            [one] => return Err(Malformed(format!("bad Content-Length: {one}"))),
            _ => return Err(Malformed("more than one Content-Length field".to_owned())),
        };
        match codings[..] {
            [] => {}
            [one] if one.eq_ignore_ascii_case("chunked") => {}
            _ => return Err(Malformed(format!("Transfer-Encoding: {}", codings.join(", ")))),
        }
        Ok(if status == 304 || to == To::Head {
            Self::None
        } else if !codings.is_empty() {
            Self::ChunkLine
        } else {
            length.map_or(Self::UntilClose, Self::Length)
        })
    }

    pub(super) fn advance(
        &mut self,
        seen: &[u8],
        at: &mut usize,
        content: &mut Vec<u8>,
    ) -> Result<Progress, Malformed> {
        loop {
            let rest = &seen[*at..];
            match self {
                Self::None => return Ok(Progress::Whole),
                Self::UntilClose => {
                    content.extend_from_slice(rest);
                    *at = seen.len();
                    return Ok(Progress::UntilClose);
                }
                Self::Length(left) => {
                    if take(left, rest, at, content) > 0 {
                        return Ok(Progress::Needs(format!("{left} octets of content are missing")));
                    }
                    *self = Self::None;
                }
                Self::ChunkLine => {
                    let Some(line) = line(rest, LONGEST_CHUNK_LINE, "chunk size")? else {
                        return Ok(Progress::Needs("a chunk size is missing".to_owned()));
                    };
                    let size = chunk_size(line)
                        .ok_or_else(|| Malformed(format!("bad chunk size line: {}", excerpt(line, 80))))?;
                    *at += line.len() + 2;
                    *self = if size == 0 { Self::Trailers { octets: 0 } } else { Self::ChunkData(size) };
                }
                Self::ChunkData(left) => {
                    if take(left, rest, at, content) > 0 {
                        return Ok(Progress::Needs(format!("{left} octets of a chunk are missing")));
                    }
                    *self = Self::ChunkEnd;
                }
                Self::ChunkEnd => {
                    let known = rest.len().min(2);
                    if rest[..known] != b"\r\n"[..known] {
                        return Err(Malformed(format!("no line end behind a chunk: {}", excerpt(rest, 40))));
                    }
                    if known < 2 {
                        return Ok(Progress::Needs("the line end behind a chunk is missing".to_owned()));
                    }
                    *at += 2;
                    *self = Self::ChunkLine;
                }
                Self::Trailers { octets } => {
                    let Some(line) = line(rest, LONGEST_TRAILERS, "trailer")? else {
                        return Ok(Progress::Needs("the end of the trailer section is missing".to_owned()));
                    };
                    *at += line.len() + 2;
                    *octets += line.len() + 2;
                    if line.is_empty() {
                        *self = Self::None;
                    } else if *octets > LONGEST_TRAILERS {
                        return Err(Malformed("a trailer section without end".to_owned()));
                    } else {
                        head::field(line)?;
                    }
                }
            }
        }
    }
}

/// Moves what is there of `left` octets to the content; how many are still missing.
fn take(left: &mut usize, rest: &[u8], at: &mut usize, content: &mut Vec<u8>) -> usize {
    let now = rest.len().min(*left);
    content.extend_from_slice(&rest[..now]);
    *at += now;
    *left -= now;
    *left
}

/// One line without its end; a bare LF is refused.
fn line<'r>(rest: &'r [u8], most: usize, what: &str) -> Result<Option<&'r [u8]>, Malformed> {
    let Some(end) = rest.iter().position(|&b| b == b'\n') else {
        if rest.len() > most {
            return Err(Malformed(format!("a {what} line of more than {most} octets")));
        }
        return Ok(None);
    };
    match rest[..end].strip_suffix(b"\r") {
        Some(line) => Ok(Some(line)),
        None => Err(Malformed(format!("a bare LF in a {what} line: {}", excerpt(&rest[..=end], 80)))),
    }
}

/// `1*HEXDIG [ chunk-ext ]`; an extension is only checked for its octets.
fn chunk_size(line: &[u8]) -> Option<usize> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (size, extension) = line.split_at(digits);
    if !(1..=15).contains(&digits) || !extension.iter().all(|&b| head::is_text(b)) {
        return None;
    }
    match extension.iter().find(|b| !matches!(b, b' ' | b'\t')) {
        None if extension.is_empty() => {}
        Some(b';') => {}
        _ => return None,
    }
    usize::from_str_radix(core::str::from_utf8(size).ok()?, 16).ok()
}
