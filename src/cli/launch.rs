//! How does a command line become a running server?
//!
//! [`launch`] applies the settings, binds the addresses or takes them over, says where it listens once it does, and serves until a
//! signal ends it; see `signals`.

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use super::replace::{Predecessor, Role};
use super::signals::{self, Duties};
use super::{AccessLog, Backend, Serve, Settings, log, manager};
use crate::access_log;
use crate::metrics::Metrics;
use crate::sockets::{Listener, Options, UnixMode};
use crate::{Handle, Server, ServerError};

/// Serves with these settings at these addresses until a signal.
///
/// # Errors
/// A setting or an address that cannot work, in words for the one who gave it.
pub fn launch(server: Server, backend: Backend, settings: &Settings, bind: &[String]) -> Result<(), Box<dyn Error>> {
    run(server, backend, settings, bind, None)
}

impl Serve {
    /// Serves as the command line says, with its logs, until a signal.
    ///
    /// # Errors
    /// As for [`launch`], and if the access log cannot be opened.
    pub fn launch(&self, mut server: Server) -> Result<(), Box<dyn Error>> {
        log::start(self.log_level);
        let access_log = match &self.access_log {
            None => None,
            Some(AccessLog::Stdout) => Some(access_log::AccessLog::stdout(self.log_format)?),
            Some(AccessLog::File(path)) => {
                let opened = access_log::AccessLog::file(path, self.log_format);
                Some(opened.map_err(|error| format!("cannot write {}: {error}", path.display()))?)
            }
        };
        let access_log = match (access_log, &self.settings.forwarded) {
            (Some(log), Some(trust)) => Some(log.forwarded(trust.clone())),
            (log, _) => log,
        };
        if let Some(log) = &access_log {
            server = server.access_log(log.clone());
        }
        // Nothing else can be opened anew.
        let file = access_log.filter(|_| self.access_log != Some(AccessLog::Stdout));
        run(server, self.backend, &self.settings, &self.bind, file)
    }
}

fn run(
    mut server: Server,
    backend: Backend,
    settings: &Settings,
    bind: &[String],
    log: Option<access_log::AccessLog>,
) -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    options.backlog = settings.backlog;
    options.reuse_port = settings.reuse_port;
    options.unix_mode = settings.unix_mode.map(UnixMode::from_bits).transpose()?;
    server = server.backend(backend).settings(settings.runtime()).socket_options(options.clone());
    #[cfg(feature = "tls")]
    let tls = settings.tls.as_ref().map(secured).transpose()?;
    #[cfg(feature = "tls")]
    if let Some(tls) = &tls {
        server = server.tls(tls.clone());
    }
    #[cfg(not(feature = "tls"))]
    if settings.tls.is_some() {
        return Err("this program was built without TLS".into());
    }
    if let Some(trust) = &settings.forwarded {
        server = server.forwarded(trust.clone());
    }
    if let Some(proxies) = &settings.proxy_protocol {
        server = server.proxy_protocol(proxies.clone());
    }
    let mut predecessor =
        Predecessor::find().map_err(|error| format!("cannot replace the running process: {error}"))?;
    let mut take = |role| predecessor.as_mut().map(|predecessor| predecessor.take(role));
    let passed = match take(Role::Server) {
        None => settings.activation.listeners(&options)?,
        taken => taken,
    };
    server = match passed {
        Some(listeners) => listeners.into_iter().fold(server, Server::listener),
        None => bind.iter().try_fold(server, Server::bind)?,
    };
    let metrics = match &settings.metrics {
        None => None,
        Some(address) => Some(metrics_server(server.handle(), address, take(Role::Metrics).unwrap_or_default())?),
    };
    let lines = greeting(&server, metrics.as_ref());
    let mut listeners = shared(&server, Role::Server)?;
    if let Some(metrics) = &metrics {
        listeners.extend(shared(metrics, Role::Metrics)?);
    }
    let handle = server.handle();
    let metrics = metrics.map(Server::start).transpose()?;
    // A signal that comes from now on is not lost.
    signals::listen(Duties {
        handle: handle.clone(),
        within: settings.stop_timeout,
        log,
        #[cfg(feature = "tls")]
        tls,
        program: std::env::current_exe(),
        listeners: listeners.iter().map(|(role, own)| Ok((*role, own.try_clone()?))).collect::<io::Result<_>>()?,
        metrics: metrics.clone(),
    })?;
    let running = server.start()?;
    let mut out = io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.flush()?;
    drop(out);
    if let Some(predecessor) = predecessor {
        predecessor.relieve(&listeners)?;
    }
    drop(listeners);
    manager::tell(&[sd_notify::NotifyState::Ready]);
    handle.wait_until_stopped(&running);
    if let Some(metrics) = metrics {
        metrics.stop(Duration::from_millis(500));
    }
    Ok(())
}

/// A line for each address, for whoever waits for the server to listen.
fn greeting(server: &Server, metrics: Option<&Server>) -> String {
    let own = server.addresses().map(|address| ("listening on", address, server.is_secured()));
    let metrics = metrics.into_iter().flat_map(Server::addresses).map(|address| ("metrics on", address, false));
    own.chain(metrics)
        .map(|(what, address, secured)| format!("{what} {}\n", url(&address.to_string(), secured)))
        .collect()
}

/// The listeners of a server once more, for a successor.
fn shared(server: &Server, role: Role) -> io::Result<Vec<(Role, Listener)>> {
    server.listeners().map(|listener| Ok((role, listener.try_clone()?))).collect()
}

/// A small server of metrics, at the address or with the listeners of a process that is replaced.
fn metrics_server(of: Handle, address: &str, taken: Vec<Listener>) -> Result<Server, ServerError> {
    let mut settings = crate::Settings::default();
    (settings.min_threads, settings.max_threads, settings.max_connections) = (1, 1, 100);
    let server = Server::new(Metrics::new(of)).backend(Backend::Mio).settings(settings);
    if taken.is_empty() { server.bind(address) } else { Ok(taken.into_iter().fold(server, Server::listener)) }
}

/// TLS with this certificate, and what these settings ask of clients.
///
/// # Errors
/// A file that cannot be used, by name and reason.
#[cfg(feature = "tls")]
pub fn tls(identity: crate::tls::Identity, policy: &super::TlsPolicy) -> Result<crate::Tls, crate::TlsError> {
    recipe(identity, policy).build()
}

#[cfg(feature = "tls")]
fn secured(settings: &super::TlsSettings) -> Result<crate::Tls, Box<dyn Error>> {
    let mut identities = settings.identities.iter().map(|files| crate::tls::Identity::files(&files.cert, &files.key));
    let default = identities.next().ok_or("TLS needs a certificate")?;
    let recipe = recipe(default, &settings.policy);
    Ok(identities.fold(recipe, crate::tls::TlsBuilder::also).build()?)
}

#[cfg(feature = "tls")]
fn recipe(identity: crate::tls::Identity, policy: &super::TlsPolicy) -> crate::tls::TlsBuilder {
    use super::{ClientCertificates, PlainRequests, TlsVersion};
    use crate::tls::{ClientAuth, Pem, PlainHttp, Version};

    let clients = match &policy.clients {
        ClientCertificates::Ignored => ClientAuth::None,
        ClientCertificates::Optional(authorities) => ClientAuth::Optional(Pem::file(authorities)),
        ClientCertificates::Required(authorities) => ClientAuth::Required(Pem::file(authorities)),
    };
    let min = match policy.min {
        TlsVersion::V1_2 => Version::V1_2,
        TlsVersion::V1_3 => Version::V1_3,
    };
    let plain_http = match policy.plain_http {
        PlainRequests::Refused => PlainHttp::Refuse,
        PlainRequests::Redirected => PlainHttp::Redirect,
    };
    crate::Tls::builder(identity).clients(clients).min_version(min).plain_http(plain_http)
}

/// An address as a client would write it.
fn url(address: &str, secured: bool) -> String {
    let scheme = if secured { "https" } else { "http" };
    if address.starts_with("unix:") { address.into() } else { format!("{scheme}://{address}") }
}
