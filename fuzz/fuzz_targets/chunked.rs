//! Is chunked content decoded as a naive decoder does it?
#![no_main]

use cherrystone_oracles::targets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| targets::chunked(input));
