//! How is the core driven by tokio?
//!
//! A task for each client, and the same loop around `Connection::poll` as over a blocking socket, with `await` where that one waits.
//! No trait of tokio's enters the core, and none of the core's enters tokio.
//!
//! ```text
//! cargo run -p cherrystone-embedding --example tokio -- 127.0.0.1:8070
//! ```
//!
//! 1. Each wait is under a `timeout` that the core has named, and `poll` judges what its end means.
//! 2. A task that is dropped in the middle of a wait loses nothing but its client: `read` and `write` are safe to cancel, and what they
//!    moved is booked (`filled`, `advance`) before the next `await`.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use cherrystone_core::{Config, Connection, Env, Event, HeadBuf, Misuse, RecvBuf, SendBuf, Size};
use cherrystone_embedding::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

#[path = "../../examples/routes/mod.rs"]
mod routes;

use routes::{Content, Reply};

/// Clients at a time; the others wait in the kernel's backlog.
const CLIENTS: usize = 1024;
/// How long a write may take before the core is asked whether the client is too slow.
const LOOK_UP: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8070".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(listen(listener).await?)
}

/// Serves whoever connects.
pub(crate) async fn listen(listener: TcpListener) -> io::Result<()> {
    let (config, seats) = (Arc::new(routes::rules()), Arc::new(Semaphore::new(CLIENTS)));
    loop {
        let seat = Arc::clone(&seats).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = listener.accept().await?;
        let config = Arc::clone(&config);
        tokio::spawn(async move {
            // A client that is lost is no concern of the others.
            let _ = serve(stream, &config).await;
            drop(seat);
        });
    }
}

/// Serves one client until the connection is over.
async fn serve(mut stream: TcpStream, config: &Config) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut clock = Clock::default();
    let (mut rx, mut tx) = (RecvBuf::default(), SendBuf::default());
    let mut conn = Connection::new(&clock.env(config));
    let (mut head, mut content) = (HeadBuf::default(), Vec::new());
    loop {
        clock.tick();
        let env = clock.env(config);
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
                // An application that awaits something does it here: no event borrows anything any more once its arm is left,
                // and a slow application is never the client's fault.
                say(routes::reply(head.head(), &content, trailers), &mut conn, &env, &mut tx);
            }
            Ok(Event::NeedContinue) => {
                if conn.proceed(&mut tx).is_err() {
                    conn.abort(&env, &mut tx);
                }
            }
            Ok(Event::NeedInput) => {
                flush(&mut stream, &mut conn, config, &mut clock, &mut tx).await?;
                let patience = conn.patience(clock.tick()).unwrap_or(LOOK_UP);
                fill(&mut stream, &mut rx, patience).await?;
            }
            Ok(Event::Upgraded) => {
                // HTTP is over. What a real protocol would take: the stream, and the octets that came too early for it.
                tx.put(rx.unread());
                rx.consume(usize::MAX);
                flush(&mut stream, &mut conn, config, &mut clock, &mut tx).await?;
                if rx.is_closed() {
                    conn.end_upgrade();
                } else {
                    fill(&mut stream, &mut rx, Duration::from_secs(60)).await?;
                }
            }
            Ok(Event::NeedResponse) => conn.abort(&env, &mut tx), // not here: every request is answered at its end
            Ok(Event::Shutdown) => {
                flush(&mut stream, &mut conn, config, &mut clock, &mut tx).await?;
                stream.shutdown().await?; // our side only
            }
            Ok(Event::Closed) => {
                if conn.is_cut() {
                    stream.set_zero_linger()?; // a reset: what was sent must not look complete
                }
                return Ok(());
            }
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
async fn flush(
    stream: &mut TcpStream,
    conn: &mut Connection,
    config: &Config,
    clock: &mut Clock,
    tx: &mut SendBuf,
) -> io::Result<()> {
    while !tx.is_empty() {
        let n = match timeout(LOOK_UP, stream.write(tx.unsent())).await {
            Ok(Ok(0)) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => written?,
            Err(_elapsed) => 0,
        };
        tx.advance(n);
        clock.tick();
        if let Err(stalled) = conn.sent(&clock.env(config), n, tx.len()) {
            stream.set_zero_linger()?;
            return Err(io::Error::new(ErrorKind::TimedOut, stalled));
        }
    }
    Ok(())
}

/// Reads once, or lets the time pass.
async fn fill(stream: &mut TcpStream, rx: &mut RecvBuf, patience: Duration) -> io::Result<()> {
    match timeout(patience, stream.read(rx.spare(16 << 10))).await {
        Ok(Ok(0)) => rx.close(),
        Ok(Ok(n)) => rx.filled(n),
        Ok(Err(error)) => return Err(error),
        Err(_elapsed) => {}
    }
    Ok(())
}
