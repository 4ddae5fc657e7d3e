//! In construction.

pub mod sockets;
pub mod workers;
