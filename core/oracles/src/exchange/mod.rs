//! Does an answer depend on where its handler runs, on how it gets to the socket, or on how much that takes at a time?
//!
//! It must not. A [`Play`] is a stream of requests and a list of handlers; it is played on the loop and on a worker, with input in
//! pieces and with writes of any size, through the output of the link, past it and through a stage, over a port in memory. The octets
//! that a client reads must be the same.

mod dialogue;
mod file;
mod handler;
mod memory;
mod port;

use arbitrary::{Arbitrary, Result, Unstructured};

pub use self::dialogue::{Move, Protocol};
pub use self::handler::{Act, Announced, Answer, Called, Content, Piece, Trouble};
pub use self::memory::Way;
use self::port::{Manner, run};
use crate::replies::{self, Ending};
use crate::rules;
use crate::traffic::Traffic;

/// Requests, and how they are handled.
#[derive(Clone, Debug)]
pub struct Play {
    /// Which settings.
    pub rules: u8,
    /// What the client sends.
    pub traffic: Traffic,
    /// The handlers, for the requests in order and over again.
    pub acts: Vec<Act>,
    /// Sizes of pieces that arrive, over and over.
    pub arrivals: Vec<u8>,
    /// Sizes of pieces that the socket takes, over and over.
    pub takes: Vec<u8>,
    /// How answers get to the socket, besides through the output.
    pub way: Way,
}

impl<'a> Arbitrary<'a> for Play {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let rules = u.int_in_range(0..=2)?;
        let (arrivals, takes) = (u.arbitrary::<[u8; 3]>()?.to_vec(), u.arbitrary::<[u8; 3]>()?.to_vec());
        let way = u.arbitrary()?;
        let mut acts = vec![Act::arbitrary(u)?];
        while acts.len() < 4 && u.ratio(1, 2)? {
            acts.push(Act::arbitrary(u)?);
        }
        let traffic = Traffic::from_dice(u.bytes(u.len())?);
        Ok(Self { rules, traffic, acts, arrivals, takes, way })
    }
}

/// Plays it in all ways.
///
/// # Panics
/// If two of them say different things, or what they say is no sequence of answers.
pub fn check(play: &Play) {
    let config = rules::config(play.rules);
    let whole = Manner { arrivals: &[], takes: &[], is_inline: false, way: Way::Copied };
    let cut = Manner { arrivals: &play.arrivals, takes: &play.takes, ..whole };
    let on_worker = run(play, &config, whole);
    let on_loop = run(play, &config, Manner { is_inline: true, ..whole });
    let mut wires = vec![];
    for way in [Way::Copied, play.way] {
        let cut_on_worker = run(play, &config, Manner { way, ..cut });
        // How much is left to drain after a part was read, and with it whether the connection is kept, depends on what had come by then.
        if play.acts.iter().all(Act::reads_all_or_nothing) {
            assert_eq!(text(&cut_on_worker), text(&on_worker), "cuts matter on a worker, {way:?}");
        }
        let cut_on_loop = run(play, &config, Manner { is_inline: true, way, ..cut });
        assert_eq!(text(&cut_on_loop), text(&on_loop), "cuts matter on the loop, {way:?}");
        wires.push(cut_on_worker);
    }
    // Whether content was read has a part in whether the connection is kept; a handler on the loop has always got all of it.
    if play.acts.iter().all(Act::reads_all_first) {
        assert_eq!(text(&on_loop), text(&on_worker), "the loop and a worker say different things");
    }
    wires.extend([on_worker, on_loop]);
    wires.iter().for_each(check_sequence);
}

/// Whatever was handled, what goes out is a sequence of answers, of which the last one alone may be incomplete.
fn check_sequence(wire: &port::Wire) {
    let mut rest = &wire.octets[..];
    for (at, is_head) in wire.asked.iter().enumerate() {
        loop {
            if rest.is_empty() {
                return;
            }
            let read = replies::read(rest, *is_head);
            let (reply, behind) = read.unwrap_or_else(|why| panic!("answer {at}: {why}: {}", rest.escape_ascii()));
            if reply.ending != Ending::Complete || reply.status == 101 || wire.is_tunnel {
                return;
            }
            rest = behind;
            if reply.status >= 200 {
                assert!(!reply.lists("Connection", "close") || rest.is_empty(), "something follows the last answer");
                break;
            }
        }
    }
    // A refusal of what never became a request may be left; of a HEAD request it has no content.
    if !rest.is_empty() {
        let refused = [false, true].map(|mute| replies::read(rest, mute));
        let fits =
            refused.iter().flatten().any(|(reply, behind)| reply.lists("Connection", "close") && behind.is_empty());
        assert!(fits, "nobody asked for {}", rest.escape_ascii());
    }
}

/// What was said, without 100 (Continue), which depends on when content comes.
fn text(wire: &port::Wire) -> String {
    let text = format!("{}{}", wire.octets.escape_ascii(), if wire.is_cut { " and a reset" } else { "" });
    text.replace(r"HTTP/1.1 100 Continue\r\n\r\n", "")
}
