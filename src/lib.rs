//! In construction.

pub mod dispatch;
pub mod files;
