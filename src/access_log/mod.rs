//! Who asked for what, when, and what was it answered?
//!
//! An [`AccessLog`] writes a line for each request, in the combined format or as JSON, to a file, the standard output, or anything that
//! takes octets. The threads that serve only leave lines in a bounded buffer; one thread of the log's own writes them in batches.
//!
//! ```no_run
//! use cherrystone::access_log::{AccessLog, Format};
//! use cherrystone::{Server, gateways::Hello};
//!
//! let log = AccessLog::file("access.log", Format::Combined)?;
//! let rotated = log.clone();
//! Server::new(Hello).bind("127.0.0.1:8070")?.access_log(log).start()?;
//! rotated.reopen(); // after the file was moved away
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//! 1. No octet of a client's can end a line, or a quoted part of one.
//! 2. Serving never waits for the log: lines that the buffer has no room for, or that cannot be written, are dropped and counted, and
//!    each outage is reported once on the standard error.
//! 3. When the server has stopped, every line that was not dropped is written, unless the disk does not answer in time.

mod line;
mod writer;

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cherrystone_core::gateway::PeerAddress;

use crate::forwarded::Trust;
use crate::{Observer, Record};

use writer::{Feed, Target};

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[non_exhaustive]
pub enum Format {
    /// The combined log format, which many tools read: client, time, request line, status, octets of content, referrer and user agent.
    #[default]
    Combined,
    /// A JSON object, which also tells how long the answer took and whether it was cut.
    Json,
}

/// How long a stop waits for the last lines to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// A log of all requests; clones write to the same.
#[derive(Clone, Debug)]
pub struct AccessLog {
    format: Format,
    feed: Arc<Feed>,
    trust: Option<Trust>,
}

impl AccessLog {
    /// A log at the end of this file, which is made if there is none.
    ///
    /// # Errors
    /// The file cannot be opened, or there is no thread left.
    pub fn file(path: impl AsRef<Path>, format: Format) -> io::Result<Self> {
        Self::start(Target::file(path.as_ref())?, format)
    }

    /// A log on the standard output.
    ///
    /// # Errors
    /// There is no thread left.
    pub fn stdout(format: Format) -> io::Result<Self> {
        Self::start(Target::Other(Box::new(io::stdout())), format)
    }

    /// A log to wherever `out` leads. It may block, and whole lines are written where it lets them.
    ///
    /// # Errors
    /// There is no thread left.
    pub fn to(out: impl Write + Send + 'static, format: Format) -> io::Result<Self> {
        Self::start(Target::Other(Box::new(out)), format)
    }

    fn start(target: Target, format: Format) -> io::Result<Self> {
        Ok(Self { format, feed: Arc::new(writer::start(target)?), trust: None })
    }

    /// Names the clients that trusted proxies tell of, in place of the proxies.
    #[must_use]
    pub fn forwarded(self, trust: Trust) -> Self {
        Self { trust: Some(trust), ..self }
    }

    /// Opens the file anew, by its name, before the next line is written; for rotation.
    pub fn reopen(&self) {
        self.feed.reopen();
    }

    /// Waits until the lines so far are written or dropped, or that long. Says whether they are.
    pub fn flush(&self, within: Duration) -> bool {
        self.feed.flush(within)
    }

    /// Lines that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.feed.dropped()
    }
}

impl Observer for AccessLog {
    fn answered(&self, record: &Record<'_>) {
        thread_local! {
            static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let told = |trust: &Trust| trust.client(record.head?, record.peer);
        let client = self.trust.as_ref().and_then(told).map_or_else(|| record.peer.address.clone(), PeerAddress::Ip);
        LINE.with_borrow_mut(|line| {
            line.clear();
            line::write(line, self.format, record, &client, SystemTime::now());
            self.feed.push(line);
        });
    }

    fn stopped(&self) {
        self.flush(PATIENCE);
    }
}
