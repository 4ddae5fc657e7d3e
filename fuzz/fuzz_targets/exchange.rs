//! Does an answer depend on where its handler runs, or on how much the socket takes?
#![no_main]

use cherrystone_oracles::exchange::{Play, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|play: Play| check(&play));
