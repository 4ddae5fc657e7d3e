//! Which server do the cases presuppose?
//!
//! The [`Testbed`]: a gateway with a route for each fixture, and some more for trying how a server behaves under strain. It answers
//! every method alike. [`limits`] are the limits that the cases rely on.
//!
//! | route | answer |
//! | --- | --- |
//! | `/`, `/probe` | `ok` |
//! | `/echo` | the content of the request |
//! | `/inspect` | what was understood, as text |
//! | `/chunked` | `onetwothree` in three pieces, of a length not known in advance |
//! | `/status/NNN` | that status without content |
//! | `/head` | `hello` |
//! | `/discard`, `/ignore` | `ok`, the content unread |
//! | `/reject` | 403, the content unread |
//! | `/upgrade` | 101 to an echo of octets, or 426 |
//! | `/sleep?s=N` | `ok` after N seconds |
//! | `/stream` | pieces of 64 KiB without end |
//! | `/drip` | a line a second without end |
//! | `/big?n=N` | N octets of known content |
//! | `/panic` | the handler panics |
//! | `/count`, `/count/read` | adds one to a counter, or shows it |
//!
//! `OPTIONS *` is answered with `Allow`, CONNECT with 501, anything else with 404.

mod inspect;
mod later;
mod sources;

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cherrystone::gateway::{Done, Exchange, Failure, Gateway, Mode, Payload, Source};
use cherrystone::{Config, Head, Size, Status, TargetForm};

use self::later::Later;
use self::sources::{Drip, Echo, Pattern};

const TEXT: (&str, &[u8]) = ("Content-Type", b"text/plain");
const OCTETS: (&str, &[u8]) = ("Content-Type", b"application/octet-stream");

/// The gateway of the fixtures.
#[derive(Debug)]
pub struct Testbed {
    mode: Mode,
    count: AtomicU64,
    later: Later,
}

/// The rules that the cases rely on.
pub fn limits() -> Config {
    let mut config = Config::default();
    config.limits.head = 8192;
    config.limits.target = 8192;
    config.limits.fields = 100;
    config.limits.body = 1 << 20;
    config.limits.trailers = 8192;
    config.limits.chunk_line = 4096;
    config.limits.chunk_overhead = 16_384;
    config.timeouts.idle = Duration::from_secs(2);
    config.timeouts.head = Duration::from_secs(2);
    config
}

impl Testbed {
    /// A testbed whose requests are all handled in this mode.
    pub fn new(mode: Mode) -> Self {
        Self { mode, count: AtomicU64::new(0), later: Later::default() }
    }

    fn route(&self, path: &str, head: Head<'_>, mut exchange: Exchange<'_>) -> Result<Done, Failure> {
        match path {
            "/discard" | "/ignore" => return exchange.respond(Status::OK, &[TEXT], "ok"),
            "/reject" => return exchange.respond(Status::FORBIDDEN, &[TEXT], "forbidden\n"),
            "/upgrade" => return upgrade(head, exchange),
            _ => {}
        }
        let mut content = Vec::new();
        exchange.body().read_to_end(&mut content)?;
        match path {
            "/" | "/probe" => exchange.respond(Status::OK, &[TEXT], "ok"),
            "/echo" => exchange.respond(Status::OK, &[OCTETS], content),
            "/inspect" => {
                let dump = inspect::dump(head, &content, exchange.body().trailers());
                exchange.respond(Status::OK, &[TEXT], dump)
            }
            "/chunked" => {
                let mut writer = exchange.start_response(Status::OK, &[TEXT], Size::Unknown)?;
                for part in ["one", "two", "three"] {
                    writer.write_all(part.as_bytes())?;
                }
                writer.finish()
            }
            "/head" => exchange.respond(Status::OK, &[TEXT], "hello"),
            "/sleep" => self.sleep(Duration::from_secs_f64(number(head, "s").min(3600.0)), exchange),
            "/stream" => exchange.respond(Status::OK, &[OCTETS], source(Pattern::endless())),
            "/big" => exchange.respond(Status::OK, &[OCTETS], source(Pattern::of(number(head, "n") as u64))),
            "/drip" => exchange.respond(Status::OK, &[TEXT], source(Drip::new(self.later.clone()))),
            "/panic" => panic!("as asked"),
            "/count" => {
                self.count.fetch_add(1, Ordering::Relaxed);
                exchange.respond(Status::OK, &[TEXT], "ok")
            }
            "/count/read" => exchange.respond(Status::OK, &[TEXT], self.count.load(Ordering::Relaxed).to_string()),
            _ => match path.strip_prefix("/status/").and_then(|code| code.parse().ok()).map(Status::new) {
                Some(Ok(status)) => exchange.respond(status, &[], ()),
                _ => exchange.respond(Status::NOT_FOUND, &[TEXT], "not found"),
            },
        }
    }

    fn sleep(&self, time: Duration, exchange: Exchange<'_>) -> Result<Done, Failure> {
        if self.mode == Mode::Blocking {
            std::thread::sleep(time);
            return exchange.respond(Status::OK, &[TEXT], "ok");
        }
        let (deferred, done) = exchange.defer();
        self.later.run(time, move || deferred.respond(Status::OK, &[TEXT], "ok"));
        Ok(done)
    }
}

impl Gateway for Testbed {
    fn mode(&self, _: Head<'_>) -> Mode {
        self.mode
    }

    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        match head.form() {
            TargetForm::Authority(_) => exchange.respond(Status::NOT_IMPLEMENTED, &[TEXT], "no tunnels here\n"),
            TargetForm::Asterisk => {
                let allow = b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";
                exchange.respond(Status::OK, &[("Allow", allow)], ())
            }
            TargetForm::Origin { .. } | TargetForm::Absolute { .. } => self.route(head.path(), head, exchange),
        }
    }
}

fn upgrade(head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
    if head.upgrade().any(|protocol| protocol.eq_ignore_ascii_case("echo")) {
        return exchange.upgrade(&[("Upgrade", b"echo")], Box::new(Echo));
    }
    exchange.respond(Status::UPGRADE_REQUIRED, &[TEXT, ("Upgrade", b"echo")], "upgrade required")
}

fn source(source: impl Source + 'static) -> Payload {
    Payload::Chunks(Box::new(source))
}

/// The number of this name in the query, 0 if there is none.
fn number(head: Head<'_>, name: &str) -> f64 {
    let query = head.query().unwrap_or_default();
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value
        .and_then(|value| value.parse().ok())
        .filter(|number: &f64| number.is_finite() && *number >= 0.0)
        .unwrap_or(0.0)
}
