//! How are bytes of the wire shown to people and to a shell?
//!
//! ```
//! use cherrystone_conformance::bytes::{shell_quoted, visible};
//!
//! assert_eq!(visible(b"GET / HTTP/1.1\r\n\0"), r"GET / HTTP/1.1\r\n\x00");
//! assert_eq!(shell_quoted(b"it's 5%\r\n\xff"), r"'it'\''s 5%%\r\n\377'");
//! ```
//!
//! 1. Both forms are printable ASCII, on one line, and no two different inputs give the same text.
//! 2. `printf` of any POSIX shell, given the quoted form, writes exactly the input.

use std::fmt::Write as _;

/// Every octet made visible: printable ASCII as it is, the rest as `\r`, `\n`, `\t`, `\\` or `\xNN`.
pub fn visible(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + bytes.len() / 8);
    for &byte in bytes {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\\' => out.push_str("\\\\"),
            0x20..=0x7e => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out
}

/// [`visible`], cut to about `most` octets of input, with a note of what was left out.
pub fn excerpt(bytes: &[u8], most: usize) -> String {
    if bytes.len() <= most {
        return visible(bytes);
    }
    let (head, tail) = (most - most / 3, most / 3);
    let left = bytes.len() - head - tail;
    format!("{} [... {left} more octets ...] {}", visible(&bytes[..head]), visible(&bytes[bytes.len() - tail..]))
}

/// A single-quoted format string for the `printf` of a shell.
pub fn shell_quoted(bytes: &[u8]) -> String {
    let mut out = String::from("'");
    for &byte in bytes {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            b'\\' => out.push_str("\\\\"),
            b'%' => out.push_str("%%"),
            b'\'' => out.push_str("'\\''"),
            0x20..=0x7e => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\{byte:03o}");
            }
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn an_excerpt_keeps_both_ends() {
        let text = excerpt(&[b'x'; 100], 9);
        assert_eq!(text, "xxxxxx [... 91 more octets ...] xxx");
        assert_eq!(excerpt(b"short", 9), "short");
    }

    #[test]
    fn the_quoted_form_survives_a_real_shell() {
        let all: Vec<u8> = (1..=255).collect();
        let script = format!("printf {}", shell_quoted(&all));
        let out = Command::new("sh").args(["-c", &script]).output().expect("a POSIX shell");
        assert_eq!(out.stdout, all);
    }
}
