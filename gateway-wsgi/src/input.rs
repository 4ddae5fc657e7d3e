//! How does an application read the content of a request?
//!
//! Through an [`Input`], `wsgi.input`: a file-like object whose end is the end of the content, with the methods that PEP 3333 asks for
//! ("Input and Error Streams"). Content that breaks off raises, it never ends.
//!
//! Invariants:
//! 1. Reading gives the octets that a file with the same content would give, however they arrived.
//! 2. An error repeats; there is no end behind it.
//! 3. The lock is never waited for while attached to Python, since its holder may have to attach before it lets go.

use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cherrystone::{Violation, ViolationKind};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::spool::{Content, SMALL, read_spooled};
use crate::talk;

pyo3::create_exception!(
    cherrystone,
    InputError,
    PyOSError,
    "The content of the request cannot be read: the client broke it off, or broke a rule."
);
pyo3::create_exception!(
    cherrystone,
    MaxSizeExceeded,
    InputError,
    "The content of the request, or something that was to be read, is larger than its limit."
);
pyo3::create_exception!(
    cherrystone,
    InputUnavailable,
    InputError,
    "The content of the request cannot be read, and the client did nothing wrong: the answer had refused it or was over, or the server \
     could not keep it."
);

/// The content of a request, as a file to be read once.
#[pyclass(frozen, module = "cherrystone")]
pub(crate) struct Input {
    inner: Mutex<Inner>,
}

/// Where the content is, and how far it was read.
struct Inner {
    /// What was taken from the source and not read.
    ahead: Vec<u8>,
    at: usize,
    source: Source,
}

enum Source {
    /// Everything is in `ahead`.
    Memory,
    Spooled(File),
    /// The connection of the request with this number.
    Live(u64),
    Broken(Broken),
}

/// Why there is no more to read; kept, since it has to be told each time.
#[derive(Clone, Debug)]
struct Broken {
    violation: Option<Violation>,
    /// No fault of the client's.
    is_own: bool,
    text: String,
}

/// Up to where to read.
#[derive(Clone, Copy)]
enum Until {
    End,
    Octets(usize),
    /// The end of the line, or this many octets.
    Line(usize),
}

impl Input {
    /// The content of request `number`.
    pub(crate) fn new(content: Content, number: u64) -> Self {
        let (ahead, source) = match content {
            Content::Empty => (Vec::new(), Source::Memory),
            Content::Memory(octets) => (octets, Source::Memory),
            Content::Spooled(file, _) => (Vec::new(), Source::Spooled(file)),
            Content::Live => (Vec::new(), Source::Live(number)),
            Content::Broken(octets, error) => (octets, Source::Broken(Broken::from(error))),
        };
        Self { inner: Mutex::new(Inner { ahead, at: 0, source }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A reader that panicked left what it had not read.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take<'py>(&self, py: Python<'py>, until: Until) -> PyResult<Bound<'py, PyBytes>> {
        if let Ok(mut inner) = self.inner.try_lock()
            && let Some(octets) = inner.at_hand(until)
        {
            return Ok(PyBytes::new(py, octets));
        }
        let octets = py.detach(|| self.lock().read(until));
        octets.map(|octets| PyBytes::new(py, &octets)).map_err(Broken::into_error)
    }

    fn line<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.take(py, Until::Line(size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)))
    }
}

#[pymethods]
impl Input {
    /// Reads `size` octets, fewer only at the end of the content; all of it without a size.
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.take(py, size.and_then(|size| usize::try_from(size).ok()).map_or(Until::End, Until::Octets))
    }

    /// Reads a line with its end, or `size` octets of it.
    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.line(py, size)
    }

    /// Reads lines, until they hold `hint` octets or more if a hint is given.
    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        let enough = hint.and_then(|hint| usize::try_from(hint).ok()).filter(|hint| *hint > 0).unwrap_or(usize::MAX);
        let lines = PyList::empty(py);
        let mut octets = 0;
        while octets < enough {
            let line = self.line(py, None)?;
            if line.as_bytes().is_empty() {
                break;
            }
            octets += line.as_bytes().len();
            lines.append(line)?;
        }
        Ok(lines)
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(Some(self.line(py, None)?).filter(|line| !line.as_bytes().is_empty()))
    }

    /// Does nothing: the content belongs to the server.
    fn close(&self) {}

    fn __repr__(&self) -> &'static str {
        "<cherrystone input>"
    }
}

impl Inner {
    fn rest(&self) -> &[u8] {
        &self.ahead[self.at..]
    }

    fn is_complete(&self) -> bool {
        matches!(self.source, Source::Memory)
    }

    /// What is asked for, if that needs no waiting.
    fn at_hand(&mut self, until: Until) -> Option<&[u8]> {
        let rest = self.rest();
        let enough = match until {
            Until::End => None,
            Until::Octets(n) => (n <= rest.len()).then_some(n),
            Until::Line(n) => end_of_line(rest, n),
        };
        let n = enough.or_else(|| self.is_complete().then_some(rest.len()))?;
        self.at += n;
        Some(&self.ahead[self.at - n..self.at])
    }

    fn read(&mut self, until: Until) -> Result<Vec<u8>, Broken> {
        if let Some(octets) = self.at_hand(until) {
            return Ok(octets.to_vec());
        }
        match until {
            Until::Line(most) => self.read_line(most),
            Until::Octets(n) => self.read_octets(n),
            Until::End => self.read_octets(usize::MAX),
        }
    }

    fn read_octets(&mut self, most: usize) -> Result<Vec<u8>, Broken> {
        let mut out = self.rest().to_vec();
        self.at = self.ahead.len();
        while out.len() < most {
            // What comes decides how much memory is taken, not what is asked for.
            let (have, piece) = (out.len(), SMALL.min(most - out.len()));
            out.resize(have + piece, 0);
            let n = self.source.read(&mut out[have..])?;
            out.truncate(have + n);
            if n == 0 {
                break;
            }
        }
        Ok(out)
    }

    fn read_line(&mut self, most: usize) -> Result<Vec<u8>, Broken> {
        loop {
            if let Some(n) = end_of_line(self.rest(), most) {
                self.at += n;
                return Ok(self.ahead[self.at - n..self.at].to_vec());
            }
            self.ahead.drain(..self.at);
            self.at = 0;
            let have = self.ahead.len();
            self.ahead.resize(have + SMALL / 8, 0);
            let read = self.source.read(&mut self.ahead[have..]);
            self.ahead.truncate(have + read.as_ref().map_or(0, |n| *n));
            if read? == 0 {
                self.at = self.ahead.len();
                return Ok(self.ahead.clone());
            }
        }
    }
}

impl Source {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Broken> {
        let read = match self {
            Self::Memory => Ok(0),
            Self::Spooled(file) => read_spooled(file, buf),
            Self::Live(number) => talk::read(*number, buf),
            Self::Broken(broken) => return Err(broken.clone()),
        };
        read.map_err(|error| {
            let broken = Broken::from(error);
            if broken.violation.is_some() {
                *self = Self::Broken(broken.clone());
            }
            broken
        })
    }
}

/// Where the line ends: behind its LF, or after `most` octets.
fn end_of_line(octets: &[u8], most: usize) -> Option<usize> {
    let window = &octets[..octets.len().min(most)];
    memchr::memchr(b'\n', window).map(|at| at + 1).or_else(|| (window.len() == most).then_some(most))
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        let violation = error.get_ref().and_then(|inner| inner.downcast_ref::<Violation>()).copied();
        Self { violation, is_own: talk::is_own(&error), text: error.to_string() }
    }
}

impl Broken {
    fn into_error(self) -> PyErr {
        match self.violation.map(|violation| violation.kind) {
            Some(ViolationKind::BodyTooLarge) => MaxSizeExceeded::new_err(self.text),
            _ if self.is_own => InputUnavailable::new_err(self.text),
            _ => InputError::new_err(self.text),
        }
    }
}
