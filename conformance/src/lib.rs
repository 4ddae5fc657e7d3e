//! A conformance suite for HTTP/1.1 servers. In construction.

pub mod testbed;
