//! The HTTP/1.x server protocol without I/O. In construction.
#![no_std]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;
mod buffer;
mod clock;
mod config;
mod head;
mod stage;
mod syntax;
pub use buffer::{RecvBuf, SendBuf};
pub use clock::{Date, Instant};
pub use config::{Config, ConfigError, Env, Limits, Pace, ServerName, Timeouts};
pub use stage::{Certificate, PeerFacts, Stage, StageError};
pub struct Connection;
