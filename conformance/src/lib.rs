//! A conformance suite for HTTP/1.1 servers. In construction.

pub mod cli;
pub mod testbed;
