//! How is a case written as a case file?
//!
//! [`Case::to_toml`] is the other direction of [`Case::read_file`]: what it writes reads as the same case. What the file may leave out
//! is left out; answers that were counted are written one by one.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Awaited, Case, Content, End, Expected, Patience, Protocol, StatusSet, Step, Text, To, Transport};

impl Case {
    /// One entry of a case file.
    pub fn to_toml(&self) -> String {
        let name = self.id.rsplit_once('/').map_or(&self.id[..], |(_, name)| name);
        // Numbered copies that trickle are written whole, and split by the case.
        let numbered = |step: &Step| matches!(step, Step::Trickle(text, _) if text.copies().is_some());
        let is_split = self.send.iter().any(numbered);
        let mut out = String::from("[[case]]\n");
        let mut line = |key: &str, value: String| {
            let _ = writeln!(out, "{key} = {value}");
        };
        line("name", quoted(name));
        line("requires", list(self.requires.iter().map(|id| quoted(id))));
        line("level", quoted(&self.level.to_string()));
        line("why", quoted(&self.why));
        line("fixture", list(self.fixtures.iter().map(|fixture| quoted(fixture.name()))));
        line("send", list(self.send.iter().map(|step| self::step(step, is_split))));
        line("answers", list(self.answers.iter().map(answer)));
        line("end", quoted(end(self.end)));
        if let Some(tunnel) = &self.tunnel {
            line("tunnel", format!("{{ send = {}, expect = {} }}", text(&tunnel.send), text(&tunnel.expect)));
        }
        if self.patience == Patience::Slow {
            line("slow", "true".to_owned());
        }
        if is_split {
            line("split", quoted("octets"));
        }
        match self.only {
            Some(Transport::Clear) => line("only", quoted("clear")),
            Some(Transport::Tls) => line("only", quoted("tls")),
            None => {}
        }
        if let Some(Protocol::Http2) = self.begins {
            line("begins", quoted("http2"));
        }
        out
    }
}

fn end(end: End) -> &'static str {
    match end {
        End::Any => "any",
        End::Close => "close",
        End::CloseInOrder => "reset-free",
        End::Open => "open",
    }
}

fn step(step: &Step, is_split: bool) -> String {
    match step {
        Step::Text(text) => self::text(text),
        Step::Octets(octets) => format!("{{ hex = {} }}", hex(octets)),
        Step::Trickle(text, Duration::ZERO) if is_split => self::text(text),
        Step::Trickle(text, every) => format!("{{ trickle = {}, every = {} }}", self::text(text), every.as_millis()),
        Step::Pause(time) => format!("{{ pause = {} }}", time.as_millis()),
        Step::Await(Awaited::Interim) => "{ await = \"interim\" }".to_owned(),
        Step::Await(Awaited::Answer) => "{ await = \"answer\" }".to_owned(),
        Step::HalfClose => "{ end = \"write\" }".to_owned(),
        Step::Reset => "{ end = \"reset\" }".to_owned(),
    }
}

fn answer(answer: &Expected) -> String {
    let mut parts = vec![format!("status = {}", statuses(&answer.status))];
    let mut part = |key: &str, value: String| parts.push(format!("{key} = {value}"));
    if !answer.allowed.is_empty() {
        part("allowed", statuses(&answer.allowed));
    }
    if answer.to == To::Head {
        part("to", quoted("HEAD"));
    }
    match &answer.body {
        Some(Content::Text(text)) => part("body", self::text(text)),
        Some(Content::Octets(octets)) => part("body_hex", hex(octets)),
        None => {}
    }
    for (key, texts) in [("contains", &answer.contains), ("lacks", &answer.lacks)] {
        if !texts.is_empty() {
            part(key, list(texts.iter().map(text)));
        }
    }
    if let Some(length) = answer.length {
        part("length", length.to_string());
    }
    if !answer.fields.is_empty() {
        let value = |value: &Option<Text>| value.as_ref().map_or_else(|| quoted(""), text);
        let fields = answer.fields.iter().map(|(name, expected)| format!("{} = {}", quoted(name), value(expected)));
        part("field", format!("{{ {} }}", fields.collect::<Vec<_>>().join(", ")));
    }
    if !answer.no_fields.is_empty() {
        part("no_field", list(answer.no_fields.iter().map(|name| quoted(name))));
    }
    if let Some(interim) = &answer.interim {
        part("interim", list(interim.iter().map(u16::to_string)));
    }
    if let Some(minor) = answer.minor_version {
        part("version", quoted(&format!("1.{minor}")));
    }
    format!("{{ {} }}", parts.join(", "))
}

fn statuses(set: &StatusSet) -> String {
    let refused = set.allows_refusal().then(|| quoted("refused"));
    list(set.codes.iter().map(u16::to_string).chain(refused))
}

fn text(text: &Text) -> String {
    match text.copies() {
        None => quoted(&text.source()),
        Some(times) => format!("{{ repeat = {}, times = {times} }}", quoted(&text.source())),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn hex(octets: &[u8]) -> String {
    let digits = octets.iter().fold(String::new(), |mut digits, octet| {
        let _ = write!(digits, "{octet:02x}");
        digits
    });
    quoted(&digits)
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' || c == '\x7f' => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn every_case_of_the_suite_reads_as_it_was_written() {
        for case in Catalog::embedded().unwrap().cases() {
            let written = case.to_toml();
            assert_eq!(Case::read_file(case.group(), &written), Ok(vec![case.clone()]), "{written}");
        }
    }
}
