//! What is written about each request?
//!
//! One line in the format that Apache calls combined, with the seconds that the request took behind it. A line is one write, so lines
//! of several threads and processes do not mix.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::time::Instant;

use cherrystone::Head;
use cherrystone::gateway::{Peer, PeerAddress};

use crate::calendar::Moment;

/// Where lines about requests go.
#[derive(Debug)]
pub(crate) enum AccessLog {
    Stdout,
    File(File),
}

/// A line that waits for the outcome.
#[derive(Debug)]
pub(crate) struct Entry {
    start: Instant,
    before: String,
    after: String,
}

impl AccessLog {
    /// The log at `place`: a path, or `-` for the standard output.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn open(place: &str) -> io::Result<Self> {
        if place == "-" {
            return Ok(Self::Stdout);
        }
        OpenOptions::new().create(true).append(true).open(place).map(Self::File)
    }

    /// Begins a line.
    pub(crate) fn begin(&self, head: Head<'_>, peer: &Peer) -> Entry {
        let client = match &peer.address {
            PeerAddress::Ip(address) => address.ip().to_string(),
            PeerAddress::Unix(_) => "-".into(),
        };
        let version = match head.version() {
            cherrystone::Version::Http10 => "1.0",
            cherrystone::Version::Http11 => "1.1",
        };
        let time = Moment::now().to_log();
        let request = format!("{} {} HTTP/{version}", head.method(), head.target());
        let field = |name| quoted(head.fields().get(name).unwrap_or(b"-"));
        Entry {
            start: Instant::now(),
            before: format!("{client} - - [{time}] \"{}\"", quoted(request.as_bytes())),
            after: format!("\"{}\" \"{}\"", field("Referer"), field("User-Agent")),
        }
    }

    /// Writes the line. A log that cannot be written to never stops the server.
    pub(crate) fn end(&self, entry: &Entry, status: u16, octets: u64) {
        let Entry { start, before, after } = entry;
        let line = format!("{before} {status} {octets} {after} {:.6}\n", start.elapsed().as_secs_f64());
        let _ = match self {
            Self::Stdout => io::stdout().lock().write_all(line.as_bytes()).and_then(|()| io::stdout().flush()),
            Self::File(file) => (&mut &*file).write_all(line.as_bytes()),
        };
    }
}

/// Text of a client, which must not be able to end its quotes or its line.
fn quoted(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}
