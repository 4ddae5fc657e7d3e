//! The HTTP/1.x server protocol as a pure state machine: bytes in, events and bytes out.
//!
//! ```text
//!             read            poll                        respond, write, finish          write
//!  socket ───────────▶ RecvBuf ─────▶ ┌──────────────┐ ◀───────────────────── application
//!                                     │  Connection  │                                       socket
//!  clock  ───────────▶ Env ─────────▶ └──────────────┘ ─────▶ SendBuf ──────────────────────▶
//! ```
//!
//! Nothing here knows a socket, a clock, a thread or TLS, and nothing allocates but the buffers, which the caller owns. A
//! driver is a loop around one call, [`Connection::poll`], whose answer says what to do next:
//!
//! ```
//! use cherrystone_core::{Config, Connection, Env, Event, Instant, RecvBuf, SendBuf, Size, Status};
//! use std::io::{self, Read, Write};
//!
//! /// Serves one client over any blocking byte stream, until it leaves.
//! fn serve(mut socket: impl Read + Write, config: &Config, now: impl Fn() -> Instant) -> io::Result<()> {
//!     let env = || Env { config, now: now(), date: None };
//!     let (mut conn, mut rx, mut tx) = (Connection::new(&env()), RecvBuf::default(), SendBuf::default());
//!     loop {
//!         match conn.poll(&env(), &mut rx) {
//!             Ok(Event::Request(head)) => println!("{} {}", head.method(), head.target()),
//!             Ok(Event::Data(octets)) => println!("{} octets of content", octets.len()),
//!             Ok(Event::End(_trailers)) => {
//!                 let fields = [("Content-Type", &b"text/plain"[..])];
//!                 conn.respond(&env(), Status::OK, &fields, Size::Exact(6), &mut tx).expect("a request is due");
//!                 conn.write(b"hello\n", &mut tx).expect("six octets were announced");
//!                 conn.finish(&[], &mut tx).expect("all of them were written");
//!             }
//!             Ok(Event::NeedContinue) => conn.proceed(&mut tx).expect("the client waits"),
//!             Ok(Event::NeedInput) => {
//!                 socket.write_all(tx.unsent())?;         // a real driver heeds `conn.deadline()`
//!                 tx.advance(tx.len());
//!                 let n = socket.read(rx.spare(4096))?;
//!                 if n == 0 { rx.close() } else { rx.filled(n) }
//!             }
//!             Ok(Event::NeedResponse | Event::Upgraded) => unreachable!("every request is answered at its end"),
//!             Ok(Event::Shutdown) => {
//!                 socket.write_all(tx.unsent())?;
//!                 tx.advance(tx.len());                   // then shut down the sending side, and linger
//!             }
//!             Ok(Event::Closed) => return Ok(()),
//!             Err(violation) => conn.refuse(&env(), violation, &mut tx),
//!         }
//!     }
//! }
//! # // A client in memory: its requests, and what it was answered.
//! # struct Client(io::Cursor<Vec<u8>>, Vec<u8>);
//! # impl Read for Client { fn read(&mut self, to: &mut [u8]) -> io::Result<usize> { self.0.read(to) } }
//! # impl Write for Client {
//! #     fn write(&mut self, data: &[u8]) -> io::Result<usize> { self.1.write(data) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # let requests = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi".to_vec();
//! # let mut client = Client(io::Cursor::new(requests), Vec::new());
//! # serve(&mut client, &Config::default(), || Instant::from_nanos(0)).unwrap();
//! # assert_eq!(String::from_utf8(client.1).unwrap(), "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n\
//! #     HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n");
//! ```
//!
//! The rooms of this crate: `clock` and `config` are the surroundings, `buffer` the bytes, `head` and `body` what is
//! received, `response` what is said, `connection` the rules that join them, `link` and `stage` the way to a socket, and
//! `gateway` (feature `std`) the interface between applications and backends.
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod body;
mod buffer;
mod clock;
mod config;
mod connection;
#[cfg(feature = "std")]
pub mod gateway;
mod head;
mod link;
mod misuse;
mod pool;
mod response;
mod stage;
mod syntax;
mod violation;

pub use buffer::{RecvBuf, SendBuf};
pub use clock::{Date, Instant};
pub use config::{Config, ConfigError, Env, Limits, Pace, ServerName, Timeouts};
pub use connection::{Answer, AnswerProgress, Cause, Connection, Deadline, Event, Stalled};
pub use head::{Fields, Framing, Head, HeadBuf, TargetForm, Version};
pub use link::{Link, Traffic};
pub use misuse::Misuse;
pub use pool::Pool;
pub use response::{Field, Frame, Interim, Size, Status, StatusLine};
pub use stage::{Certificate, PeerFacts, Stage, StageError};
pub use violation::{Violation, ViolationKind};
