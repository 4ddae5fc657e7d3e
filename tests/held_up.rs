//! Whose time is it that a handler holds its loop up?

mod common;

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cherrystone::gateway::{ChunkOut, Done, Exchange, Failure, Inline, Payload, Progress, Source};
use cherrystone::{Backend, Blocking, Config, Head, Server, Status};

use common::{BACKENDS, connect, get, read_all, serve};

/// How long a loop is held up.
const HELD_UP: Duration = Duration::from_millis(1500);
/// What a client has for its head, or for its next request; less than that.
const PATIENCE: Duration = Duration::from_millis(1000);

fn slow(head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
    match head.path() {
        "/slow" => std::thread::sleep(HELD_UP),
        "/pulled" => return exchange.respond(Status::OK, &[], Payload::Chunks(Box::new(SlowSource))),
        _ => {}
    }
    exchange.respond(Status::OK, &[], "done")
}

struct SlowSource;

impl Source for SlowSource {
    fn next(&mut self, out: &mut ChunkOut<'_>, _: &std::task::Waker) -> Result<Progress, Failure> {
        std::thread::sleep(HELD_UP);
        out.write(b"done")?;
        Ok(Progress::End)
    }
}

fn config() -> Config {
    let mut config = Config::default();
    (config.timeouts.head, config.timeouts.idle) = (PATIENCE, PATIENCE);
    config
}

#[test]
fn a_newcomer_has_its_time_from_when_it_is_seen() {
    let (running, address) = serve(Server::new(Inline(slow)).backend(Backend::Mio).config(config()));
    let (mut first, mut second) = (connect(address), connect(address));
    assert_eq!((get(&mut first, "/").0, get(&mut second, "/").0), (200, 200));
    first.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    std::thread::sleep(HELD_UP / 3);
    // Both of these come while the first request is handled, and so in one turn of the loop.
    let mut newcomer = connect(address);
    assert_eq!(get(&mut second, "/slow").0, 200);
    std::thread::sleep(PATIENCE / 5);
    assert_eq!(get(&mut newcomer, "/").0, 200);
    running.stop(Duration::ZERO);
}

/// Asks for what takes its time, and later again on the same connection.
fn asks_again_after(path: &str, address: SocketAddr) {
    let mut client = connect(address);
    // The first request may come in the turn that accepts, which looks at the clock behind it.
    assert_eq!(get(&mut client, "/").0, 200);
    assert_eq!(get(&mut client, path).0, 200, "{path}");
    std::thread::sleep(PATIENCE / 3);
    assert_eq!(get(&mut client, "/").0, 200, "{path}");
}

#[test]
fn the_next_request_has_its_time_from_the_answer() {
    std::thread::scope(|scope| {
        for backend in BACKENDS {
            for path in ["/slow", "/pulled"] {
                scope.spawn(move || {
                    let (running, address) = serve(Server::new(Inline(slow)).backend(backend).config(config()));
                    asks_again_after(path, address);
                    running.stop(Duration::ZERO);
                });
            }
        }
    });
}

#[test]
fn it_has_no_more_than_that() {
    let (running, address) = serve(Server::new(Inline(slow)).backend(Backend::Mio).config(config()));
    let mut idle = connect(address);
    assert_eq!(get(&mut idle, "/slow").0, 200);
    let answered = Instant::now();
    assert_eq!(read_all(&mut idle), "");
    let waited = answered.elapsed();
    assert!(waited > PATIENCE / 2 && waited < PATIENCE * 5, "{waited:?}");
    running.stop(Duration::ZERO);
}

#[test]
fn a_loop_that_is_alone_takes_no_time_from_anybody() {
    let server = Server::new(slow).config(config()).bind("127.0.0.1:0").unwrap();
    let address = server.addresses().find_map(|address| address.tcp()).unwrap();
    let handle = server.handle();
    let mut event_loop = server.event_loop(Blocking::OnTheLoop).unwrap();
    let turning = std::thread::spawn(move || event_loop.run());
    asks_again_after("/slow", address);
    handle.request_stop(Duration::ZERO);
    turning.join().unwrap();
}
