//! Does TLS work, in memory, from files, and over real sockets?
#![allow(missing_docs, reason = "tests explain themselves")]
#![cfg(feature = "tls")]

mod authority;
#[cfg(feature = "cli")]
mod command;
mod files;
mod hostile;
mod redirect;
mod server;
mod session;
mod stage;
mod talk;
