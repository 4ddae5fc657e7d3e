//! In construction.

pub mod sockets;
