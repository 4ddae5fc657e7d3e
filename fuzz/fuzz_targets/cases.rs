//! Does the parser of conformance cases survive any text, and read what was written?
#![no_main]

use cherrystone_fuzz::cases::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| check(text));
