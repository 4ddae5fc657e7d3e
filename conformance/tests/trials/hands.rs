//! How does a test hold answers back, and let sources and protocols misbehave?

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use cherrystone::gateway::{
    ChunkOut, Deferred, Done, Exchange, Failure, Gateway, Mode, Payload, Progress, Source, Upgrade,
};
use cherrystone::{Head, RecvBuf, SendBuf, Status};

use crate::common::*;

const SOON: Duration = Duration::from_millis(500);

/// Answers that a test has in its hands, and sources and protocols that misbehave.
#[derive(Clone, Default)]
pub(crate) struct Hands {
    held: Arc<Mutex<Vec<Deferred>>>,
    wakers: Arc<Mutex<Vec<Waker>>>,
    pub(crate) asked: Arc<AtomicUsize>,
    pub(crate) dropped: Arc<AtomicUsize>,
    pub(crate) open: Arc<AtomicBool>,
}

impl Hands {
    pub(crate) fn deferred(&self) -> Deferred {
        until(SOON, || !self.held.lock().unwrap().is_empty(), || "no request came".into());
        self.held.lock().unwrap().remove(0)
    }

    pub(crate) fn waker(&self) -> Waker {
        until(SOON, || !self.wakers.lock().unwrap().is_empty(), || "nobody waits".into());
        self.wakers.lock().unwrap().pop().unwrap()
    }

    pub(crate) fn await_drops(&self, n: usize) {
        until(SOON * 4, || self.dropped.load(Ordering::SeqCst) == n, || format!("{:?} dropped", self.dropped));
    }
}

impl Gateway for Placed<Hands> {
    fn mode(&self, head: Head<'_>) -> Mode {
        assert!(head.path() != "/panic-in-mode", "as asked");
        self.0.mode()
    }

    fn body_limit(&self, head: Head<'_>) -> Option<u64> {
        assert!(head.path() != "/panic-in-limit", "as asked");
        None
    }

    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        let hands = self.1.clone();
        match head.path() {
            "/" => exchange.respond(Status::OK, &[], "ok"),
            "/defer" => {
                let (deferred, done) = exchange.defer();
                hands.held.lock().unwrap().push(deferred);
                Ok(done)
            }
            "/upgrade" => exchange.upgrade(&[("Upgrade", b"echo")], Box::new(Push(hands))),
            path => {
                let source = Fickle { path: path.to_owned(), hands, begun: false };
                exchange.respond(Status::OK, &[], Payload::Chunks(Box::new(source)))
            }
        }
    }
}

/// Says one thing, then waits to be woken, and then does what its path says.
struct Fickle {
    path: String,
    hands: Hands,
    begun: bool,
}

impl Source for Fickle {
    fn next(&mut self, out: &mut ChunkOut<'_>, waker: &Waker) -> Result<Progress, Failure> {
        self.hands.asked.fetch_add(1, Ordering::SeqCst);
        if !self.begun {
            self.begun = true;
            out.write(b"begun")?;
            self.hands.wakers.lock().unwrap().push(waker.clone());
            if self.path == "/at-once" {
                // Woken before it has said that it waits.
                self.hands.open.store(true, Ordering::SeqCst);
                waker.wake_by_ref();
            }
            return Ok(Progress::Later);
        }
        if !self.hands.open.load(Ordering::SeqCst) {
            return Ok(Progress::Later);
        }
        match &*self.path {
            "/panic" => panic!("as asked"),
            "/fail" => Err(Failure::application("as asked")),
            _ => {
                out.write(b"ended")?;
                Ok(Progress::End)
            }
        }
    }
}

impl Drop for Fickle {
    fn drop(&mut self) {
        self.hands.dropped.fetch_add(1, Ordering::SeqCst);
        assert!(self.path != "/panic-in-drop", "as asked");
    }
}

/// Listens to nobody, says something when it is woken, and ends when that is allowed.
struct Push(Hands);

impl Upgrade for Push {
    fn ready(&mut self, rx: &mut RecvBuf, tx: &mut SendBuf, waker: &Waker) -> Result<Progress, Failure> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        assert!(rx.unread() != b"panic", "as asked");
        self.0.wakers.lock().unwrap().push(waker.clone());
        if self.0.open.load(Ordering::SeqCst) {
            tx.put(b"pushed");
            return Ok(Progress::End);
        }
        Ok(Progress::Later)
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn hands(setup: Setup) -> (Bed, Hands) {
    let hands = Hands::default();
    (Bed::of(setup, Placed(setup, hands.clone()), |_| {}), hands)
}
