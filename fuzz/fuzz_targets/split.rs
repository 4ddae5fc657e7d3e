//! Do requests, content and answers depend on how the octets arrive?
//!
//! The input is a stream as a client sends it, and five octets behind it that choose the settings, the manner of the server
//! and the cuts. So a seed is readable text, and a dictionary works.
#![no_main]

use cherrystone_oracles::segmentation::{Arrival, End, play};
use cherrystone_oracles::{rules, segmentation};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((stream, &[rules, manner, cuts @ ..])) = input.split_last_chunk::<5>() else { return };
    let config = rules::config(rules);
    // All two-way cuts are worth their time for short streams alone.
    if stream.len() <= 200 {
        segmentation::check(stream, &config, manner, &cuts.map(|cut| cut.max(1)));
        return;
    }
    for (one, other) in [(End::Open, End::Open), (End::Closed, End::ClosedAtOnce)] {
        let whole = play(&Arrival { pieces: vec![stream], end: one }, &config, manner);
        let pieces = stream.chunks(usize::from(cuts[0]).max(1)).collect();
        assert_eq!(play(&Arrival { pieces, end: other }, &config, manner), whole);
    }
});
