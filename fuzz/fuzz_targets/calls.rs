//! What if everything is called in any order, at any time?
#![no_main]

use cherrystone_oracles::calls::{Script, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: Script| check(&script));
