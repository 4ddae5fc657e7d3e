//! Do the backends hold when clients are many, slow, rude or gone? Over real sockets, on every set-up.

#[path = "../common/mod.rs"]
mod common;

mod bodies;
mod connections;
mod faults;
mod hands;
mod mixed;
mod order;
mod passing;
mod stopping;
mod timing;
mod waiting;
