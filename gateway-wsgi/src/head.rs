//! What did the application say about its answer?
//!
//! [`Prepared`] is the status and the headers given to `start_response`, checked at that moment, so that the application learns of a
//! fault where it made it (PEP 3333, "The start_response() Callable").
//!
//! Invariants:
//! 1. What is prepared is accepted by the protocol: names are tokens, values have no control characters.
//! 2. Framing is not the application's: `Content-Length` becomes a number here, and hop-by-hop headers are refused.

use std::ops::Range;

use cherrystone::{Field, Status};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

use crate::latin1;

/// The head of an answer that has not been sent.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its status.
    pub(crate) status: Status,
    /// The length that the application declared.
    pub(crate) length: Option<u64>,
    lines: Lines,
}

/// Header lines in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    octets: Vec<u8>,
    spans: Vec<(Range<usize>, Range<usize>)>,
}

impl Prepared {
    /// Checks what the application gave to `start_response`.
    ///
    /// # Errors
    /// `TypeError` for other types than PEP 3333 names, `ValueError` for what no answer may have.
    pub(crate) fn new(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<Self> {
        let status = self::status(status)?;
        let mut prepared = Self { status, length: None, lines: Lines::default() };
        for item in list(headers)?.iter() {
            prepared.take(&item)?;
        }
        Ok(prepared)
    }

    /// The header lines.
    pub(crate) fn fields(&self) -> Vec<Field<'_>> {
        self.lines.fields()
    }

    fn take(&mut self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        let added = self.lines.push(item)?;
        let (name, value) = self.lines.last();
        if name.eq_ignore_ascii_case("Content-Length") {
            let length = decimal(value).ok_or_else(|| PyValueError::new_err("Content-Length is not a number"))?;
            if self.length.is_some_and(|other| other != length) {
                return Err(PyValueError::new_err("Content-Length is given twice, with different values"));
            }
            self.length = Some(length);
            self.lines.forget(added);
        } else if is_hop_by_hop(name) {
            return Err(PyValueError::new_err(format!(
                "{name} is a hop-by-hop header, which only the server may set (PEP 3333, Other HTTP Features)"
            )));
        }
        Ok(())
    }
}

impl Lines {
    /// Header lines given as a list of pairs.
    ///
    /// # Errors
    /// As for [`Prepared::new`].
    pub(crate) fn new(headers: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut lines = Self::default();
        for item in list(headers)?.iter() {
            lines.push(&item)?;
        }
        Ok(lines)
    }

    /// The lines.
    pub(crate) fn fields(&self) -> Vec<Field<'_>> {
        self.spans.iter().map(|span| self.line(span)).collect()
    }

    fn line(&self, (name, value): &(Range<usize>, Range<usize>)) -> Field<'_> {
        (str::from_utf8(&self.octets[name.clone()]).unwrap_or_default(), &self.octets[value.clone()])
    }

    fn last(&self) -> Field<'_> {
        self.spans.last().map(|span| self.line(span)).unwrap_or_default()
    }

    /// Adds a line, and says where its octets begin.
    fn push(&mut self, item: &Bound<'_, PyAny>) -> PyResult<usize> {
        let wrong = || PyTypeError::new_err(format!("a header is a tuple of two str, not {item:?}"));
        let pair = item.cast::<PyTuple>().map_err(|_| wrong())?;
        if pair.len() != 2 {
            return Err(wrong());
        }
        let (name, value) = (pair.get_item(0)?, pair.get_item(1)?);
        let name = name.cast::<PyString>().map_err(|_| wrong())?;
        let value = value.cast::<PyString>().map_err(|_| wrong())?;
        let start = self.octets.len();
        latin1::octets(name, &mut self.octets)?;
        let middle = self.octets.len();
        latin1::octets(value, &mut self.octets)?;
        if middle == start || !self.octets[start..middle].iter().copied().all(is_tchar) {
            return Err(PyValueError::new_err(format!("{name:?} is not a header name")));
        }
        if !self.octets[middle..].iter().copied().all(is_value) {
            return Err(PyValueError::new_err(format!("the value of the header {name} has control characters")));
        }
        self.spans.push((start..middle, middle..self.octets.len()));
        Ok(start)
    }

    fn forget(&mut self, start: usize) {
        self.spans.pop();
        self.octets.truncate(start);
    }
}

fn list<'a, 'py>(headers: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyList>> {
    headers.cast::<PyList>().map_err(|_| PyTypeError::new_err("headers have to be a list of tuples of two str"))
}

/// `200 OK`: three digits, and a reason behind one space.
fn status(status: &Bound<'_, PyAny>) -> PyResult<Status> {
    let text = status.cast::<PyString>().map_err(|_| PyTypeError::new_err("the status has to be a str"))?;
    let text = text.to_cow()?;
    let wrong = || PyValueError::new_err(format!("the status has to be like '200 OK', not {text:?}"));
    let (code, reason) = text.split_at_checked(3).ok_or_else(wrong)?;
    let well_formed = (reason.is_empty() || reason.starts_with(' ')) && !reason.contains(|c: char| c.is_control());
    let code = decimal(code.as_bytes()).filter(|_| well_formed).and_then(|code| u16::try_from(code).ok());
    Status::new(code.ok_or_else(wrong)?)
        .map_err(|_| PyValueError::new_err("the status of a final answer is between 200 and 599"))
}

/// Digits alone, no sign and no space.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// What PEP 3333 forbids to applications (the list of RFC 2616, 13.5.1). `Trailer` is not on it: it announces, and binds nobody.
fn is_hop_by_hop(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailers",
        "Transfer-Encoding",
        "Upgrade",
    ];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_tchar(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

fn is_value(octet: u8) -> bool {
    octet == b'\t' || (octet >= b' ' && octet != 0x7f)
}
