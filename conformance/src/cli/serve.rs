//! How is the test gateway served?
//!
//! `cherrystone-conformance serve` serves the [`Testbed`] with the limits that the cases rely on, unless a flag
//! sets another.

use cherrystone::Server;
use cherrystone::cli::{Backend, ServerFlags, Settings, launch, tls};
use cherrystone::gateway::Mode;
use cherrystone::tls::{Identity, Pem};
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
    /// Speak TLS; without --tls-cert, with a certificate made at start
    #[arg(long)]
    tls: bool,
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
        if let Some(message) = self.server.unpaired_certificates() {
            return Err(Trouble::new(message));
        }
        let mut server = Server::new(Testbed::new(mode));
        if self.tls && settings.tls.is_none() {
            let identity = made_up().map_err(Trouble::new)?;
            server = server.tls(tls(identity, &self.server.tls_policy()).map_err(Trouble::new)?);
        } else if let Some(flag) = self.server.tls_flag_without_certificate() {
            return Err(Trouble::new(format!("{flag} needs --tls, or --tls-cert and --tls-key")));
        }
        launch(server, self.backend, &settings, &self.bind).map_err(Trouble::new)?;
        Ok(End::Conforms)
    }
}

/// A certificate for this machine that nobody has reason to trust.
fn made_up() -> Result<Identity, rcgen::Error> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()])?;
    Ok(Identity::new(Pem::text(made.cert.pem()), Pem::text(made.signing_key.serialize_pem())))
}
