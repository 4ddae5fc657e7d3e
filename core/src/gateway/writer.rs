//! How does a handler push content?
//!
//! Through a [`ResponseWriter`]: each write is framed and queued; above the high-water mark it waits for the client. `flush` puts
//! what was written on the wire at once.

use std::io::{self, Write};

use super::ongoing::SMALL;
use super::{Body, Done, Failure, Intake, Port};
use crate::{Field, Misuse};

/// An answer whose head is written and whose content is being pushed.
pub struct ResponseWriter<'x> {
    port: &'x mut dyn Port,
    intake: &'x mut Intake,
}

impl core::fmt::Debug for ResponseWriter<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ResponseWriter").finish_non_exhaustive()
    }
}

impl<'x> ResponseWriter<'x> {
    pub(crate) fn new(port: &'x mut dyn Port, intake: &'x mut Intake) -> Self {
        Self { port, intake }
    }

    /// The content of the request, which may be read while the answer is written.
    pub fn body(&mut self) -> Body<'_> {
        Body::new(self.port, self.intake)
    }

    /// Whether the client is known to have gone.
    pub fn is_client_gone(&mut self) -> bool {
        self.port.is_gone()
    }

    /// Ends the answer.
    ///
    /// # Errors
    /// [`Misuse::TooLittle`] if content is missing that was announced.
    pub fn finish(self) -> Result<Done, Failure> {
        self.finish_with(&[])
    }

    /// Ends the answer with trailer fields, which only chunked answers have room for.
    ///
    /// # Errors
    /// As for [`finish`](Self::finish), and for fields that no trailer may be.
    pub fn finish_with(self, trailers: &[Field<'_>]) -> Result<Done, Failure> {
        let (link, _) = self.port.parts();
        link.conn.finish(trailers, &mut link.tx)?;
        Ok(Done::NOW)
    }
}

impl ResponseWriter<'_> {
    /// Frames a piece where it is, and queues what the socket does not take at once.
    fn pass(&mut self, piece: &[u8]) -> io::Result<()> {
        let (link, _) = self.port.parts();
        let frame = link.conn.frame(piece.len() as u64).map_err(as_io)?;
        if !link.conn.sends_content() {
            return Ok(());
        }
        let pieces = [frame.prefix(), piece, frame.suffix()];
        let passed = self.port.pass(pieces);
        let (link, env) = self.port.parts();
        let mut passed = passed.inspect_err(|_| {
            // The piece is counted and gone: whatever the handler says now, this answer must not look complete.
            link.conn.abort(&env, &mut link.tx);
        })?;
        for piece in pieces {
            let n = passed.min(piece.len());
            link.tx.put(&piece[n..]);
            passed -= n;
        }
        Ok(())
    }
}

impl Write for ResponseWriter<'_> {
    /// # Errors
    /// `InvalidInput` beyond the announced size; `WouldBlock` on the event loop above the high-water mark: return a
    /// payload instead; otherwise the client is lost.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mark = self.port.high_water();
        let (link, _) = self.port.parts();
        // A piece at a time, so that memory is bounded however much is written at once.
        let piece = &data[..data.len().min(mark)];
        if piece.len() > SMALL {
            self.pass(piece)?;
        } else {
            link.conn.write(piece, &mut link.tx).map_err(as_io)?;
        }
        if self.port.parts().0.tx.len() >= mark {
            self.port.drain()?;
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.port.drain()
    }
}

fn as_io(misuse: Misuse) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, misuse)
}
