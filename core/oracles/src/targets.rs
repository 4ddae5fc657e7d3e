//! What do the octets of a fuzz target's input mean?
//!
//! One function a target, so that a file that a campaign has found is replayed by an ordinary test: `fuzz/fuzz_targets` call them, and
//! so does `core/tests/regressions.rs` for the files in `fuzz/regressions`. Octets that mean nothing are no failure.

use arbitrary::{Arbitrary, Unstructured};

use crate::segmentation::{Arrival, End, play};
use crate::{accepts as acceptance, calls as any_calls, chunked as chunks, exchange as exchanges, reply as answers};
use crate::{rules, simulation, target as targets};

/// A target's name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets that need nothing but the core.
pub const ALL: [Target; 8] = [
    ("split", split),
    ("calls", calls),
    ("chunked", chunked),
    ("reply", reply),
    ("target", target),
    ("accepts", accepts),
    ("exchange", exchange),
    ("simulation", simulation),
];

/// A stream as a client sends it, and four octets behind it that choose the settings, the manner of the server and the cuts. So a seed
/// is readable text, and a dictionary works.
pub fn split(input: &[u8]) {
    let Some((stream, &[rules, manner, cuts @ ..])) = input.split_last_chunk::<4>() else { return };
    let config = rules::config(rules);
    let [at, step, ..] = cuts.map(usize::from);
    let (a, b) = stream.split_at(at.min(stream.len()));
    for ends in [&[End::Open][..], &[End::Closed, End::ClosedAtOnce]] {
        let whole = play(&Arrival { pieces: vec![stream], end: ends[0] }, &config, manner);
        for &end in ends {
            for pieces in [stream.chunks(1).collect(), stream.chunks(step.max(1)).collect(), vec![a, b]] {
                assert_eq!(play(&Arrival { pieces, end }, &config, manner), whole, "{at}, {step}, {end:?}");
            }
        }
    }
}

/// Dice for a [`Script`](any_calls::Script).
pub fn calls(input: &[u8]) {
    structured(input, any_calls::check);
}

/// Chunked content, and two octets behind it that choose the settings and the size of the pieces.
pub fn chunked(input: &[u8]) {
    if let Some((content, &[rules, step])) = input.split_last_chunk::<2>() {
        // The limits of the last setting are beyond what the naive decoder counts.
        chunks::check(content, step.into(), &rules::config(rules % 3));
    }
}

/// Dice for what an application [`Said`](answers::Said).
pub fn reply(input: &[u8]) {
    structured(input, answers::check);
}

/// A request target, and one octet behind it that chooses the method.
pub fn target(input: &[u8]) {
    if let Some((&method, target)) = input.split_last() {
        targets::check(["GET", "OPTIONS", "CONNECT", "POST"][usize::from(method % 4)], target);
    }
}

/// A stream as a client sends it.
pub fn accepts(input: &[u8]) {
    acceptance::check(input, &rules::config(0));
}

/// Dice for a [`Play`](exchanges::Play).
pub fn exchange(input: &[u8]) {
    structured(input, exchanges::check);
}

/// The text of a simulation's script.
///
/// # Panics
/// If it fails.
pub fn simulation(input: &[u8]) {
    if let Some(Ok(script)) = std::str::from_utf8(input).ok().map(str::parse) {
        let played = simulation::play(&script, simulation::Fault::None);
        played.unwrap_or_else(|why| panic!("{why}"));
    }
}

fn structured<'i, T: Arbitrary<'i>>(input: &'i [u8], check: impl FnOnce(&T)) {
    if let Ok(value) = T::arbitrary_take_rest(Unstructured::new(input)) {
        check(&value);
    }
}
