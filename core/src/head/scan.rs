//! Where does a head end that did not come as a whole, or has something wrong?
//!
//! [`Scan`] looks for the empty line, line by line, and resumes where it stopped: each octet is looked at once however
//! it arrives. What can never become a head (a bare LF or CR, a NUL) is refused when it is seen. Only octets
//! within the limit are looked at, so the verdict depends on the stream and not on how it was cut.
//!
//! Invariants:
//! 1. The sum of the work over all calls is linear in the octets.
//! 2. The outcome for a stream is the same for every segmentation.

use crate::ViolationKind as Kind;

/// No section may be longer, whatever the limit: spans have positions of 16 bits.
pub(crate) const LONGEST: usize = u16::MAX as usize;

/// How far the lines of a section were looked at; positions count from its first octet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Start of the line under way.
    line: u32,
    /// Everything before was searched for a line end.
    at: u32,
    /// Lines that are complete.
    lines: u16,
}

/// What a scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// One more line is complete: its octets without line end are `start..end`.
    Line { start: usize, end: usize },
    /// The empty line; the section is this long with it.
    End(usize),
    /// The line under way goes on.
    More,
}

impl Scan {
    /// Before the first octet.
    pub(crate) const START: Self = Self { line: 0, at: 0, lines: 0 };

    /// Whether nothing was looked at yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.at == 0
    }

    /// How many lines are complete.
    pub(crate) fn lines(&self) -> usize {
        usize::from(self.lines)
    }

    /// Where a fault was seen.
    pub(crate) fn position(&self) -> usize {
        self.at as usize
    }

    /// Looks on in `section`, which begins with the octets of the calls before.
    ///
    /// `limit` bounds the section including its empty line, as does [`LONGEST`]. `Err(None)` says that it is longer.
    #[inline]
    pub(crate) fn next(&mut self, section: &[u8], limit: u32) -> Result<Found, Option<Kind>> {
        let limit = LONGEST.min(limit as usize);
        let window = &section[..section.len().min(limit)];
        let from = self.at as usize;
        let Some(found) = window.get(from..).and_then(special) else {
            self.at = window.len() as u32;
            return self.more(section, limit);
        };
        let at = from + found;
        self.at = at as u32;
        match &window[at..] {
            [b'\r', b'\n', ..] => {
                let start = self.line as usize;
                self.line = at as u32 + 2;
                self.at = self.line;
                if at == start {
                    return Ok(Found::End(at + 2));
                }
                self.lines = self.lines.saturating_add(1);
                Ok(Found::Line { start, end: at })
            }
            [b'\r'] => self.more(section, limit),
            [b'\r', ..] => Err(Some(Kind::BareCr)),
            [b'\n', ..] => Err(Some(Kind::BareLf)),
            _ => Err(Some(Kind::Nul)),
        }
    }

    /// Looks on to the empty line, before which there may be `most` lines; `None` if more has to come.
    #[inline]
    pub(crate) fn end(&mut self, section: &[u8], limit: u32, most: usize) -> Result<Option<usize>, Option<Kind>> {
        loop {
            match self.next(section, limit)? {
                Found::Line { start, .. } if self.lines() > most => {
                    self.at = start as u32;
                    return Err(Some(Kind::TooManyFields));
                }
                Found::Line { .. } => {}
                Found::End(len) => return Ok(Some(len)),
                Found::More => return Ok(None),
            }
        }
    }

    fn more(&self, section: &[u8], limit: usize) -> Result<Found, Option<Kind>> {
        if section.len() > limit { Err(None) } else { Ok(Found::More) }
    }
}

/// Where the first octet is that ends a line, or that no line may have.
#[inline]
fn special(octets: &[u8]) -> Option<usize> {
    // To begin a vectored search costs as much as a few looks.
    if octets.len() < 8 {
        return octets.iter().position(|octet| matches!(octet, b'\r' | b'\n' | 0));
    }
    memchr::memchr3(b'\r', b'\n', 0, octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn run(section: &[u8], limit: u32, step: usize) -> Result<Option<(usize, usize)>, Option<Kind>> {
        let mut scan = Scan::default();
        let mut have = 0;
        while have < section.len() {
            have = (have + step).min(section.len());
            loop {
                match scan.next(&section[..have], limit)? {
                    Found::Line { .. } => {}
                    Found::End(len) => return Ok(Some((len, scan.lines()))),
                    Found::More => break,
                }
            }
        }
        Ok(None)
    }

    #[test]
    fn verdict_is_the_same_for_every_step() {
        let cases: [(&[u8], u32, _); 8] = [
            (b"GET /\r\nA: b\r\n\r\nrest", 100, Ok(Some((15, 2)))),
            (b"GET /\r\nA: b\r\n\r\n", 15, Ok(Some((15, 2)))),
            (b"GET /\r\nA: b\r\n\r\n", 14, Err(None)),
            (b"GET /\r\nA: b\n\r\n", 100, Err(Some(Kind::BareLf))),
            (b"GET /\r\nA: b\n\r\n", 9, Err(None)),
            (b"GET /\rA: b\r\n", 100, Err(Some(Kind::BareCr))),
            (b"GET \0/\r\n", 100, Err(Some(Kind::Nul))),
            (b"GET /\r", 100, Ok(None)),
        ];
        for (section, limit, verdict) in cases {
            for step in 1..=section.len() {
                assert_eq!(run(section, limit, step), verdict, "{:?} by {step}", section.escape_ascii().to_string());
            }
        }
    }
}
