//! Does a server pass one case?
//!
//! [`judge`] plays a case over a fresh connection and gives its verdict. It knows no socket and no clock of its own, only
//! [`Connect`] and [`Channel`](crate::channel::Channel).
//!
//! 1. One call opens one connection (a second one after a reset), and ends within [`Timing`]'s bounds.
//! 2. Every octet received is accounted for: what belongs to no expected answer fails the case.
//! 3. The verdict speaks only of the server: what the channel cannot do gives [`Verdict::Untested`], a connection that
//!    does not come about gives an error.

mod check;
mod conversation;
mod delivery;
mod ending;
mod ways;

pub use conversation::{Outlook, Transcript};
pub use delivery::Delivery;
pub use ways::{Ways, judge_ways};

use std::fmt;
use std::io;
use std::time::Duration;

use crate::answer::Malformed;
use crate::case::{Addressing, Case, Expected, Patience, Protocol, Step, Transport};
use crate::channel::Connect;
use check::Acceptance;
use conversation::Conversation;

/// How long the judge waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For one answer, and for the close of the connection, once everything is sent.
    pub answer: Duration,
    /// More of it for slow cases, which wait for timers of the server.
    pub slow: Duration,
    /// For whether something unexpected follows.
    pub quiet: Duration,
    /// Between two steps that write.
    pub between: Duration,
}

impl Timing {
    /// Everything in proportion to the time for one answer.
    pub fn with_answer(answer: Duration) -> Self {
        Self {
            answer,
            slow: Duration::from_millis(1600),
            quiet: (answer / 8).min(Duration::from_millis(200)),
            between: Duration::from_millis(10),
        }
    }
}

impl Default for Timing {
    /// One and a half seconds for an answer.
    fn default() -> Self {
        Self::with_answer(Duration::from_millis(1500))
    }
}

/// What a verdict depends on besides the case and the server.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The server's name and routes.
    pub addressing: Addressing,
    /// How long to wait.
    pub timing: Timing,
    /// In which pieces the case is sent.
    pub delivery: Delivery,
    /// In how many other ways it is sent besides.
    pub ways: Ways,
    /// Whether connections are in clear text.
    pub transport: Transport,
}

impl Setting {
    /// The routes of the test gateway, usual times, pieces as the case has them, clear text.
    pub fn new(authority: impl Into<String>) -> Self {
        Self {
            addressing: Addressing::new(authority),
            timing: Timing::default(),
            delivery: Delivery::AsWritten,
            ways: Ways::One,
            transport: Transport::Clear,
        }
    }
}

/// What a case says about a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does what the case asks for.
    Pass,
    /// It does something else that the RFC leaves open: this.
    Allowed(String),
    /// It does something wrong: this.
    Fail(String),
    /// The case could not be judged, for this reason.
    Untested(String),
}

impl Verdict {
    /// One word for the kind of verdict.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Allowed(_) => "allowed",
            Self::Fail(_) => "fail",
            Self::Untested(_) => "untested",
        }
    }

    /// What was chosen, what is wrong, or why it was not tested.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Pass => None,
            Self::Allowed(text) | Self::Fail(text) | Self::Untested(text) => Some(text),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.reason().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// A verdict and what led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// What went over the wire.
    pub transcript: Transcript,
    /// How long it took.
    pub took: Duration,
}

/// Plays `case` over a new connection.
///
/// # Errors
///
/// When no connection comes about; that says nothing about the case.
pub fn judge(case: &Case, setting: &Setting, connect: &dyn Connect) -> io::Result<Outcome> {
    let mut conversation = Conversation::new(connect.connect()?);
    let start = conversation.now();
    let mut play = Play {
        case,
        setting,
        connect,
        answer: match case.patience {
            Patience::Usual => setting.timing.answer,
            Patience::Slow => setting.timing.answer + setting.timing.slow,
        },
        refused: Refusal::None,
        choice: None,
    };
    let verdict = match play.run(&mut conversation) {
        Err(Stop::Fail(_)) if speaks(case.begins, conversation.received()) => {
            Verdict::Allowed("speaks HTTP/2 on this port".to_owned())
        }
        Ok(()) => play.choice.map_or(Verdict::Pass, Verdict::Allowed),
        Err(Stop::Fail(reason)) => Verdict::Fail(reason),
        Err(Stop::Allowed(choice)) => Verdict::Allowed(choice),
        Err(Stop::Unsupported(reason)) => Verdict::Untested(reason),
        Err(Stop::NoConnection(e)) => return Err(e),
    };
    let took = conversation.now().saturating_duration_since(start);
    Ok(Outcome { verdict, transcript: conversation.into_transcript(), took })
}

/// Whether these octets are the server's side of `protocol`: of HTTP/2 the first frame, SETTINGS on stream 0 (RFC 9113, 3.4).
fn speaks(protocol: Option<Protocol>, received: &[u8]) -> bool {
    match protocol {
        Some(Protocol::Http2) => matches!(received, [_, _, _, 4, _, 0, 0, 0, 0, ..]),
        None => false,
    }
}

/// Why a case ends before its last step.
enum Stop {
    Fail(String),
    Allowed(String),
    Unsupported(String),
    NoConnection(io::Error),
}

impl From<Malformed> for Stop {
    fn from(why: Malformed) -> Self {
        Self::Fail(format!("malformed answer: {why}"))
    }
}

/// Whether the server refused what was sent, so that nothing further is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    None,
    Answered,
    Closed,
}

/// One case being played.
struct Play<'p> {
    case: &'p Case,
    setting: &'p Setting,
    connect: &'p dyn Connect,
    answer: Duration,
    refused: Refusal,
    /// What the server chose where the RFC leaves a choice.
    choice: Option<String>,
}

impl Play<'_> {
    fn run(&mut self, conversation: &mut Conversation) -> Result<(), Stop> {
        self.deliver(conversation)?;
        let resets = self.case.send.last() == Some(&Step::Reset);
        for (n, expected) in self.case.answers.iter().enumerate() {
            self.take_answer(conversation, n, expected)?;
            if self.refused == Refusal::Closed {
                break;
            }
        }
        if resets {
            return self.after_reset();
        }
        if let Some(tunnel) = self.case.tunnel.as_ref().filter(|_| conversation.is_upgraded()) {
            return self.tunnel(conversation, tunnel);
        }
        self.ending(conversation)
    }

    /// Receives and checks the final answer number `n`, with the interim answers before it.
    fn take_answer(&mut self, conversation: &mut Conversation, n: usize, expected: &Expected) -> Result<(), Stop> {
        let number = n + 1;
        let Some(exchange) = conversation.final_answer(n, expected.to, self.answer)? else {
            return self.missing_answer(conversation, number, expected);
        };
        let render = check::Renderer { addressing: &self.setting.addressing, target: self.case.target() };
        match check::exchange(&exchange, expected, &render) {
            Ok(Acceptance::Expected) => {}
            Ok(Acceptance::Refusal) => self.refused = Refusal::Answered,
            Ok(Acceptance::Choice(choice)) => {
                self.choice.get_or_insert(choice);
                if exchange.answer.status >= 400 {
                    self.refused = Refusal::Answered;
                }
            }
            Err(why) => return Err(Stop::Fail(format!("answer {number}: {why}"))),
        }
        Ok(())
    }

    fn missing_answer(&mut self, conversation: &Conversation, number: usize, expected: &Expected) -> Result<(), Stop> {
        let ended = conversation.outlook() != Outlook::Open;
        if ended && self.refused != Refusal::None {
            self.refused = Refusal::Closed;
            return Ok(());
        }
        if ended && expected.status.allows_refusal() {
            self.refused = Refusal::Closed;
            return Ok(());
        }
        if ended && expected.allowed.allows_refusal() {
            self.refused = Refusal::Closed;
            self.choice.get_or_insert_with(|| "closed without an answer".to_owned());
            return Ok(());
        }
        if ended && conversation.close_was_announced() {
            return Err(Stop::Allowed(format!(
                "closed instead of giving answer {number}, as its answer {} had announced",
                number - 1
            )));
        }
        let what = match conversation.outlook() {
            Outlook::Open => format!("the server sent nothing more within {:.1} s", self.answer.as_secs_f32()),
            Outlook::Closed => "the server closed the connection".to_owned(),
            Outlook::Reset => "the server reset the connection".to_owned(),
        };
        let wanted = expected.describe(&self.setting.addressing, self.case.target());
        Err(Stop::Fail(format!("answer {number}: {what}; expected {wanted}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{Channel, Received};

    /// Says the same to whatever comes.
    struct Says(&'static [u8]);

    impl Connect for Says {
        fn connect(&self) -> io::Result<Box<dyn Channel>> {
            Ok(Box::new(Self(self.0)))
        }
    }

    impl Channel for Says {
        fn send(&mut self, bytes: &[u8], _: Duration) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn receive(&mut self, buffer: &mut [u8], _: Duration) -> io::Result<Received> {
            let said = std::mem::take(&mut self.0);
            buffer[..said.len()].copy_from_slice(said);
            Ok(if said.is_empty() { Received::End } else { Received::Bytes(said.len()) })
        }
    }

    #[test]
    fn a_server_may_speak_the_protocol_that_the_octets_begin_and_no_other() {
        let case = |begins: &str| {
            let text = format!(
                "[[case]]\nname = \"preface\"\nrequires = [\"r\"]\nlevel = \"security\"\nwhy = \"Because.\"\n\
                 send = [\"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\"]\nanswers = [{{ status = \"refused\" }}]\n{begins}"
            );
            Case::read_file("g", &text).unwrap().remove(0)
        };
        let verdict = |case: &Case, says| judge(case, &Setting::new("h"), &Says(says)).unwrap().verdict;
        let settings = b"\0\0\0\x04\0\0\0\0\0";
        let either = case("begins = \"http2\"");
        assert!(matches!(verdict(&either, settings), Verdict::Allowed(_)));
        assert!(matches!(verdict(&case(""), settings), Verdict::Fail(_)));
        assert!(matches!(verdict(&either, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Verdict::Fail(_)));
        assert_eq!(verdict(&either, b"HTTP/1.1 505 No\r\nContent-Length: 0\r\n\r\n"), Verdict::Pass);
    }
}
