//! What does an application hold of an answer under way?
//!
//! An [`Exchange`]: it is the `start_response` of the application, its `write`, and the server's own extensions. It keeps what was
//! prepared until the first octet of content, so that the application can change its mind (PEP 3333, "Error Handling").
//!
//! Invariants:
//! 1. The head goes out with the first octet of content or at the end, once.
//! 2. No more content goes out than was declared.
//! 3. The lock is held for moves of values only, never while Python runs or the client is waited for.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cherrystone::Interim;
use pyo3::exceptions::{PyBrokenPipeError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::head::{Lines, Prepared};
use crate::latin1;
use crate::outcome::{self, Ending};
use crate::talk::{self, Flush, Talk};

/// One request's answer. It is callable as `start_response`.
#[pyclass(frozen, module = "cherrystone")]
pub(crate) struct Exchange {
    number: u64,
    state: Mutex<State>,
}

/// How far the answer is.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The head, until it is sent.
    pub(crate) prepared: Option<Prepared>,
    /// The request was HEAD.
    pub(crate) is_head: bool,
    /// What is still to be written of what was declared.
    pub(crate) left: Option<u64>,
    /// The status of the head that was sent is one without content.
    has_no_content: bool,
    /// The head was sent.
    pub(crate) begun: bool,
    /// Fields that are to follow the content.
    pub(crate) trailers: Lines,
    /// What is left to do when Python is done.
    pub(crate) ending: Ending,
    /// What the operator should know of the application.
    pub(crate) notes: Vec<String>,
    /// The client was lost while content was sent.
    pub(crate) is_lost: bool,
}

/// What came of a piece of content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// All of it is on its way.
    Whole,
    /// It was more than the application had declared; what was declared is on its way.
    Cut,
}

impl Exchange {
    /// The answer to request `number`, of this method.
    pub(crate) fn new(number: u64, method: &str) -> Self {
        let state = State { is_head: method == "HEAD", ..State::default() };
        Self { number, state: Mutex::new(state) }
    }

    /// Where the answer is.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a move of values, so a poisoned lock holds nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a piece of content, the head before it if it is the first.
    ///
    /// # Errors
    /// Nothing was prepared, or the client is lost.
    pub(crate) fn push(&self, py: Python<'_>, data: &[u8], flush: Flush) -> PyResult<Pushed> {
        let head = self.begin()?;
        let allowed = {
            let mut state = self.state();
            let allowed =
                state.left.map_or(data.len(), |left| data.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
            state.left = state.left.map(|left| left - allowed as u64);
            allowed
        };
        let piece = &data[..allowed];
        let sent = talk::with(py, self.number, |talk| send(talk, head.as_ref(), piece, flush))?;
        sent.map_err(|error| self.lost(&error))?;
        let cut = allowed < data.len() && !self.state().is_mute();
        Ok(if cut { Pushed::Cut } else { Pushed::Whole })
    }

    /// The head, if it has not been sent; from now on it has.
    fn begin(&self) -> PyResult<Option<Prepared>> {
        let mut state = self.state();
        if state.begun {
            return Ok(None);
        }
        let prepared = state.prepared.take().ok_or_else(not_started)?;
        state.begun = true;
        state.left = prepared.length;
        if outcome::has_no_content(prepared.status) {
            // Whatever comes is dropped.
            state.left = Some(0);
            state.has_no_content = true;
        }
        Ok(Some(prepared))
    }

    /// Looks whether the client is still there.
    ///
    /// # Errors
    /// It has gone.
    pub(crate) fn check_client(&self, py: Python<'_>) -> PyResult<()> {
        if talk::with(py, self.number, |talk| talk.is_gone())? {
            return Err(self.lost(&io::ErrorKind::ConnectionReset.into()));
        }
        Ok(())
    }

    /// The error of an application whose client has gone.
    fn lost(&self, error: &io::Error) -> PyErr {
        self.state().is_lost = true;
        PyBrokenPipeError::new_err(format!("the client is lost: {error}"))
    }
}

impl State {
    /// Whether no content goes out.
    pub(crate) fn is_mute(&self) -> bool {
        self.is_head || self.has_no_content
    }
}

/// The error of an application that answers before it has said how.
pub(crate) fn not_started() -> PyErr {
    PyRuntimeError::new_err("the application did not call start_response before its content, or not at all")
}

/// Sends what is said first and what follows.
fn send(talk: &mut (dyn Talk + '_), head: Option<&Prepared>, piece: &[u8], flush: Flush) -> io::Result<()> {
    if let Some(head) = head {
        talk.begin(head.status_line(), &head.fields(), outcome::size(head)).map_err(io::Error::other)?;
    }
    talk.write(piece, flush)
}

#[pymethods]
impl Exchange {
    /// Prepares the answer; the callable that PEP 3333 calls `start_response`. Returns `write`.
    #[pyo3(signature = (status, headers, exc_info=None))]
    fn __call__<'py>(
        this: &Bound<'py, Self>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyTuple>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (begun, prepared) = {
            let state = this.get().state();
            (state.begun, state.prepared.is_some())
        };
        match exc_info {
            Some(exc_info) if begun => return Err(reraised(exc_info)?),
            None if begun || prepared => {
                return Err(PyRuntimeError::new_err(
                    "start_response was called a second time without exc_info (PEP 3333, The start_response() Callable)",
                ));
            }
            Some(_) | None => {}
        }
        let new = Prepared::new(status, headers)?;
        this.get().state().prepared = Some(new);
        this.getattr(intern!(this.py(), "write"))
    }

    /// Sends content at once; what `start_response` returns.
    #[pyo3(signature = (data, /))]
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let data = octets(data)?;
        match self.push(py, data.as_bytes(), Flush::Now)? {
            Pushed::Whole => Ok(()),
            Pushed::Cut => {
                Err(PyValueError::new_err("the application wrote more than the Content-Length that it declared"))
            }
        }
    }

    /// Sends the head, if that has not been done.
    fn send_headers(&self, py: Python<'_>) -> PyResult<()> {
        self.push(py, b"", Flush::Now).map(|_| ())
    }

    /// Sends 103 (Early Hints) with these headers; nothing to a client of HTTP/1.0.
    #[pyo3(signature = (headers, /))]
    fn early_hints(&self, py: Python<'_>, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let lines = Lines::new(headers)?;
        let informed = talk::with(py, self.number, |talk| {
            talk.inform(Interim::EARLY_HINTS, &lines.fields()).map_err(|failure| failure.to_string())
        })?;
        informed.map_err(PyValueError::new_err)
    }

    /// Whether the client is known to have gone.
    fn client_gone(&self, py: Python<'_>) -> PyResult<bool> {
        talk::with(py, self.number, |talk| talk.is_gone())
    }

    /// The fields that followed the content of the request, once that was read to its end.
    fn request_trailers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let trailers = talk::with(py, self.number, |talk| talk.trailers())?;
        PyList::new(py, trailers.iter().map(|(name, value)| (PyString::new(py, name), latin1::text(py, value))))
    }

    /// Has these fields follow the content, where its framing has room for them: in chunked answers.
    #[pyo3(signature = (headers, /))]
    fn send_trailers(&self, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let lines = Lines::new(headers)?;
        self.state().trailers = lines;
        Ok(())
    }

    /// Lets the connection end after this answer. Has to be called before the answer begins.
    fn close_after(&self, py: Python<'_>) -> PyResult<()> {
        talk::with(py, self.number, |talk| talk.close_after())
    }

    /// Whether the head was sent.
    #[getter]
    fn headers_sent(&self) -> bool {
        self.state().begun
    }

    /// Calls a WSGI application and sends its answer, as the server itself does; for gateways written in Python.
    #[pyo3(signature = (application, environ, start_response=None, /))]
    fn run(
        this: &Bound<'_, Self>,
        application: &Bound<'_, PyAny>,
        environ: &Bound<'_, PyAny>,
        start_response: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let start = start_response.unwrap_or(this.as_any());
        outcome::run(this.get(), application, environ, start)
    }
}

/// The exception of an `exc_info`, with its traceback.
fn reraised(exc_info: &Bound<'_, PyTuple>) -> PyResult<PyErr> {
    let (value, traceback) = (exc_info.get_item(1)?, exc_info.get_item(2)?);
    Ok(PyErr::from_value(value.call_method1("with_traceback", (traceback,))?))
}

/// A piece of content, which has to be `bytes`.
///
/// # Errors
/// `TypeError` for anything else, `str` above all.
pub(crate) fn octets<'a, 'py>(data: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    data.cast::<PyBytes>().map_err(|_| {
        let found = data.get_type().name().map_or_else(|_| "something else".into(), |name| name.to_string());
        PyTypeError::new_err(format!("content has to be bytes, not {found}"))
    })
}
