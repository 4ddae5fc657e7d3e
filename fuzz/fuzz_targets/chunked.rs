//! Is chunked content decoded as a naive decoder does it?
//!
//! The input is the content, and two octets behind it that choose the settings and the size of the pieces.
#![no_main]

use cherrystone_oracles::{chunked, rules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some((content, &[rules, step])) = input.split_last_chunk::<2>() {
        // The limits of the last setting are beyond what the naive decoder counts.
        chunked::check(content, step.into(), &rules::config(rules % 3));
    }
});
