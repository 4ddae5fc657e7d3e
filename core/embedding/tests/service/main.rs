//! Does a service of the tower ecosystem behave on both backends as it does elsewhere, and as the server's own gateways do?
//!
//! The axum application of the example has two kinds of tests: `alone`, without a server, as its author would write them, and
//! `served`, over sockets. `conforming` is a service with the routes of the conformance suite, and plays every case.
#![cfg(unix)]

mod alone;
mod client;
mod conforming;
#[path = "../cases/judged.rs"]
#[allow(dead_code, reason = "what the other test needs of it")]
mod judged;
mod served;

#[path = "../../examples/axum.rs"]
#[allow(dead_code, reason = "the tests start what the example's own `main` starts")]
mod axum_app;
