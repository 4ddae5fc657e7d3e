//! How is the test gateway served?
//!
//! `cherrystone-conformance serve` serves the [`Testbed`] with the limits that the cases rely on, unless a flag
//! sets another.

use cherrystone::Server;
use cherrystone::cli::{Backend, ServerFlags, Settings, launch};
use cherrystone::gateway::Mode;
use cherrystone_conformance::testbed::{self, Testbed};
use clap::{Args, ValueEnum};

use super::{End, Trouble};

/// What `serve` is given.
#[derive(Args, Clone, Debug)]
pub(super) struct Serve {
    /// What drives the connections
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// Where requests are handled
    #[arg(long, value_enum, default_value_t)]
    dispatch: Dispatch,
    /// Where to listen; may be repeated
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    bind: Vec<String>,
    #[command(flatten)]
    server: ServerFlags,
}

/// Where requests are handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Dispatch {
    /// On worker threads.
    #[default]
    Blocking,
    /// On the event loop, if the backend has one.
    Inline,
}

impl Serve {
    /// Serves until a signal.
    pub(super) fn execute(self) -> Result<End, Trouble> {
        let mode = match self.dispatch {
            Dispatch::Blocking => Mode::Blocking,
            Dispatch::Inline => Mode::Inline,
        };
        let mut base = Settings::default();
        base.config = testbed::limits();
        let settings = self.server.settings(base);
        settings.config.check().map_err(Trouble::new)?;
        launch(Server::new(Testbed::new(mode)), self.backend, &settings, &self.bind).map_err(Trouble::new)?;
        Ok(End::Conforms)
    }
}
