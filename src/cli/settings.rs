//! Which settings is a server started with?
//!
//! Invariants:
//! 1. Every default is finite and works on a machine as it comes.
//! 2. What is printed is everything that is in force, one setting in a line, under the name of its flag if it has one.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use cherrystone_core::{Config, Pace};

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
        line(f, "unix-mode", self.unix_mode.map_or("umask".to_owned(), |mode| format!("{mode:03o}")))?;
        line(f, "max-head", limits.head)?;
        line(f, "max-fields", limits.fields)?;
        line(f, "max-body", show_body(limits.body))?;
        line(f, "limits.target", limits.target)?;
        line(f, "limits.trailers", limits.trailers)?;
        line(f, "limits.chunk-line", limits.chunk_line)?;
        line(f, "limits.chunk-overhead", limits.chunk_overhead)?;
        line(f, "limits.drain", limits.drain)?;
        line(f, "limits.requests", limits.requests)?;
        line(f, "head-timeout", show_seconds(times.head))?;
        line(f, "idle-timeout", show_seconds(times.idle))?;
        pace(f, "body-rate", "timeouts.body-grace", times.body)?;
        pace(f, "send-rate", "timeouts.send-grace", times.send)?;
        line(f, "timeouts.linger", show_seconds(times.linger))?;
        match &self.tls {
            None => line(f, "tls", "no"),
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

fn pace(f: &mut fmt::Formatter<'_>, rate: &str, grace: &str, pace: Pace) -> fmt::Result {
    line(f, rate, pace.rate)?;
    line(f, grace, show_seconds(pace.grace))
}
