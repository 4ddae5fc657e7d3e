//! Is a request target taken for what the grammar says it is?
//!
//! The input is the target, and one octet behind it that chooses the method.
#![no_main]

use cherrystone_oracles::target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some((&method, target)) = input.split_last() {
        target::check(["GET", "OPTIONS", "CONNECT", "POST"][usize::from(method % 4)], target);
    }
});
