//! How does a command line become a running server?
//!
//! [`launch`] applies the settings, binds the addresses, says where it listens once it does, and serves until a signal: the
//! first SIGINT or SIGTERM stops gracefully, the second cuts. SIGHUP opens the access log anew, if that is a file, and with TLS
//! reads the certificates again.

use std::error::Error;
use std::io::{self, Write};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use super::{AccessLog, Backend, Serve, Settings, log};
use crate::access_log;
use crate::sockets::{Options, UnixMode};
use crate::{Handle, Server};

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
        if let Some(log) = &access_log {
            server = server.access_log(log.clone());
        }
        // Nothing else can be opened anew.
        let file = access_log.filter(|_| self.access_log != Some(AccessLog::Stdout));
        run(server, self.backend, &self.settings, &self.bind, file)
    }
}

fn run(
    server: Server,
    backend: Backend,
    settings: &Settings,
    bind: &[String],
    log: Option<access_log::AccessLog>,
) -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    options.backlog = settings.backlog;
    options.reuse_port = settings.reuse_port;
    options.unix_mode = settings.unix_mode.map(UnixMode::from_bits).transpose()?;
    let mut server = server.backend(backend).settings(settings.runtime()).socket_options(options);
    #[cfg(feature = "tls")]
    let tls = match &settings.tls {
        Some(settings) => Some(secured(settings)?),
        None => None,
    };
    #[cfg(feature = "tls")]
    if let Some(tls) = &tls {
        server = server.tls(tls.clone());
    }
    #[cfg(not(feature = "tls"))]
    if settings.tls.is_some() {
        return Err("this program was built without TLS".into());
    }
    for address in bind {
        server = server.bind(address)?;
    }
    let addresses: Vec<String> = server.addresses().map(ToString::to_string).collect();
    // A signal that comes from now on is not lost.
    listen_for_signals(server.handle(), settings, log)?;
    #[cfg(feature = "tls")]
    if let Some(tls) = tls {
        reload_at_signal(tls)?;
    }
    let (handle, secured) = (server.handle(), server.is_secured());
    let running = server.start()?;
    let mut out = io::stdout().lock();
    for address in &addresses {
        writeln!(out, "listening on {}", url(address, secured))?;
    }
    out.flush()?;
    drop(out);
    handle.wait_until_stopped(&running);
    Ok(())
}

fn listen_for_signals(handle: Handle, settings: &Settings, log: Option<access_log::AccessLog>) -> io::Result<()> {
    // A log that may not grow is no reason to end: the write fails, and says so.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGXFSZ])?;
    if log.is_some() {
        signals.add_signal(SIGHUP)?;
    }
    let within = settings.stop_timeout;
    std::thread::Builder::new().name("cherrystone-sig".into()).spawn(move || {
        let mut stopping = false;
        for signal in signals.forever() {
            match (signal, &log) {
                (SIGXFSZ, _) => {}
                (SIGHUP, Some(log)) => log.reopen(),
                _ if stopping => handle.cut(),
                _ => {
                    tracing::info!("stopping");
                    stopping = true;
                    handle.request_stop(within);
                }
            }
        }
    })?;
    Ok(())
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

/// Reads the certificates again at each SIGHUP, and says so if that fails.
#[cfg(feature = "tls")]
fn reload_at_signal(tls: crate::Tls) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP])?;
    std::thread::Builder::new().name("cherrystone-hup".into()).spawn(move || {
        for _ in signals.forever() {
            match tls.reload() {
                Ok(()) => tracing::info!("certificates read again"),
                // Whoever has closed standard error does not want to know.
                Err(error) => drop(writeln!(io::stderr(), "the certificates stay as they were: {error}")),
            }
        }
    })?;
    Ok(())
}

/// An address as a client would write it.
fn url(address: &str, secured: bool) -> String {
    let scheme = if secured { "https" } else { "http" };
    if address.starts_with("unix:") { address.into() } else { format!("{scheme}://{address}") }
}
