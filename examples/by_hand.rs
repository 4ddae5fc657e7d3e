//! How does a program with a main loop of its own serve beside it, on one thread?
//!
//! The program here counts, as a game counts its frames, and shows the count to whoever asks. It is its own client, too, so that
//! nothing else needs to run.
//!
//! ```text
//! cargo run --example by_hand
//! ```

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cherrystone::gateway::{Done, Failure, Gateway, Mode};
use cherrystone::{Blocking, EventLoop, Exchange, Head, Server, Status};

/// Shows the count.
struct Counter(Arc<AtomicU64>);

impl Gateway for Counter {
    fn mode(&self, head: Head<'_>) -> Mode {
        if head.path() == "/slow" { Mode::Blocking } else { Mode::Inline }
    }

    fn handle(&self, _: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        exchange.respond(Status::OK, &[], format!("frame {}", self.0.load(Ordering::Relaxed)))
    }
}

/// Serves, asks, and fails if a thread was started.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let before = threads()?;
    let frames = Arc::new(AtomicU64::new(0));
    let server = Server::new(Counter(Arc::clone(&frames))).bind("127.0.0.1:0")?;
    let address = server.addresses().find_map(|address| address.tcp()).ok_or("no address")?;
    let handle = server.handle();
    let mut event_loop = server.event_loop(Blocking::OnTheLoop)?;

    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        // Its handler may block, and does so here: the loop has nobody else.
        "GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5000\r\n\r\n{}", "x".repeat(5000)),
    ] {
        let answer = ask(address, &request, || {
            frames.fetch_add(1, Ordering::Relaxed);
            event_loop.turn(Some(Duration::from_millis(1)));
        })?;
        println!("{}", answer.lines().last().unwrap_or_default());
        if !answer.starts_with("HTTP/1.1 200 ") {
            return Err(answer.into());
        }
    }
    let during = threads()?;

    handle.request_stop(Duration::from_secs(1));
    end(&mut event_loop);
    println!("{before} threads before, {during} while it served");
    if before == during { Ok(()) } else { Err("a thread was started".into()) }
}

/// Turns the loop until the server has stopped.
fn end(event_loop: &mut EventLoop) {
    while event_loop.turn(None) {}
}

/// Sends a request and reads to the end of the connection, with a turn of the main loop whenever there is nothing to read.
fn ask(address: SocketAddr, request: &str, mut turn: impl FnMut()) -> Result<String, Box<dyn Error>> {
    // The kernel completes the connection, whether the server has looked or not.
    let mut client = TcpStream::connect(address)?;
    client.write_all(request.as_bytes())?;
    client.set_nonblocking(true)?;
    let mut answer = Vec::new();
    for _ in 0..5000 {
        match client.read_to_end(&mut answer) {
            Ok(_) => return Ok(String::from_utf8(answer)?),
            Err(error) if error.kind() == ErrorKind::WouldBlock => turn(),
            Err(error) => return Err(error.into()),
        }
    }
    Err("no answer".into())
}

/// Threads of this process.
fn threads() -> std::io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}
