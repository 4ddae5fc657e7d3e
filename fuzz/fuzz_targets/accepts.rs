//! Does another parser understand what was accepted?
#![no_main]

use cherrystone_oracles::{accepts, rules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|stream: &[u8]| accepts::check(stream, &rules::config(0)));
