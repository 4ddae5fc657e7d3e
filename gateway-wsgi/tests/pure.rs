//! Do the parts that need no Python do what they say?
//!
//! The library cannot be linked into a test program, so these modules are compiled into this one, with their tests.

#[path = "../src/calendar.rs"]
mod calendar;
#[path = "../src/pem.rs"]
mod pem;

#[test]
fn a_certificate_says_how_long_it_is_valid() {
    assert!(pem::pem(b"certificate").starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert!(calendar::unix_now() > 1_700_000_000);
}
