//! How does a service read the content of a request?
//!
//! Through [`Body`], frame by frame; the last one may be the trailers. Reading makes the server ask a client for the content that it
//! holds back (100).

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use cherrystone_core::Violation;
use http_body::{Frame, SizeHint};

use super::exchange::{Exchange, Heard};

/// The content of a request.
pub struct Body {
    /// None when there is no content, or none any more.
    exchange: Option<Arc<Exchange>>,
    /// Announced octets that were not read; none if it is not announced.
    left: Option<u64>,
}

/// Why content ends before its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The client broke a rule, or is too slow.
    #[error(transparent)]
    Violation(Violation),
    /// The answer began before any content was asked for, from a client that waited for 100 (Continue): that told it not to send any.
    #[error("the answer began before any content was asked for, which refused the content")]
    Refused,
    /// The connection is lost, or the answer was given up.
    #[error("the client has gone")]
    Gone,
}

impl Body {
    pub(super) fn new(exchange: Arc<Exchange>, left: Option<u64>) -> Self {
        Self { exchange: Some(exchange), left }
    }

    /// No content.
    pub fn empty() -> Self {
        Self { exchange: None, left: Some(0) }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("left", &self.left).finish_non_exhaustive()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(exchange) = &self.exchange else { return Poll::Ready(None) };
        let frame = match exchange.poll_content(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Heard::Piece(piece)) => {
                self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            Poll::Ready(Heard::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Poll::Ready(Heard::End) => None,
            Poll::Ready(Heard::Failed(error)) => Some(Err(error)),
        };
        self.exchange = None;
        self.left = Some(0);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(exchange) = &self.exchange {
            exchange.drop_content();
        }
    }
}
