//! How is a head written as a request of the `http` crate?

use std::sync::Arc;

use ::http::request::Parts;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use cherrystone_core::gateway::Exchange as Served;
use cherrystone_core::{Fields, Framing, Head, Version};

use super::body::Body;
use super::exchange::Exchange;
use super::tunnel::{self, OnUpgrade, TunnelEnd};

/// The head, with what is known of the client; none if its target is no URI to the `http` crate.
pub(super) fn parts(head: Head<'_>, exchange: &mut Served<'_>) -> Option<Parts> {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::from_bytes(head.method().as_bytes()).ok()?;
    parts.uri = head.target().parse::<Uri>().ok()?;
    parts.version = match head.version() {
        Version::Http10 => ::http::Version::HTTP_10,
        Version::Http11 => ::http::Version::HTTP_11,
    };
    parts.headers = headers(head.fields())?;
    parts.extensions.insert(exchange.peer().clone());
    if let Some(facts) = exchange.tls() {
        parts.extensions.insert(Arc::new(facts.clone()));
    }
    Some(parts)
}

/// The request with its content, and our end of the protocol that it may be followed by.
pub(super) fn request(
    mut parts: Parts,
    head: Head<'_>,
    exchange: &Arc<Exchange>,
) -> (Request<Body>, Option<TunnelEnd>) {
    let body = match head.framing() {
        Framing::None | Framing::Length(0) => Body::empty(),
        Framing::Length(octets) => Body::new(Arc::clone(exchange), Some(octets)),
        Framing::Chunked => Body::new(Arc::clone(exchange), None),
    };
    let tunnel = head.upgrade().next().map(|_| {
        let (end, next): (TunnelEnd, OnUpgrade) = tunnel::pair();
        parts.extensions.insert(next);
        end
    });
    (Request::from_parts(parts, body), tunnel)
}

/// Field lines; none if one of them is nothing to the `http` crate.
pub(super) fn headers(fields: Fields<'_>) -> Option<HeaderMap> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields.iter() {
        let (name, value) = (HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?);
        map.try_append(name, value).ok()?;
    }
    Some(map)
}
