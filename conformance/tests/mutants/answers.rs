//! Faults in what is answered.

use super::Mutant;
use super::proxy::Fault;

/// Answers are changed, whatever was asked.
struct Says(fn(&str) -> String);

impl Fault for Says {
    fn answer(&mut self, piece: String) -> String {
        (self.0)(&piece)
    }
}

macro_rules! says {
    ($name:literal, $change:expr, [$($case:literal),*]) => {
        Mutant { name: $name, fault: || Box::new(Says($change)), found_by: &[$($case),*] }
    };
}

/// Content goes with the answer to HEAD.
#[derive(Default)]
struct ContentToHead {
    asked: bool,
}

impl Fault for ContentToHead {
    fn request(&mut self, piece: String) -> String {
        self.asked = piece.starts_with("HEAD ");
        piece
    }

    fn answer(&mut self, piece: String) -> String {
        if self.asked { piece + "hello" } else { piece }
    }
}

/// A client of HTTP/1.0 gets an interim answer.
#[derive(Default)]
struct ContinueToOneZero {
    asked: bool,
}

impl Fault for ContinueToOneZero {
    fn request(&mut self, piece: String) -> String {
        self.asked |= piece.contains(" HTTP/1.0\r\n") && piece.to_ascii_lowercase().contains("\r\nexpect:");
        piece
    }

    fn answer(&mut self, piece: String) -> String {
        let interim = if std::mem::take(&mut self.asked) { "HTTP/1.1 100 Continue\r\n\r\n" } else { "" };
        format!("{interim}{piece}")
    }
}

/// Only so many answers are given.
struct Forgets {
    left: usize,
}

impl Fault for Forgets {
    fn answer(&mut self, piece: String) -> String {
        let mut answers = apart(&piece);
        answers.truncate(self.left);
        self.left -= answers.len();
        answers.concat()
    }
}

/// The page for an error shows the request.
#[derive(Default)]
struct ShowsInput {
    line: String,
}

impl Fault for ShowsInput {
    fn request(&mut self, piece: String) -> String {
        self.line = piece.lines().next().unwrap_or_default().to_owned();
        piece
    }

    fn answer(&mut self, piece: String) -> String {
        let Some((head, content)) = piece.split_once("\r\n\r\n").filter(|(head, _)| head.starts_with("HTTP/1.1 4"))
        else {
            return piece;
        };
        let content = format!("{content}{}", self.line);
        let lines: Vec<_> = head.split("\r\n").filter(|line| !line.starts_with("Content-Length:")).collect();
        format!("{}\r\nContent-Length: {}\r\n\r\n{content}", lines.join("\r\n"), content.len())
    }
}

pub(crate) fn mutants() -> Vec<Mutant> {
    let with_state = [
        Mutant {
            name: "content follows the answer to HEAD",
            fault: || Box::<ContentToHead>::default(),
            found_by: &["answer-fields/head-length", "close/close-on-head"],
        },
        Mutant {
            name: "HTTP/1.0 gets a 100",
            fault: || Box::<ContinueToOneZero>::default(),
            found_by: &["http10/expect-ignored", "http10/expect-with-content-there"],
        },
        Mutant {
            name: "only ten requests are answered",
            fault: || Box::new(Forgets { left: 10 }),
            found_by: &["pipelining/fifty", "persistence/twenty-requests"],
        },
        Mutant {
            name: "an error shows the request",
            fault: || Box::<ShowsInput>::default(),
            found_by: &["answer-status/error-shows-no-input"],
        },
    ];
    let stateless = vec![
        says!(
            "answers come in another order",
            |t| apart(t).into_iter().rev().collect(),
            ["pipelining/statuses-in-order", "pipelining/ten"]
        ),
        says!(
            "every answer is given twice",
            |t| apart(t).into_iter().flat_map(|answer| [answer, answer]).collect(),
            ["close/close"]
        ),
        says!("a close is not announced", |t| without(t, "Connection: close\r\n"), ["close/close-is-announced"]),
        says!("204 has a length", |t| with(t, " 204 ", "Content-Length: 0"), ["answer-status/204"]),
        says!(
            "304 has content",
            |t| if t.contains(" 304 ") { format!("{t}old") } else { t.to_owned() },
            ["answer-status/304"]
        ),
        says!(
            "the last octet is lost",
            |t| t.chars().take(t.chars().count() - 1).collect(),
            ["content-length/five-octets", "content-size/length-2"]
        ),
        says!("the day of the week is wrong", wrong_day, ["answer-fields/date"]),
        says!("the date is of another kind", |t| t.replace(" GMT\r\n", " +0000\r\n"), ["answer-fields/date"]),
        says!(
            "a length goes with a coding",
            |t| with(t, "Transfer-Encoding: chunked", "Content-Length: 11"),
            ["answer-fields/one-framing"]
        ),
        says!("the last chunk is left out", |t| without(t, "\r\n0\r\n\r\n"), ["answer-fields/chunked-when-unknown"]),
        says!(
            "an empty chunk stands inside",
            |t| t.replace("3\r\none\r\n", "3\r\none\r\n0\r\n\r\n"),
            ["answer-fields/chunked-when-unknown"]
        ),
        says!("no 100 is sent", |t| without(t, "HTTP/1.1 100 Continue\r\n\r\n"), ["expect/waits-for-100"]),
        says!("a line end follows content", |t| format!("{t}\r\n"), ["persistence/stays-after-content"]),
        says!("a field is split", |t| t.replace("Content-Type:", "Content-Type :"), ["answer-fields/content-type"]),
        says!("the status has two digits", |t| t.replace("HTTP/1.1 400 ", "HTTP/1.1 40 "), ["host-count/missing"]),
        says!(
            "the new protocol loses what came first",
            |t| if t == "ping" { String::new() } else { t.to_owned() },
            ["upgrade/switch"]
        ),
        says!("there is no protocol in a 101", |t| without(t, "Upgrade: echo\r\n"), ["upgrade/switch"]),
    ];
    with_state.into_iter().chain(stateless).collect()
}

/// The answers in this piece.
fn apart(text: &str) -> Vec<&str> {
    let mut starts: Vec<_> = text.match_indices("HTTP/1.1 ").map(|(at, _)| at).collect();
    starts.push(text.len());
    if starts[0] > 0 {
        starts.insert(0, 0);
    }
    starts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

fn without(text: &str, part: &str) -> String {
    text.replace(part, "")
}

/// With this line in the head of each answer that has `mark` in its head.
fn with(text: &str, mark: &str, line: &str) -> String {
    let answers = apart(text).into_iter().map(|answer| match answer.split_once("\r\n\r\n") {
        Some((head, content)) if head.contains(mark) => format!("{head}\r\n{line}\r\n\r\n{content}"),
        _ => answer.to_owned(),
    });
    answers.collect()
}

fn wrong_day(text: &str) -> String {
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let at = text.find("Date: ").map(|at| at + "Date: ".len());
    let day = at.and_then(|at| days.iter().position(|day| text[at..].starts_with(day)).map(|day| (at, day)));
    match day {
        Some((at, day)) => format!("{}{}{}", &text[..at], days[(day + 1) % 7], &text[at + 3..]),
        None => text.to_owned(),
    }
}
