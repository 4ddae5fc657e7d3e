//! Does the client speak TLS at all?
//!
//! Invariants:
//! 1. What begins like a request of HTTP is told so, whatever its method; nothing else gets an answer in plain text.
//! 2. The answer does not depend on how the octets arrive.

/// The longest method that is taken for one.
const METHOD: usize = 32;
/// The type of a record that carries a handshake, the first octet of every client that speaks TLS.
const HANDSHAKE: u8 = 22;

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

/// The answer to a request in plain text.
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
