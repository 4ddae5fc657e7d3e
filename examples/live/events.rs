//! How are server-sent events told to any number of listeners by one thread?
//!
//! Each answer is a [`Source`] that says `Later` until its waker is called; the thread that makes events calls all of them.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use cherrystone::gateway::{ChunkOut, Done, Exchange, Failure, Payload, Progress, Source};
use cherrystone::{Head, Status};

/// A clock that ticks for everybody.
#[derive(Clone)]
pub(crate) struct Ticker {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    ticks: u64,
    waiting: Vec<Waker>,
}

impl Ticker {
    /// A clock that ticks this often, as long as anybody has it.
    pub(crate) fn every(period: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new().name("ticker".into()).spawn(move || tick(&weak, period))?;
        Ok(Self { shared })
    }

    /// Answers with a tick after the other: those since the last one that the client has seen.
    pub(crate) fn events(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        let last = head.fields().get("Last-Event-ID").and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
        let seen = last.unwrap_or_else(|| lock(&self.shared).ticks);
        let fields =
            [("Content-Type", &b"text/event-stream"[..]), ("Cache-Control", b"no-store"), ("X-Accel-Buffering", b"no")];
        exchange.respond(
            Status::OK,
            &fields,
            Payload::Chunks(Box::new(Ticks { ticker: self.clone(), seen, begun: false })),
        )
    }
}

fn tick(shared: &Weak<Mutex<Shared>>, period: Duration) {
    loop {
        std::thread::sleep(period);
        let Some(shared) = shared.upgrade() else { return };
        let mut shared = lock(&shared);
        shared.ticks += 1;
        shared.waiting.drain(..).for_each(Waker::wake);
    }
}

/// The ticks for one client.
struct Ticks {
    ticker: Ticker,
    seen: u64,
    begun: bool,
}

impl Source for Ticks {
    fn next(&mut self, out: &mut ChunkOut<'_>, waker: &Waker) -> Result<Progress, Failure> {
        if !std::mem::replace(&mut self.begun, true) {
            // A comment, so that the client and every proxy see the stream begin.
            out.write(b": ticks\n\n")?;
        }
        let mut shared = lock(&self.ticker.shared);
        if self.seen >= shared.ticks {
            if !shared.waiting.iter().any(|waiting| waiting.will_wake(waker)) {
                shared.waiting.push(waker.clone());
            }
            return Ok(Progress::Later);
        }
        // Who was away for long begins with the latest.
        self.seen = (self.seen + 1).max(shared.ticks.saturating_sub(10));
        drop(shared);
        out.write(format!("id: {0}\nevent: tick\ndata: {0}\n\n", self.seen).as_bytes())?;
        Ok(Progress::More)
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
