//! Who is the client behind a proxy that adds fields to requests?
//!
//! A [`Trust`] says whose word counts, and in which fields it is looked for. [`Forwarded`] wraps a gateway, which then sees requests as their
//! clients made them: the address of the [`Peer`], whether its endpoint is secured, and the `Host`. Without it nothing
//! is read from these fields at all.
//!
//! ```no_run
//! use cherrystone::forwarded::{Fields, Trust};
//! use cherrystone::{Server, gateways::Hello};
//!
//! let trust = Trust::new("10.0.0.0/8,unix".parse()?, Fields::XForwarded);
//! Server::new(Hello).forwarded(trust).bind("127.0.0.1:8070")?.run()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//! 1. The client is the last address in the list that is not a trusted proxy's; what stands in front of it is its own word, and is not read.
//!    Where the PROXY protocol has named a client, that counts, and the fields tell of its scheme and host.
//! 2. One family of fields counts, since proxies pass on, as they came, those that they do not know.
//! 3. What a trusted proxy says is believed or, if it makes no sense, answered 400. It is never guessed at.

mod parse;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use cherrystone_core::gateway::{Done, Endpoint, Exchange, Failure, Gateway, Mode, Peer, PeerAddress};
use cherrystone_core::{Config, Connection, Env, Event, Head, Instant, RecvBuf, Status, TargetForm, Version};

use crate::sockets::Networks;

/// Which fields tell of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    XForwarded,
}

/// Whose word about clients counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    networks: Networks,
    fields: Fields,
}

impl Trust {
    /// Proxies in these networks count, which have to set these fields on every request that they pass on.
    pub fn new(networks: Networks, fields: Fields) -> Self {
        Self { networks, fields }
    }

    /// The networks.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// The fields.
    pub fn fields(&self) -> Fields {
        self.fields
    }

    /// The address of the client that made a request which this peer passed on, if the peer is to be believed and tells one.
    pub fn client(&self, head: Head<'_>, peer: &Peer) -> Option<SocketAddr> {
        parse::resolve(head, peer, self).ok().flatten().and_then(|origin| origin.client)
    }
}

/// A gateway that sees requests as their clients made them.
#[derive(Debug)]
pub struct Forwarded<G> {
    gateway: G,
    trust: Trust,
    endpoints: Mutex<Vec<Variants>>,
}

/// An endpoint as it is, and as clients see it that are on the other side of the line between plain and secured.
#[derive(Debug)]
struct Variants {
    own: Arc<Endpoint>,
    other: Arc<Endpoint>,
}

impl<G: Gateway> Forwarded<G> {
    /// This gateway, behind proxies that are trusted.
    pub fn new(gateway: G, trust: Trust) -> Self {
        Self { gateway, trust, endpoints: Mutex::default() }
    }

    /// The endpoint as a client sees it; the same one each time, since gateways may remember endpoints.
    fn seen(&self, own: &Arc<Endpoint>, secured: bool) -> Arc<Endpoint> {
        if own.secured == secured {
            return Arc::clone(own);
        }
        // Each change is one push, so a poisoned lock holds nothing half done.
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(variants) = endpoints.iter().find(|variants| Arc::ptr_eq(&variants.own, own)) {
            return Arc::clone(&variants.other);
        }
        let mut other = Endpoint::clone(own);
        other.secured = secured;
        let other = Arc::new(other);
        endpoints.push(Variants { own: Arc::clone(own), other: Arc::clone(&other) });
        other
    }
}

impl<G: Gateway> Gateway for Forwarded<G> {
    fn mode(&self, head: Head<'_>) -> Mode {
        self.gateway.mode(head)
    }

    fn body_limit(&self, head: Head<'_>) -> Option<u64> {
        self.gateway.body_limit(head)
    }

    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        let origin = match parse::resolve(head, exchange.peer(), &self.trust) {
            Ok(Some(origin)) => origin,
            Ok(None) => return self.gateway.handle(head, exchange),
            Err(parse::Malformed) => return refuse(exchange),
        };
        let mut peer: Peer = exchange.peer().clone();
        if let Some(client) = origin.client {
            peer.address = PeerAddress::Ip(client);
            peer.credentials = None;
        }
        if let Some(secured) = origin.secured {
            peer.endpoint = self.seen(&peer.endpoint, secured);
        }
        let is_origin = matches!(head.form(), TargetForm::Origin { .. });
        let Some(host) = origin.host.filter(|_| is_origin) else {
            return self.gateway.handle(head, exchange.seen_as(&peer));
        };
        let config = widest();
        let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
        let mut rx = RecvBuf::default();
        rewrite(head, &host, &mut rx);
        // The rules for a Host are those for every request, so they are left to the protocol.
        match Connection::new(&env).poll(&env, &mut rx) {
            Ok(Event::Request(head)) => self.gateway.handle(head, exchange.seen_as(&peer)),
            _ => refuse(exchange),
        }
    }
}

fn refuse(mut exchange: Exchange<'_>) -> Result<Done, Failure> {
    exchange.close_after();
    let fields = [("Content-Type", &b"text/plain"[..])];
    exchange.respond(Status::BAD_REQUEST, &fields, "a proxy says something about the client that makes no sense\n")
}

/// Limits that no head which has been accepted is beyond, with another host in it.
fn widest() -> Config {
    let mut config = Config::default();
    (config.limits.head, config.limits.target, config.limits.fields) = (65_535, 65_535, 4_096);
    config
}

/// The head with this host.
fn rewrite(head: Head<'_>, host: &[u8], rx: &mut RecvBuf) {
    rx.push(head.method().as_bytes());
    rx.push(b" ");
    rx.push(head.target().as_bytes());
    rx.push(if head.version() == Version::Http10 { b" HTTP/1.0\r\nHost: " } else { b" HTTP/1.1\r\nHost: " });
    rx.push(host);
    for (name, value) in head.fields().iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        rx.push(b"\r\n");
        rx.push(name.as_bytes());
        rx.push(b": ");
        rx.push(value);
    }
    rx.push(b"\r\n\r\n");
}
