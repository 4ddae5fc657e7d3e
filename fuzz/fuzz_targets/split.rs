//! Do requests, content and answers depend on how the octets arrive?
//!
//! The input is a stream as a client sends it, and four octets behind it that choose the settings, the manner of the server
//! and the cuts. So a seed is readable text, and a dictionary works.
#![no_main]

use cherrystone_oracles::rules;
use cherrystone_oracles::segmentation::{Arrival, End, play};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
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
});
