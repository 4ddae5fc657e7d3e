//! In construction.

#[cfg(feature = "cli")]
pub mod cli;
pub mod dispatch;
pub mod files;
