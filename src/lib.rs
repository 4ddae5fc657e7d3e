//! A fast, strict, production-ready HTTP/1.x server.
//!
//! The protocol is a pure state machine (`cherrystone-core`), driven by a pool of threads or by event loops. An application is a
//! [`Gateway`](gateway::Gateway): a closure will do.
//!
//! ```no_run
//! use cherrystone::{Exchange, Head, Server, Status};
//!
//! let server = Server::new(|_: Head<'_>, exchange: Exchange<'_>| {
//!     exchange.respond(Status::OK, &[("Content-Type", b"text/plain")], "Hello, world!\n")
//! });
//! server.bind("127.0.0.1:8070")?.run()?;
//! # Ok::<(), cherrystone::ServerError>(())
//! ```
//!
//! # What next
//!
//! - What a handler can do, from hello to streams that hold no thread: [`gateway`].
//! - Which backend: [`Backend`]. In short: threads unless handlers answer without blocking, or there are very many connections.
//! - The protocol without any of this: [`Connection`], and the front page of `cherrystone-core` with a whole driver.
//! - Running it: `docs/operations.md`. `examples/live` has a WebSocket and server-sent events.
//!
//! # Rooms
//!
//! [`server`] puts a server together, [`gateways`] are the applications that come with it ([`files`] and
//! [`dispatch`] are their logic), [`forwarded`] knows clients behind proxies, [`metrics`] tells how a server is doing,
//! [`access_log`] tells what it does, as any [`Observer`] may, `cli` is the command line, and [`inspect`] looks at recordings
//! instead of connections. With the feature `http` a tower service, an axum router for example, is a gateway (`service`); with
//! the feature `tracing` a server also tells the program's subscriber what happens.

pub mod access_log;
#[cfg(feature = "cli")]
pub mod cli;
pub mod dispatch;
pub mod files;
pub mod forwarded;
pub mod gateways;
mod handle;
pub mod inspect;
pub mod metrics;
mod observers;
pub mod server;
#[cfg(feature = "http")]
pub mod service;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "tracing")]
mod trace;

pub use cherrystone_core::gateway::{self, Exchange};
pub use cherrystone_core::*;
pub use cherrystone_mio::{Blocking, EventLoop};
pub use cherrystone_threads::{
    ErrorBody, Job, Observer, ProxyError, Record, Running, Settings, Snapshot, Stopped, Violations, sockets, workers,
};
pub use handle::{Handle, Phase};
pub use server::{Backend, Server, ServerError};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
