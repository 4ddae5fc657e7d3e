//! Faults in how requests are read.

use super::Mutant;
use super::proxy::Fault;

/// The sound server is given something that it reads as the faulty one would have read the original.
struct Reads(fn(&str) -> String);

impl Fault for Reads {
    fn request(&mut self, piece: String) -> String {
        (self.0)(&piece)
    }
}

macro_rules! reads {
    ($name:literal, $change:expr, [$($case:literal),*]) => {
        Mutant { name: $name, fault: || Box::new(Reads($change)), found_by: &[$($case),*] }
    };
}

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        reads!(
            "a lone LF ends a line",
            |t| t.replace("\r\n", "\n").replace('\n', "\r\n"),
            ["chunk-line-ends/lf-behind-size", "request-line/lf-ends-request-line-strict"]
        ),
        reads!(
            "a second Host is dropped",
            |t| each_head(t, |head| one_line_of(head, "host:")),
            ["host-count/twice-equal", "host-count/twice-different"]
        ),
        reads!(
            "two lengths are added",
            |t| each_head(t, lengths_added),
            ["content-length-lists/differ-on-two-lines", "content-length/equal-on-two-lines"]
        ),
        reads!(
            "folded lines are joined",
            |t| t.replace("\r\n ", " ").replace("\r\n\t", " "),
            ["field-line/fold-refused"]
        ),
        reads!("trailers are skipped unread", without_trailers, ["trailer-abuse/no-colon"]),
        reads!("trailers are left in the way", |t| t.replace("\r\n0\r\nX", "\r\n0\r\n\r\nX"), ["trailer/one"]),
        reads!("a size may begin with 0x", |t| t.replace("\r\n0x", "\r\n"), ["chunk-size/prefix"]),
        reads!(
            "white space around a chunk size is skipped",
            |t| t.replace("\r\n ", "\r\n").replace("\t\r\n", "\r\n"),
            ["chunk-size/space-in-front", "chunk-size/tab-behind"]
        ),
        reads!(
            "codings count in HTTP/1.0",
            coding_in_one_zero,
            ["http10/coding-refused", "smuggling-content/coding-in-http10"]
        ),
        reads!(
            "other codings are ignored",
            |t| t.replace("gzip, ", "").replace("identity, ", ""),
            ["transfer-coding-odd/gzip-then-chunked"]
        ),
        reads!(
            "content of a GET is left in the way",
            without_length_of_get,
            ["method/get-with-content", "smuggling-content/get-with-hidden-request"]
        ),
        reads!("lengths wrap at 2^64", wrapped_lengths, ["content-length-lists/wraps-64"]),
        reads!(
            "an underscore in a name is a hyphen",
            |t| t.replace("Content_", "Content-").replace("X_", "X-"),
            ["field-name/underscore-twin-of-length"]
        ),
        reads!(
            "escapes in a target are decoded early",
            |t| t.replace("%2F", "/").replace("%2e", ".").replace("%41", "A"),
            ["target-escapes/encoded-slash"]
        ),
        reads!(
            "paths are tidied up",
            |t| t.replace("//", "/").replace("/./", "/"),
            ["target-escapes/query-with-slashes"]
        ),
        reads!("methods compare without case", upper_method, ["method/lower-case-get"]),
        reads!(
            "a close option is seen in lower case only",
            |t| t.replace("Connection: Close", "X: y").replace("Connection: CLOSE", "X: y"),
            ["close/close-capitals"]
        ),
        reads!("NUL in a value is dropped", |t| t.replace('\0', ""), ["field-value-octets/nul-refused"]),
        reads!(
            "a chunk may lack the line end behind it",
            |t| t.replace("cherry0\r\n", "cherry\r\n0\r\n"),
            ["chunk-line-ends/nothing-behind-data"]
        ),
    ]
}

/// Each part up to an empty line changed for itself.
fn each_head(text: &str, change: fn(&str) -> String) -> String {
    text.split_inclusive("\r\n\r\n").map(change).collect()
}

/// Only the first line whose name is this.
fn one_line_of(text: &str, name: &str) -> String {
    let mut seen = false;
    let lines = text.split_inclusive("\r\n").filter(|line| {
        let named = line.to_ascii_lowercase().starts_with(name);
        let again = named && seen;
        seen |= named;
        !again
    });
    lines.collect()
}

fn length(line: &str) -> Option<&str> {
    line.to_ascii_lowercase().starts_with("content-length:").then(|| line["content-length:".len()..].trim())
}

fn lengths_added(text: &str) -> String {
    let lengths: Vec<u64> = text.split("\r\n").filter_map(length).filter_map(|value| value.parse().ok()).collect();
    if lengths.len() < 2 {
        return text.to_owned();
    }
    let sum: u64 = lengths.iter().fold(0, |sum, length| sum.wrapping_add(*length));
    let mut sums = 0;
    let lines = text.split_inclusive("\r\n").filter_map(|line| {
        let Some(_) = length(line) else { return Some(line.to_owned()) };
        sums += 1;
        (sums == 1).then(|| format!("Content-Length: {sum}\r\n"))
    });
    lines.collect()
}

fn without_trailers(text: &str) -> String {
    match text.split_once("\r\n0\r\n") {
        Some((before, rest)) if !rest.starts_with("\r\n") => {
            let behind = rest.split_once("\r\n\r\n").map_or("", |(_, behind)| behind);
            format!("{before}\r\n0\r\n\r\n{behind}")
        }
        _ => text.to_owned(),
    }
}

fn coding_in_one_zero(text: &str) -> String {
    let coded = text.to_ascii_lowercase().contains("\r\ntransfer-encoding:");
    if coded { text.replace("HTTP/1.0\r\n", "HTTP/1.1\r\n") } else { text.to_owned() }
}

fn without_length_of_get(text: &str) -> String {
    if !text.starts_with("GET ") {
        return text.to_owned();
    }
    text.split_inclusive("\r\n").filter(|line| length(line).is_none()).collect()
}

fn wrapped_lengths(text: &str) -> String {
    let lines =
        text.split_inclusive("\r\n").map(|line| match length(line).and_then(|value| value.parse::<u128>().ok()) {
            Some(value) => format!("Content-Length: {}\r\n", value & u128::from(u64::MAX)),
            None => line.to_owned(),
        });
    lines.collect()
}

fn upper_method(text: &str) -> String {
    let method = text.split(' ').next().unwrap_or_default();
    if method.is_empty() || !text.contains(" HTTP/1.") || !method.bytes().all(|b| b.is_ascii_alphabetic()) {
        return text.to_owned();
    }
    format!("{}{}", method.to_ascii_uppercase(), &text[method.len()..])
}
