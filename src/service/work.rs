//! What does the task of a request do?
//!
//! It has the service answer, and moves the answer piece by piece to where the connection takes it.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::header::CONTENT_LENGTH;
use ::http::response::Parts;
use ::http::{Request, Response, StatusCode};
use bytes::Buf;
use cherrystone_core::Size;
use http_body::Body as _;
use tower_service::Service;

use super::body::Body;
use super::exchange::Exchange;

/// Has the service answer.
pub(super) async fn answer<S, B>(mut service: S, request: Request<Body>, is_head: bool, exchange: Arc<Exchange>)
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if let Err(error) = poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into) {
        return exchange.put_failure(error);
    }
    let (parts, body) = match service.call(request).await.map_err(Into::into) {
        Ok(response) => response.into_parts(),
        Err(error) => return exchange.put_failure(error),
    };
    let mut body = pin!(body);
    let size = size(&parts, body.size_hint().exact(), is_head);
    exchange.put_head(parts, size);
    if is_head || size == Size::Empty {
        return exchange.put_end(None);
    }
    let mut trailers = None;
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx).map_err(Into::into)).await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(mut data)) => {
                let piece = data.copy_to_bytes(data.remaining());
                if !piece.is_empty() {
                    poll_fn(|cx| exchange.poll_room(cx)).await;
                    exchange.put(piece);
                }
            }
            Ok(Err(frame)) => trailers = frame.into_trailers().ok().or(trailers),
            Err(error) => return exchange.put_failure(error),
        }
    }
    exchange.put_end(trailers);
}

/// How the content of the answer is delimited. What the body knows counts; what the head says counts where there is no body to ask.
fn size(parts: &Parts, exact: Option<u64>, is_head: bool) -> Size {
    // `parse` alone would take a sign.
    let digits = |value: &&str| value.bytes().all(|octet| octet.is_ascii_digit());
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.filter(digits).and_then(|value| value.parse().ok());
    match parts.status {
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::SWITCHING_PROTOCOLS => Size::Empty,
        StatusCode::NOT_MODIFIED => announced.map_or(Size::Empty, Size::Exact),
        _ if is_head => announced.or(exact).map_or(Size::Unknown, Size::Exact),
        _ => exact.or(announced).map_or(Size::Unknown, Size::Exact),
    }
}

/// The task, as the executor has it: it ends when nobody waits for the answer, and tells when it ends before its end.
pub(super) struct Spawned<F> {
    work: Option<Pin<Box<F>>>,
    exchange: Arc<Exchange>,
}

impl<F> Spawned<F> {
    pub(super) fn new(work: F, exchange: Arc<Exchange>) -> Self {
        Self { work: Some(Box::pin(work)), exchange }
    }
}

impl<F: Future<Output = ()>> Future for Spawned<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(work) = &mut this.work else { return Poll::Ready(()) };
        if this.exchange.begin_turn(cx.waker()) && work.as_mut().poll(cx).is_pending() {
            this.exchange.end_turn();
            return Poll::Pending;
        }
        this.work = None;
        this.exchange.end_task();
        Poll::Ready(())
    }
}

impl<F> Drop for Spawned<F> {
    fn drop(&mut self) {
        if self.work.take().is_some() {
            self.exchange.put_failure("the service was given up before it had answered".into());
            self.exchange.end_task();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let parts = |status: u16, length: Option<&'static str>| {
            let mut response = Response::builder().status(status);
            if let Some(length) = length {
                response = response.header(CONTENT_LENGTH, length);
            }
            response.body(()).unwrap().into_parts().0
        };
        for (status, length, exact, is_head, expected) in [
            (200, None, Some(5), false, Size::Exact(5)),
            (200, Some("7"), Some(5), false, Size::Exact(5)),
            (200, Some("7"), None, false, Size::Exact(7)),
            (200, Some("+7"), None, false, Size::Unknown),
            (200, None, None, false, Size::Unknown),
            (200, Some("7"), Some(0), true, Size::Exact(7)),
            (200, None, Some(0), true, Size::Exact(0)),
            (204, Some("7"), Some(7), false, Size::Empty),
            (304, Some("7"), Some(0), false, Size::Exact(7)),
            (304, None, Some(0), false, Size::Empty),
        ] {
            let said = size(&parts(status, length), exact, is_head);
            assert_eq!(said, expected, "{status} {length:?} {exact:?} {is_head}");
        }
    }
}
