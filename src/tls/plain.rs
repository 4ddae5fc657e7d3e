//! Does the client speak TLS at all?
//!
//! Invariants:
//! 1. What begins like a request of HTTP is told so, whatever its method; nothing else gets an answer in plain text.
//! 2. The answer does not depend on how the octets arrive.
//! 3. A redirect repeats only what the protocol's own rules for a request let pass.

use crate::{Config, Connection, Env, Event, Head, Instant, RecvBuf, SendBuf, Size, Status, TargetForm};

/// The longest method that is taken for one.
const METHOD: usize = 32;
/// The type of a record that carries a handshake, the first octet of every client that speaks TLS.
const HANDSHAKE: u8 = 22;

/// What a client is told that speaks HTTP without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlainHttp {
    /// 400, and a line of text about it.
    #[default]
    Refuse,
    /// 308 to the same place by `https`, as far as the request is valid and names one; else as [`Refuse`](Self::Refuse).
    Redirect,
}

/// What a client begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Nothing yet that decides.
    Undecided,
    /// TLS, or nothing that has a name: both are for the TLS library to judge.
    Tls,
    /// HTTP in plain text.
    Http,
}

/// Judges the first octets.
pub(super) fn judge(octets: &[u8]) -> Opening {
    match octets.iter().position(|octet| !is_token(*octet)) {
        _ if octets.first() == Some(&HANDSHAKE) => Opening::Tls,
        Some(at) if (1..=METHOD).contains(&at) && octets[at] == b' ' => Opening::Http,
        None if octets.len() <= METHOD => Opening::Undecided,
        _ => Opening::Tls,
    }
}

/// A request in plain text that is being read, to be answered with a redirect. The protocol itself judges the request and
/// writes the answer, so that neither can be bent.
pub(super) struct Redirect(Connection);

impl Redirect {
    pub(super) fn new() -> Self {
        Self(Connection::new(&env(&config())))
    }

    /// Goes on reading. Says whether the answer is in `out`; if not, more of the request has to come.
    pub(super) fn go_on(&mut self, wire: &mut RecvBuf, out: &mut SendBuf) -> bool {
        let config = config();
        let env = env(&config);
        let location = match self.0.poll(&env, wire) {
            Ok(Event::Request(head)) => location(&head),
            Ok(Event::NeedInput) => return false,
            _ => None,
        };
        self.0.retire();
        let answered = location.is_some_and(|location| {
            let fields = [("Location", location.as_bytes())];
            self.0.respond(&env, Status::PERMANENT_REDIRECT, &fields, Size::Empty, out).is_ok()
        });
        if !answered {
            out.put(HINT);
        }
        true
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config.server = None;
    config
}

/// The deadline of the handshake runs elsewhere, so time stands still here.
fn env(config: &Config) -> Env<'_> {
    Env { config, now: Instant::from_nanos(0), date: None }
}

/// Where the same thing is by `https`. The port is the one that was asked: it is this one.
fn location(head: &Head<'_>) -> Option<String> {
    match head.form() {
        TargetForm::Origin { .. } => Some(format!("https://{}{}", head.authority()?, head.target())),
        TargetForm::Absolute { authority, .. } => {
            let query = head.query().map(|query| format!("?{query}")).unwrap_or_default();
            Some(format!("https://{authority}{}{query}", head.path()))
        }
        TargetForm::Authority(_) | TargetForm::Asterisk => None,
    }
}

/// The answer to a request in plain text that is not redirected.
pub(super) const HINT: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 43\r\n\
    Connection: close\r\n\
    \r\n\
    this port speaks HTTPS only: use https://\r\n";

/// `tchar` of RFC 9110, 5.6.2.
fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings() {
        for (octets, opening) in [
            (&b""[..], Opening::Undecided),
            (b"G", Opening::Undecided),
            (b"PROPFIND", Opening::Undecided),
            (b"PROPFIND /", Opening::Http),
            (b"GET / HTTP/1.1\r\n", Opening::Http),
            (b"g3t x", Opening::Http),
            (b"\x16\x03\x01", Opening::Tls),
            (b"\x16", Opening::Tls),
            (b" GET", Opening::Tls),
            (b"\x80\x2e\x01", Opening::Tls),
            (b"SSH-2.0-OpenSSH\r\n", Opening::Tls),
            (&[b'A'; METHOD], Opening::Undecided),
            (&[b'A'; METHOD + 1], Opening::Tls),
        ] {
            assert_eq!(judge(octets), opening, "{octets:?}");
        }
    }

    #[test]
    fn the_hint_has_the_length_that_it_announces() {
        let text = std::str::from_utf8(HINT).unwrap();
        let (head, content) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", content.len())), "{}", content.len());
    }
}
