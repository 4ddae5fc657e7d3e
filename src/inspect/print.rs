//! How are findings written down?
//!
//! As text for people, or as JSON for programs: an object a line, as soon as it is found. `docs/inspect.schema.json` says what is in
//! them. Octets from 0x80 on are written as the characters of the same number, so that nothing is lost.
//!
//! Invariants:
//! 1. Pieces of content that join up are one line, however they were cut.
//! 2. Nothing of the recording reaches a terminal unescaped.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;

use cherrystone_core::{Fields, Framing, Head, Version};

use super::{Finding, Summary};

/// What findings are written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Writes findings.
#[derive(Debug)]
pub struct Printer<W> {
    out: W,
    format: Format,
    /// Content that may go on.
    content: Option<(u64, Range<u64>)>,
    /// The first failure; nothing is written after it.
    outcome: io::Result<()>,
}

impl<W: Write> Printer<W> {
    /// Writes to `out`.
    pub fn new(out: W, format: Format) -> Self {
        Self { out, format, content: None, outcome: Ok(()) }
    }

    /// Writes a finding down.
    pub fn found(&mut self, finding: &Finding<'_>) {
        if let Finding::Content { request, at, .. } = finding {
            match &mut self.content {
                Some((of, before)) if of == request && before.end == at.start => before.end = at.end,
                _ => {
                    self.put_content();
                    self.content = Some((*request, at.clone()));
                }
            }
            return;
        }
        self.put_content();
        let line = match self.format {
            Format::Text => text(finding),
            Format::Json => json(finding),
        };
        self.put(&line);
    }

    /// Whether writing has failed, so that going on is of no use.
    pub fn has_failed(&self) -> bool {
        self.outcome.is_err()
    }

    /// Writes the summary down.
    ///
    /// # Errors
    /// The first failure of writing.
    pub fn finish(mut self, summary: &Summary) -> io::Result<()> {
        let rest = &summary.rest;
        let line = match self.format {
            Format::Text => {
                let mut line = format!("{} requests in {} octets\n", summary.requests, summary.octets);
                if !rest.is_empty() {
                    line = format!("octets {} to {} belong to no request\n{line}", rest.start, rest.end);
                }
                line
            }
            Format::Json => {
                let Summary { requests, content, octets, .. } = summary;
                let rest = if rest.is_empty() {
                    "null".to_owned()
                } else {
                    format!("{{\"from\":{},\"to\":{}}}", rest.start, rest.end)
                };
                format!(
                    "{{\"type\":\"summary\",\"requests\":{requests},\"content\":{content},\"octets\":{octets},\"rest\":{rest}}}\n"
                )
            }
        };
        self.put_content();
        self.put(&line);
        self.outcome.and_then(|()| self.out.flush())
    }

    fn put_content(&mut self) {
        let Some((request, at)) = self.content.take() else { return };
        let line = match self.format {
            Format::Text => format!("  content {} to {}\n", at.start, at.end),
            Format::Json => {
                format!("{{\"type\":\"content\",\"request\":{request},\"from\":{},\"to\":{}}}\n", at.start, at.end)
            }
        };
        self.put(&line);
    }

    fn put(&mut self, line: &str) {
        if self.outcome.is_ok() {
            self.outcome = self.out.write_all(line.as_bytes());
        }
    }
}

fn version(head: Head<'_>) -> &'static str {
    match head.version() {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    }
}

fn text(finding: &Finding<'_>) -> String {
    let mut line = String::new();
    // Writing to memory does not fail.
    let _ = match finding {
        Finding::Request { request, head, at } => {
            let framing = match head.framing() {
                Framing::None => "no content".to_owned(),
                Framing::Length(octets) => format!("content of {octets} octets"),
                Framing::Chunked => "content in chunks".to_owned(),
            };
            let asks =
                if head.is_persistent() { "asks to keep the connection" } else { "asks to close the connection" };
            line = format!(
                "request {request} at {} to {}: {} {} {}\n  {framing}, {asks}\n",
                at.start,
                at.end,
                head.method(),
                head.target(),
                version(*head)
            );
            lines(&mut line, "  ", head.fields());
            Ok(())
        }
        Finding::Content { at, .. } => writeln!(line, "  content {} to {}", at.start, at.end),
        Finding::End { content, trailers, at, is_kept, .. } => {
            lines(&mut line, "  trailer ", *trailers);
            let verdict = if *is_kept { "is kept" } else { "ends here" };
            writeln!(line, "  end at {at}, {content} octets of content; the connection {verdict}")
        }
        Finding::Switch { at, protocol, .. } => {
            writeln!(line, "from {at} on another protocol: {}", protocol.unwrap_or("a tunnel").escape_default())
        }
        Finding::Violation { request, violation } => {
            let (status, reason) = (violation.status().code(), violation.status().reason());
            writeln!(
                line,
                "violation in request {request}: {violation}, {}; answered {status} {reason}",
                violation.kind.name()
            )
        }
    };
    line
}

fn lines(out: &mut String, lead: &str, fields: Fields<'_>) {
    for (name, value) in fields.iter() {
        let _ = writeln!(out, "{lead}{name}: {}", value.escape_ascii());
    }
}

fn json(finding: &Finding<'_>) -> String {
    match finding {
        Finding::Request { request, head, at } => {
            let (framing, length) = match head.framing() {
                Framing::None => ("none", "null".to_owned()),
                Framing::Length(octets) => ("length", octets.to_string()),
                Framing::Chunked => ("chunked", "null".to_owned()),
            };
            let upgrade: Vec<_> = head.upgrade().map(|protocol| quoted(protocol.as_bytes())).collect();
            format!(
                "{{\"type\":\"request\",\"request\":{request},\"from\":{},\"to\":{},\"method\":{},\"target\":{},\"version\":\"{}\",\
                 \"framing\":\"{framing}\",\"length\":{length},\"persistent\":{},\"expects_continue\":{},\"upgrade\":[{}],\"fields\":{}}}\n",
                at.start,
                at.end,
                quoted(head.method().as_bytes()),
                quoted(head.target().as_bytes()),
                version(*head),
                head.is_persistent(),
                head.expects_continue(),
                upgrade.join(","),
                pairs(head.fields()),
            )
        }
        Finding::Content { request, at, .. } => {
            format!("{{\"type\":\"content\",\"request\":{request},\"from\":{},\"to\":{}}}\n", at.start, at.end)
        }
        Finding::End { request, content, trailers, at, is_kept } => format!(
            "{{\"type\":\"end\",\"request\":{request},\"at\":{at},\"content\":{content},\"trailers\":{},\"kept\":{is_kept}}}\n",
            pairs(*trailers)
        ),
        Finding::Switch { request, at, protocol } => {
            let protocol = protocol.map_or("null".to_owned(), |protocol| quoted(protocol.as_bytes()));
            format!("{{\"type\":\"switch\",\"request\":{request},\"at\":{at},\"protocol\":{protocol}}}\n")
        }
        Finding::Violation { request, violation } => format!(
            "{{\"type\":\"violation\",\"request\":{request},\"kind\":\"{}\",\"offset\":{},\"status\":{},\"section\":\"{}\",\"text\":\"{}\"}}\n",
            violation.kind.name(),
            violation.offset,
            violation.status().code(),
            violation.section(),
            violation.kind.text(),
        ),
    }
}

fn pairs(fields: Fields<'_>) -> String {
    let pairs: Vec<_> =
        fields.iter().map(|(name, value)| format!("[{},{}]", quoted(name.as_bytes()), quoted(value))).collect();
    format!("[{}]", pairs.join(","))
}

/// A JSON string of characters with the numbers of these octets.
fn quoted(octets: &[u8]) -> String {
    let mut string = String::from('"');
    for &octet in octets {
        match octet {
            b'"' | b'\\' => string.extend(['\\', octet.into()]),
            b' '..=b'~' => string.push(octet.into()),
            _ => {
                let _ = write!(string, "\\u{octet:04x}");
            }
        }
    }
    string.push('"');
    string
}
