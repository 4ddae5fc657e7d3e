//! Do other parsers understand what was accepted?
#![no_main]

use cherrystone_fuzz::peer;
use cherrystone_oracles::{rules, targets};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| {
    targets::accepts(stream);
    peer::check(stream, &rules::config(0));
});
