//! Does TLS work, in memory, from files, and over real sockets?
#![allow(missing_docs, reason = "tests explain themselves")]
#![cfg(feature = "tls")]

mod authority;
mod files;
mod server;
mod stage;
mod talk;
