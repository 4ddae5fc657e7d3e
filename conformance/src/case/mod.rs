//! What is a case: which bytes are sent, and what may come back?
//!
//! Cases are read from TOML ([`Case::read_file`]); `conformance/cases` holds those of the suite.
//!
//! ```
//! use cherrystone_conformance::case::{Action, Addressing, Case};
//!
//! let cases = Case::read_file("host", r#"
//!     [[case]]
//!     name = "missing"
//!     requires = ["host-required"]
//!     level = "must"
//!     why = "A request of HTTP/1.1 names its host."
//!     send = ["GET {target} HTTP/1.1\r\n\r\n"]
//!     answers = [{ status = 400 }]
//!     end = "close"
//! "#).unwrap();
//! assert_eq!(cases[0].id, "host/missing");
//! assert_eq!(cases[0].script(&Addressing::new("h.example")), [Action::Write(b"GET / HTTP/1.1\r\n\r\n".to_vec())]);
//! ```
//!
//! 1. A case that was read is consistent: what contradicts itself is refused with the case's id.
//! 2. The first fixture of a case is the one that `{target}` means; fixtures named by placeholders follow.

mod expected;
mod fixture;
mod raw;
mod read;
mod text;
mod write;

pub use expected::{Content, Expected, Refused, StatusSet, To};
pub use fixture::{Addressing, Fixture};
pub use text::Text;

use std::time::Duration;

use crate::requirement::Level;

/// One conversation with a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// `group/name`.
    pub id: String,
    /// Ids of the requirements that it tests, at least one.
    pub requires: Vec<String>,
    /// How grave it is to fail.
    pub level: Level,
    /// The reason in one sentence.
    pub why: String,
    /// What the server has to offer, at least one.
    pub fixtures: Vec<Fixture>,
    /// What the client does, in order.
    pub send: Vec<Step>,
    /// The final answers, in order.
    pub answers: Vec<Expected>,
    /// What becomes of the connection.
    pub end: End,
    /// What is said after a 101.
    pub tunnel: Option<Tunnel>,
    /// How long it may take.
    pub patience: Patience,
    /// The kind of connection that it makes sense on; none for any.
    pub only: Option<Transport>,
    /// The other protocol that these octets begin, if a server may speak it too.
    pub begins: Option<Protocol>,
}

/// A protocol that may be spoken on the same port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2 with prior knowledge (RFC 9113, 3.3).
    Http2,
}

/// Whether a connection is in clear text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// TCP, a Unix socket, or memory.
    #[default]
    Clear,
    /// TLS.
    Tls,
}

/// One thing that the client does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write text in one call.
    Text(Text),
    /// Write octets in one call.
    Octets(Vec<u8>),
    /// Write text one octet at a time, with this pause between.
    Trickle(Text, Duration),
    /// Wait this long.
    Pause(Duration),
    /// Wait for an answer.
    Await(Awaited),
    /// End the sending direction.
    HalfClose,
    /// Reset the connection.
    Reset,
}

/// What a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Any 1xx answer.
    Interim,
    /// One whole final answer.
    Answer,
}

/// What becomes of the connection after the last answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Either, but nothing unexpected may follow.
    Any,
    /// The server closes it.
    Close,
    /// The server closes it in order, even while the client goes on sending.
    CloseInOrder,
    /// It serves a further request.
    Open,
}

/// Octets for the protocol after an upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// Sent after the 101.
    pub send: Text,
    /// Exactly what comes back.
    pub expect: Text,
}

/// How long the answers and the close may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patience {
    /// The time that the runner was given.
    #[default]
    Usual,
    /// Longer: the case waits for timers of the server.
    Slow,
}

/// A [`Step`] made concrete for one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write in one call.
    Write(Vec<u8>),
    /// Write one octet at a time, with this pause between.
    Trickle(Vec<u8>, Duration),
    /// Wait this long.
    Pause(Duration),
    /// Wait for an answer.
    Await(Awaited),
    /// End the sending direction.
    HalfClose,
    /// Reset the connection.
    Reset,
}

impl Case {
    /// The group, which is the file: `chunked-invalid`.
    pub fn group(&self) -> &str {
        self.id.rsplit_once('/').map_or("", |(group, _)| group)
    }

    /// The fixture that `{target}` means.
    pub fn target(&self) -> Fixture {
        self.fixtures.iter().copied().find(|f| f.default_route().is_some()).unwrap_or(Fixture::Root)
    }

    /// The steps, made concrete for one server.
    pub fn script(&self, addressing: &Addressing) -> Vec<Action> {
        let render = |text: &Text| text.render(addressing, self.target());
        let action = |step: &Step| match step {
            Step::Text(text) => Action::Write(render(text)),
            Step::Octets(octets) => Action::Write(octets.clone()),
            Step::Trickle(text, every) => Action::Trickle(render(text), *every),
            Step::Pause(time) => Action::Pause(*time),
            Step::Await(what) => Action::Await(*what),
            Step::HalfClose => Action::HalfClose,
            Step::Reset => Action::Reset,
        };
        self.send.iter().map(action).collect()
    }

    /// Whether the server has to accept everything that is sent.
    pub fn is_valid_input(&self) -> bool {
        let success = |set: &StatusSet| !set.allows_refusal() && set.codes.iter().all(|&code| code < 400);
        !self.answers.is_empty() && self.answers.iter().all(|answer| success(&answer.status))
    }

    /// One line for people: all that must come back.
    pub fn describe_expected(&self, addressing: &Addressing) -> String {
        let answers: Vec<_> = self.answers.iter().map(|a| a.describe(addressing, self.target())).collect();
        let mut out = if answers.is_empty() { "no answer".to_owned() } else { answers.join("; then ") };
        if let Some(tunnel) = &self.tunnel {
            let expect = tunnel.expect.render(addressing, self.target());
            out.push_str(&format!("; then \"{}\" in the new protocol", crate::bytes::excerpt(&expect, 120)));
        }
        if self.send.last() == Some(&Step::Reset) {
            out.push_str("; then a new connection is served");
            return out;
        }
        out.push_str(match self.end {
            End::Any => "",
            End::Close => "; then the server closes",
            End::CloseInOrder => "; then the server closes in order, without a reset",
            End::Open => "; then the connection serves a further request",
        });
        out
    }
}
