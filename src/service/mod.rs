//! How does a service of the tower ecosystem become a gateway?
//!
//! [`ServiceGateway`] takes any [`tower_service::Service`] from [`http::Request`] to [`http::Response`], an axum router for example, and
//! serves it on either backend. Content streams both ways, with trailers; what waits holds no thread.
//!
//! ```no_run
//! use cherrystone::service::{Body, ServiceGateway};
//! use cherrystone::{Backend, Server};
//! # use std::{convert::Infallible, future::{Ready, ready}, pin::Pin, task::{Context, Poll}};
//! # #[derive(Clone)] struct Hello;
//! # struct Once(Option<&'static [u8]>);
//! # impl http_body::Body for Once {
//! #     type Data = &'static [u8];
//! #     type Error = Infallible;
//! #     fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<&'static [u8]>, Infallible>>> {
//! #         Poll::Ready(self.0.take().map(|data| Ok(http_body::Frame::data(data))))
//! #     }
//! # }
//! # impl tower_service::Service<http::Request<Body>> for Hello {
//! #     type Response = http::Response<Once>;
//! #     type Error = Infallible;
//! #     type Future = Ready<Result<Self::Response, Infallible>>;
//! #     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> { Poll::Ready(Ok(())) }
//! #     fn call(&mut self, _: http::Request<Body>) -> Self::Future { ready(Ok(http::Response::new(Once(Some(b"hello\n"))))) }
//! # }
//! # let service = Hello;
//! # trait Runtime { fn spawn(&self, work: cherrystone::service::Work); }
//! # fn main_with(runtime: impl Runtime + Send + Sync + 'static, service: Hello) -> Result<(), cherrystone::ServerError> {
//! // `service` is an axum::Router, and `runtime` a tokio::runtime::Handle; any executor will do.
//! let gateway = ServiceGateway::new(service, move |work| drop(runtime.spawn(work)));
//! Server::new(gateway).bind("127.0.0.1:8070")?.backend(Backend::Mio).run()
//! # }
//! ```
//!
//! What a request carries in its extensions: the [`Peer`](crate::gateway::Peer), on a secured connection an
//! `Arc<`[`PeerFacts`](crate::PeerFacts)`>`, and [`OnUpgrade`] if the client offers to switch protocols.
//!
//! Invariants:
//! 1. The service runs on the executor, never on a loop or a worker of the server; between its turns a connection is parked.
//! 2. What is buffered is bounded both ways ([`MARK`]): a service that does not read lets the client wait, and a client that does not
//!    read lets the service wait.
//! 3. A client that has gone, that broke a rule, or that is too slow ends the future of its request: it is dropped.
//! 4. A service that fails, panics or is dropped is a 500, or an answer that visibly breaks off.
//! 5. Framing is the server's: `Content-Length`, `Transfer-Encoding`, `Connection` and `Keep-Alive` of a response are understood, and
//!    not copied.

mod body;
mod conversation;
mod exchange;
mod request;
mod tunnel;
mod work;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use ::http::{Request, Response};
use cherrystone_core::gateway::{Done, Exchange, Failure, Gateway, Mode};
use cherrystone_core::{Framing, Head, Status};
use tower_service::Service;

pub use body::{Body, BodyError};
pub use tunnel::{OnUpgrade, UpgradeError, Upgraded};

/// Octets that are buffered for a service, or for a client, before one waits for the other.
pub const MARK: usize = 64 << 10;
/// Announced content up to this size is collected before the service sees the request.
const SMALL: u64 = 16 << 10;

/// The work of answering one request, for an executor.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A service as a gateway.
pub struct ServiceGateway<S> {
    /// Behind a lock, since a service need not be shareable; it is held for a clone.
    service: Mutex<S>,
    spawn: Box<dyn Fn(Work) + Send + Sync>,
}

impl<S> fmt::Debug for ServiceGateway<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceGateway").finish_non_exhaustive()
    }
}

impl<S> ServiceGateway<S> {
    /// A gateway that has `service` answer, in futures that are given to `spawn`: a clone of the service for each request.
    pub fn new(service: S, spawn: impl Fn(Work) + Send + Sync + 'static) -> Self {
        Self { service: Mutex::new(service), spawn: Box::new(spawn) }
    }
}

impl<S, B> Gateway for ServiceGateway<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Nothing here blocks. What has content of some size, or none that is announced, passes through a worker all the same, since the
    /// event loop would collect it first.
    fn mode(&self, head: Head<'_>) -> Mode {
        match head.framing() {
            Framing::None | Framing::Length(0) => Mode::Inline,
            Framing::Length(octets) if octets <= SMALL && !head.expects_continue() => Mode::Inline,
            Framing::Length(_) | Framing::Chunked => Mode::Blocking,
        }
    }

    fn handle(&self, head: Head<'_>, mut exchange: Exchange<'_>) -> Result<Done, Failure> {
        let Some(parts) = request::parts(head, &mut exchange) else {
            let text: (&str, &[u8]) = ("Content-Type", b"text/plain");
            return exchange.respond(Status::BAD_REQUEST, &[text], "the request target is no URI\n");
        };
        let shared = Arc::new(exchange::Exchange::default());
        let (request, tunnel) = request::request(parts, head, &shared);
        let service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_head = head.method() == "HEAD";
        let done = exchange.converse(Box::new(conversation::Conversation::new(Arc::clone(&shared), tunnel)));
        (self.spawn)(Box::pin(work::Spawned::new(
            work::answer(service, request, is_head, Arc::clone(&shared)),
            shared,
        )));
        Ok(done)
    }
}
