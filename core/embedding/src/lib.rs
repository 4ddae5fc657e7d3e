//! How does a runtime of one's own serve a [`Gateway`](cherrystone_core::gateway::Gateway)?
//!
//! With a [`Session`] for each connection: a value without socket, clock or thread, made to be copied. The runtime gives it octets
//! and turns, and does what each turn asks for. The examples put it behind `poll(2)`, smol, io_uring, and rustls; those for plain
//! blocking sockets and tokio show the loop around `Connection::poll` itself, without a gateway.

mod clock;
mod session;

pub use clock::Clock;
pub use session::{Next, Session};

#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Page;
