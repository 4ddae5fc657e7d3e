//! Does TLS change anything but the octets on the wire?
#![no_main]

use cherrystone_fuzz::stage::{Talk, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|talk: Talk| check(&talk));
