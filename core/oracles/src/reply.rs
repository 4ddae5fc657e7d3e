//! Can an application's field change what a client reads?
//!
//! Arbitrary fields are given to each call that takes some. They must be refused exactly if a name is no token, a value has
//! control characters, or the field is not the application's to set; else a client must read exactly those back.

use arbitrary::Arbitrary;
use cherrystone_core::{Config, Interim, Misuse, Size, Status};

use crate::watch::{Lines, Seen, Watched};

/// An answer, as an application gives it.
#[derive(Arbitrary, Clone, Debug)]
pub struct Said {
    /// What is asked with.
    pub request: Asked,
    /// Which call gets the fields.
    pub call: Call,
    /// The fields.
    pub fields: Lines,
    /// The status, within 200 to 599.
    pub status: u16,
    /// The content, piece by piece; announced if `announced`.
    pub content: Vec<Vec<u8>>,
    /// Whether the size is known in advance.
    pub announced: Announced,
}

/// The request that is answered.
#[derive(Arbitrary, Clone, Copy, Debug)]
#[expect(missing_docs, reason = "they name themselves")]
pub enum Asked {
    Get,
    Head,
    Http10,
    KeptHttp10,
    Upgrade,
    Connect,
}

/// The call that gets the fields.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "these are methods of a connection")]
pub enum Call {
    Respond,
    Inform,
    Finish,
    Upgrade,
}

/// Whether the size of the content is announced.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they name themselves")]
pub enum Announced {
    Exactly,
    NotAtAll,
}

/// Answers once, and reads the answer back.
///
/// # Panics
/// If a field is let through that must not be, or refused that may be, or if it changes anything else.
pub fn check(said: &Said) {
    let config = Config::default();
    let mut watched = Watched::new(&config);
    watched.push(match said.request {
        Asked::Get => b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Asked::Head => b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        Asked::Http10 => b"GET / HTTP/1.0\r\n\r\n",
        Asked::KeptHttp10 => b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        Asked::Upgrade => b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        Asked::Connect => b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    });
    while !matches!(watched.poll(), Seen::NeedResponse) {}
    match said.call {
        Call::Inform => {
            let informed = watched.inform(Interim::EARLY_HINTS, &said.fields);
            judge(informed, verdict(&said.fields, HEAD_RESERVED));
        }
        Call::Upgrade => {
            let offered = matches!(said.request, Asked::Upgrade | Asked::Connect);
            let named = said.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("Upgrade"));
            let expected = match verdict(&said.fields, HEAD_RESERVED) {
                _ if !offered => Err(Misuse::NotOffered),
                Ok(()) if !named && !matches!(said.request, Asked::Connect) => Err(Misuse::InvalidField),
                other => other,
            };
            judge(watched.upgrade(&said.fields), expected);
        }
        Call::Respond | Call::Finish => respond(&mut watched, said),
    }
    watched.check_output();
}

fn respond(watched: &mut Watched<'_>, said: &Said) {
    let Ok(status) = Status::new(200 + said.status % 400) else { return };
    let size = match said.announced {
        Announced::Exactly => Size::Exact(said.content.iter().map(|piece| piece.len() as u64).sum()),
        Announced::NotAtAll => Size::Unknown,
    };
    let (head, trailers) = match said.call {
        Call::Respond => (said.fields.clone(), Lines::new()),
        _ => (Lines::new(), said.fields.clone()),
    };
    let tunnel = matches!(said.request, Asked::Connect) && status.code() < 300;
    let bodiless = matches!(status.code(), 204 | 205) || tunnel;
    let expected = match verdict(&head, HEAD_RESERVED) {
        _ if bodiless && !matches!(size, Size::Exact(0)) => Err(Misuse::BodyNotAllowed),
        other => other,
    };
    let begun = watched.respond(status, &head, size);
    judge(begun, expected);
    if begun.is_err() {
        return;
    }
    let head = matches!(said.request, Asked::Head) || status == Status::NOT_MODIFIED;
    for (n, piece) in said.content.iter().enumerate() {
        // The last octet goes out alone, so that one is missing before it.
        let (most, last) = piece.split_at(piece.len().saturating_sub(1));
        for part in [most, last] {
            if size != Size::Unknown && !part.is_empty() && !head {
                assert_eq!(watched.finish(&Lines::new()), Err(Misuse::TooLittle), "content is missing");
            }
            let written = if n % 2 == 0 { watched.write(part) } else { watched.frame(part) };
            written.expect("as announced");
        }
    }
    assert_eq!(watched.write(b"!").is_err(), size != Size::Unknown, "beyond what was announced");
    let finished = watched.finish(&trailers);
    judge(finished, verdict(&trailers, TRAILER_RESERVED));
    if finished.is_err() {
        watched.finish(&Lines::new()).expect("nothing was wrong but the trailers");
    }
}

fn judge(done: Result<(), Misuse>, expected: Result<(), Misuse>) {
    // Which of several faults is reported is not promised.
    assert_eq!(done.is_ok(), expected.is_ok(), "{done:?} where {expected:?} was expected");
}

const HEAD_RESERVED: &[&str] = &["content-length", "transfer-encoding", "connection", "keep-alive"];

/// What RFC 9110, 6.5.1 names: framing, routing, request modifiers, authentication, content format, response control.
const TRAILER_RESERVED: &[&str] = &[
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "host",
    "upgrade",
    "te",
    "trailer",
    "cache-control",
    "expect",
    "max-forwards",
    "range",
    "authorization",
    "proxy-authorization",
    "proxy-authenticate",
    "www-authenticate",
    "set-cookie",
    "content-encoding",
    "content-type",
    "content-range",
    "date",
    "location",
    "retry-after",
    "vary",
];

fn verdict(fields: &Lines, reserved: &[&str]) -> Result<(), Misuse> {
    for (name, value) in fields {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            return Err(Misuse::InvalidField);
        }
        if value.iter().any(|&b| (b < b' ' && b != b'\t') || b == 0x7f) {
            return Err(Misuse::InvalidField);
        }
        if reserved.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Misuse::ReservedField);
        }
    }
    Ok(())
}
