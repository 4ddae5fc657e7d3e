//! Does a connection cost only what it uses?

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::*;

const SOON: Duration = Duration::from_millis(500);

on_every_setup! {
    /// Kept-alive clients that say nothing hold no worker, and a newcomer is served as on an empty server.
    fn idle_connections_hold_no_worker(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut idle: Vec<Peer> = (0..1000).map(|_| bed.connect()).collect();
        for peer in &mut idle {
            peer.send(get("/"));
        }
        assert!(idle.iter_mut().all(|peer| peer.answer().status == 200));
        let silent: Vec<Peer> = (0..200).map(|_| bed.connect()).collect();
        let mut times: Vec<Duration> = (0..21).map(|_| bed.greet()).collect();
        times.sort_unstable();
        assert!(times[10] < Duration::from_millis(20), "{times:?}");
        let last = idle.last_mut().unwrap();
        last.send(get("/"));
        assert_eq!(last.answer().status, 200);
        assert!(bed.running.workers().threads <= 4);
        drop((idle, silent));
        bed.await_open(0);
    }

    /// A fresh connection is looked at when its request comes, not at the next tick of some clock.
    fn fresh_requests_wait_for_nothing(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut times: Vec<Duration> = (0..50).map(|_| bed.greet()).collect();
        times.sort_unstable();
        assert!(times[25] < Duration::from_millis(10), "{times:?}");
    }

    /// One readiness event may stand for many connections and many octets.
    fn a_burst_of_connects_is_accepted_whole(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut burst: Vec<Peer> = (0..500).map(|_| bed.connect()).collect();
        for peer in &mut burst {
            peer.send(get("/"));
        }
        assert!(burst.iter_mut().all(|peer| peer.answer().status == 200));
    }

    /// No descriptor is too high.
    fn descriptors_beyond_select_work(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut idle: Vec<Peer> = (0..1100).map(|_| bed.connect()).collect();
        let last = idle.last_mut().unwrap();
        last.send(get("/"));
        assert_eq!(last.answer().status, 200);
        assert!(bed.greet() < SOON);
    }

    /// Clients that always have the next request ready do not keep others waiting.
    fn pipelining_clients_do_not_starve_others(setup) {
        let bed = Bed::new(setup, |settings| {
            (settings.min_threads, settings.max_threads) = (2, 2);
        });
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let requests = get("/").repeat(100);
                    let mut hog = bed.connect();
                    let end = Instant::now() + Duration::from_millis(700);
                    while Instant::now() < end {
                        hog.send(&requests);
                        assert!((0..100).all(|_| hog.answer().status == 200));
                    }
                });
            }
            pause(100);
            for _ in 0..5 {
                assert!(bed.greet() < SOON);
            }
        });
    }

    /// Nor do those that take long answers as fast as they come, though they are more than the workers.
    fn long_answers_do_not_starve_others(setup) {
        let bed = Bed::new(setup, |_| {});
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut reader = bed.connect();
                    reader.send(get("/stream"));
                    while !over.load(Ordering::SeqCst) {
                        reader.octets(64 << 10);
                    }
                });
            }
            pause(100);
            let slowest = (0..10).map(|_| bed.greet()).max().unwrap();
            over.store(true, Ordering::SeqCst);
            assert!(slowest < SOON, "{slowest:?}");
        });
    }

    /// The same with clients that ask and never read.
    fn asking_without_reading_is_bounded(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut hog = bed.connect();
        // Long requests, so that those in the buffers of the kernel are few.
        let request = get("/big?n=10000").replace("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "x".repeat(4000)));
        let asked = hog.stuff(request.repeat(100).as_bytes(), 64 << 20);
        assert!(asked < 32 << 20, "{asked} octets of requests were taken");
        assert!(bed.greet() < SOON);
        // Once it reads, everything is answered.
        for _ in 0..asked / request.len() {
            let answer = hog.answer();
            assert!(answer.is_complete && answer.body.len() == 10_000);
        }
    }

    /// A request that comes as the idle time ends is answered, or finds a regular end; never a reset.
    fn the_end_of_idleness_is_a_regular_one(setup) {
        let bed = Bed::new(setup, |settings| settings.config.timeouts.idle = Duration::from_millis(200));
        let mut trials: Vec<(Peer, Duration)> = (0..60)
            .map(|n| (bed.connect(), Duration::from_millis(180 + n)))
            .collect();
        for (peer, _) in &mut trials {
            peer.send(get("/"));
        }
        let start = Instant::now();
        for (peer, _) in &mut trials {
            assert_eq!(peer.answer().status, 200);
        }
        for (peer, at) in &mut trials {
            thread::sleep(at.saturating_sub(start.elapsed()));
            peer.try_send(get("/")).unwrap();
        }
        for (mut peer, _) in trials {
            peer.finish();
            assert!(peer.next().is_none_or(|answer| answer.status == 200 && answer.is_complete));
        }
    }

    /// Beyond the cap clients are told so at once, and come in again when others have left.
    fn too_many_connections_are_told_so(setup) {
        let bed = Bed::new(setup, |settings| settings.max_connections = 8);
        let held: Vec<Peer> = (0..8).map(|_| {
            let mut peer = bed.connect();
            peer.send(get("/"));
            assert_eq!(peer.answer().status, 200);
            peer
        }).collect();
        let mut surplus = bed.connect();
        surplus.send(get("/"));
        let answer = surplus.answer();
        assert_eq!((answer.status, answer.closes()), (503, true));
        assert!(answer.field("Retry-After").is_some());
        surplus.rest();
        // Even far more of them find the server alive.
        let crowd: Vec<Peer> = (0..100).map(|_| bed.connect()).collect();
        drop((held, surplus, crowd));
        // None of them may still wait to be accepted.
        until(Duration::from_secs(5), || bed.running.stats().accepted == 109, || format!("{:?}", bed.running.stats()));
        bed.await_open(0);
        assert!(bed.greet() < SOON);
    }
}
