//! What does a runtime of completions offer?
//!
//! 1. A buffer is the queue's from the submission to the completion, which gives it back.
//! 2. There is one receive and one send under way for a socket at most, and a socket is dropped only when there is none.

use std::io;
use std::task::Waker;
use std::time::Duration;

use cherrystone_core::gateway::PeerAddress;

/// Takes submissions, gives completions.
pub(crate) trait Queue {
    /// A connection of this runtime.
    type Socket: Socket;

    /// Asks for one more connection.
    fn accept(&mut self);

    /// Asks for octets of the client, at most as many as the buffer is long.
    fn receive(&mut self, key: usize, socket: &Self::Socket, buffer: Vec<u8>);

    /// Offers octets to the client, of which it may take a part.
    fn send(&mut self, key: usize, socket: &Self::Socket, chunk: Vec<u8>);

    /// Waits until something is complete, or the waker was called, or time is up; `None` waits for ever.
    ///
    /// # Errors
    /// The queue itself is lost.
    fn wait(&mut self, at_most: Option<Duration>) -> io::Result<Vec<Completion<Self::Socket>>>;

    /// Ends a wait, from any thread.
    fn waker(&self) -> Waker;
}

/// What the driver does with a socket besides; none of this waits.
pub(crate) trait Socket {
    /// Who is on the other side.
    fn peer(&self) -> PeerAddress;
    /// Ends our side.
    fn end(&self);
    /// Ends both sides, so that what is under way completes.
    fn cut(&self);
    /// Has the connection reset when it is dropped.
    fn reset(&self);
}

/// What is complete.
pub(crate) enum Completion<S> {
    Accepted(io::Result<S>),
    Received {
        key: usize,
        result: io::Result<usize>,
        buffer: Vec<u8>,
    },
    Sent {
        key: usize,
        result: io::Result<usize>,
        chunk: Vec<u8>,
    },
    /// The waker was called.
    Woken,
}
