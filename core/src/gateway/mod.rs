//! How does an application answer requests, whatever drives the connection?
//!
//! It implements [`Gateway`]: a request's [`Head`] and an [`Exchange`] come in, a [`Done`] goes out. The same gateway runs on
//! the thread-pool backend and on the event loop, on a worker or inline.
//!
//! # From hello to streams
//!
//! A function is a gateway. It answers by consuming the exchange:
//!
//! ```
//! use cherrystone_core::gateway::{Done, Exchange, Failure, Gateway};
//! use cherrystone_core::{Head, Status};
//!
//! fn hello(_head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
//!     exchange.respond(Status::OK, &[("Content-Type", b"text/plain")], "Hello, world!\n")
//! }
//! # fn takes(_: impl Gateway) {}
//! # takes(hello);
//! ```
//!
//! The content of a request is read as it comes. It is asked for when it is read (100 Continue), and limited; an error of the client ends the
//! handler with `?`, and is answered for it:
//!
//! ```
//! # use cherrystone_core::gateway::{Done, Exchange, Failure, Gateway};
//! # use cherrystone_core::{Head, Status};
//! use std::io::BufRead;
//!
//! fn count_lines(_head: Head<'_>, mut exchange: Exchange<'_>) -> Result<Done, Failure> {
//!     let mut lines = 0;
//!     for line in exchange.body().lines() {
//!         line?;
//!         lines += 1;
//!     }
//!     exchange.respond(Status::OK, &[("Content-Type", b"text/plain")], format!("{lines} lines\n"))
//! }
//! # fn takes(_: impl Gateway) {}
//! # takes(count_lines);
//! ```
//!
//! An answer may be pushed while it is made. A slow client makes `write` wait, which costs a worker:
//!
//! ```
//! # use cherrystone_core::gateway::{Done, Exchange, Failure, Gateway};
//! # use cherrystone_core::{Head, Size, Status};
//! use std::io::Write;
//!
//! fn table(_head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
//!     let mut out = exchange.start_response(Status::OK, &[("Content-Type", b"text/csv")], Size::Unknown)?;
//!     for row in 0..1_000_000 {
//!         writeln!(out, "{row},{}", row * row)?;
//!     }
//!     out.finish()
//! }
//! # fn takes(_: impl Gateway) {}
//! # takes(table);
//! ```
//!
//! What waits for something else than the client is a [`Source`] (or a [`Deferred`], or an [`Upgrade`]): it says `Later`, keeps the waker,
//! and costs a parked connection until that is called, from wherever:
//!
//! ```
//! # use cherrystone_core::gateway::{ChunkOut, Done, Exchange, Failure, Gateway, Payload, Progress, Source};
//! # use cherrystone_core::{Head, Status};
//! use std::sync::{Arc, Mutex};
//! use std::task::Waker;
//!
//! /// What one thread puts in and one client gets.
//! #[derive(Clone, Default)]
//! struct Mailbox(Arc<Mutex<(Vec<String>, Option<Waker>)>>);
//!
//! impl Mailbox {
//!     fn put(&self, message: String) {
//!         let mut inner = self.0.lock().unwrap();
//!         inner.0.push(message);
//!         inner.1.take().map(Waker::wake);
//!     }
//! }
//!
//! impl Source for Mailbox {
//!     fn next(&mut self, out: &mut ChunkOut<'_>, waker: &Waker) -> Result<Progress, Failure> {
//!         let mut inner = self.0.lock().unwrap();
//!         if inner.0.is_empty() {
//!             inner.1 = Some(waker.clone());
//!             return Ok(Progress::Later);
//!         }
//!         for message in inner.0.drain(..) {
//!             out.write(format!("data: {message}\n\n").as_bytes())?;
//!         }
//!         Ok(Progress::More)
//!     }
//! }
//!
//! let mailbox = Mailbox::default();
//! let events = mailbox.clone();
//! let gateway = move |_: Head<'_>, exchange: Exchange<'_>| {
//!     let fields = [("Content-Type", &b"text/event-stream"[..])];
//!     exchange.respond(Status::OK, &fields, Payload::Chunks(Box::new(events.clone())))
//! };
//! mailbox.put("news".into()); // from any thread, at any time
//! # fn takes(_: impl Gateway) {}
//! # takes(gateway);
//! ```
//!
//! What an answer may be:
//! - a [`Payload`] handed over whole, which the backend pulls as the client takes it ([`Exchange::respond`]);
//! - pieces pushed through a [`ResponseWriter`], which blocks when the client is slow ([`Exchange::start_response`]);
//! - a [`Source`] that says `Later` and is woken: events, long polls, other runtimes;
//! - later, from any thread, through a [`Deferred`] ([`Exchange::defer`]);
//! - piece by piece from elsewhere, while the request is still being read ([`Exchange::converse`]);
//! - another protocol ([`Exchange::upgrade`]).
//!
//! Invariants:
//! 1. A handler can neither succeed without having answered nor answer twice: only answering makes a [`Done`].
//! 2. What waits holds no thread: a `Source`, an `Upgrade`, a `Deferred` or a `Dialogue` costs a parked connection.
//! 3. A panic in a handler costs that one exchange: 500, or a connection that is visibly cut.

mod answer;
mod body;
mod deferred;
mod dialogue;
mod exchange;
mod ongoing;
mod payload;
mod peer;
mod port;
mod source;
mod upgrade;
mod writer;

use alloc::boxed::Box;
use core::error::Error;
use std::io;

pub use answer::{Answered, answer};
pub use body::{Body, Intake};
pub use deferred::Deferred;
pub use dialogue::{Dialogue, Piece, Talk, Turn};
pub use exchange::Exchange;
pub use ongoing::{Advance, Content, Ongoing};
pub use payload::Payload;
pub use peer::{Credentials, Endpoint, Peer, PeerAddress, Via};
pub use port::Port;
pub use source::{ChunkOut, Progress, Source};
pub use upgrade::Upgrade;
pub use writer::ResponseWriter;

use crate::{Head, Misuse, Violation};

/// Where a request is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// On the event loop: the handler must not block, and sees a request whose content has been collected. Content that
    /// is too large for that makes the request blocking.
    Inline,
    /// On a worker thread: the handler may block.
    Blocking,
}

/// An application.
pub trait Gateway: Send + Sync + 'static {
    /// Where this request is to be handled. Called on the event loop: it must be quick.
    fn mode(&self, head: Head<'_>) -> Mode {
        let _ = head;
        Mode::Blocking
    }

    /// A limit on the content of this request in octets, in place of `Limits::body`.
    fn body_limit(&self, head: Head<'_>) -> Option<u64> {
        let _ = head;
        None
    }

    /// Answers the request.
    ///
    /// # Errors
    /// A [`Failure`] before the answer has begun becomes 500, or the status of the client's [`Violation`] if the content
    /// could not be read for that; after that it cuts the connection.
    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure>;
}

impl<F> Gateway for F
where
    F: Fn(Head<'_>, Exchange<'_>) -> Result<Done, Failure> + Send + Sync + 'static,
{
    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        self(head, exchange)
    }
}

impl<G: Gateway + ?Sized> Gateway for alloc::sync::Arc<G> {
    fn mode(&self, head: Head<'_>) -> Mode {
        (**self).mode(head)
    }

    fn body_limit(&self, head: Head<'_>) -> Option<u64> {
        (**self).body_limit(head)
    }

    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        (**self).handle(head, exchange)
    }
}

/// Handles every request of `G` inline; for gateways that never block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline<G>(pub G);

impl<G: Gateway> Gateway for Inline<G> {
    fn mode(&self, _: Head<'_>) -> Mode {
        Mode::Inline
    }

    fn body_limit(&self, head: Head<'_>) -> Option<u64> {
        self.0.body_limit(head)
    }

    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        self.0.handle(head, exchange)
    }
}

/// Proof that the request was answered, or will be.
#[derive(Debug)]
#[must_use = "the handler has to return it"]
pub struct Done {
    pub(crate) ongoing: Option<Ongoing>,
}

impl Done {
    pub(crate) const NOW: Self = Self { ongoing: None };

    pub(crate) fn later(ongoing: Ongoing) -> Self {
        Self { ongoing: Some(ongoing) }
    }
}

/// Why a handler gave up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The socket, a file, or the content of the request.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A call that the protocol does not allow here.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// The client broke a rule.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The application's own reasons.
    #[error(transparent)]
    Application(#[from] Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// A failure of the application, from anything that can be shown.
    pub fn application(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Application(error.into())
    }
}
