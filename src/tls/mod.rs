//! How are connections secured?
//!
//! With a [`Tls`]: certificates and rules, from which each connection gets a [`Stage`]. Neither the protocol nor the backends
//! know more of it.
//!
//! ```no_run
//! use cherrystone::tls::{ClientAuth, Identity, Pem, PlainHttp, Version};
//! use cherrystone::{Exchange, Head, Server, Status, Tls};
//!
//! let tls = Tls::builder(Identity::files("www.pem", "www.key"))
//!     .also(Identity::files("shop.pem", "shop.key"))
//!     .clients(ClientAuth::Optional(Pem::file("authority.pem")))
//!     .min_version(Version::V1_3)
//!     .plain_http(PlainHttp::Redirect)
//!     .build()?;
//! let server = Server::new(|_: Head<'_>, mut exchange: Exchange<'_>| {
//!     let client = exchange.tls().and_then(|facts| facts.client.as_ref());
//!     let name = client.map_or("nobody", |client| &client.subject).to_owned();
//!     exchange.respond(Status::OK, &[("Content-Type", b"text/plain")], name)
//! });
//! let server = server.bind("127.0.0.1:8443")?.tls(tls.clone());
//! // Later, when the files have been replaced:
//! tls.reload()?;
//! # server.run()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//! 1. A connection keeps the certificates and rules that were in force when it was accepted.
//! 2. A reload changes everything or nothing.
//! 3. TLS 1.2 and 1.3 with the suites that rustls considers safe; nothing older, no compression, no renegotiation, no early data.
//! 4. A client that asks for application protocols has to name `http/1.1` among them.

mod builder;
mod certificate;
mod chooser;
pub mod environ;
mod error;
mod pem;
mod plain;
mod session;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;

pub use self::builder::{ClientAuth, TlsBuilder, Version};
use self::chooser::Chooser;
pub use self::error::{Origin, TlsError};
pub use self::pem::{Identity, Pem};
pub use self::plain::PlainHttp;
use self::session::Session;
use crate::{Certificate, Stage};

/// Certificates and rules of secured connections. Clones are the same thing: what one reloads is in force for all.
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    recipe: TlsBuilder,
    in_force: RwLock<InForce>,
}

/// What new connections are given.
#[derive(Clone)]
struct InForce {
    config: Arc<ServerConfig>,
    chooser: Arc<Chooser>,
    plain_http: PlainHttp,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("recipe", &self.shared.recipe).finish_non_exhaustive()
    }
}

impl Tls {
    /// TLS with one certificate from files in PEM: the server's own first, followed by those between it and the authority.
    ///
    /// # Errors
    /// A file that cannot be read or used; see [`TlsError`].
    pub fn from_pem_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        Self::builder(Identity::files(certificate, key)).build()
    }

    /// As [`from_pem_files`](Self::from_pem_files), from text in memory.
    ///
    /// # Errors
    /// Text that cannot be used.
    pub fn from_pem(certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Result<Self, TlsError> {
        Self::builder(Identity::new(Pem::text(certificate), Pem::text(key))).build()
    }

    /// The way to more than one certificate, to certificates of clients, and to other rules.
    pub fn builder(default: Identity) -> TlsBuilder {
        TlsBuilder::new(default)
    }

    /// What secures one new connection.
    pub fn stage(&self) -> Box<dyn Stage> {
        Box::new(Session::new(self.in_force()))
    }

    /// Reads all files again, and lets new connections have what they hold now. Connections that are open keep what they
    /// have; sessions from before are not resumed.
    ///
    /// # Errors
    /// A file that cannot be used: then everything stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = self.shared.recipe.load()?;
        // The lock guards one move, so a poisoned one holds nothing half done.
        *self.shared.in_force.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// The certificate that a client sees that asks for this name now. That of a session is in its
    /// [`PeerFacts`](crate::PeerFacts).
    pub fn certificate(&self, server_name: Option<&str>) -> Arc<Certificate> {
        Arc::clone(&self.in_force().chooser.choose(server_name).facts)
    }

    fn in_force(&self) -> InForce {
        self.shared.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
