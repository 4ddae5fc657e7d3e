//! How does content reach the socket without being copied into the output first?
//!
//! [`Client::pass`] hands the socket what the link has queued and, behind it, the content itself: octets in one call with the queue,
//! files by `sendfile(2)`. Through a stage nothing can pass, and what the kernel will not move goes through the output.
//!
//! Invariants:
//! 1. Content never overtakes what is queued.
//! 2. A file that has become shorter than announced ends the connection short of its length; growth changes nothing.
//! 3. One call moves [`TURN`] octets of content at most, so that others get their turn however fast the peer reads.

use std::io::{self, IoSlice};

use cherrystone_core::gateway::{Advance, Content};
use cherrystone_core::{Env, Link};

use crate::client::{Client, stalled};
use crate::sockets::Stream;

/// Octets of content that one call moves at most.
const TURN: usize = 1 << 20;

/// What passing content on has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The socket may take more.
    More,
    /// The socket takes no more now.
    Blocked,
    /// The answer is complete, or was given up.
    Finished,
}

impl Client {
    /// Sends what is queued, and as much of the content under way as the socket takes. `None` if there is none that can pass: it
    /// advances through the output then.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    pub fn pass(&mut self, env: &Env<'_>) -> io::Result<Option<Passed>> {
        let Self { link, stream, ongoing, patient, .. } = self;
        let Some(more) = ongoing else { return Ok(None) };
        let mut left = TURN;
        while left > 0 {
            let queued = link.tx.len();
            let (sent, offered, is_file) = match more.content(link) {
                None => return Ok(None),
                Some(Content::Octets(octets)) => {
                    let piece = &octets[..octets.len().min(left)];
                    let pieces = [IoSlice::new(link.tx.unsent()), IoSlice::new(piece)];
                    (stream.try_send_vectored(&pieces), queued + piece.len(), false)
                }
                // The head waits for the file, so that both leave in one segment.
                Some(Content::File(..)) if queued > 0 => (stream.try_send_more(link.tx.unsent()), queued, false),
                Some(Content::File(file, range)) => {
                    // It is sent without flags, and would wait.
                    if std::mem::take(patient) {
                        stream.end_patience()?;
                    }
                    let count = range.end.saturating_sub(range.start).min(left as u64) as usize;
                    (stream.send_file(file, range.start, count), count, true)
                }
            };
            let n = match sent {
                Ok(0) if is_file => {
                    more.give_up(link, env);
                    return Ok(Some(Passed::Finished));
                }
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) if is_file && is_refusal(&error) => {
                    more.refuse_file();
                    return Ok(None);
                }
                Err(error) => return Err(error),
            };
            let passed = n.saturating_sub(queued);
            if queued > 0 {
                link.sent(env, n - passed).map_err(stalled)?;
            }
            link.passed(env, passed, offered - n).map_err(stalled)?;
            if passed > 0 && more.passed(passed, link, env) == Advance::Finished {
                return Ok(Some(Passed::Finished));
            }
            // A file may be sent in part without the socket being full: only a call that sends nothing tells.
            if n < offered && (n == 0 || !is_file) {
                return Ok(Some(Passed::Blocked));
            }
            left -= passed;
        }
        Ok(Some(Passed::More))
    }
}

/// Sends what is queued and, behind it, pieces of content, without waiting; says how many octets of the pieces the socket took.
///
/// # Errors
/// As for [`Client::write`].
pub fn pass(link: &mut Link, stream: &Stream, env: &Env<'_>, pieces: [&[u8]; 3]) -> io::Result<usize> {
    if link.is_secured() {
        return Ok(0);
    }
    let queued = link.tx.len();
    let [first, second, third] = pieces.map(IoSlice::new);
    let n = match stream.try_send_vectored(&[IoSlice::new(link.tx.unsent()), first, second, third]) {
        Ok(n) => n,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    let passed = n.saturating_sub(queued);
    link.sent(env, n - passed).map_err(stalled)?;
    link.passed(env, passed, 0).map_err(stalled)?;
    Ok(passed)
}

/// Whether the kernel cannot move this file to this socket, whatever it is asked for.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}
