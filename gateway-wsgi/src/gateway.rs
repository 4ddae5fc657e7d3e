//! How is a request answered by Python?
//!
//! [`WsgiGateway`] is a [`Gateway`] like any other: it runs on either backend, always on a worker. Content that is small is read before
//! Python is involved, and an answer that is complete is sent afterwards, so the usual request attaches to Python once.
//!
//! Invariants:
//! 1. What an application raises before its answer has begun is a 500; after that the connection is cut. The operator is told.
//! 2. What the client did wrong is not the application's failure: it is answered by its own status.

use cherrystone::gateway::{Done, Exchange, Failure, Gateway};
use cherrystone::{Field, Framing, Head, Status, TargetForm};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use pyo3::{IntoPyObjectExt, intern};

use crate::environ::Environs;
use crate::exchange::{self, State};
use crate::input::{Input, InputError, InputUnavailable};
use crate::outcome;
use crate::pin;
use crate::spool::{Chunked, Content};
use crate::talk::{self, Conversation};

/// Answers requests by a Python application.
#[derive(Debug)]
pub struct WsgiGateway {
    pub(crate) target: Target,
    pub(crate) environs: Environs,
    pub(crate) chunked: Chunked,
    /// Content has no limit of its own.
    pub(crate) is_unlimited: bool,
    /// Is told of what went wrong.
    pub(crate) reporter: Py<PyAny>,
}

/// What is called for a request.
#[derive(Debug)]
pub(crate) enum Target {
    /// A WSGI application.
    Application(Py<PyAny>),
    /// A function of an exchange, an environment and the header lines: the way to gateways written in Python.
    Handler(Py<PyAny>),
}

/// How much content without a declared length is taken in before an application is called, if nothing else was set.
const SPOOL_LIMIT: u64 = 1 << 30;

impl Gateway for WsgiGateway {
    fn body_limit(&self, head: Head<'_>) -> Option<u64> {
        let is_spooled = self.chunked == Chunked::Spool && head.framing() == Framing::Chunked;
        (is_spooled && self.is_unlimited).then_some(SPOOL_LIMIT)
    }

    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        if let TargetForm::Authority(_) = head.form() {
            // A tunnel is nothing that WSGI could express, and an answer of 200 would be one.
            let fields: [Field<'_>; 2] = [("Content-Type", b"text/plain"), ("Allow", b"")];
            return exchange.respond(Status::METHOD_NOT_ALLOWED, &fields, "there are no tunnels here\n");
        }
        let mut talk = Conversation::new(exchange, talk::next_number());
        let content = Content::take(head, &mut talk, self.chunked);
        let mut state = State::default();
        let called = Python::try_attach(|py| self.call(py, head, &mut talk, content, &mut state));
        called.unwrap_or_else(|| Err(Failure::application("the Python interpreter has ended")))?;
        outcome::conclude(talk, &mut state)
    }
}

impl WsgiGateway {
    /// Everything that needs Python.
    fn call(
        &self,
        py: Python<'_>,
        head: Head<'_>,
        talk: &mut Conversation<'_>,
        content: Content,
        state: &mut State,
    ) -> Result<(), Failure> {
        pin::hold(py);
        let number = talk.request_number();
        if let Content::Broken(_, error) = &content
            && talk::is_own(error)
        {
            // An application may take it for the client's fault, as errors of reading are; it is the operator's business.
            self.tell(py, "note", error.to_string());
        }
        let outcome = self.environ(py, head, talk, content).and_then(|environ| {
            let exchange = Bound::new(py, exchange::Exchange::new(number, head.method()))?;
            if head.version() == cherrystone::Version::Http11 {
                environ.set_item(intern!(py, "wsgi.early_hints"), exchange.getattr(intern!(py, "early_hints"))?)?;
            }
            environ.set_item(intern!(py, "cherrystone.exchange"), &exchange)?;
            let ran = talk::within(talk, || self.run(py, head, &environ, &exchange));
            *state = std::mem::take(&mut *exchange.get().state());
            ran
        });
        for note in state.notes.drain(..) {
            self.tell(py, "note", note);
        }
        match outcome {
            Ok(()) => Ok(()),
            Err(error) if state.is_lost => Err(Failure::application(error.to_string())),
            Err(error) if error.is_instance_of::<InputError>(py) && !error.is_instance_of::<InputUnavailable>(py) => {
                Err(Failure::application(error.to_string()))
            }
            Err(error) => {
                let failure = Failure::application(error.to_string());
                self.tell(py, "request_failed", error);
                Err(failure)
            }
        }
    }

    fn run(
        &self,
        py: Python<'_>,
        head: Head<'_>,
        environ: &Bound<'_, PyDict>,
        exchange: &Bound<'_, exchange::Exchange>,
    ) -> PyResult<()> {
        match &self.target {
            Target::Application(application) => {
                outcome::run(exchange.get(), application.bind(py), environ, exchange.as_any())
            }
            Target::Handler(handler) => {
                let lines = head.fields().iter();
                let lines = PyList::new(
                    py,
                    lines.map(|(name, value)| (PyBytes::new(py, name.as_bytes()), PyBytes::new(py, value))),
                )?;
                handler.call1(py, (exchange, environ, lines)).map(|_| ())?;
                exchange.get().settle();
                Ok(())
            }
        }
    }

    fn environ<'py>(
        &self,
        py: Python<'py>,
        head: Head<'_>,
        talk: &mut Conversation<'_>,
        content: Content,
    ) -> PyResult<Bound<'py, PyDict>> {
        let number = talk.request_number();
        let length = match head.framing() {
            Framing::Length(length) => Some(length),
            Framing::Chunked => content.length(),
            Framing::None => None,
        };
        let environ = self.environs.make(py, head, talk.exchange()?, length)?;
        environ.set_item(intern!(py, "wsgi.input"), Bound::new(py, Input::new(content, number))?)?;
        Ok(environ)
    }

    /// Tells the reporter. If even that fails, Python's own last resort is told.
    fn tell<'py>(&self, py: Python<'py>, method: &str, what: impl IntoPyObject<'py>) {
        let reporter = self.reporter.bind(py);
        let told = what.into_bound_py_any(py).and_then(|what| reporter.call_method1(method, (what,)));
        if let Err(error) = told {
            error.write_unraisable(py, Some(reporter));
        }
    }
}
