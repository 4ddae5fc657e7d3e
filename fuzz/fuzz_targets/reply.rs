//! Does a client read what the application said, whatever its fields are?
#![no_main]

use cherrystone_oracles::reply::{Said, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|said: Said| check(&said));
