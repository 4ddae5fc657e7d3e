//! In which ways can our own server be set up?

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use cherrystone::gateway::Mode;
use cherrystone::{Backend, Running, Server, ServerError, Settings};

use crate::testbed::{Testbed, limits};

/// A backend, and where it handles requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Worker threads.
    Threads,
    /// An event loop that handles requests itself.
    MioInline,
    /// An event loop in front of workers.
    MioBlocking,
}

impl Setup {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Threads, Self::MioInline, Self::MioBlocking];

    /// What drives the connections.
    pub fn backend(self) -> Backend {
        match self {
            Self::Threads => Backend::Threads,
            Self::MioInline | Self::MioBlocking => Backend::Mio,
        }
    }

    /// Where requests are handled.
    pub fn mode(self) -> Mode {
        match self {
            Self::MioInline => Mode::Inline,
            Self::Threads | Self::MioBlocking => Mode::Blocking,
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Threads => "threads",
            Self::MioInline => "mio, inline",
            Self::MioBlocking => "mio, blocking",
        })
    }
}

/// Serves the test gateway in this process, at a port that the system chooses. It ends when the value is dropped.
///
/// # Errors
/// No socket or thread is left.
pub fn serve(setup: Setup) -> Result<(Arc<Running>, SocketAddr), ServerError> {
    let mut settings = Settings::default();
    settings.config = limits();
    let server =
        Server::new(Testbed::new(setup.mode())).backend(setup.backend()).settings(settings).bind("127.0.0.1:0")?;
    let address = server.addresses().find_map(|address| address.tcp());
    let address = address.ok_or_else(|| ServerError::Start(io::ErrorKind::AddrNotAvailable.into()))?;
    Ok((server.start()?, address))
}
