//! What did a `poll` answer?

use cherrystone_core::{Event, Fields, Framing, Head, Version, Violation};

use super::Lines;

/// What a request said, in values of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Case as received.
    pub method: String,
    /// As received.
    pub target: String,
    /// The form of the target with its parts, for comparison.
    pub form: String,
    /// As decided.
    pub version: Version,
    /// As decided.
    pub framing: Framing,
    /// All field lines.
    pub fields: Lines,
    /// The client holds its content back.
    pub expects_continue: bool,
    /// The client wants to keep the connection.
    pub persistent: bool,
    /// Protocols that were offered.
    pub upgrade: Vec<String>,
}

/// An event, or a violation, in values of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "these are the events of the core, and its violations")]
pub enum Seen {
    Request(Request),
    Data(Vec<u8>),
    End(Lines),
    NeedInput,
    NeedContinue,
    NeedResponse,
    Upgraded,
    Shutdown,
    Closed,
    Violated(Violation),
}

impl Seen {
    /// What a `poll` answered, copied.
    pub fn of(polled: Result<Event<'_>, Violation>) -> Self {
        match polled {
            Ok(Event::Request(head)) => Self::Request(Request::of(head)),
            Ok(Event::Data(data)) => Self::Data(data.to_vec()),
            Ok(Event::End(trailers)) => Self::End(lines(trailers)),
            Ok(Event::NeedInput) => Self::NeedInput,
            Ok(Event::NeedContinue) => Self::NeedContinue,
            Ok(Event::NeedResponse) => Self::NeedResponse,
            Ok(Event::Upgraded) => Self::Upgraded,
            Ok(Event::Shutdown) => Self::Shutdown,
            Ok(Event::Closed) => Self::Closed,
            Err(violation) => Self::Violated(violation),
        }
    }

    /// Whether nothing more happens without news.
    pub fn is_wait(&self) -> bool {
        matches!(self, Self::NeedInput | Self::NeedContinue | Self::NeedResponse | Self::Upgraded | Self::Closed)
    }
}

impl Request {
    /// A copy of all that a head says.
    pub fn of(head: Head<'_>) -> Self {
        Self {
            method: head.method().into(),
            target: head.target().into(),
            form: format!("{:?}", head.form()),
            version: head.version(),
            framing: head.framing(),
            fields: lines(head.fields()),
            expects_continue: head.expects_continue(),
            persistent: head.is_persistent(),
            upgrade: head.upgrade().map(String::from).collect(),
        }
    }
}

fn lines(fields: Fields<'_>) -> Lines {
    fields.iter().map(|(name, value)| (name.into(), value.into())).collect()
}
