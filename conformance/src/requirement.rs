//! Which sentence of which document does a case test?
//!
//! A [`Requirement`] is one duty of an origin server, in our own words, with its source and section. Cases cite
//! requirements by id; the [matrix](crate::matrix) shows which requirement no case tests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How binding a requirement is, or how grave the failure of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The RFC says MUST, or valid input has to be served.
    Must,
    /// Known attack practice calls for it, even where the RFC is lenient.
    Security,
    /// The RFC says SHOULD.
    Should,
    /// The RFC leaves a choice; a way that is not among the choices fails.
    May,
}

impl Level {
    /// All levels, the gravest first.
    pub const ALL: [Self; 4] = [Self::Must, Self::Security, Self::Should, Self::May];

    /// The name in lower case, as in the case files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Security => "security",
            Self::Should => "should",
            Self::May => "may",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| format!("no level {text:?}: must, security, should or may"))
    }
}

/// One duty of an origin server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Short name, unique, `[a-z0-9-]+`.
    pub id: String,
    /// The document, such as `RFC 9112`, or `practice`.
    pub source: String,
    /// The section of the document, such as `7.1`; empty for `practice`.
    #[serde(default)]
    pub section: String,
    /// How binding it is.
    pub level: Level,
    /// The duty itself.
    pub text: String,
    /// Further places that say it, as citations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub see: Vec<String>,
    /// Whether a case can test it.
    #[serde(default, skip_serializing_if = "Wire::is_visible")]
    pub wire: Wire,
    /// Why no case can test it; empty when one can.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Whether a requirement shows on the wire; `true` and `false` in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum Wire {
    /// A case can test it.
    #[default]
    Visible,
    /// No exchange of messages can show it.
    Invisible,
}

impl Wire {
    fn is_visible(&self) -> bool {
        *self == Self::Visible
    }
}

impl From<bool> for Wire {
    fn from(visible: bool) -> Self {
        if visible { Self::Visible } else { Self::Invisible }
    }
}

impl From<Wire> for bool {
    fn from(wire: Wire) -> Self {
        wire == Wire::Visible
    }
}

impl Requirement {
    /// Source and section, as one cites them: `RFC 9112, 7.1`.
    pub fn citation(&self) -> String {
        if self.section.is_empty() { self.source.clone() } else { format!("{}, {}", self.source, self.section) }
    }

    /// Where the text can be read, when the source is an RFC.
    pub fn link(&self) -> Option<String> {
        let number = self.source.strip_prefix("RFC ")?;
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let first = self.section.split([',', ' ']).next().unwrap_or_default();
        let part = if first.is_empty() { String::new() } else { format!("#section-{first}") };
        Some(format!("https://www.rfc-editor.org/rfc/rfc{number}{part}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citation_names_source_and_section_and_links_to_it() {
        let requirement = Requirement {
            id: "a".into(),
            source: "RFC 9112".into(),
            section: "7.1".into(),
            level: Level::Must,
            text: "t".into(),
            see: vec![],
            wire: Wire::Visible,
            reason: String::new(),
        };
        assert_eq!(requirement.citation(), "RFC 9112, 7.1");
        assert_eq!(requirement.link().as_deref(), Some("https://www.rfc-editor.org/rfc/rfc9112#section-7.1"));
        let practice = Requirement { source: "practice".into(), section: String::new(), ..requirement };
        assert_eq!(practice.citation(), "practice");
        assert_eq!(practice.link(), None);
    }

    #[test]
    fn levels_read_what_they_write() {
        for level in Level::ALL {
            assert_eq!(level.name().parse(), Ok(level));
        }
        assert!("MUST".parse::<Level>().is_err());
    }
}
