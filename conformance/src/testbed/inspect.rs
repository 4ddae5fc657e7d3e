//! What did the server understand of a request?

use cherrystone::{Fields, Head, Version};

/// The request as text: request line, field lines in order with names in lower case, the size of the content, and the trailers.
pub(super) fn dump(head: Head<'_>, content: &[u8], trailers: Fields<'_>) -> Vec<u8> {
    let version = match head.version() {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    };
    let mut out = format!("{} {} {version}\n", head.method(), head.target()).into_bytes();
    lines("", head.fields(), &mut out);
    out.extend_from_slice(format!("\nbody-bytes: {}\n", content.len()).as_bytes());
    lines("trailer ", trailers, &mut out);
    out
}

fn lines(lead: &str, fields: Fields<'_>, out: &mut Vec<u8>) {
    for (name, value) in fields.iter() {
        out.extend_from_slice(lead.as_bytes());
        out.extend_from_slice(name.to_ascii_lowercase().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.push(b'\n');
    }
}
