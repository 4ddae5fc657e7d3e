//! Is a request target taken for what the grammar says it is?
#![no_main]

use cherrystone_oracles::targets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| targets::target(input));
