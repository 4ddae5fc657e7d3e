//! How does the suite judge our own code without a socket?
//!
//! [`Memory`] is the core in memory, with a clock that the judge moves: what takes seconds over a socket takes none here, so that
//! every case can be played at every cut. [`serve`] starts a backend in this process.

mod memory;
mod setup;

pub use memory::Memory;
pub use setup::{Setup, serve};
