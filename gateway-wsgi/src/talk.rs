//! How do Python objects reach the connection of the request that they belong to?
//!
//! The connection is lent to the handler for the length of one call, so no Python object can own it. It is put within reach of the
//! thread instead, for the length of the call: a `read` or `write` of the application finds it there, if it comes on the thread of the
//! request and while that is under way.
//!
//! Invariants:
//! 1. Whoever uses the connection is detached from Python, so that nobody waits for a wait of ours.
//! 2. An object of one request cannot touch the connection of another: each has a number.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use cherrystone::gateway::{Done, Exchange, Failure, ResponseWriter};
use cherrystone::{Field, Interim, Misuse, Size, StatusLine};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// One request and its answer, as the application drives them.
pub(crate) trait Talk {
    /// The number of the request.
    fn number(&self) -> u64;
    /// Reads content of the request.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    /// Fields behind the content of the request.
    fn trailers(&mut self) -> Vec<(String, Vec<u8>)>;
    /// Sends an interim answer.
    fn inform(&mut self, status: Interim, fields: &[Field<'_>]) -> Result<(), Failure>;
    /// Begins the answer.
    fn begin(&mut self, status: StatusLine<'_>, fields: &[Field<'_>], size: Size) -> Result<(), Failure>;
    /// Sends content.
    fn write(&mut self, data: &[u8], flush: Flush) -> io::Result<()>;
    /// Whether the client has gone.
    fn is_gone(&mut self) -> bool;
    /// Lets the connection end after the answer.
    fn close_after(&mut self);
}

/// Whether content has to be on its way before the application goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// It has: the application may take its time for the next piece.
    Now,
    /// More follows at once.
    Later,
}

scoped_tls_hkt::scoped_thread_local!(static mut TALK: for<'t> &'t mut (dyn Talk + 't));

/// Runs `f` with the conversation within reach of this thread.
pub(crate) fn within<R>(talk: &mut (dyn Talk + '_), f: impl FnOnce() -> R) -> R {
    TALK.set(talk, f)
}

/// Uses the conversation of request `number`, detached from Python.
///
/// # Errors
/// `RuntimeError` if that request is over, or belongs to another thread.
pub(crate) fn with<R: Send>(
    py: Python<'_>,
    number: u64,
    f: impl FnOnce(&mut (dyn Talk + '_)) -> R + Send,
) -> PyResult<R> {
    py.detach(|| {
        if !TALK.is_set() {
            return None;
        }
        TALK.with(|talk| (talk.number() == number).then(|| f(talk)))
    })
    .ok_or_else(|| PyRuntimeError::new_err("this request is over, or it is handled by another thread"))
}

/// Why content cannot be read though the client did nothing wrong.
#[derive(Debug)]
struct Own(String);

impl std::fmt::Display for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Own {}

/// An error of reading content that is no fault of the client's.
pub(crate) fn own(kind: io::ErrorKind, text: impl Into<String>) -> io::Error {
    io::Error::new(kind, Own(text.into()))
}

/// Whether an error of reading content is the server's fault, or the application's.
pub(crate) fn is_own(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Own>() || inner.is::<Misuse>())
}

/// Reads content of request `number`, for those who are detached already.
pub(crate) fn read(number: u64, buf: &mut [u8]) -> io::Result<usize> {
    let elsewhere = || own(io::ErrorKind::Other, "this request is over, or it is handled by another thread");
    if !TALK.is_set() {
        return Err(elsewhere());
    }
    TALK.with(|talk| if talk.number() == number { talk.read(buf) } else { Err(elsewhere()) })
}

/// Whether this thread is handling a request.
#[pyfunction]
pub(crate) fn in_request() -> bool {
    TALK.is_set()
}

/// A number that no request had before.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The conversation over an exchange of a backend.
pub(crate) struct Conversation<'x> {
    number: u64,
    state: State<'x>,
}

enum State<'x> {
    Fresh(Exchange<'x>),
    Writing(ResponseWriter<'x>),
    /// The answer could not be begun, and the exchange was lost to the attempt.
    Lost,
}

impl<'x> Conversation<'x> {
    pub(crate) fn new(exchange: Exchange<'x>, number: u64) -> Self {
        Self { number, state: State::Fresh(exchange) }
    }

    /// The number of the request.
    pub(crate) fn request_number(&self) -> u64 {
        self.number
    }

    /// The exchange, as long as the answer has not begun.
    ///
    /// # Errors
    /// It has begun.
    pub(crate) fn exchange(&mut self) -> PyResult<&mut Exchange<'x>> {
        match &mut self.state {
            State::Fresh(exchange) => Ok(exchange),
            State::Writing(_) | State::Lost => Err(PyRuntimeError::new_err("the answer has begun")),
        }
    }

    /// The exchange itself, to be answered whole.
    pub(crate) fn into_exchange(self) -> Result<Exchange<'x>, Failure> {
        match self.state {
            State::Fresh(exchange) => Ok(exchange),
            State::Writing(_) | State::Lost => Err(Misuse::AlreadyStarted.into()),
        }
    }

    /// Ends an answer that was begun.
    pub(crate) fn finish(self, trailers: &[Field<'_>]) -> Result<Done, Failure> {
        match self.state {
            State::Writing(writer) => writer.finish_with(trailers),
            State::Fresh(_) | State::Lost => Err(Misuse::NotWriting.into()),
        }
    }
}

impl Talk for Conversation<'_> {
    fn number(&self) -> u64 {
        self.number
    }

    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Fresh(exchange) => exchange.body().read(buf),
            State::Writing(writer) => writer.body().read(buf),
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn trailers(&mut self) -> Vec<(String, Vec<u8>)> {
        let body = match &mut self.state {
            State::Fresh(exchange) => exchange.body(),
            State::Writing(writer) => writer.body(),
            State::Lost => return Vec::new(),
        };
        body.trailers().iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
    }

    fn inform(&mut self, status: Interim, fields: &[Field<'_>]) -> Result<(), Failure> {
        match &mut self.state {
            State::Fresh(exchange) => exchange.inform(status, fields),
            State::Writing(_) | State::Lost => Err(Misuse::AlreadyStarted.into()),
        }
    }

    fn begin(&mut self, status: StatusLine<'_>, fields: &[Field<'_>], size: Size) -> Result<(), Failure> {
        match std::mem::replace(&mut self.state, State::Lost) {
            State::Fresh(exchange) => {
                self.state = State::Writing(exchange.start_response(status, fields, size)?);
                Ok(())
            }
            other => {
                self.state = other;
                Err(Misuse::AlreadyStarted.into())
            }
        }
    }

    fn write(&mut self, data: &[u8], flush: Flush) -> io::Result<()> {
        let State::Writing(writer) = &mut self.state else { return Err(io::ErrorKind::NotConnected.into()) };
        writer.write_all(data)?;
        if flush == Flush::Now { writer.flush() } else { Ok(()) }
    }

    fn is_gone(&mut self) -> bool {
        match &mut self.state {
            State::Fresh(exchange) => exchange.is_client_gone(),
            State::Writing(writer) => writer.is_client_gone(),
            State::Lost => true,
        }
    }

    fn close_after(&mut self) {
        if let State::Fresh(exchange) = &mut self.state {
            exchange.close_after();
        }
    }
}
