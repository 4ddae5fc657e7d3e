//! How is the server doing, for machines that ask?
//!
//! [`Metrics`] is a gateway that answers from the counters of another server: `/metrics` in the text format of Prometheus (0.0.4),
//! `/healthz` with 200 while that server takes requests and 503 before and after. Give it an address of its own, which the public does not
//! reach:
//!
//! ```no_run
//! use cherrystone::metrics::Metrics;
//! use cherrystone::{Backend, Server, gateways::Hello};
//!
//! let server = Server::new(Hello).bind("0.0.0.0:8070")?;
//! let metrics = Server::new(Metrics::new(server.handle())).backend(Backend::Mio).bind("127.0.0.1:9070")?.start()?;
//! server.run()?;
//! # Ok::<(), cherrystone::ServerError>(())
//! ```
//!
//! Invariants:
//! 1. A name, once published, keeps its meaning. Every counter of a [`Snapshot`] is told, those that are zero too.
//! 2. Only the counters are read: asking costs the other server nothing.

use std::fmt::{self, Write as _};

use cherrystone_core::gateway::{Done, Exchange, Failure, Gateway, Mode};
use cherrystone_core::{Head, Status, ViolationKind};

use crate::{Handle, Phase, Snapshot};

/// The media type of the text format.
const TEXT_FORMAT: &[u8] = b"text/plain; version=0.0.4; charset=utf-8";

/// Tells how the server with this handle is doing.
#[derive(Clone, Debug)]
pub struct Metrics {
    handle: Handle,
}

impl Metrics {
    /// About the server with this handle, which need not run yet.
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

impl Gateway for Metrics {
    fn mode(&self, _: Head<'_>) -> Mode {
        Mode::Inline
    }

    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        let plain: &[u8] = b"text/plain; charset=utf-8";
        let (status, media_type, text) = match head.path() {
            "/metrics" | "/healthz" if !matches!(head.method(), "GET" | "HEAD") => {
                let fields = [("Allow", &b"GET, HEAD"[..]), ("Content-Type", plain)];
                return exchange.respond(Status::METHOD_NOT_ALLOWED, &fields, "only GET and HEAD\n");
            }
            "/metrics" => (Status::OK, TEXT_FORMAT, self.text()),
            "/healthz" => match self.handle.phase() {
                Phase::Serving => (Status::OK, plain, "ready\n".to_owned()),
                Phase::Starting => (Status::SERVICE_UNAVAILABLE, plain, "starting\n".to_owned()),
                Phase::Draining => (Status::SERVICE_UNAVAILABLE, plain, "draining\n".to_owned()),
            },
            _ => (Status::NOT_FOUND, plain, "here are /metrics and /healthz\n".to_owned()),
        };
        exchange.respond(status, &[("Content-Type", media_type), ("Cache-Control", b"no-store")], text)
    }
}

impl Metrics {
    /// Everything in the text format.
    fn text(&self) -> String {
        let mut text = Text::default();
        text.family("build_info", "gauge", "Always 1; the label tells the version.");
        text.value("build_info", Some(("version", env!("CARGO_PKG_VERSION"))), 1);
        text.family("ready", "gauge", "Whether the server takes requests.");
        text.value("ready", None, u64::from(self.handle.phase() == Phase::Serving));
        if let Some(counts) = self.handle.workers() {
            text.gauge("workers", "Worker threads.", counts.threads as u64);
            text.gauge("workers_idle", "Worker threads without a job.", counts.idle as u64);
            text.gauge("queue_length", "Requests that wait for a worker.", counts.queued as u64);
        }
        if let Some(snapshot) = self.handle.stats() {
            snapshot_text(&snapshot, &mut text);
        }
        text.0
    }
}

fn snapshot_text(now: &Snapshot, text: &mut Text) {
    text.gauge("connections_open", "Connections that are open.", now.open);
    for (name, help, count) in [
        ("connections_accepted", "Connections that were accepted.", now.accepted),
        ("connections_turned_away", "Connections beyond the limit, answered 503.", now.turned_away),
        ("connections_cut", "Connections that a stop cut at its deadline.", now.cut),
        ("requests", "Requests that reached the application.", now.requests),
        ("requests_refused", "Requests and connections answered 503 for want of room.", now.refused),
        ("received_bytes", "Octets from clients.", now.received),
        ("sent_bytes", "Octets to clients.", now.sent),
        ("handler_failures", "Handlers that failed.", now.failures),
        ("handler_panics", "Handlers that panicked.", now.panics),
        ("accept_pauses", "Times that accepting paused for want of descriptors or memory.", now.pauses),
        ("tls_failures", "TLS sessions that failed.", now.stage_failures),
        ("proxy_refusals", "Connections refused for want of a trusted proxy or its header.", now.proxy_refusals),
    ] {
        text.counter(name, help, count);
    }
    text.family("timeouts_total", "counter", "Connections that ended because a wait did, by what was waited for.");
    for (wait, count) in [
        ("idle", now.idle_timeouts),
        ("head", now.head_timeouts),
        ("body", now.body_timeouts),
        ("send", now.stalled),
        ("linger", now.linger_timeouts),
    ] {
        text.value("timeouts_total", Some(("wait", wait)), count);
    }
    text.family("violations_total", "counter", "Rules of the protocol that clients broke, by rule.");
    for kind in ViolationKind::ALL {
        text.value("violations_total", Some(("kind", kind.name())), now.violations_by_kind.of(*kind));
    }
}

/// Lines of the text format.
#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP cherrystone_{name} {help}"));
        self.line(format_args!("# TYPE cherrystone_{name} {kind}"));
    }

    fn value(&mut self, name: &str, label: Option<(&str, &str)>, value: u64) {
        match label {
            // Labels are names of ours, in which nothing needs escaping.
            Some((label, of)) => self.line(format_args!("cherrystone_{name}{{{label}=\"{of}\"}} {value}")),
            None => self.line(format_args!("cherrystone_{name} {value}")),
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "gauge", help);
        self.value(name, None, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        let name = format!("{name}_total");
        self.family(&name, "counter", help);
        self.value(&name, None, value);
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Memory takes everything.
        let _ = writeln!(self.0, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a line with this name and these labels.
    fn value(text: &str, name: &str) -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    #[test]
    fn every_counter_is_told() {
        // A snapshot is made by a server alone, so its own words say which counters there are.
        let fields = format!("{:?}", Snapshot::default());
        let fields = fields.split_once('{').unwrap().1.split(", ").filter(|field| field.contains(": 0")).count();
        let mut text = Text::default();
        snapshot_text(&Snapshot::default(), &mut text);
        let samples = text.0.lines().filter(|line| !line.starts_with('#'));
        // The sum of violations is that of its kinds, and not told twice.
        assert_eq!(samples.filter(|line| !line.contains("{kind=")).count(), fields - 1, "{}", text.0);
        assert_eq!(text.0.matches("{kind=").count(), ViolationKind::ALL.len());
    }

    #[test]
    fn the_format_is_that_of_prometheus() {
        let mut snapshot = Snapshot::default();
        (snapshot.open, snapshot.requests, snapshot.stalled) = (3, 41, 2);
        let mut text = Text::default();
        snapshot_text(&snapshot, &mut text);
        assert_eq!(value(&text.0, "cherrystone_connections_open"), Some(3));
        assert_eq!(value(&text.0, "cherrystone_requests_total"), Some(41));
        assert_eq!(value(&text.0, "cherrystone_timeouts_total{wait=\"send\"}"), Some(2));
        let mut typed = Vec::new();
        for line in text.0.lines() {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                let (name, kind) = family.split_once(' ').unwrap();
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
                assert!(!typed.contains(&name), "{name} is there twice");
                typed.push(name);
            } else if !line.starts_with("# HELP ") {
                let name = line.split([' ', '{']).next().unwrap();
                assert_eq!(typed.last(), Some(&name), "a sample follows its type");
            }
        }
        assert!(text.0.ends_with('\n'));
    }
}
