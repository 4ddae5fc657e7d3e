//! What does a case need from the server, and under which route?
//!
//! Our test gateway offers every [`Fixture`]; a foreign server offers what it offers, perhaps under other routes
//! ([`Addressing::map`]). A case whose fixture is missing is not run.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A behaviour of the server under test that a case relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fixture {
    /// 200 with any content.
    Root,
    /// 200 with exactly the content of the request.
    Echo,
    /// 200 with a text dump of what was understood of the request.
    Inspect,
    /// The dump shows trailer fields too, which a server may as well drop.
    Trailers,
    /// 200 with `onetwothree`, the length not known in advance.
    Chunked,
    /// `/NNN` behind the route gives that status, without content.
    Status,
    /// 200 with the five octets `hello`.
    Head,
    /// 200 with `ok`, answered without reading the content of the request.
    Discard,
    /// 101 to the protocol `echo`.
    Upgrade,
    /// The limits of the test gateway are in force.
    Limits,
    /// The two-second timers of the test gateway are in force.
    Timers,
}

impl Fixture {
    /// All fixtures.
    pub const ALL: [Self; 11] = [
        Self::Root,
        Self::Echo,
        Self::Inspect,
        Self::Trailers,
        Self::Chunked,
        Self::Status,
        Self::Head,
        Self::Discard,
        Self::Upgrade,
        Self::Limits,
        Self::Timers,
    ];

    /// The name in the case files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Echo => "echo",
            Self::Inspect => "inspect",
            Self::Trailers => "trailers",
            Self::Chunked => "chunked",
            Self::Status => "status",
            Self::Head => "head",
            Self::Discard => "discard",
            Self::Upgrade => "upgrade",
            Self::Limits => "limits",
            Self::Timers => "timers",
        }
    }

    /// The route in the test gateway; none for settings, which only the user of the suite can vouch for.
    pub const fn default_route(self) -> Option<&'static str> {
        match self {
            Self::Root => Some("/"),
            Self::Echo => Some("/echo"),
            Self::Inspect | Self::Trailers => Some("/inspect"),
            Self::Chunked => Some("/chunked"),
            Self::Status => Some("/status"),
            Self::Head => Some("/head"),
            Self::Discard => Some("/discard"),
            Self::Upgrade => Some("/upgrade"),
            Self::Limits | Self::Timers => None,
        }
    }
}

impl fmt::Display for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Fixture {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|fixture| fixture.name() == text).ok_or_else(|| format!("no fixture {text:?}"))
    }
}

/// How the server under test is addressed: its authority, and the routes of its fixtures.
#[derive(Debug, Clone)]
pub struct Addressing {
    authority: String,
    routes: BTreeMap<Fixture, String>,
}

impl Addressing {
    /// The routes of the test gateway, under `authority`, which goes into the Host field.
    pub fn new(authority: impl Into<String>) -> Self {
        let routes = Fixture::ALL.into_iter().filter_map(|f| Some((f, f.default_route()?.to_owned()))).collect();
        Self { authority: authority.into(), routes }
    }

    /// Gives `fixture` another route.
    ///
    /// # Errors
    ///
    /// When the fixture has no route, or the route does not start with a slash or holds more than visible ASCII.
    pub fn map(&mut self, fixture: Fixture, route: &str) -> Result<(), String> {
        if fixture.default_route().is_none() {
            return Err(format!("{fixture} is a setting, not a route"));
        }
        if !route.starts_with('/') || !route.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!("the route {route:?} must start with a slash and be visible ASCII"));
        }
        self.routes.insert(fixture, route.to_owned());
        Ok(())
    }

    /// The text for the Host field.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The route of `fixture`; that of the root for a setting.
    pub fn route(&self, fixture: Fixture) -> &str {
        self.routes.get(&fixture).or_else(|| self.routes.get(&Fixture::Root)).map_or("/", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_can_be_told_and_settings_have_none() {
        let mut addressing = Addressing::new("h:80");
        assert_eq!(addressing.route(Fixture::Echo), "/echo");
        addressing.map(Fixture::Echo, "/post").unwrap();
        addressing.map(Fixture::Root, "/index.html").unwrap();
        assert_eq!(addressing.route(Fixture::Echo), "/post");
        assert_eq!(addressing.route(Fixture::Limits), "/index.html");
        assert!(addressing.map(Fixture::Limits, "/x").is_err());
        assert!(addressing.map(Fixture::Echo, "post").is_err());
        assert!(addressing.map(Fixture::Echo, "/a b").is_err());
    }

    #[test]
    fn fixtures_read_what_they_write() {
        for fixture in Fixture::ALL {
            assert_eq!(fixture.name().parse(), Ok(fixture));
        }
    }
}
