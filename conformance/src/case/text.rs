//! How does one case fit servers with different names and routes?
//!
//! A [`Text`] of a case file holds placeholders: `{host}` for the authority, `{target}` for the route of the case's
//! first fixture, `{echo}`, `{inspect}` ... for that of a certain one; `{{` and `}}` are plain braces.
//!
//! 1. A text is checked when it is read; rendering cannot fail.
//! 2. Rendered text is ASCII: other octets are written as hexadecimal digits in the case file.

use super::fixture::{Addressing, Fixture};

/// Text with placeholders, `times` over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    parts: Vec<Part>,
    times: Times,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Host,
    Target,
    Route(Fixture),
    Index,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    Once,
    /// Repeated, `%d` being the number of the copy, from 0.
    Numbered(u32),
}

impl Text {
    /// Reads one text.
    ///
    /// # Errors
    ///
    /// For octets from 0x80 on, braces that do not pair and placeholders that do not exist.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Self { parts: parts(text)?, times: Times::Once })
    }

    /// Reads a text that is written `times` over; `%d` in it is the number of the copy, from 0.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn repeated(text: &str, times: u32) -> Result<Self, String> {
        let mut numbered = Vec::new();
        for part in parts(text)? {
            let Part::Literal(literal) = part else {
                numbered.push(part);
                continue;
            };
            for (n, piece) in literal.split("%d").enumerate() {
                if n > 0 {
                    numbered.push(Part::Index);
                }
                numbered.push(Part::Literal(piece.to_owned()));
            }
        }
        Ok(Self { parts: numbered, times: Times::Numbered(times) })
    }

    /// The octets for a certain server and the first fixture of a case.
    pub fn render(&self, addressing: &Addressing, target: Fixture) -> Vec<u8> {
        let mut out = Vec::new();
        let copies = match self.times {
            Times::Once => 1,
            Times::Numbered(times) => times,
        };
        for copy in 0..copies {
            for part in &self.parts {
                match part {
                    Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                    Part::Host => out.extend_from_slice(addressing.authority().as_bytes()),
                    Part::Target => out.extend_from_slice(addressing.route(target).as_bytes()),
                    Part::Route(fixture) => out.extend_from_slice(addressing.route(*fixture).as_bytes()),
                    Part::Index => out.extend_from_slice(copy.to_string().as_bytes()),
                }
            }
        }
        out
    }

    /// How many numbered copies it stands for; `None` for a text that is written once.
    pub(super) fn copies(&self) -> Option<u32> {
        match self.times {
            Times::Once => None,
            Times::Numbered(times) => Some(times),
        }
    }

    /// The text as the case file has it.
    pub(super) fn source(&self) -> String {
        let part = |part: &Part| match part {
            Part::Literal(text) => text.replace('{', "{{").replace('}', "}}"),
            Part::Host => "{host}".to_owned(),
            Part::Target => "{target}".to_owned(),
            Part::Route(fixture) => format!("{{{}}}", fixture.name()),
            Part::Index => "%d".to_owned(),
        };
        self.parts.iter().map(part).collect()
    }

    /// The fixtures that the text names.
    pub(super) fn fixtures(&self) -> impl Iterator<Item = Fixture> {
        self.parts.iter().filter_map(|part| match part {
            Part::Route(fixture) => Some(*fixture),
            _ => None,
        })
    }
}

fn parts(text: &str) -> Result<Vec<Part>, String> {
    if !text.is_ascii() {
        return Err(format!("{text:?} holds more than ASCII: use hex"));
    }
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        literal.push_str(before);
        if brace.starts_with("{{") || brace.starts_with("}}") {
            literal.push_str(&brace[..1]);
            rest = &brace[2..];
            continue;
        }
        let Some((name, after)) = brace.strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
            return Err(format!("a single brace in {text:?}: write {{{{ or }}}}"));
        };
        parts.push(Part::Literal(core::mem::take(&mut literal)));
        parts.push(match name {
            "host" => Part::Host,
            "target" => Part::Target,
            _ => match name.parse::<Fixture>() {
                Ok(fixture) if fixture.default_route().is_some() => Part::Route(fixture),
                _ => return Err(format!("no placeholder {{{name}}}")),
            },
        });
        rest = after;
    }
    literal.push_str(rest);
    parts.push(Part::Literal(literal));
    parts.retain(|part| !matches!(part, Part::Literal(text) if text.is_empty()));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &Text) -> String {
        String::from_utf8(text.render(&Addressing::new("h:1"), Fixture::Inspect)).unwrap()
    }

    #[test]
    fn placeholders_are_filled_in() {
        let text = Text::parse("GET {target}?a HTTP/1.1\r\nHost: {host}\r\n{{x}} {echo}").unwrap();
        assert_eq!(render(&text), "GET /inspect?a HTTP/1.1\r\nHost: h:1\r\n{x} /echo");
        assert_eq!(text.fixtures().collect::<Vec<_>>(), [Fixture::Echo]);
        assert_eq!(render(&Text::parse("").unwrap()), "");
    }

    #[test]
    fn copies_are_numbered() {
        assert_eq!(render(&Text::repeated("X-%d: %d\n", 3).unwrap()), "X-0: 0\nX-1: 1\nX-2: 2\n");
        assert_eq!(render(&Text::repeated("a", 4).unwrap()), "aaaa");
        assert_eq!(render(&Text::parse("%d").unwrap()), "%d");
    }

    #[test]
    fn a_slip_in_a_text_is_found_when_it_is_read() {
        for wrong in ["{", "}", "{target", "{nothing}", "{limits}", "é", "a}b"] {
            assert!(Text::parse(wrong).is_err(), "{wrong}");
        }
    }
}
