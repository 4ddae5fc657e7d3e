//! How does a service get hold of the connection after a switch of protocols?
//!
//! It takes [`OnUpgrade`] out of the request's extensions, answers 101, and awaits it on a task: what comes is [`Upgraded`], a stream in
//! both directions.
//!
//! Invariants:
//! 1. What is buffered is bounded both ways by [`MARK`].
//! 2. Dropping the stream ends the connection when everything written was sent; a connection that is lost is an end for the reader and
//!    an error for the writer.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use cherrystone_core::gateway::{Failure, Progress, Upgrade};
use cherrystone_core::{RecvBuf, SendBuf};
use futures_io::{AsyncRead, AsyncWrite};

use super::MARK;

/// The connection, once the protocols are switched.
#[derive(Clone, Debug)]
pub struct OnUpgrade {
    tunnel: Arc<Tunnel>,
}

/// Octets in both directions.
#[derive(Debug)]
pub struct Upgraded {
    tunnel: Arc<Tunnel>,
}

/// The protocols were not switched.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection did not switch protocols")]
pub struct UpgradeError;

/// The connection's end.
pub(super) struct TunnelEnd {
    tunnel: Arc<Tunnel>,
}

#[derive(Debug, Default)]
struct Tunnel {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// To the service, and whether that is all.
    incoming: VecDeque<u8>,
    has_ended: bool,
    /// To the client, and whether that is all.
    outgoing: Vec<u8>,
    is_closed: bool,
    /// Whoever awaits the switch, reads, or writes, and the connection.
    opener: Option<Waker>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    connection: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Http,
    Open,
    /// The stream was handed out.
    Taken,
    Lost,
}

/// Both ends of a tunnel that is not open yet.
pub(super) fn pair() -> (TunnelEnd, OnUpgrade) {
    let tunnel = Arc::new(Tunnel::default());
    (TunnelEnd { tunnel: Arc::clone(&tunnel) }, OnUpgrade { tunnel })
}

impl Tunnel {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TunnelEnd {
    /// The protocols are switched.
    pub(super) fn open(&self) {
        let mut state = self.tunnel.lock();
        state.phase = Phase::Open;
        let opener = state.opener.take();
        drop(state);
        wake(opener);
    }
}

impl Upgrade for TunnelEnd {
    fn ready(&mut self, rx: &mut RecvBuf, tx: &mut SendBuf, waker: &Waker) -> Result<Progress, Failure> {
        let mut state = self.tunnel.lock();
        state.connection = Some(waker.clone());
        let n = rx.unread().len().min(MARK.saturating_sub(state.incoming.len()));
        state.incoming.extend(&rx.unread()[..n]);
        rx.consume(n);
        state.has_ended = rx.is_closed() && rx.is_empty();
        let reader = if n > 0 || state.has_ended { state.reader.take() } else { None };
        tx.put(&state.outgoing);
        state.outgoing.clear();
        let writer = state.writer.take();
        let is_over = state.is_closed;
        drop(state);
        wake(reader);
        wake(writer);
        Ok(if is_over { Progress::End } else { Progress::Later })
    }
}

impl Drop for TunnelEnd {
    fn drop(&mut self) {
        let mut state = self.tunnel.lock();
        state.phase = Phase::Lost;
        state.has_ended = true;
        let wakers = [state.opener.take(), state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().for_each(wake);
    }
}

impl Future for OnUpgrade {
    type Output = Result<Upgraded, UpgradeError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.tunnel.lock();
        match state.phase {
            Phase::Http => {
                state.opener = Some(cx.waker().clone());
                Poll::Pending
            }
            Phase::Open => {
                state.phase = Phase::Taken;
                Poll::Ready(Ok(Upgraded { tunnel: Arc::clone(&self.tunnel) }))
            }
            Phase::Taken | Phase::Lost => Poll::Ready(Err(UpgradeError)),
        }
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = self.tunnel.lock();
        if state.incoming.is_empty() && !state.has_ended && !buffer.is_empty() {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let was_full = state.incoming.len() >= MARK;
        let read = io::Read::read(&mut state.incoming, buffer);
        let connection = if was_full { state.connection.clone() } else { None };
        drop(state);
        wake(connection);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.tunnel.lock();
        if state.phase == Phase::Lost || state.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = octets.len().min(MARK.saturating_sub(state.outgoing.len()));
        if n == 0 && !octets.is_empty() {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.outgoing.extend_from_slice(&octets[..n]);
        let connection = state.connection.clone();
        drop(state);
        wake(connection);
        Poll::Ready(Ok(n))
    }

    /// Waits until the connection has taken over what was written.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.tunnel.lock();
        match state.phase {
            _ if state.outgoing.is_empty() => Poll::Ready(Ok(())),
            Phase::Lost => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            _ => {
                state.writer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        close(&self.tunnel);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Upgraded {
    fn drop(&mut self) {
        close(&self.tunnel);
    }
}

/// Ends the connection behind what was written.
fn close(tunnel: &Tunnel) {
    let mut state = tunnel.lock();
    state.is_closed = true;
    let connection = state.connection.take();
    drop(state);
    wake(connection);
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
