//! How is an answer written down?
//!
//! [`Status`] and [`Interim`] name it, [`StatusLine`] in the caller's words, [`Size`] says how its content is delimited, and [`Field`]s are its field lines. The
//! encoder writes a head in one pass and takes back what it wrote if a field is bad.

pub(crate) mod encode;
pub(crate) mod frame;
mod status;

pub use frame::Frame;
pub use status::{Interim, Status, StatusLine};

/// A field line of an answer: a token and a value without control characters.
pub type Field<'a> = (&'a str, &'a [u8]);

/// How much content an answer has; framing is an argument, never a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// None.
    Empty,
    /// This many octets.
    Exact(u64),
    /// As many as will be written before `finish`.
    Unknown,
}
