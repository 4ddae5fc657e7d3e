//! What does a case want to come back?
//!
//! An [`Expected`] describes one final answer and the interim answers before it. Its [`describe`](Expected::describe)
//! is the sentence that reports and `explain` show.

use std::fmt;

use super::fixture::{Addressing, Fixture};
use super::text::Text;
use crate::bytes::{excerpt, visible};

/// A set of acceptable outcomes of one request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusSet {
    /// Statuses by number.
    pub codes: Vec<u16>,
    /// Whether refusing is among the outcomes.
    pub refused: Refused,
}

/// Whether a refusal is acceptable: 4xx or 5xx other than 404, or a close without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refused {
    /// No: only the statuses that are listed.
    #[default]
    Unacceptable,
    /// Yes.
    Acceptable,
}

impl StatusSet {
    /// Whether an answer of this status is in the set. 404 is no refusal: it says that the router was asked.
    pub fn allows(&self, status: u16) -> bool {
        self.codes.contains(&status) || (self.allows_refusal() && status >= 400 && status != 404)
    }

    /// Whether a close without an answer is in the set.
    pub fn allows_refusal(&self) -> bool {
        self.refused == Refused::Acceptable
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty() && !self.allows_refusal()
    }

    /// Nothing but a refusal.
    pub(super) fn only_refusal(&self) -> bool {
        self.codes.is_empty() && self.allows_refusal()
    }

    /// Both a success and a refusal: the server has the choice, and after a refusal nothing else is asked for.
    pub fn is_mixed(&self) -> bool {
        self.codes.iter().any(|&code| code < 400)
            && (self.allows_refusal() || self.codes.iter().any(|&code| code >= 400))
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, code) in self.codes.iter().enumerate() {
            write!(f, "{}{code}", if n > 0 { " or " } else { "" })?;
        }
        if self.allows_refusal() {
            f.write_str(if self.codes.is_empty() { "a refusal" } else { " or a refusal" })?;
        }
        Ok(())
    }
}

/// Exact content, as text or octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text with placeholders.
    Text(Text),
    /// Plain octets.
    Octets(Vec<u8>),
}

impl Content {
    /// The octets themselves.
    pub fn render(&self, addressing: &Addressing, target: Fixture) -> Vec<u8> {
        match self {
            Self::Text(text) => text.render(addressing, target),
            Self::Octets(octets) => octets.clone(),
        }
    }
}

/// The method of the request that is answered, as far as it matters for the framing of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum To {
    /// Any method whose answer may have content.
    #[default]
    Other,
    /// HEAD: no content follows, whatever the fields say.
    Head,
}

/// One final answer, and the interim answers before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    /// What passes.
    pub status: StatusSet,
    /// What the RFC leaves open; a server that does this is `allowed` to.
    pub allowed: StatusSet,
    /// Which kind of request is answered.
    pub to: To,
    /// The exact content.
    pub body: Option<Content>,
    /// Parts that the content holds.
    pub contains: Vec<Text>,
    /// Parts that the content does not hold.
    pub lacks: Vec<Text>,
    /// The length of the content in octets.
    pub length: Option<usize>,
    /// Fields in lower case, and their value; none for any value.
    pub fields: Vec<(String, Option<Text>)>,
    /// Fields, in lower case, that are not there.
    pub no_fields: Vec<String>,
    /// The exact interim statuses before it; none for whatever may come.
    pub interim: Option<Vec<u16>>,
    /// The minor version in the status line.
    pub minor_version: Option<u8>,
}

impl Expected {
    pub(super) fn texts(&self) -> impl Iterator<Item = &Text> {
        let body = self.body.iter().filter_map(|body| match body {
            Content::Text(text) => Some(text),
            Content::Octets(_) => None,
        });
        let fields = self.fields.iter().filter_map(|(_, value)| value.as_ref());
        body.chain(&self.contains).chain(&self.lacks).chain(fields)
    }

    /// One line for people: `200, content "hello", field date`.
    pub fn describe(&self, addressing: &Addressing, target: Fixture) -> String {
        let mut out = self.status.to_string();
        let mut add = |what: &str, value: String| {
            out.push_str(", ");
            out.push_str(what);
            out.push_str(&value);
        };
        if !self.allowed.is_empty() {
            add("allowed also ", self.allowed.to_string());
        }
        if self.to == To::Head {
            add("no content as to HEAD", String::new());
        }
        if let Some(minor) = self.minor_version {
            add("version ", format!("HTTP/1.{minor}"));
        }
        if let Some(interim) = &self.interim {
            let list: Vec<_> = interim.iter().map(u16::to_string).collect();
            add("interim answers ", if list.is_empty() { "none".to_owned() } else { list.join(" ") });
        }
        if let Some(body) = &self.body {
            add("content ", format!("\"{}\"", excerpt(&body.render(addressing, target), 120)));
        }
        if let Some(length) = self.length {
            add("content of ", format!("{length} octets"));
        }
        for text in &self.contains {
            add("content holds ", format!("\"{}\"", excerpt(&text.render(addressing, target), 120)));
        }
        for text in &self.lacks {
            add("content lacks ", format!("\"{}\"", excerpt(&text.render(addressing, target), 120)));
        }
        for (name, value) in &self.fields {
            let value = value.as_ref().map(|value| format!(": {}", visible(&value.render(addressing, target))));
            add("field ", format!("{name}{}", value.unwrap_or_default()));
        }
        for name in &self.no_fields {
            add("no field ", name.clone());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_any_error_but_not_found() {
        let refused = StatusSet { codes: vec![], refused: Refused::Acceptable };
        assert!(refused.allows(400) && refused.allows(501) && refused.allows(431));
        assert!(!refused.allows(404) && !refused.allows(200) && !refused.allows(301));
        assert!(refused.only_refusal() && !refused.is_mixed());
        let mixed = StatusSet { codes: vec![200], refused: Refused::Acceptable };
        assert!(mixed.allows(200) && mixed.allows(400) && !mixed.allows(201) && mixed.is_mixed());
        assert_eq!(mixed.to_string(), "200 or a refusal");
        assert!(!StatusSet { codes: vec![200, 204], ..StatusSet::default() }.is_mixed());
        assert!(StatusSet { codes: vec![200, 501], ..StatusSet::default() }.is_mixed());
    }
}
