//! Which settings is a server started with?
//!
//! Invariants:
//! 1. Every default is finite and works on a machine as it comes.
//! 2. What is printed is everything that is in force, one setting in a line, under the name of its flag. What no flag sets, or is not set, is behind a `#`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use cherrystone_core::{Config, Pace};

use crate::sockets::{BindAddr, BindError, Listener, Networks, Options, bind, inherited};

use crate::forwarded::{Fields, Trust};

use super::name;
use super::values::{Threads, show_body, show_seconds};

/// Everything that the [server flags](super::ServerFlags) set.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The rules of the protocol.
    pub config: Config,
    /// Workers of the pool: default 10 to 100.
    pub threads: Threads,
    /// Requests that wait for a worker: default 1,024.
    pub queue: u32,
    /// Event loops of the mio backend: default 1.
    pub loops: u16,
    /// Open connections: default 10,000.
    pub max_connections: u32,
    /// How long a graceful stop waits for open exchanges: default 30 s.
    pub stop_timeout: Duration,
    /// Connections that the system holds until they are accepted: default 1,024.
    pub backlog: u16,
    /// Whether other processes may listen at the same address. Default: no.
    pub reuse_port: bool,
    /// Permissions of UNIX sockets; by default those that the umask of the process leaves.
    pub unix_mode: Option<u32>,
    /// The proxies that all connections come from, with a header of the PROXY protocol; by default none is expected.
    pub proxy_protocol: Option<Networks>,
    /// The proxies whose fields tell of clients, and which fields; by default nobody's do.
    pub forwarded: Option<Trust>,
    /// Whether listeners of a service manager take the place of addresses. Default: never.
    pub activation: Activation,
    /// Where metrics and health are told; by default nowhere.
    pub metrics: Option<String>,
    /// TLS; by default there is none.
    pub tls: Option<TlsSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            config: Config::default(),
            threads: Threads { min: 10, max: 100 },
            queue: 1_024,
            loops: 1,
            max_connections: 10_000,
            stop_timeout: Duration::from_secs(30),
            backlog: 1_024,
            reuse_port: false,
            unix_mode: None,
            proxy_protocol: None,
            forwarded: None,
            activation: Activation::default(),
            metrics: None,
            tls: None,
        }
    }
}

impl Settings {
    /// The part that a running server takes.
    pub fn runtime(&self) -> crate::Settings {
        let mut runtime = crate::Settings::default();
        runtime.config = self.config.clone();
        runtime.min_threads = self.threads.min;
        runtime.max_threads = self.threads.max;
        runtime.queue = self.queue as usize;
        runtime.loops = usize::from(self.loops);
        runtime.max_connections = self.max_connections as usize;
        runtime
    }
}

/// Whether listeners of a service manager take the place of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Activation {
    /// They are ignored, unless an address asks for them.
    #[default]
    Never,
    /// They do if there are any.
    Try,
    /// They do, and without any the server does not start.
    Require,
}

impl Activation {
    /// The listeners that take the place of addresses, if any do.
    ///
    /// # Errors
    /// There are none though there have to be, or they make no sense.
    pub(super) fn listeners(self, options: &Options) -> Result<Option<Vec<Listener>>, BindError> {
        // Children of this process are not to find them under their numbers.
        let _ = sd_notify::listen_fds();
        match self {
            Self::Never => Ok(None),
            Self::Try => {
                let passed = inherited(options)?;
                Ok((!passed.is_empty()).then(|| passed.into_iter().map(|passed| passed.listener).collect()))
            }
            Self::Require => bind(&BindAddr::Activated, options).map(Some),
        }
    }
}

/// What TLS needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificates with their keys, at least one. Clients see the one that is made out for the name that they ask for, or
    /// else the first.
    pub identities: Vec<TlsFiles>,
    /// What is asked of clients.
    pub policy: TlsPolicy,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that sign it, in PEM.
    pub cert: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
}

/// What TLS asks of clients, wherever the own certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPolicy {
    /// Certificates of clients.
    pub clients: ClientCertificates,
    /// The oldest version that is spoken.
    pub min: TlsVersion,
    /// What becomes of requests without TLS.
    pub plain_http: PlainRequests,
}

/// What becomes of requests that come to a TLS port without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainRequests {
    /// They get 400, with a line of text about it.
    Refused,
    /// They are sent to the same place by `https`.
    Redirected,
}

/// Whether clients show certificates, and who has to have signed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None are asked for.
    Ignored,
    /// Clients may have one, signed by an authority in this file.
    Optional(PathBuf),
    /// Clients need one, signed by an authority in this file.
    Required(PathBuf),
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[value(name = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[value(name = "1.3")]
    V1_3,
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (limits, times) = (&self.config.limits, &self.config.timeouts);
        line(f, "threads", self.threads)?;
        line(f, "queue", self.queue)?;
        line(f, "loops", self.loops)?;
        line(f, "max-connections", self.max_connections)?;
        line(f, "stop-timeout", show_seconds(self.stop_timeout))?;
        line(f, "backlog", self.backlog)?;
        line(f, "reuse-port", if self.reuse_port { "yes" } else { "no" })?;
        optional(f, "unix-mode", self.unix_mode.map(|mode| format!("{mode:03o}")))?;
        line(f, "max-head", limits.head)?;
        line(f, "max-fields", limits.fields)?;
        line(f, "max-body", show_body(limits.body))?;
        fixed(f, "limits.target", limits.target)?;
        fixed(f, "limits.trailers", limits.trailers)?;
        fixed(f, "limits.chunk-line", limits.chunk_line)?;
        fixed(f, "limits.chunk-overhead", limits.chunk_overhead)?;
        fixed(f, "limits.drain", limits.drain)?;
        fixed(f, "limits.requests", limits.requests)?;
        line(f, "head-timeout", show_seconds(times.head))?;
        line(f, "idle-timeout", show_seconds(times.idle))?;
        pace(f, "body-rate", "timeouts.body-grace", times.body)?;
        pace(f, "send-rate", "timeouts.send-grace", times.send)?;
        fixed(f, "timeouts.linger", show_seconds(times.linger))?;
        optional(f, "proxy-protocol", self.proxy_protocol.as_ref())?;
        let by = |fields| self.forwarded.as_ref().filter(|trust| trust.fields() == fields).map(Trust::networks);
        optional(f, "forwarded", by(Fields::Forwarded))?;
        optional(f, "x-forwarded", by(Fields::XForwarded))?;
        line(f, "activation", name(self.activation))?;
        optional(f, "metrics", self.metrics.as_deref())?;
        match &self.tls {
            None => fixed(f, "tls", "no"),
            Some(tls) => write!(f, "{tls}"),
        }
    }
}

impl fmt::Display for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for identity in &self.identities {
            line(f, "tls-cert", identity.cert.display())?;
            line(f, "tls-key", identity.key.display())?;
        }
        let (auth, ca) = match &self.policy.clients {
            ClientCertificates::Ignored => ("none", None),
            ClientCertificates::Optional(ca) => ("optional", Some(ca)),
            ClientCertificates::Required(ca) => ("required", Some(ca)),
        };
        line(f, "tls-client-auth", auth)?;
        if let Some(ca) = ca {
            line(f, "tls-client-ca", ca.display())?;
        }
        line(
            f,
            "tls-min",
            match self.policy.min {
                TlsVersion::V1_2 => "1.2",
                TlsVersion::V1_3 => "1.3",
            },
        )?;
        line(f, "tls-redirect", if self.policy.plain_http == PlainRequests::Redirected { "yes" } else { "no" })
    }
}

/// One setting in a line.
pub(super) fn line(f: &mut fmt::Formatter<'_>, name: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(f, "{name} = {value}")
}

/// A setting that may be absent: then the line says nothing when it is read again.
pub(super) fn optional(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    match value {
        Some(value) => line(f, name, value),
        None => fixed(f, name, "none"),
    }
}

/// A setting that no flag sets.
fn fixed(f: &mut fmt::Formatter<'_>, name: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(f, "# {name} = {value}")
}

fn pace(f: &mut fmt::Formatter<'_>, rate: &str, grace: &str, pace: Pace) -> fmt::Result {
    line(f, rate, pace.rate)?;
    fixed(f, grace, show_seconds(pace.grace))
}
