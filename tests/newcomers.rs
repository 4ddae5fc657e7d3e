//! When does the time of a newcomer begin?

mod common;

use std::io::Write;
use std::time::Duration;

use cherrystone::gateway::{Done, Exchange, Failure, Inline};
use cherrystone::{Backend, Config, Head, Server, Status};

use common::{connect, get, serve};

/// Holds its loop up for so long.
const HELD_UP: Duration = Duration::from_millis(1500);
/// What a newcomer has for its head; less than the loop is held up.
const HEAD: Duration = Duration::from_millis(1000);

fn slow(head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
    if head.path() == "/slow" {
        std::thread::sleep(HELD_UP);
    }
    exchange.respond(Status::OK, &[], "done")
}

#[test]
fn it_begins_when_it_is_accepted_however_long_the_loop_was_held_up() {
    let mut config = Config::default();
    config.timeouts.head = HEAD;
    let (running, address) = serve(Server::new(Inline(slow)).backend(Backend::Mio).config(config));
    let (mut first, mut second) = (connect(address), connect(address));
    assert_eq!((get(&mut first, "/").0, get(&mut second, "/").0), (200, 200));
    first.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    std::thread::sleep(HELD_UP / 3);
    // Both of these come while the first request is handled, and so in one turn of the loop.
    let mut newcomer = connect(address);
    assert_eq!(get(&mut second, "/slow").0, 200);
    std::thread::sleep(HEAD / 5);
    assert_eq!(get(&mut newcomer, "/").0, 200);
    running.stop(Duration::ZERO);
}
