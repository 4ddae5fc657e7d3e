//! How is a request written as a line?
//!
//! Invariants:
//! 1. A line has one line feed, its last octet, whatever the client sent.
//! 2. A JSON line is one valid object in UTF-8; a combined line is ASCII.

use std::io::Write;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use cherrystone_core::gateway::PeerAddress;
use cherrystone_core::{Date, Head, Version};

use super::Format;
use crate::Record;

/// Appends the line of a request of this client whose answer ended at `now`.
pub(super) fn write(line: &mut Vec<u8>, format: Format, record: &Record<'_>, client: &PeerAddress, now: SystemTime) {
    match format {
        Format::Combined => combined(line, record, client, now),
        Format::Json => json(line, record, client, now),
    }
    line.push(b'\n');
}

fn combined(line: &mut Vec<u8>, record: &Record<'_>, client: &PeerAddress, now: SystemTime) {
    address(line, client);
    let date = Date::from_unix(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
    let date = date.as_str();
    // `Sun, 06 Nov 1994 08:49:37 GMT`, rearranged.
    let (day, month, year, time) = (&date[5..7], &date[8..11], &date[12..16], &date[17..25]);
    put(line, format_args!(" - - [{day}/{month}/{year}:{time} +0000] \""));
    match record.head {
        Some(head) => {
            quoted(line, head.method().as_bytes());
            line.push(b' ');
            quoted(line, head.target().as_bytes());
            put(line, format_args!(" {}", version(head)));
        }
        None => line.push(b'-'),
    }
    line.extend_from_slice(b"\" ");
    match record.status {
        Some(status) => put(line, format_args!("{} ", status.code())),
        None => line.extend_from_slice(b"- "),
    }
    match record.content {
        0 => line.push(b'-'),
        octets => put(line, format_args!("{octets}")),
    }
    for name in ["Referer", "User-Agent"] {
        line.extend_from_slice(b" \"");
        match field(record, name) {
            Some(value) => quoted(line, value),
            None => line.push(b'-'),
        }
        line.push(b'"');
    }
}

fn json(line: &mut Vec<u8>, record: &Record<'_>, client: &PeerAddress, now: SystemTime) {
    line.extend_from_slice(b"{\"time\":\"");
    rfc3339(line, now);
    line.extend_from_slice(b"\",\"client\":\"");
    address(line, client);
    line.push(b'"');
    let head = record.head;
    member(line, "method", head.map(|head| head.method().as_bytes()));
    member(line, "target", head.map(|head| head.target().as_bytes()));
    member(line, "version", head.map(|head| version(head).as_bytes()));
    member(line, "host", head.and_then(|head| head.authority()).map(str::as_bytes));
    match record.status {
        Some(status) => put(line, format_args!(",\"status\":{}", status.code())),
        None => line.extend_from_slice(b",\"status\":null"),
    }
    let seconds = record.took.as_secs_f64();
    put(line, format_args!(",\"content\":{},\"seconds\":{seconds:.6},\"cut\":{}", record.content, record.is_cut));
    member(line, "referrer", field(record, "Referer"));
    member(line, "user_agent", field(record, "User-Agent"));
    line.push(b'}');
}

fn field<'r>(record: &Record<'r>, name: &str) -> Option<&'r [u8]> {
    record.head.and_then(|head| head.fields().get(name))
}

fn version(head: Head<'_>) -> &'static str {
    match head.version() {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    }
}

/// The address without its port; nothing in it needs quoting.
fn address(line: &mut Vec<u8>, address: &PeerAddress) {
    match address {
        PeerAddress::Ip(address) => match address.ip().to_canonical() {
            IpAddr::V4(ip) => put(line, format_args!("{ip}")),
            IpAddr::V6(ip) => put(line, format_args!("{ip}")),
        },
        // The name of a client's own socket is the client's choice, and not worth its dangers.
        PeerAddress::Unix(_) => line.extend_from_slice(b"unix:"),
    }
}

/// `1994-11-06T08:49:37.000Z`
fn rfc3339(line: &mut Vec<u8>, now: SystemTime) {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let date = Date::from_unix(since.as_secs());
    let date = date.as_str();
    let month = 1 + "JanFebMarAprMayJunJulAugSepOctNovDec".find(&date[8..11]).unwrap_or(0) / 3;
    let (year, day, time, millis) = (&date[12..16], &date[5..7], &date[17..25], since.subsec_millis());
    put(line, format_args!("{year}-{month:02}-{day}T{time}.{millis:03}Z"));
}

/// A part between quotes, with everything but visible ASCII escaped.
fn quoted(line: &mut Vec<u8>, octets: &[u8]) {
    for octet in octets {
        match octet {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', *octet]),
            b' '..=b'~' => line.push(*octet),
            _ => put(line, format_args!("\\x{octet:02x}")),
        }
    }
}

/// A member of a JSON object behind others. Octets that are not UTF-8 are shown as U+FFFD.
fn member(line: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    put(line, format_args!(",\"{name}\":"));
    let Some(value) = value else {
        line.extend_from_slice(b"null");
        return;
    };
    line.push(b'"');
    for character in String::from_utf8_lossy(value).chars() {
        match character {
            '"' | '\\' => line.extend_from_slice(&[b'\\', character as u8]),
            // Controls, and what some readers take for the end of a line.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                put(line, format_args!("\\u{:04x}", c as u32));
            }
            c => line.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    line.push(b'"');
}

fn put(line: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // Memory takes everything.
    let _ = line.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_quotes() {
        let mut line = Vec::new();
        quoted(&mut line, b"a\" 200 \\\r\n\x00\xe4\x7f");
        assert_eq!(line, br#"a\" 200 \\\x0d\x0a\x00\xe4\x7f"#);
        line.clear();
        member(&mut line, "a", Some("q\"\\\r\n\u{0}\u{85}\u{2028}ä".as_bytes()));
        assert_eq!(String::from_utf8(line).unwrap(), r#","a":"q\"\\\u000d\u000a\u0000\u0085\u2028ä""#);
    }

    #[test]
    fn what_is_no_text_becomes_text() {
        let mut line = Vec::new();
        member(&mut line, "a", Some(b"\xe4x"));
        member(&mut line, "b", None);
        assert_eq!(String::from_utf8(line).unwrap(), ",\"a\":\"\u{fffd}x\",\"b\":null");
    }

    #[test]
    fn times() {
        let mut line = Vec::new();
        rfc3339(&mut line, UNIX_EPOCH + std::time::Duration::from_millis(784_111_777_042));
        assert_eq!(line, b"1994-11-06T08:49:37.042Z");
    }
}
