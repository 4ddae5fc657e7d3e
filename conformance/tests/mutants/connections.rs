//! Faults in what becomes of the connection.

use std::time::Duration;

use super::Mutant;
use super::proxy::{Ending, Fault};

/// Connections end otherwise.
struct Ends(Ending);

impl Fault for Ends {
    fn ending(&self) -> Ending {
        self.0
    }
}

/// What was asked before a half-close gets no answer.
struct HalfCloseEnds;

impl Fault for HalfCloseEnds {
    fn delay(&self) -> Duration {
        Duration::from_millis(20)
    }

    fn ending(&self) -> Ending {
        Ending::WithTheClient
    }
}

/// An answer is cut in its middle, and the connection closed.
struct CutShort;

impl Fault for CutShort {
    fn answer(&mut self, mut piece: String) -> String {
        piece.pop();
        piece
    }

    fn ending(&self) -> Ending {
        Ending::Early
    }
}

/// Answers take this long.
struct Late(Duration);

impl Fault for Late {
    fn delay(&self) -> Duration {
        self.0
    }
}

/// Nothing is said at all.
struct Silent;

impl Fault for Silent {
    fn answer(&mut self, _: String) -> String {
        String::new()
    }
}

/// A request is heard only when the client has said something more.
#[derive(Default)]
struct OneBehind {
    held: String,
}

impl Fault for OneBehind {
    fn request(&mut self, piece: String) -> String {
        std::mem::replace(&mut self.held, piece)
    }
}

/// Each piece that is read is taken for a whole message.
#[derive(Default)]
struct OneReadEach {
    inside: bool,
}

impl Fault for OneReadEach {
    fn request(&mut self, piece: String) -> String {
        let rest = std::mem::replace(&mut self.inside, !piece.contains("\r\n\r\n"));
        if rest { String::new() } else { piece }
    }
}

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant {
            name: "a connection is never closed",
            fault: || Box::new(Ends(Ending::Never)),
            found_by: &["close/close", "content-length-lists/differ-on-two-lines"],
        },
        Mutant {
            name: "connections are reset",
            fault: || Box::new(Ends(Ending::Reset)),
            found_by: &["connection-options/error-is-not-lost-to-a-reset", "connection-options/close-is-orderly"],
        },
        Mutant {
            name: "no connection is kept",
            fault: || Box::new(Ends(Ending::Early)),
            found_by: &["persistence/stays-by-default"],
        },
        Mutant {
            name: "a half-close ends all",
            fault: || Box::new(HalfCloseEnds),
            found_by: &["half-close/after-post"],
        },
        Mutant {
            name: "answers are cut short",
            fault: || Box::new(CutShort),
            found_by: &["content-length/five-octets"],
        },
        Mutant {
            name: "answers take five seconds",
            fault: || Box::new(Late(Duration::from_secs(5))),
            found_by: &["persistence/stays-by-default"],
        },
        Mutant { name: "nothing is answered", fault: || Box::new(Silent), found_by: &["persistence/stays-by-default"] },
        Mutant {
            name: "a request waits for the next one",
            fault: || Box::<OneBehind>::default(),
            found_by: &["persistence/stays-by-default"],
        },
        Mutant {
            name: "one read is one request",
            fault: || Box::<OneReadEach>::default(),
            found_by: &["octet-by-octet/get-by-octets"],
        },
    ]
}
