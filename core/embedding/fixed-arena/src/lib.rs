//! How does the core run without an operating system?
//!
//! With an allocator over an arena of fixed size, and a [`Wire`]: whatever carries octets and knows the time, a modem, a radio, a stack
//! of one's own. There is no std here, no thread and no unsafe code; the library builds for a microcontroller as it is.
//!
//! ```text
//! cargo build --release --lib --target thumbv7em-none-eabi
//! ```
//!
//! 1. All memory is [`ARENA`] octets, for one client at a time. The limits of [`rules`] are chosen so that no client can ask for more:
//!    a head and its copy, content and an echo of it have room at once, also while a buffer grows into one twice as large. That is some
//!    70 KiB; the rest is for what lies between.
//! 2. Every wait is named by the core and kept by the wire.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;
use core::time::Duration;

use cherrystone_core::{Config, Connection, Date, Env, Event, HeadBuf, Instant, Misuse, RecvBuf, SendBuf, Size};

#[path = "../../../examples/routes/mod.rs"]
#[allow(unreachable_pub, reason = "other examples have it as a module of a program")]
mod routes;

use routes::{Content, Reply};

/// Octets of memory for everything.
pub const ARENA: usize = 128 << 10;

/// Where they are.
#[global_allocator]
static MEMORY: emballoc::Allocator<ARENA> = emballoc::Allocator::new();

/// What carries octets.
pub trait Wire {
    /// Waits for octets at most this long; [`Received::Nothing`] then.
    fn receive(&mut self, room: &mut [u8], patience: Duration) -> Received;

    /// Sends some of these, and says how many; 0 when a second or so was not enough for one.
    ///
    /// # Errors
    /// The client has gone.
    fn send(&mut self, octets: &[u8]) -> Result<usize, Gone>;

    /// Ends our side, where the wire has such a thing.
    fn end(&mut self);

    /// The time since the start of the device.
    fn now(&self) -> Instant;

    /// The date in seconds after 1970, where somebody knows it.
    fn date(&self) -> Option<u64> {
        None
    }
}

/// What came of waiting for octets.
#[derive(Clone, Copy, Debug)]
pub enum Received {
    /// So many, at the start of the room.
    Octets(usize),
    /// None in time.
    Nothing,
    /// The end of the client's side.
    End,
}

/// There is nobody to send to any more.
#[derive(Clone, Copy, Debug)]
pub struct Gone;

/// Limits that the arena holds.
pub fn rules() -> Config {
    let mut config = routes::rules();
    config.limits.head = 4 << 10;
    config.limits.target = 2 << 10;
    config.limits.body = 8 << 10;
    config.limits.trailers = 1 << 10;
    config
}

/// Serves one client until the connection is over.
///
/// # Errors
/// The client has gone, or takes what is said too slowly.
pub fn serve(wire: &mut impl Wire, config: &Config) -> Result<(), Gone> {
    let (mut rx, mut tx) = (RecvBuf::default(), SendBuf::default());
    let mut conn = Connection::new(&Env { config, now: wire.now(), date: None });
    // All the room that content may take, at once: a buffer that grows needs room for two.
    let (mut head, mut content) = (HeadBuf::default(), Vec::with_capacity(config.limits.body as usize));
    loop {
        let date = wire.date().map(Date::from_unix);
        let env = Env { config, now: wire.now(), date: date.as_ref() };
        match conn.poll(&env, &mut rx) {
            Ok(Event::Request(request)) => {
                request.copy_into(&mut head);
                content.clear();
                if let Err(violation) = conn.admit() {
                    conn.refuse(&env, violation, &mut tx);
                } else if routes::is_early(head.head().path()) {
                    say(routes::reply(head.head(), &[], Default::default()), &mut conn, &env, &mut tx);
                }
            }
            Ok(Event::Data(octets)) => content.extend_from_slice(octets),
            Ok(Event::End(trailers)) => {
                say(routes::reply(head.head(), &content, trailers), &mut conn, &env, &mut tx);
            }
            Ok(Event::NeedContinue) => {
                if conn.proceed(&mut tx).is_err() {
                    conn.abort(&env, &mut tx);
                }
            }
            Ok(Event::NeedInput) => {
                flush(wire, &mut conn, config, &mut tx)?;
                let patience = conn.patience(wire.now()).unwrap_or(Duration::from_secs(1));
                fill(wire, &mut rx, patience);
            }
            Ok(Event::Upgraded) => {
                tx.put(rx.unread());
                rx.consume(usize::MAX);
                flush(wire, &mut conn, config, &mut tx)?;
                if rx.is_closed() {
                    conn.end_upgrade();
                } else {
                    fill(wire, &mut rx, Duration::from_secs(60));
                }
            }
            Ok(Event::NeedResponse) => conn.abort(&env, &mut tx),
            Ok(Event::Shutdown) => {
                flush(wire, &mut conn, config, &mut tx)?;
                wire.end();
            }
            Ok(Event::Closed) => return Ok(()),
            Err(violation) => conn.refuse(&env, violation, &mut tx),
        }
    }
}

/// Writes an answer: its head, its content, its end.
fn say(reply: Reply, conn: &mut Connection, env: &Env<'_>, tx: &mut SendBuf) {
    let Reply { status, fields, content } = reply;
    let said: Result<(), Misuse> = (|| match content {
        Content::Whole(octets) => {
            conn.respond(env, status, &fields, Size::Exact(octets.len() as u64), tx)?;
            conn.write(&octets, tx)?;
            conn.finish(&[], tx)
        }
        Content::Pieces(pieces) => {
            conn.respond(env, status, &fields, Size::Unknown, tx)?;
            pieces.iter().try_for_each(|piece| conn.write(piece, tx))?;
            conn.finish(&[], tx)
        }
        Content::Echo => conn.upgrade(env, &fields, tx),
    })();
    if said.is_err() {
        conn.abort(env, tx);
    }
}

fn flush(wire: &mut impl Wire, conn: &mut Connection, config: &Config, tx: &mut SendBuf) -> Result<(), Gone> {
    while !tx.is_empty() {
        let n = wire.send(tx.unsent())?;
        tx.advance(n);
        conn.sent(&Env { config, now: wire.now(), date: None }, n, tx.len()).map_err(|_| Gone)?;
    }
    Ok(())
}

fn fill(wire: &mut impl Wire, rx: &mut RecvBuf, patience: Duration) {
    match wire.receive(rx.spare(512), patience) {
        Received::Octets(n) => rx.filled(n),
        Received::Nothing => {}
        Received::End => rx.close(),
    }
}
