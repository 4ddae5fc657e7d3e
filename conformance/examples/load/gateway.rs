//! What do the servers under load answer?
//!
//! | route | answer |
//! | --- | --- |
//! | `/` | 13 octets |
//! | `/echo` | the content of the request |
//! | `/big` | 1 MiB from memory |
//! | `/file` | a file of 1 MiB |
//! | `/huge` | a file of 1 GiB, all of it holes |
//! | `/sink` | 13 octets, after the content of the request was read |

use std::fs::File;
use std::io::{self, Read, Write};

use cherrystone::gateway::{Done, Exchange, Failure, Gateway, Mode, Payload};
use cherrystone::{Head, Status};

const TEXT: (&str, &[u8]) = ("Content-Type", b"text/plain");
const HELLO: &str = "Hello, World!";
static BIG: [u8; 1 << 20] = [b'x'; 1 << 20];
const HUGE: u64 = 1 << 30;

/// The application of the measurements.
pub(crate) struct Bench {
    mode: Mode,
    file: File,
    huge: File,
}

impl Bench {
    /// Handles every request in this mode.
    pub(crate) fn new(mode: Mode) -> io::Result<Self> {
        let mut file = tempfile::tempfile()?;
        file.write_all(&BIG)?;
        let huge = tempfile::tempfile()?;
        huge.set_len(HUGE)?;
        Ok(Self { mode, file, huge })
    }
}

impl Gateway for Bench {
    fn mode(&self, _: Head<'_>) -> Mode {
        self.mode
    }

    fn body_limit(&self, _: Head<'_>) -> Option<u64> {
        Some(2 * HUGE)
    }

    fn handle(&self, head: Head<'_>, mut exchange: Exchange<'_>) -> Result<Done, Failure> {
        let payload = match head.path() {
            "/" => HELLO.into(),
            "/echo" => {
                let mut content = Vec::new();
                exchange.body().read_to_end(&mut content)?;
                content.into()
            }
            "/big" => Payload::Static(&BIG),
            "/file" => Payload::File(self.file.try_clone()?, 0..BIG.len() as u64),
            "/huge" => Payload::File(self.huge.try_clone()?, 0..HUGE),
            "/sink" => {
                io::copy(&mut exchange.body(), &mut io::sink())?;
                HELLO.into()
            }
            _ => return exchange.respond(Status::NOT_FOUND, &[TEXT], "not found\n"),
        };
        exchange.respond(Status::OK, &[TEXT], payload)
    }
}
