//! How does another protocol take over a connection?
//!
//! An [`Upgrade`] is asked whenever there are bytes for it, when its output has been taken, and when its waker is called. It
//! owns the meaning of the bytes; the backend goes on owning the socket, its pace limits and its end.

use core::task::Waker;

use super::{Failure, Progress};
use crate::{RecvBuf, SendBuf};

/// A protocol that follows HTTP on the same connection.
pub trait Upgrade: Send {
    /// Consumes from `rx`, appends to `tx`. `rx` begins with the octets that came behind the request;
    /// `rx.is_closed()` tells that the client has ended its side.
    ///
    /// What is left in `rx` is there the next time. Of what it leaves the backends hold 1 MiB at most: then nothing more is read
    /// until some was consumed, which only the waker can bring about. A client that has ended its side is still written to; one
    /// that has gone altogether ends the connection, and the value is dropped.
    ///
    /// [`Progress::More`] asks for further input, [`Progress::Later`] too, and for the waker besides; an end closes the
    /// connection when everything is sent.
    ///
    /// # Errors
    /// The connection is closed when everything is sent.
    fn ready(&mut self, rx: &mut RecvBuf, tx: &mut SendBuf, waker: &Waker) -> Result<Progress, Failure>;
}
