//! What did the application say about its answer?
//!
//! [`Prepared`] is the status and the headers given to `start_response`, checked at that moment, so that the application learns of a
//! fault where it made it (PEP 3333, "The start_response() Callable").
//!
//! Invariants:
//! 1. What is prepared is accepted by the protocol: names are tokens, values have no control characters.
//! 2. Framing is not the application's: `Content-Length` becomes a number here, and hop-by-hop headers are refused.

use cherrystone::{Field, Status, StatusLine};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

use crate::latin1;

/// The head of an answer that has not been sent.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its status.
    pub(crate) status: Status,
    /// The reason phrase, if it is not the registered one.
    reason: Option<Vec<u8>>,
    /// The length that the application declared.
    pub(crate) length: Option<u64>,
    lines: Lines,
}

/// Header lines in two pieces of memory.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    names: String,
    values: Vec<u8>,
    /// Where each name and each value ends.
    ends: Vec<(usize, usize)>,
}

impl Prepared {
    /// Checks what the application gave to `start_response`.
    ///
    /// # Errors
    /// `TypeError` for other types than PEP 3333 names, `ValueError` for what no answer may have.
    pub(crate) fn new(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (status, reason) = self::status(status)?;
        let mut prepared = Self { status, reason, length: None, lines: Lines::default() };
        let headers = list(headers)?;
        prepared.lines.ends.reserve(headers.len());
        for item in headers.iter() {
            prepared.take(&item)?;
        }
        Ok(prepared)
    }

    /// The status in the application's words.
    pub(crate) fn status_line(&self) -> StatusLine<'_> {
        self.reason.as_ref().map_or_else(|| self.status.into(), |reason| self.status.in_words(reason))
    }

    /// The header lines.
    pub(crate) fn fields(&self) -> Vec<Field<'_>> {
        self.lines.fields()
    }

    fn take(&mut self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        let before = self.lines.push(item)?;
        let (name, value) = self.lines.line(before);
        if name.eq_ignore_ascii_case("Content-Length") {
            let length = decimal(value).ok_or_else(|| PyValueError::new_err("Content-Length is not a number"))?;
            if self.length.is_some_and(|other| other != length) {
                return Err(PyValueError::new_err("Content-Length is given twice, with different values"));
            }
            self.length = Some(length);
            self.lines.forget(before);
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
        let mut start = (0, 0);
        let line = |&end: &(usize, usize)| {
            let (name, value) = std::mem::replace(&mut start, end);
            (&self.names[name..end.0], &self.values[value..end.1])
        };
        self.ends.iter().map(line).collect()
    }

    /// The line that begins there.
    fn line(&self, (name, value): (usize, usize)) -> Field<'_> {
        (&self.names[name..], &self.values[value..])
    }

    /// Adds a line, and says where it begins.
    fn push(&mut self, item: &Bound<'_, PyAny>) -> PyResult<(usize, usize)> {
        let wrong = || PyTypeError::new_err(format!("a header is a tuple of two str, not {item:?}"));
        let pair = item.cast::<PyTuple>().map_err(|_| wrong())?;
        if pair.len() != 2 {
            return Err(wrong());
        }
        let (name, value) = (pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?);
        let name = name.cast::<PyString>().map_err(|_| wrong())?;
        let value = value.cast::<PyString>().map_err(|_| wrong())?;
        let start = (self.names.len(), self.values.len());
        let text = name.to_cow()?;
        if text.is_empty() || !text.bytes().all(is_tchar) {
            return Err(PyValueError::new_err(format!("{name:?} is not a header name")));
        }
        self.names.push_str(&text);
        latin1::octets(&value, &mut self.values)?;
        if !self.values[start.1..].iter().copied().all(is_value) {
            return Err(PyValueError::new_err(format!("the value of the header {text} has control characters")));
        }
        self.ends.push((self.names.len(), self.values.len()));
        Ok(start)
    }

    /// Takes the last line out, which begins there.
    fn forget(&mut self, (name, value): (usize, usize)) {
        self.ends.pop();
        self.names.truncate(name);
        self.values.truncate(value);
    }
}

fn list<'a, 'py>(headers: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyList>> {
    headers.cast::<PyList>().map_err(|_| PyTypeError::new_err("headers have to be a list of tuples of two str"))
}

/// `200 OK`: three digits, and a reason behind one space; none or the registered one is left to the server.
fn status(status: &Bound<'_, PyAny>) -> PyResult<(Status, Option<Vec<u8>>)> {
    let status = status.cast::<PyString>().map_err(|_| PyTypeError::new_err("the status has to be a str"))?;
    let text = status.to_cow()?;
    let wrong = || PyValueError::new_err(format!("the status has to be like '200 OK', not {text:?}"));
    let (code, rest) = text.split_at_checked(3).ok_or_else(wrong)?;
    let reason = rest.strip_prefix(' ').unwrap_or_default();
    if (reason.is_empty() && !rest.trim_start_matches(' ').is_empty()) || reason.contains(|c: char| c.is_control()) {
        return Err(wrong());
    }
    let code = decimal(code.as_bytes()).and_then(|code| u16::try_from(code).ok()).ok_or_else(wrong)?;
    let known =
        Status::new(code).map_err(|_| PyValueError::new_err("the status of a final answer is between 200 and 599"))?;
    if reason.is_empty() || reason == known.reason() {
        return Ok((known, None));
    }
    let mut octets = Vec::with_capacity(text.len());
    latin1::octets(status, &mut octets)?;
    Ok((known, Some(octets.split_off("200 ".len()))))
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
