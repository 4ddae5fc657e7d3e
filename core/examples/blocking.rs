//! How is the core driven over a blocking socket?
//!
//! A thread for each client, and one loop around `Connection::poll` that does what its answer says. Nothing but std.
//!
//! ```text
//! cargo run -p cherrystone-core --example blocking -- 127.0.0.1:8070
//! ```
//!
//! 1. A read waits no longer than `Connection::patience`; afterwards `poll` judges, whether bytes came or not.
//! 2. Output is written before input is waited for: the client may be waiting for it.
//! 3. `Shutdown` ends our side only. The socket is dropped at `Closed`, so that the client can read the last answer.

use core::error::Error;
use core::time::Duration;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{self, SystemTime};

use cherrystone_core::{Config, Connection, Date, Env, Event, HeadBuf, Instant, Misuse, RecvBuf, SendBuf, Size};

mod routes;

use routes::{Content, Reply};

/// Threads, and so clients, at a time.
const CLIENTS: usize = 256;
/// How long a write may block before the core is asked whether the client is too slow.
const LOOK_UP: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8070".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(listen(&listener)?)
}

/// Serves whoever connects.
pub(crate) fn listen(listener: &TcpListener) -> io::Result<()> {
    let config = Arc::new(routes::rules());
    loop {
        let (stream, _) = listener.accept()?;
        if Arc::strong_count(&config) > CLIENTS {
            continue; // dropped: no thread is left for it
        }
        let config = Arc::clone(&config);
        // A client that is lost is no concern of the others.
        thread::Builder::new().spawn(move || drop(serve(stream, &config)))?;
    }
}

/// A byte stream that waits, for a limited time.
pub(crate) trait Wire: Read + Write {
    /// Lets reads wait this long at most; then they fail with `WouldBlock` or `TimedOut`.
    fn wait_to_read(&self, at_most: Duration) -> io::Result<()>;
    /// Lets writes wait this long at most.
    fn wait_to_write(&self, at_most: Duration) -> io::Result<()>;
    /// Ends our side.
    fn end(&self) -> io::Result<()>;
}

impl Wire for TcpStream {
    fn wait_to_read(&self, at_most: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(at_most))
    }

    fn wait_to_write(&self, at_most: Duration) -> io::Result<()> {
        self.set_write_timeout(Some(at_most))
    }

    fn end(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// Serves one client until the connection is over.
pub(crate) fn serve(mut wire: impl Wire, config: &Config) -> io::Result<()> {
    let began = time::Instant::now();
    let now = || Instant::from_nanos(began.elapsed().as_nanos() as u64);
    let mut date = today();
    let (mut rx, mut tx) = (RecvBuf::default(), SendBuf::default());
    let mut conn = Connection::new(&Env { config, now: now(), date: None });
    let (mut head, mut content) = (HeadBuf::default(), Vec::new());
    wire.wait_to_write(LOOK_UP)?;
    loop {
        let env = Env { config, now: now(), date: Some(&date) };
        match conn.poll(&env, &mut rx) {
            Ok(Event::Request(request)) => {
                request.copy_into(&mut head); // the head lies in `rx`, which is about to take the content
                content.clear();
                if let Err(violation) = conn.admit() {
                    conn.refuse(&env, violation, &mut tx);
                } else if routes::is_early(head.head().path()) {
                    let reply = routes::reply(head.head(), &[], Default::default());
                    say(reply, &mut conn, &env, &mut tx);
                }
            }
            Ok(Event::Data(octets)) => content.extend_from_slice(octets), // `limits.body` bounds it
            Ok(Event::End(trailers)) => {
                let reply = routes::reply(head.head(), &content, trailers);
                say(reply, &mut conn, &env, &mut tx);
            }
            Ok(Event::NeedContinue) => {
                if conn.proceed(&mut tx).is_err() {
                    conn.abort(&env, &mut tx);
                }
            }
            Ok(Event::NeedInput) => {
                flush(&mut wire, &mut conn, config, now, &mut tx)?;
                let patience = conn.patience(now()).unwrap_or(LOOK_UP);
                fill(&mut wire, &mut rx, patience)?;
                date = today();
            }
            Ok(Event::Upgraded) => {
                tx.put(rx.unread()); // the protocol "echo"
                rx.consume(usize::MAX);
                flush(&mut wire, &mut conn, config, now, &mut tx)?;
                match rx.is_closed() {
                    true => conn.end_upgrade(),
                    false => fill(&mut wire, &mut rx, Duration::from_secs(60))?,
                }
            }
            Ok(Event::NeedResponse) => conn.abort(&env, &mut tx), // not here: every request is answered at its end
            Ok(Event::Shutdown) => {
                flush(&mut wire, &mut conn, config, now, &mut tx)?;
                wire.end()?;
            }
            // `conn.is_cut()` would ask for a reset (SO_LINGER of zero), which std cannot do; no answer here is ever cut.
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
        conn.abort(env, tx); // 500, or an answer that visibly breaks off
    }
}

/// Writes all that was said, however slowly the client takes it, within the limits of the core.
fn flush(
    wire: &mut impl Wire,
    conn: &mut Connection,
    config: &Config,
    now: impl Fn() -> Instant,
    tx: &mut SendBuf,
) -> io::Result<()> {
    while !tx.is_empty() {
        let n = match wire.write(tx.unsent()) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => n,
            Err(error) if is_no_time(&error) => 0,
            Err(error) => return Err(error),
        };
        tx.advance(n);
        let env = Env { config, now: now(), date: None };
        conn.sent(&env, n, tx.len()).map_err(|stalled| io::Error::new(ErrorKind::TimedOut, stalled))?;
    }
    Ok(())
}

/// Reads once, or lets the time pass.
fn fill(wire: &mut impl Wire, rx: &mut RecvBuf, patience: Duration) -> io::Result<()> {
    wire.wait_to_read(patience.max(Duration::from_millis(1)))?; // a time-out of zero would be for ever
    match wire.read(rx.spare(16 << 10)) {
        Ok(0) => rx.close(),
        Ok(n) => rx.filled(n),
        Err(error) if is_no_time(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn is_no_time(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn today() -> Date {
    Date::from_unix(SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs()))
}
