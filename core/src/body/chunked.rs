//! Where is the data in a chunked body?
//!
//! A machine that takes each octet of a chunk-size line once, however it arrives, and refuses the first one that the
//! grammar does not have there (RFC 9112, 7.1 and 7.1.1). It copies nothing: it says how many octets of framing to skip and
//! how many of data follow.
//!
//! ```text
//! 5;name="value" CR LF  h e l l o  CR LF  0 CR LF  trailers
//! Size   Extension      Data       End    Size     (the caller's)
//! ```
//!
//! Invariants:
//! 1. Nothing is skipped that the grammar does not name.
//! 2. The work is linear in the octets, for any segmentation.

use crate::ViolationKind as Kind;
use crate::{Limits, syntax};

/// The state of a chunked body up to its trailer section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunked {
    state: State,
    /// Octets of extensions so far in all chunks.
    overhead: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the digits: the size so far, and how many octets the line has.
    Size { size: u64, octets: u32 },
    /// Behind the digits.
    Extension { size: u64, octets: u32, at: At },
    /// This much data is to come.
    Data(u64),
    /// CRLF behind the data; the CR may have been seen.
    End { cr: bool },
}

/// Where in `*( BWS ";" BWS name [ BWS "=" BWS value ] ) CRLF` the next octet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Behind the size or a value, in optional white space: `;`, or CR if there was no white space.
    Semicolon {
        spaced: bool,
    },
    /// Before a name.
    NameStart,
    Name,
    /// Behind a name and white space: `=` or `;`.
    Equals,
    /// Before a value.
    ValueStart,
    Token,
    Quoted,
    /// Behind a backslash.
    Pair,
    /// Behind CR.
    Lf,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Skip `skip` octets; `len` octets of data follow.
    Data { skip: usize, len: usize },
    /// Skip `skip` octets; the trailer section follows.
    Trailers { skip: usize },
    /// Skip `skip` octets; more input is needed.
    More { skip: usize },
}

impl Chunked {
    /// Before the first chunk.
    pub(crate) const START: Self = Self { state: State::Size { size: 0, octets: 0 }, overhead: 0 };

    /// Looks at what has arrived. `budget` is how much content the request may still have; it is charged with each
    /// chunk's size as soon as that is known.
    ///
    /// # Errors
    /// What is wrong, and at which octet of `input`.
    #[inline]
    pub(crate) fn step(&mut self, input: &[u8], budget: &mut u64, limits: &Limits) -> Result<Step, (Kind, usize)> {
        match self.next_chunk(input, budget) {
            Some(step) => Ok(step),
            None => self.any_step(input, budget, limits),
        }
    }

    /// The short way, for nearly all chunks: from the end of one into the next, whose size line is there as a whole and has nothing
    /// else. `None` has changed nothing.
    #[inline]
    fn next_chunk(&mut self, input: &[u8], budget: &mut u64) -> Option<Step> {
        let end = match (self.state, input) {
            (State::End { cr: false }, [b'\r', b'\n', ..]) => 2,
            (State::Size { octets: 0, .. }, _) => 0,
            _ => return None,
        };
        let (size, line) = size_line(&input[end..])?;
        let skip = end + line;
        let len = at_most(size, input.len() - skip);
        if len == 0 {
            return None;
        }
        *budget = budget.checked_sub(size)?;
        self.state = State::behind(size - len as u64);
        Some(Step::Data { skip, len })
    }

    /// The long way, for everything.
    #[inline(never)]
    fn any_step(&mut self, input: &[u8], budget: &mut u64, limits: &Limits) -> Result<Step, (Kind, usize)> {
        let mut at = 0;
        loop {
            match self.state {
                State::Data(left) => {
                    let len = at_most(left, input.len() - at);
                    if len == 0 {
                        return Ok(Step::More { skip: at });
                    }
                    self.state = State::behind(left - len as u64);
                    return Ok(Step::Data { skip: at, len });
                }
                State::End { cr } => match (&input[at..], cr) {
                    ([b'\r', b'\n', ..], false) => {
                        at += 2;
                        self.state = Self::START.state;
                    }
                    ([b'\n', ..], true) => {
                        at += 1;
                        self.state = Self::START.state;
                    }
                    ([b'\r'], false) => {
                        self.state = State::End { cr: true };
                        return Ok(Step::More { skip: at + 1 });
                    }
                    ([], _) => return Ok(Step::More { skip: at }),
                    ([b'\r', ..], false) => return Err((Kind::ChunkEnd, at + 1)),
                    _ => return Err((Kind::ChunkEnd, at)),
                },
                State::Size { .. } | State::Extension { .. } => {
                    let Some(size) = self.size(input, &mut at, limits)? else {
                        return Ok(Step::More { skip: at });
                    };
                    *budget = budget.checked_sub(size).ok_or((Kind::BodyTooLarge, at))?;
                    if size == 0 {
                        return Ok(Step::Trailers { skip: at });
                    }
                    self.state = State::Data(size);
                }
            }
        }
    }

    /// Takes octets of a chunk-size line from `at` on; the size once the line is complete.
    fn size(&mut self, input: &[u8], at: &mut usize, limits: &Limits) -> Result<Option<u64>, (Kind, usize)> {
        let State::Size { mut size, mut octets } = self.state else { return self.extension(input, at, limits) };
        while let Some(&octet) = input.get(*at) {
            let digit = match (syntax::hex(octet), octet) {
                (Some(digit), _) => digit,
                (None, b'\r' | b';' | b' ' | b'\t') if octets > 0 => {
                    self.state = State::Extension { size, octets, at: At::Semicolon { spaced: false } };
                    return self.extension(input, at, limits);
                }
                _ => return Err((Kind::ChunkSize, *at)),
            };
            if size >> 60 != 0 {
                return Err((Kind::ChunkSize, *at));
            }
            size = size << 4 | u64::from(digit);
            octets += 1;
            if octets > 16 {
                self.charge(octets, limits).map_err(|kind| (kind, *at))?;
            }
            *at += 1;
        }
        self.state = State::Size { size, octets };
        Ok(None)
    }

    /// Counts one octet that is neither a size digit that could matter nor part of the line end.
    fn charge(&mut self, octets: u32, limits: &Limits) -> Result<(), Kind> {
        self.overhead = self.overhead.saturating_add(1);
        let fits = octets <= limits.chunk_line && self.overhead <= limits.chunk_overhead;
        if fits { Ok(()) } else { Err(Kind::ChunkOverhead) }
    }

    #[cold]
    fn extension(&mut self, input: &[u8], at: &mut usize, limits: &Limits) -> Result<Option<u64>, (Kind, usize)> {
        let State::Extension { size, mut octets, at: mut place } = self.state else { return Ok(None) };
        while let Some(&octet) = input.get(*at) {
            if place == At::Lf {
                if octet != b'\n' {
                    return Err((Kind::BareCr, *at));
                }
                *at += 1;
                return Ok(Some(size));
            }
            place = place.after(octet).map_err(|kind| (kind, *at))?;
            if place != At::Lf {
                octets += 1;
                self.charge(octets, limits).map_err(|kind| (kind, *at))?;
            }
            *at += 1;
        }
        self.state = State::Extension { size, octets, at: place };
        Ok(None)
    }
}

impl State {
    /// Where this much of a chunk's data is still to come.
    #[inline]
    fn behind(left: u64) -> Self {
        if left == 0 { Self::End { cr: false } } else { Self::Data(left) }
    }
}

/// So much of `wanted` as there is.
#[inline]
fn at_most(wanted: u64, there: usize) -> usize {
    usize::try_from(wanted).unwrap_or(usize::MAX).min(there)
}

/// The size in a line that is there as a whole and has nothing else, and how long the line is.
#[inline]
fn size_line(input: &[u8]) -> Option<(u64, usize)> {
    let mut size = 0;
    for (at, &octet) in input.iter().take(16).enumerate() {
        match syntax::hex(octet) {
            Some(digit) => size = size << 4 | u64::from(digit),
            None => return (at > 0 && input[at..].starts_with(b"\r\n")).then_some((size, at + 2)),
        }
    }
    None
}

impl At {
    fn after(self, octet: u8) -> Result<Self, Kind> {
        let space = matches!(octet, b' ' | b'\t');
        Ok(match (self, octet) {
            (Self::Semicolon { spaced: false } | Self::Name | Self::Token, b'\r') => Self::Lf,
            (_, b'\n') => return Err(Kind::BareLf),
            (Self::Semicolon { .. } | Self::Name | Self::Equals | Self::Token, b';') => Self::NameStart,
            (Self::Semicolon { .. } | Self::Token, _) if space => Self::Semicolon { spaced: true },
            (Self::NameStart, _) if space => Self::NameStart,
            (Self::NameStart | Self::Name, _) if syntax::is_tchar(octet) => Self::Name,
            (Self::Name | Self::Equals, _) if space => Self::Equals,
            (Self::Name | Self::Equals, b'=') => Self::ValueStart,
            (Self::ValueStart, _) if space => Self::ValueStart,
            (Self::ValueStart, b'"') => Self::Quoted,
            (Self::ValueStart | Self::Token, _) if syntax::is_tchar(octet) => Self::Token,
            (Self::Quoted, b'"') => Self::Semicolon { spaced: false },
            (Self::Quoted, b'\\') => Self::Pair,
            (Self::Quoted, _) if syntax::is_quoted(octet) => Self::Quoted,
            (Self::Pair, _) if syntax::is_value_octet(octet) => Self::Quoted,
            _ => return Err(Kind::ChunkExtension),
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// The data, and what is left behind the last chunk; `None` if more input is needed.
    type Decoded = Result<Option<(Vec<u8>, Vec<u8>)>, Kind>;

    /// Decodes with `step` octets arriving at a time.
    fn decode(input: &[u8], step: usize) -> Decoded {
        let limits = Limits { chunk_line: 64, chunk_overhead: 100, ..Limits::default() };
        let (mut chunked, mut budget, mut data) = (Chunked::START, 1 << 20, Vec::new());
        let (mut have, mut used) = (0, 0);
        loop {
            match chunked.step(&input[used..have], &mut budget, &limits).map_err(|(kind, _)| kind)? {
                Step::Data { skip, len } => {
                    data.extend_from_slice(&input[used + skip..used + skip + len]);
                    used += skip + len;
                }
                Step::Trailers { skip } => return Ok(Some((data, input[used + skip..].to_vec()))),
                Step::More { skip } => {
                    used += skip;
                    if have == input.len() {
                        return Ok(None);
                    }
                    have = (have + step).min(input.len());
                }
            }
        }
    }

    fn decode_every_way(input: &str) -> Result<Option<Vec<u8>>, Kind> {
        let input = input.as_bytes();
        let whole = decode(input, input.len());
        for step in 1..input.len() {
            let cut = decode(input, step);
            match (&whole, &cut) {
                (Ok(Some((data, _))), Ok(Some((cut, _)))) => assert_eq!(data, cut),
                _ => assert_eq!(whole, cut, "{:?} by {step}", input.escape_ascii()),
            }
        }
        whole.map(|found| found.map(|(data, _)| data))
    }

    #[test]
    fn valid() {
        let cases = [
            ("0\r\n", ""),
            ("000\r\n", ""),
            ("5\r\nhello\r\n0\r\n", "hello"),
            ("A\r\n0123456789\r\n1\r\na\r\n0\r\n", "0123456789a"),
            ("0000000000000000000001\r\na\r\n0\r\n", "a"),
            ("5;a;b=c; d = \"x;\\\"y\"\r\nhello\r\n0;z\r\n", "hello"),
            ("5 ;a\r\nhello\r\n0\r\n", "hello"),
            ("5\t; a\r\nhello\r\n0\r\n", "hello"),
        ];
        for (input, data) in cases {
            assert_eq!(decode_every_way(input), Ok(Some(data.into())), "{input:?}");
        }
    }

    #[test]
    fn refused() {
        let cases = [
            ("+5\r\n", Kind::ChunkSize),
            ("0x5\r\n", Kind::ChunkSize),
            ("5_\r\n", Kind::ChunkSize),
            ("\r\n", Kind::ChunkSize),
            (";a\r\n", Kind::ChunkSize),
            (" 5\r\n", Kind::ChunkSize),
            ("10000000000000000\r\n", Kind::ChunkSize),
            ("5\n", Kind::ChunkSize),
            ("5\rhello", Kind::BareCr),
            ("5 \r\n", Kind::ChunkExtension),
            ("5 a\r\n", Kind::ChunkExtension),
            ("5;\r\n", Kind::ChunkExtension),
            ("5;a \r\n", Kind::ChunkExtension),
            ("5;a=\r\n", Kind::ChunkExtension),
            ("5;[=1\r\n", Kind::ChunkExtension),
            ("5;a=\"b\r\n", Kind::ChunkExtension),
            ("5;a=\"b\"c\r\n", Kind::ChunkExtension),
            ("5;a=\"\0\"\r\n", Kind::ChunkExtension),
            ("5;a=b c\r\n", Kind::ChunkExtension),
            ("5;a\n", Kind::BareLf),
            ("5;a\rb", Kind::BareCr),
            ("5\r\nhelloXX", Kind::ChunkEnd),
            ("5\r\nhello\n0", Kind::ChunkEnd),
            ("5\r\nhello\r0", Kind::ChunkEnd),
            ("100001\r\n", Kind::BodyTooLarge),
            ("FFFFFFFFFFFFFFFF\r\n", Kind::BodyTooLarge),
            ("5;aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggg\r\n", Kind::ChunkOverhead),
            (
                "1;aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee\r\na\r\n1;aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee\r\n",
                Kind::ChunkOverhead,
            ),
            ("0000000000000000000000000000000000000000000000000000000000000000000000001\r\n", Kind::ChunkOverhead),
        ];
        for (input, kind) in cases {
            assert_eq!(decode_every_way(input), Err(kind), "{input:?}");
        }
    }
}
