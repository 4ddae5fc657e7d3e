//! How is a gateway driven by smol?
//!
//! A task for each client around a [`Session`]: the gateway is the same value that the backends of cherrystone serve, here that of the
//! conformance suite. What smol adds is readiness, timers and the waking of tasks.
//!
//! ```text
//! cargo run -p cherrystone-embedding --example smol -- 127.0.0.1:8070
//! ```
//!
//! 1. After each turn everything outgoing is written before anything is waited for.
//! 2. An answer that comes later ([`Next::Wait`]) costs a task that sleeps, and no thread.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cherrystone_conformance::testbed::{Testbed, limits};
use cherrystone_core::Config;
use cherrystone_core::gateway::{Endpoint, Gateway, Mode, Peer, PeerAddress};
use cherrystone_embedding::{Clock, Next, Session};
use futures_util::future::{Either, select};
use futures_util::task::AtomicWaker;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};
use smol::{Executor, Timer};

/// How long a write may take before the session is asked whether the client is too slow.
const LOOK_UP: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8070".into());
    smol::block_on(async {
        let listener = TcpListener::bind(address).await?;
        println!("listening on http://{}", listener.local_addr()?);
        Ok(listen(listener, Testbed::new(Mode::Inline)).await?)
    })
}

/// Serves whoever connects, on this thread.
pub(crate) async fn listen(listener: TcpListener, gateway: impl Gateway) -> io::Result<()> {
    let (gateway, config) = (Arc::new(gateway), Arc::new(limits()));
    let here = PeerAddress::Ip(listener.local_addr()?);
    let endpoint = Arc::new(Endpoint::new(here, "localhost"));
    let executor = Executor::new();
    let accept = async {
        loop {
            let (stream, address) = listener.accept().await?;
            let (gateway, config) = (Arc::clone(&gateway), Arc::clone(&config));
            let peer = Peer::new(PeerAddress::Ip(address), Arc::clone(&endpoint));
            // A client that is lost is no concern of the others.
            executor.spawn(async move { drop(serve(stream, &*gateway, &config, peer).await) }).detach();
        }
    };
    executor.run(accept).await
}

/// Serves one client until the connection is over.
async fn serve(mut stream: TcpStream, gateway: &dyn Gateway, config: &Config, peer: Peer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut clock = Clock::default();
    let mut session = Session::new(&clock.env(config), peer, None);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    loop {
        clock.tick();
        let next = session.turn(gateway, &clock.env(config), &waker);
        flush(&mut stream, &mut session, config, &mut clock).await?;
        match next {
            Next::Read => {
                let patience = session.patience(clock.tick()).unwrap_or(LOOK_UP);
                let read = select(Box::pin(stream.read(session.room())), poll_fn(|cx| bell.poll(cx)));
                match within(patience, read).await {
                    Some(Either::Left((Ok(0), _))) => session.receive_end(),
                    Some(Either::Left((Ok(n), _))) => session.received(n),
                    Some(Either::Left((Err(error), _))) => return Err(error),
                    Some(Either::Right(_)) | None => {}
                }
            }
            Next::Write => {}
            Next::Wait => poll_fn(|cx| bell.poll(cx)).await,
            Next::End => stream.shutdown(Shutdown::Write)?,
            Next::Close => return Ok(()),
            Next::Reset => return reset(&stream),
        }
    }
}

/// Writes what is outgoing, however slowly the client takes it, within the limits of the core.
async fn flush(stream: &mut TcpStream, session: &mut Session, config: &Config, clock: &mut Clock) -> io::Result<()> {
    while !session.outgoing().is_empty() {
        let n = within(LOOK_UP, stream.write(session.outgoing())).await.transpose()?.unwrap_or(0);
        clock.tick();
        if session.sent(&clock.env(config), n).is_err() {
            return reset(stream);
        }
    }
    Ok(())
}

/// What comes of `work` within this time.
async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(Box::pin(work), Timer::after(time)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

/// Has the socket reset when it is dropped.
fn reset(stream: &TcpStream) -> io::Result<()> {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// What a gateway rings that answers later.
#[derive(Default)]
struct Bell {
    has_rung: AtomicBool,
    task: AtomicWaker,
}

impl Bell {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.task.register(cx.waker());
        if self.has_rung.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.task.wake();
    }
}
