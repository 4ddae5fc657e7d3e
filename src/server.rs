//! How is a server put together, started and stopped?
//!
//! ```no_run
//! use cherrystone::gateway::{Done, Exchange, Failure};
//! use cherrystone::{Backend, Head, Server, Status};
//!
//! fn hello(_: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
//!     exchange.respond(Status::OK, &[("Content-Type", b"text/plain")], "Hello, world!\n")
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     Server::new(hello).bind("127.0.0.1:8070")?.backend(Backend::Mio).run()?;
//!     Ok(())
//! }
//! ```
//!
//! Whoever has threads that may block lends them through an [`executor`](Server::executor); whoever wants none at all turns an
//! [`event_loop`](Server::event_loop).
//!
//! Invariants:
//! 1. An address is bound when `bind` returns, so its real port is known, and a failure is reported before anything runs.
//! 2. A stop that is asked for before, while or after the server runs takes effect once, and a second one changes nothing but that
//!    it may come sooner.

mod threads;

use std::fmt;
use std::io;
use std::sync::Arc;

use cherrystone_core::gateway::{Endpoint, Gateway, PeerAddress};
use cherrystone_core::{Config, ConfigError, Stage};
use cherrystone_threads::sockets::{
    BindAddr, BindAddrError, BindError, Listener, LocalAddr, Networks, Options, bind_beside,
};
use cherrystone_threads::workers::Executor;
use cherrystone_threads::{Door, Job, Observer, Running, Settings, Stages, crew as crew_of};

use crate::access_log::AccessLog;
use crate::forwarded::{Forwarded, Trust};
use crate::handle::Handle;
use crate::observers::Observers;

/// What drives the connections. The application is the same on either, and so are the octets that clients see.
///
/// | | threads | mio |
/// | --- | --- | --- |
/// | handlers | run on workers, and may block | run on the loop if they say `Mode::Inline`, else on workers |
/// | choose it for | applications that block: databases, files, Python | answers at once, very many connections, long streams |
/// | an idle connection | no worker; 1 thread holds them all | no worker; 0.45 KiB of memory each |
/// | a client that reads slowly | holds a worker while it is written to | holds none |
/// | CPU time of a small keep-alive request, to a bare loop of its kind with a fixed answer and no parsing | 1.08 | 1.06 |
/// | system calls of such a request | 2 | 2 and its share of a wait for all |
///
/// The figures are from two virtual cores, 64 connections; the README says how they were taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Backend {
    /// Worker threads, and one thread that holds what waits.
    #[default]
    Threads,
    /// Event loops, and workers for what may block.
    Mio,
}

/// A server that is being put together.
pub struct Server {
    gateway: Arc<dyn Gateway>,
    settings: Settings,
    options: Options,
    backend: Backend,
    crew: Option<Arc<dyn Executor<Job>>>,
    listeners: Vec<Listener>,
    stages: Option<Stages>,
    proxies: Option<Arc<Networks>>,
    server_name: String,
    observers: Vec<Arc<dyn Observer>>,
    handle: Handle,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("backend", &self.backend)
            .field("listeners", &self.listeners)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Why a server could not be put together or did not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// An address that is none.
    #[error(transparent)]
    Address(#[from] BindAddrError),
    /// An address that cannot be listened at.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Settings with which no server works.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nothing to listen at.
    #[error("the server has no address: call bind first")]
    NoAddress,
    /// No thread or descriptor is left.
    #[error("the server cannot start: {0}")]
    Start(#[source] io::Error),
    /// The error that somebody ended the server with.
    #[error(transparent)]
    Interrupted(Box<dyn std::error::Error + Send + Sync>),
}

impl Server {
    /// A server of this application, with the default settings and no address.
    pub fn new(gateway: impl Gateway) -> Self {
        Self {
            gateway: Arc::new(gateway),
            settings: Settings::default(),
            options: Options::default(),
            backend: Backend::default(),
            crew: None,
            listeners: Vec::new(),
            stages: None,
            proxies: None,
            server_name: "localhost".into(),
            observers: Vec::new(),
            handle: Handle::default(),
        }
    }

    /// Listens at an address too: `127.0.0.1:8070`, `[::1]:0`, `unix:PATH`, `unix:@abstract` and more ([`BindAddr`]). The options
    /// of the sockets are those set before.
    ///
    /// # Errors
    /// The address is none, or cannot be listened at.
    pub fn bind(mut self, address: impl AsRef<str>) -> Result<Self, ServerError> {
        let address: BindAddr = address.as_ref().parse()?;
        let listeners = bind_beside(&address, &self.options, &self.listeners)?;
        self.listeners.extend(listeners);
        Ok(self)
    }

    /// Takes over a listener that was made elsewhere.
    #[must_use]
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// The options of sockets that are bound from now on.
    #[must_use]
    pub fn socket_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Chooses what drives the connections; threads by default.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Sets the rules of the protocol.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.settings.config = config;
        self
    }

    /// Sets everything about threads and connections, and the rules of the protocol.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Secures all connections with stages made by `stage`, TLS above all.
    #[must_use]
    pub fn stages(mut self, stage: impl Fn() -> Box<dyn Stage> + Send + Sync + 'static) -> Self {
        self.stages = Some(Arc::new(stage));
        self
    }

    /// Secures all connections with TLS. Keep a clone to [`reload`](crate::Tls::reload) its certificates.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, tls: crate::Tls) -> Self {
        self.stages(move || tls.stage())
    }

    /// Has every connection come from one of these proxies and begin with a header of the PROXY protocol (version 1 or 2), which says
    /// who the client is. Connections from elsewhere, and those without a header, are closed unanswered.
    #[must_use]
    pub fn proxy_protocol(mut self, proxies: Networks) -> Self {
        self.proxies = Some(Arc::new(proxies));
        self
    }

    /// Has the application see requests as clients made them to trusted proxies in front, which tell of them in fields
    /// ([`forwarded`](crate::forwarded)).
    #[must_use]
    pub fn forwarded(mut self, trust: Trust) -> Self {
        self.gateway = Arc::new(Forwarded::new(self.gateway, trust));
        self
    }

    /// What the server goes by where a request names nobody; `localhost` by default.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = name.into();
        self
    }

    /// Has the server watched, besides those who watch it already.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Writes a line for each request.
    #[must_use]
    pub fn access_log(self, log: AccessLog) -> Self {
        self.observer(log)
    }

    /// Where it listens, with real ports.
    pub fn addresses(&self) -> impl Iterator<Item = &LocalAddr> {
        self.listeners.iter().map(Listener::local_addr)
    }

    /// What it listens with.
    pub fn listeners(&self) -> impl Iterator<Item = &Listener> {
        self.listeners.iter()
    }

    /// Whether its connections are secured.
    pub fn is_secured(&self) -> bool {
        self.stages.is_some()
    }

    /// The way to stop it, from any thread, before and while it runs.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves on threads of its own, until it is stopped or the result is dropped.
    ///
    /// # Errors
    /// There is no address, the settings cannot work, or no thread is left.
    pub fn start(self) -> Result<Arc<Running>, ServerError> {
        let start = match self.backend {
            Backend::Threads => cherrystone_threads::start_on,
            Backend::Mio => cherrystone_mio::start_on,
        };
        let (handle, gateway, crew) = (self.handle(), Arc::clone(&self.gateway), self.crew.clone());
        let (doors, settings) = self.prepare()?;
        let crew = crew.map_or_else(|| crew_of(&settings), Ok).map_err(ServerError::Start)?;
        let running = Arc::new(start(crew, doors, gateway, settings).map_err(ServerError::Start)?);
        handle.begin(&running);
        Ok(running)
    }

    /// Everything that a backend needs, the gateway aside.
    fn prepare(mut self) -> Result<(Vec<Door>, Settings), ServerError> {
        if self.listeners.is_empty() {
            return Err(ServerError::NoAddress);
        }
        self.settings.config.check()?;
        let mut observers = self.observers;
        observers.extend(self.settings.observer.take());
        #[cfg(feature = "tracing")]
        {
            self.listeners.iter().for_each(|listener| crate::trace::listening(listener.local_addr()));
            observers.push(Arc::new(crate::trace::Trace));
        }
        self.settings.observer = Observers::join(observers);
        let doors = self.listeners.into_iter().map(|listener| {
            let address = match listener.local_addr().tcp() {
                Some(address) => PeerAddress::Ip(address),
                None => PeerAddress::Unix(Some(listener.local_addr().to_string().into())),
            };
            let mut endpoint = Endpoint::new(address, self.server_name.clone());
            endpoint.secured = self.stages.is_some();
            Door {
                listener: Arc::new(listener),
                endpoint: Arc::new(endpoint),
                stages: self.stages.clone(),
                proxies: self.proxies.clone(),
            }
        });
        Ok((doors.collect(), self.settings))
    }

    /// Serves until it is stopped through its [`handle`](Self::handle).
    ///
    /// # Errors
    /// As for [`start`](Self::start), and the error given to [`Handle::interrupt`].
    pub fn run(self) -> Result<(), ServerError> {
        let handle = self.handle();
        let running = self.start()?;
        handle.wait_until_stopped(&running);
        handle.take_interrupt().map_or(Ok(()), |error| Err(ServerError::Interrupted(error)))
    }
}
