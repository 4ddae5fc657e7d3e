//! What does the application of the examples answer?
//!
//! The routes of the conformance suite's test gateway, for loops that drive a [`Connection`](cherrystone_core::Connection) without
//! a gateway. An embedder puts their own application here; nothing of the protocol is in this file, and nothing of std,
//! since one of the examples has none.

extern crate alloc;

use core::time::Duration;

use self::alloc::{format, vec, vec::Vec};

use cherrystone_core::{Config, Field, Fields, Head, Status, TargetForm, Version};

/// An answer, before it is framed.
pub(crate) struct Reply {
    pub(crate) status: Status,
    pub(crate) fields: Vec<Field<'static>>,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    /// Octets whose number is known.
    Whole(Vec<u8>),
    /// Pieces whose sum is not known in advance.
    Pieces(&'static [&'static [u8]]),
    /// Not HTTP any more: what comes is sent back.
    Echo,
}

/// Whether the answer does not depend on the content, so that nobody has to wait for that.
pub(crate) fn is_early(path: &str) -> bool {
    matches!(path, "/discard" | "/ignore")
}

/// The answer to a request.
pub(crate) fn reply(head: Head<'_>, content: &[u8], trailers: Fields<'_>) -> Reply {
    match head.form() {
        TargetForm::Authority(_) => return text(Status::NOT_IMPLEMENTED, "no tunnels here\n"),
        TargetForm::Asterisk => {
            let allow: Field<'_> = ("Allow", b"GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
            return Reply { status: Status::OK, fields: vec![allow], content: Content::Whole(Vec::new()) };
        }
        TargetForm::Origin { .. } | TargetForm::Absolute { .. } => {}
    }
    match head.path() {
        "/" | "/probe" | "/discard" | "/ignore" => text(Status::OK, "ok"),
        "/head" => text(Status::OK, "hello"),
        "/echo" => octets(content.to_vec()),
        "/inspect" => text(Status::OK, dump(head, content, trailers)),
        "/chunked" => Reply { content: Content::Pieces(&[b"one", b"two", b"three"]), ..text(Status::OK, "") },
        "/upgrade" if head.upgrade().any(|protocol| protocol.eq_ignore_ascii_case("echo")) => {
            Reply { status: Status::OK, fields: vec![("Upgrade", b"echo")], content: Content::Echo }
        }
        "/upgrade" => {
            let mut reply = text(Status::UPGRADE_REQUIRED, "upgrade required");
            reply.fields.push(("Upgrade", b"echo"));
            reply
        }
        path => match path.strip_prefix("/status/").and_then(|code| code.parse().ok()).map(Status::new) {
            Some(Ok(status)) => Reply { status, fields: Vec::new(), content: Content::Whole(Vec::new()) },
            _ => text(Status::NOT_FOUND, "not found"),
        },
    }
}

/// The rules that the suite's cases rely on.
pub(crate) fn rules() -> Config {
    let mut config = Config::default();
    config.limits.head = 8192;
    config.limits.target = 8192;
    config.limits.body = 1 << 20;
    config.timeouts.idle = Duration::from_secs(2);
    config.timeouts.head = Duration::from_secs(2);
    config
}

fn text(status: Status, content: impl Into<Vec<u8>>) -> Reply {
    Reply { status, fields: vec![("Content-Type", b"text/plain")], content: Content::Whole(content.into()) }
}

fn octets(content: Vec<u8>) -> Reply {
    Reply {
        status: Status::OK,
        fields: vec![("Content-Type", b"application/octet-stream")],
        content: Content::Whole(content),
    }
}

/// What was understood of a request.
fn dump(head: Head<'_>, content: &[u8], trailers: Fields<'_>) -> Vec<u8> {
    let version = if head.version() == Version::Http10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let mut out = format!("{} {} {version}\n", head.method(), head.target()).into_bytes();
    lines("", head.fields(), &mut out);
    out.extend_from_slice(format!("\nbody-bytes: {}\n", content.len()).as_bytes());
    lines("trailer ", trailers, &mut out);
    out
}

fn lines(lead: &str, fields: Fields<'_>, out: &mut Vec<u8>) {
    for (name, value) in fields.iter() {
        out.extend_from_slice(format!("{lead}{}: ", name.to_ascii_lowercase()).as_bytes());
        out.extend_from_slice(value);
        out.push(b'\n');
    }
}
