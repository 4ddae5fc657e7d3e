//! Which flags does every command share that starts a server?
//!
//! [`ServerFlags`] is flattened into a command; [`ServerFlags::settings`] lays what was given over the settings that
//! the command starts from.
//!
//! ```
//! use clap::Parser;
//! use cherrystone::cli::{ServerFlags, Settings};
//!
//! #[derive(Parser)]
//! struct Serve {
//!     #[command(flatten)]
//!     server: ServerFlags,
//! }
//!
//! let serve = Serve::parse_from(["serve", "--max-body", "10M", "--threads", "2:8"]);
//! let settings = serve.server.settings(Settings::default());
//! assert_eq!(settings.config.limits.body, 10 << 20);
//! assert_eq!(settings.threads.max, 8);
//! assert_eq!(settings.queue, Settings::default().queue);
//! ```
//!
//! Invariants:
//! 1. A flag that is not given changes nothing.
//! 2. From settings that a server can work with come settings that a server can work with.
//! 3. Client certificates are never demanded without an authority to judge them by.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};

use super::settings::{
    Activation, ClientCertificates, PlainRequests, Settings, TlsFiles, TlsPolicy, TlsSettings, TlsVersion,
};
use super::values::{self, Threads};
use crate::forwarded::{Fields, Trust};
use crate::sockets::Networks;

// Help ends with the default in parentheses; a test holds it against the settings.

/// Flags about the server, whatever it serves.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Server")]
#[non_exhaustive]
pub struct ServerFlags {
    /// Worker threads, at least and at most (10:100)
    #[arg(long, value_name = "MIN:MAX")]
    pub threads: Option<Threads>,
    /// Requests that may wait for a worker (1024)
    #[arg(long, hide_short_help = true, value_name = "N", value_parser = value_parser!(u32).range(0..=1_000_000))]
    pub queue: Option<u32>,
    /// Event loops of the mio backend (1)
    #[arg(long, hide_short_help = true, value_name = "N", value_parser = value_parser!(u16).range(1..=1_024))]
    pub loops: Option<u16>,
    /// Open connections (10000)
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub max_connections: Option<u32>,
    /// Request line and fields, 256 to 65535 octets (32K)
    #[arg(long, hide_short_help = true, value_name = "BYTES", value_parser = values::head)]
    pub max_head: Option<u32>,
    /// Field lines of a request (100)
    #[arg(long, hide_short_help = true, value_name = "N", value_parser = value_parser!(u16).range(1..=4_096))]
    pub max_fields: Option<u16>,
    /// Content of a request, or none (1G)
    #[arg(long, value_name = "BYTES", value_parser = values::body)]
    pub max_body: Option<u64>,
    /// Time for a request to arrive up to its content (30)
    #[arg(long, hide_short_help = true, value_name = "S", value_parser = values::timeout)]
    pub head_timeout: Option<Duration>,
    /// Time between requests (60)
    #[arg(long, hide_short_help = true, value_name = "S", value_parser = values::timeout)]
    pub idle_timeout: Option<Duration>,
    /// Octets a second that content has to keep up (512)
    #[arg(long, hide_short_help = true, value_name = "BYTES", value_parser = values::rate)]
    pub body_rate: Option<u32>,
    /// Octets a second that clients have to take (512)
    #[arg(long, hide_short_help = true, value_name = "BYTES", value_parser = values::rate)]
    pub send_rate: Option<u32>,
    /// Time for open exchanges when the server stops (30)
    #[arg(long, value_name = "S", value_parser = values::grace)]
    pub stop_timeout: Option<Duration>,
    /// Connections that wait to be accepted (1024)
    #[arg(long, hide_short_help = true, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    pub backlog: Option<u16>,
    /// Share the address with other processes
    #[arg(long, hide_short_help = true)]
    pub reuse_port: bool,
    /// Permissions of UNIX sockets, in octal
    #[arg(long, hide_short_help = true, value_name = "MODE", value_parser = values::mode)]
    pub unix_mode: Option<u32>,
    /// Expect the PROXY protocol from these networks only
    #[arg(long, value_name = "CIDR,...")]
    pub proxy_protocol: Option<Networks>,
    /// Believe Forwarded (RFC 7239) from these networks
    #[arg(long, hide_short_help = true, value_name = "CIDR,...", conflicts_with = "x_forwarded")]
    pub forwarded: Option<Networks>,
    /// Believe X-Forwarded-For, -Proto and -Host from these networks
    #[arg(long, hide_short_help = true, value_name = "CIDR,...")]
    pub x_forwarded: Option<Networks>,
    /// Listeners of systemd in place of --bind: never, try or require (never)
    #[arg(long, hide_short_help = true, value_name = "WHEN", hide_possible_values = true)]
    pub activation: Option<Activation>,
    /// Tell metrics and health at this address
    #[arg(long, value_name = "ADDR", value_parser = values::address)]
    pub metrics: Option<String>,
    #[command(flatten)]
    tls: TlsFlags,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
enum ClientAuth {
    None,
    Optional,
    Required,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
struct TlsFlags {
    /// Certificate chain, PEM; turns TLS on; again for more names
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Vec<PathBuf>,
    /// Its private key, PEM; one for each certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Vec<PathBuf>,
    /// Authorities that sign client certificates, PEM
    #[arg(long, hide_short_help = true, value_name = "FILE", required_if_eq_any = [("tls_client_auth", "optional"), ("tls_client_auth", "required")])]
    tls_client_ca: Option<PathBuf>,
    /// none, optional or required (required with a CA)
    #[arg(long, hide_short_help = true, value_name = "WHEN", hide_possible_values = true)]
    tls_client_auth: Option<ClientAuth>,
    /// Oldest version, 1.2 or 1.3 (1.2)
    #[arg(long, hide_short_help = true, value_name = "VERSION", hide_possible_values = true)]
    tls_min: Option<TlsVersion>,
    /// Send clients that speak plain HTTP to https
    #[arg(long, hide_short_help = true)]
    tls_redirect: bool,
}

impl ServerFlags {
    /// The settings in force: those given, and for the rest those of `base`.
    pub fn settings(&self, base: Settings) -> Settings {
        let mut settings = base;
        set(&mut settings.threads, self.threads);
        set(&mut settings.queue, self.queue);
        set(&mut settings.loops, self.loops);
        set(&mut settings.max_connections, self.max_connections);
        set(&mut settings.stop_timeout, self.stop_timeout);
        set(&mut settings.backlog, self.backlog);
        settings.reuse_port |= self.reuse_port;
        settings.unix_mode = self.unix_mode.or(settings.unix_mode);
        settings.proxy_protocol = self.proxy_protocol.clone().or(settings.proxy_protocol);

        let trust = |networks: &Option<Networks>, fields| networks.clone().map(|networks| Trust::new(networks, fields));
        settings.forwarded = trust(&self.forwarded, Fields::Forwarded)
            .or(trust(&self.x_forwarded, Fields::XForwarded))
            .or(settings.forwarded);
        set(&mut settings.activation, self.activation);
        settings.metrics = self.metrics.clone().or(settings.metrics);

        let (limits, times) = (&mut settings.config.limits, &mut settings.config.timeouts);
        set(&mut limits.head, self.max_head);
        // A target is part of the head; it has no flag of its own.
        limits.target = limits.target.min(limits.head);
        set(&mut limits.fields, self.max_fields);
        set(&mut limits.body, self.max_body);
        set(&mut times.head, self.head_timeout);
        set(&mut times.idle, self.idle_timeout);
        set(&mut times.body.rate, self.body_rate);
        set(&mut times.send.rate, self.send_rate);

        let pairs = self.tls.tls_cert.iter().zip(&self.tls.tls_key);
        let identities: Vec<_> = pairs.map(|(cert, key)| TlsFiles { cert: cert.clone(), key: key.clone() }).collect();
        if !identities.is_empty() {
            settings.tls = Some(TlsSettings { identities, policy: self.tls_policy() });
        }
        settings
    }

    /// What TLS asks of clients, for a command that has a certificate of its own.
    pub fn tls_policy(&self) -> TlsPolicy {
        let clients = match (&self.tls.tls_client_ca, self.tls.tls_client_auth) {
            (None, _) | (_, Some(ClientAuth::None)) => ClientCertificates::Ignored,
            (Some(ca), Some(ClientAuth::Optional)) => ClientCertificates::Optional(ca.clone()),
            (Some(ca), Some(ClientAuth::Required) | None) => ClientCertificates::Required(ca.clone()),
        };
        let plain_http = if self.tls.tls_redirect { PlainRequests::Redirected } else { PlainRequests::Refused };
        TlsPolicy { clients, min: self.tls.tls_min.unwrap_or(TlsVersion::V1_2), plain_http }
    }

    /// The first flag that asks something of TLS clients though no certificate was given. A command without one of its
    /// own has to refuse it: whoever gave it believes that clients are checked.
    pub fn tls_flag_without_certificate(&self) -> Option<&'static str> {
        let tls = &self.tls;
        let flags = [
            (tls.tls_client_ca.is_some(), "--tls-client-ca"),
            (tls.tls_client_auth.is_some(), "--tls-client-auth"),
            (tls.tls_min.is_some(), "--tls-min"),
            (tls.tls_redirect, "--tls-redirect"),
        ];
        flags.into_iter().find(|(given, _)| *given && tls.tls_cert.is_empty()).map(|(_, name)| name)
    }

    /// Why certificates and keys cannot be paired, if so; every command has to refuse it.
    pub fn unpaired_certificates(&self) -> Option<String> {
        let (certificates, keys) = (self.tls.tls_cert.len(), self.tls.tls_key.len());
        let message = format!("--tls-cert and --tls-key come in pairs: {certificates} and {keys} were given");
        (certificates != keys).then_some(message)
    }
}

fn set<T>(setting: &mut T, flag: Option<T>) {
    if let Some(value) = flag {
        *setting = value;
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Server {
        #[command(flatten)]
        server: ServerFlags,
    }

    fn parse(flags: &[&str]) -> Result<ServerFlags, String> {
        let arguments = [&["server"], flags].concat();
        Server::try_parse_from(arguments).map(|command| command.server).map_err(|error| error.to_string())
    }

    fn settings(flags: &[&str]) -> Settings {
        parse(flags).unwrap().settings(Settings::default())
    }

    #[test]
    fn nothing_given_changes_nothing() {
        assert_eq!(settings(&[]).to_string(), Settings::default().to_string());
        let mut base = Settings::default();
        base.config.limits.head = 8_192;
        base.config.limits.target = 8_192;
        base.reuse_port = true;
        base.unix_mode = Some(0o600);
        assert_eq!(parse(&[]).unwrap().settings(base.clone()).to_string(), base.to_string());
    }

    #[test]
    fn each_flag_sets_its_setting() {
        for (flag, value, line) in [
            ("--threads", "3:7", "threads = 3:7"),
            ("--queue", "5", "queue = 5"),
            ("--loops", "4", "loops = 4"),
            ("--max-connections", "99", "max-connections = 99"),
            ("--max-head", "8K", "max-head = 8192"),
            ("--max-fields", "50", "max-fields = 50"),
            ("--max-body", "1M", "max-body = 1048576"),
            ("--max-body", "0", "max-body = 0"),
            ("--max-body", "none", "max-body = none"),
            ("--head-timeout", "2.5", "head-timeout = 2.5"),
            ("--idle-timeout", "none", "idle-timeout = none"),
            ("--body-rate", "0", "body-rate = 0"),
            ("--send-rate", "1K", "send-rate = 1024"),
            ("--stop-timeout", "0", "stop-timeout = 0"),
            ("--backlog", "5", "backlog = 5"),
            ("--unix-mode", "0660", "unix-mode = 660"),
            ("--forwarded", "unix", "forwarded = unix"),
            ("--x-forwarded", "10.0.0.0/8", "x-forwarded = 10.0.0.0/8"),
            ("--activation", "try", "activation = try"),
            ("--metrics", "127.0.0.1:9070", "metrics = 127.0.0.1:9070"),
            ("--proxy-protocol", "10.0.0.0/8,unix", "proxy-protocol = 10.0.0.0/8,unix"),
        ] {
            let text = settings(&[flag, value]).to_string();
            let changed: Vec<_> =
                text.lines().filter(|l| !Settings::default().to_string().lines().any(|d| d == *l)).collect();
            let expected: &[&str] = if flag == "--max-head" { &[line, "# limits.target = 8192"] } else { &[line] };
            assert_eq!(changed, expected, "{flag} {value}");
        }
        assert!(settings(&["--reuse-port"]).reuse_port);
    }

    #[test]
    fn settings_that_cannot_work_are_refused_and_named() {
        for (flag, value) in [
            ("--threads", "0"),
            ("--threads", "8:2"),
            ("--queue", "many"),
            ("--loops", "0"),
            ("--loops", "2000"),
            ("--max-connections", "0"),
            ("--max-head", "0"),
            ("--max-head", "64"),
            ("--max-head", "64K"),
            ("--max-fields", "0"),
            ("--max-fields", "4097"),
            ("--max-body", "many"),
            ("--head-timeout", "0"),
            ("--idle-timeout", "-1"),
            ("--body-rate", "4G"),
            ("--backlog", "0"),
            ("--unix-mode", "999"),
            ("--proxy-protocol", "10.1.2.3/8"),
            ("--activation", "maybe"),
            ("--metrics", "9070"),
            ("--tls-min", "1.1"),
            ("--tls-client-auth", "maybe"),
        ] {
            let error = parse(&[&format!("{flag}={value}")]).unwrap_err();
            assert!(error.contains(flag) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn whatever_is_accepted_works() {
        for flags in [
            &["--max-head", "256"][..],
            &["--max-head", "65535", "--max-fields", "4096", "--max-body", "0"],
            &["--max-fields", "1", "--head-timeout", "0.000000001", "--idle-timeout", "none"],
        ] {
            assert_eq!(settings(flags).config.check(), Ok(()), "{flags:?}");
        }
    }

    #[test]
    fn help_tells_the_defaults() {
        let base = Settings::default().to_string();
        let mut checked = 0;
        for argument in Server::command().get_arguments() {
            let (Some(flag), Some(help)) = (argument.get_long(), argument.get_help()) else { continue };
            let help = help.to_string();
            let Some((_, default)) = help.strip_suffix(')').and_then(|help| help.rsplit_once('(')) else { continue };
            if default.contains(' ') {
                continue;
            }
            assert_eq!(settings(&[&format!("--{flag}={default}")]).to_string(), base, "{flag}");
            checked += 1;
        }
        assert_eq!(checked, 15);
    }

    #[test]
    fn tls() {
        use ClientCertificates::{Ignored, Optional, Required};
        assert_eq!(settings(&[]).tls, None);
        let files = ["--tls-cert", "c", "--tls-key", "k"];
        let policy = |flags: &[&str]| settings(&[&files, flags].concat()).tls.unwrap().policy;
        let plain_http = PlainRequests::Refused;
        assert_eq!(policy(&[]), TlsPolicy { clients: Ignored, min: TlsVersion::V1_2, plain_http });
        assert_eq!(policy(&["--tls-redirect"]).plain_http, PlainRequests::Redirected);
        assert_eq!(policy(&["--tls-min", "1.3"]).min, TlsVersion::V1_3);
        assert_eq!(policy(&["--tls-client-ca", "a"]).clients, Required("a".into()));
        assert_eq!(policy(&["--tls-client-ca", "a", "--tls-client-auth", "optional"]).clients, Optional("a".into()));
        assert_eq!(policy(&["--tls-client-ca", "a", "--tls-client-auth", "none"]).clients, Ignored);
        for broken in [
            &["--tls-cert", "c"][..],
            &["--tls-key", "k"],
            &["--tls-client-auth", "required"],
            &["--tls-cert", "c", "--tls-key", "k", "--tls-client-auth", "optional"],
        ] {
            assert!(parse(broken).is_err(), "{broken:?}");
        }
        assert_eq!(parse(&["--tls-client-ca", "a"]).unwrap().tls_flag_without_certificate(), Some("--tls-client-ca"));
        assert_eq!(parse(&["--tls-min", "1.3"]).unwrap().tls_flag_without_certificate(), Some("--tls-min"));
        assert_eq!(parse(&["--tls-redirect"]).unwrap().tls_flag_without_certificate(), Some("--tls-redirect"));
        assert_eq!(parse(&files).unwrap().tls_flag_without_certificate(), None);
        assert_eq!(parse(&files).unwrap().unpaired_certificates(), None);
        assert!(parse(&[&files[..], &["--tls-cert", "d"]].concat()).unwrap().unpaired_certificates().is_some());
        let two = settings(&[&files[..], &["--tls-cert", "d", "--tls-key", "l"]].concat());
        let pair = |cert: &str, key: &str| TlsFiles { cert: cert.into(), key: key.into() };
        assert_eq!(two.tls.as_ref().unwrap().identities, [pair("c", "k"), pair("d", "l")]);
        assert!(two.to_string().contains("tls-cert = c\ntls-key = k\ntls-cert = d\ntls-key = l\n"));
        let text = settings(&[&files[..], &["--tls-client-ca", "a"]].concat()).to_string();
        assert!(text.contains("tls-client-auth = required\ntls-client-ca = a\ntls-min = 1.2\ntls-redirect = no\n"));
    }
}
