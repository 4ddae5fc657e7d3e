//! Does a server hold under what an operator does to it, and clients, for a while and in numbers?
//!
//! The servers are processes of their own, so that what they use can be told from what their clients use here.

#[path = "../common/mod.rs"]
mod common;

mod crowd;
mod readers;
mod rolling;
mod soak;
