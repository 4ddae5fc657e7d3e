//! Do requests, content and answers depend on how the octets arrive?
#![no_main]

use cherrystone_oracles::targets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| targets::split(input));
