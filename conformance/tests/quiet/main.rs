//! Does a server use nothing when there is nothing to do, and no more than its bounds when there is a lot?
//!
//! What is measured belongs to the whole process, so these tests run one at a time, in a process of their own.

#[path = "../common/mod.rs"]
mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use cherrystone::gateway::{ChunkOut, Deferred, Done, Exchange, Failure, Payload, Progress, Source, Upgrade};
use cherrystone::{Head, RecvBuf, SendBuf, Status};

use common::process::{descriptors, resident, server_naps, server_threads, server_time};
use common::*;

/// One measurement at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the server's threads use while nothing happens.
fn use_now() -> (Duration, u64) {
    let (time, naps) = (server_time(), server_naps());
    pause(600);
    (server_time() - time, server_naps() - naps)
}

/// Asks for nothing and says nothing, for ever.
struct Nothing;

impl Source for Nothing {
    fn next(&mut self, _: &mut ChunkOut<'_>, _: &Waker) -> Result<Progress, Failure> {
        Ok(Progress::Later)
    }
}

impl Upgrade for Nothing {
    fn ready(&mut self, _: &mut RecvBuf, _: &mut SendBuf, _: &Waker) -> Result<Progress, Failure> {
        Ok(Progress::Later)
    }
}

/// Endless octets.
struct Flood;

impl Source for Flood {
    fn next(&mut self, out: &mut ChunkOut<'_>, _: &Waker) -> Result<Progress, Failure> {
        out.write(&[b'x'; 32 << 10])?;
        Ok(Progress::More)
    }
}

/// Leaves clients waiting in every way there is, until it is let go.
#[derive(Clone, Default)]
struct Patience {
    held: Arc<Mutex<Vec<Deferred>>>,
    over: Arc<AtomicBool>,
}

impl Patience {
    fn gateway(self) -> impl Fn(Head<'_>, Exchange<'_>) -> Result<Done, Failure> + Send + Sync {
        move |head, exchange| match head.path() {
            "/defer" => {
                let (deferred, done) = exchange.defer();
                self.held.lock().unwrap().push(deferred);
                Ok(done)
            }
            "/source" => exchange.respond(Status::OK, &[], Payload::Chunks(Box::new(Nothing))),
            "/flood" => exchange.respond(Status::OK, &[], Payload::Chunks(Box::new(Flood))),
            "/upgrade" => exchange.upgrade(&[("Upgrade", b"echo")], Box::new(Nothing)),
            "/handler" => {
                while !self.over.load(Ordering::SeqCst) {
                    pause(20);
                }
                exchange.respond(Status::OK, &[], ())
            }
            _ => exchange.respond(Status::OK, &[], "ok"),
        }
    }
}

on_every_setup! {
    /// Nothing wakes an idle server, whether clients idle with it or not.
    fn an_idle_server_sleeps(setup) {
        let _alone = alone();
        let bed = Bed::new(setup, |_| {});
        bed.greet();
        pause(100);
        let (time, naps) = use_now();
        assert!(time <= Duration::from_millis(10) && naps <= 2, "alone: {time:?}, {naps} naps");
        let mut idle: Vec<Peer> = (0..100).map(|_| bed.connect()).collect();
        for peer in &mut idle {
            peer.send(get("/"));
            assert_eq!(peer.answer().status, 200);
        }
        pause(200);
        let (time, naps) = use_now();
        assert!(time <= Duration::from_millis(10) && naps <= 2, "with idle clients: {time:?}, {naps} naps");
    }

    /// Peers that are half gone, gone, or in the way keep no thread busy, whatever their connection waits for.
    fn nobody_makes_the_server_spin(setup) {
        let _alone = alone();
        let patience = Patience::default();
        let bed = Bed::of(setup, Placed(setup, patience.clone().gateway()), |settings| {
            (settings.min_threads, settings.max_threads) = (24, 24);
        });
        let mut kept = Vec::new();
        // An inline handler must not wait, so there is none of that kind there.
        let inline = setup.mode() == cherrystone::gateway::Mode::Inline;
        let upgrade = UPGRADE.to_owned();
        let unfinished = post("/", 100_000) + "begun";
        let requests = [get("/defer"), get("/source"), get("/flood"), upgrade, get("/handler"), unfinished];
        for request in requests.iter().filter(|request| !inline || !request.contains("/handler")) {
            for way in ["finish", "drop", "reset", "flood"] {
                let mut peer = Peer::narrow(bed.address);
                peer.send(request);
                pause(30);
                match way {
                    "finish" => peer.finish(),
                    "drop" => {
                        drop(peer);
                        continue;
                    }
                    "reset" => {
                        peer.reset();
                        continue;
                    }
                    _ => {
                        if !request.starts_with("POST") {
                            peer.stuff(&[b'x'; 10_000], 16 << 20);
                        }
                    }
                }
                kept.push(peer);
            }
        }
        pause(400);
        let (time, naps) = use_now();
        // Workers that wait look up a few times a second.
        assert!(time <= Duration::from_millis(60) && naps < 1000, "{time:?}, {naps} naps");
        patience.over.store(true, Ordering::SeqCst);
        patience.held.lock().unwrap().clear();
    }

    /// Memory does not follow what clients leave unread, nor what they push.
    fn memory_is_bounded(setup) {
        let _alone = alone();
        let patience = Patience::default();
        let bed = Bed::of(setup, Placed(setup, patience.clone().gateway()), |settings| {
            (settings.min_threads, settings.max_threads) = (48, 48);
            settings.config.limits.body = 1 << 40;
        });
        bed.greet();
        let before = resident();
        let mut unread: Vec<Peer> = (0..40).map(|_| Peer::narrow(bed.address)).collect();
        for peer in &mut unread {
            peer.send(get("/flood"));
        }
        let mut asking = bed.connect();
        asking.stuff(get("/").repeat(1000).as_bytes(), 32 << 20);
        let mut pushing = bed.connect();
        // So much goes to a worker on every set-up.
        pushing.send(post("/handler", 1 << 30));
        pushing.stuff(&[b'x'; 64 << 10], 64 << 20);
        pause(200);
        let growth = resident().saturating_sub(before);
        assert!(growth < 40 << 20, "{} KiB", growth >> 10);
        patience.over.store(true, Ordering::SeqCst);
    }

    /// Threads and descriptors are all gone with the server, however it was left.
    fn nothing_outlives_a_server(setup) {
        let _alone = alone();
        // Whatever is opened once for the whole process is open from now on.
        drop(Bed::new(setup, |_| {}));
        let before = descriptors();
        for _ in 0..20 {
            let bed = Bed::new(setup, |_| {});
            let mut peers: Vec<Peer> = (0..10).map(|_| bed.connect()).collect();
            for (n, peer) in peers.iter_mut().enumerate() {
                peer.send([&get("/"), "GET /", &get("/drip"), &get("/stream"), UPGRADE][n % 5]);
            }
            pause(10);
            let start = Instant::now();
            drop(bed);
            assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
            // A thread that was joined stays listed for a moment.
            until(Duration::from_millis(300), || server_threads() == 0, || format!("{} threads", server_threads()));
        }
        until(Duration::from_secs(2), || descriptors() <= before, || format!("{before} became {}", descriptors()));
    }
}
