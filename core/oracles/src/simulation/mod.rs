//! Does a whole server keep its promises, in any order of events and at any time?
//!
//! A simulated server: many connections, the gateway code of production, workers, timers and wakers, over a network that delays, cuts,
//! loses and resets, with and without a stage, under a clock that is moved by hand. It is driven in the manner of either backend: by an
//! event loop, and by workers that stay with a connection until it is idle. Everything follows from one number, so what failed once fails
//! again.
//!
//! ```
//! use cherrystone_oracles::simulation;
//!
//! simulation::check(42);          // panics with a short script if anything is wrong
//! ```
//!
//! In every run it is judged that
//! 1. each request is answered once and in order, with the content that belongs to it, or the connection is visibly cut;
//! 2. no deadline passes unnoticed by more than the grain of the timers, and connections end when they are due;
//! 3. buffers stay within their bounds, and no worker waits for an idle connection while a request waits for a worker;
//! 4. everything ends: no connection, job or handler is left over.
//!
//! A failing seed is shortened to a script that [`play`] takes, as text; the text form is in [`Script`]'s `Display` and `FromStr`.

mod agenda;
mod dice;
mod driver;
mod gateway;
mod guest;
mod parking;
mod progress;
mod script;
mod served;
mod serving;
mod shrink;
mod text;
mod verdict;
mod wire;
mod workers;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::driver::Fault;
pub use self::script::{Ask, Body, Dispatch, Kind, Manner, Passage, Script, Server, Step, Visitor};

/// What was seen in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Things that happened.
    pub steps: u64,
    /// Requests that visitors made.
    pub requests: u64,
    /// Whole answers that they received.
    pub answers: u64,
    /// Answers that were visibly cut.
    pub cut: u64,
    /// Visitors that behaved, and so had to be served.
    pub calm: u64,
}

/// Plays a script, with a fault in the driver if one is named.
///
/// # Errors
/// What was wrong.
pub fn play(script: &Script, fault: Fault) -> Result<Report, String> {
    let run = || world::World::new(script, fault).run(script);
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("a panic: {}", text.unwrap_or("without a text")))
    })
}

/// Plays the script of a seed. If that fails: what was wrong, and the shortest script that is wrong too.
///
/// # Errors
/// Both.
pub fn find(seed: u64, fault: Fault) -> Result<Report, (String, Script)> {
    let script = Script::from_seed(seed);
    play(&script, fault).map_err(|why| {
        let kind = without_numbers(&why);
        let short =
            shrink::shrink(script, |script| play(script, fault).is_err_and(|why| without_numbers(&why) == kind));
        (play(&short, fault).err().unwrap_or(why), short)
    })
}

/// A text without what differs between failures of one kind.
fn without_numbers(text: &str) -> String {
    text.split(':').take(3).flat_map(str::chars).filter(|c| !c.is_ascii_digit()).collect()
}

/// Plays the script of a seed.
///
/// # Panics
/// If anything is wrong, with a script that shows it.
pub fn check(seed: u64) -> Report {
    find(seed, Fault::None).unwrap_or_else(|(why, script)| panic!("seed {seed}: {why}\n\n{script}\n"))
}
