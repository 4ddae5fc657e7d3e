//! Does every wait end, and when it should?

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cherrystone::gateway::{Done, Exchange, Failure};
use cherrystone::{Date, Head, Pace, Server, Settings, Status};

use crate::common::*;

const LIMIT: Duration = Duration::from_millis(400);
const LATEST: Duration = Duration::from_millis(2000);

/// Whether a wait that ended after this time ended at its limit.
fn is_due(after: Duration) -> bool {
    after >= LIMIT - Duration::from_millis(20) && after < LATEST
}

/// The second that an answer claims to be from.
fn is_fresh(answer: &Answer) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let date = answer.field("Date").unwrap();
    (now - 1..=now).any(|second| Date::from_unix(second).as_str() == date)
}

/// Takes a while before, or after, it answers.
fn slow(head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
    pause(2100);
    let _ = head;
    exchange.respond(Status::OK, &[], "slow")
}

on_all_setups_at_once! {
    /// Clients that stop anywhere are gone at their limit, together with their descriptors; those that had begun are told.
    fn whoever_stops_is_gone_at_the_limit(setup) {
        let bed = Bed::new(setup, |settings| {
            let times = &mut settings.config.timeouts;
            (times.head, times.linger) = (LIMIT, LIMIT);
            times.body = Pace { grace: LIMIT, rate: 1000 };
        });
        let said = ["", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n", &(post("/echo", 1000) + "seven b")];
        thread::scope(|scope| {
            for said in said {
                for _ in 0..10 {
                    let bed = &bed;
                    scope.spawn(move || {
                        let mut peer = bed.connect();
                        peer.send(said);
                        let start = Instant::now();
                        match peer.next() {
                            None => assert_eq!(said, ""),
                            Some(answer) => {
                                assert_eq!((answer.status, answer.closes()), (408, true), "{said:?}");
                                peer.rest();
                            }
                        }
                        let waiting_for_a_worker = said.starts_with("POST") && setup.sleeps_in_workers();
                        assert!(is_due(start.elapsed()) || waiting_for_a_worker, "{said:?}: {:?}", start.elapsed());
                    });
                }
            }
            // Meanwhile others are served; what a worker waits for may hold them up.
            if !setup.sleeps_in_workers() {
                pause(50);
                assert!(bed.greet() < LIMIT);
            }
        });
        bed.await_open(0);
    }

    /// An octet now and then wins no time for a head.
    fn dribbling_a_head_wins_no_time(setup) {
        let bed = Bed::new(setup, |settings| settings.config.timeouts.head = LIMIT);
        let mut dribblers: Vec<Peer> = (0..200).map(|_| bed.connect()).collect();
        let start = Instant::now();
        for peer in &mut dribblers {
            peer.send("GET / HTTP/1.1\r\nX: ");
        }
        while start.elapsed() < LIMIT - Duration::from_millis(100) {
            for peer in &mut dribblers {
                let _ = peer.try_send("a");
            }
            pause(20);
        }
        for peer in &mut dribblers {
            assert_eq!(peer.answer().status, 408);
        }
        assert!(is_due(start.elapsed()), "{:?}", start.elapsed());
    }

    /// Nor for content that comes more slowly than it has to.
    fn dribbling_content_is_refused(setup) {
        let bed = Bed::new(setup, |settings| {
            settings.config.timeouts.body = Pace { grace: LIMIT, rate: 10_000 };
        });
        let mut peer = bed.connect();
        peer.send(post("/echo", 100_000));
        let start = Instant::now();
        let answer = loop {
            assert!(start.elapsed() < LATEST, "still welcome");
            let _ = peer.try_send("a");
            if peer.hears(Duration::from_millis(20)) {
                break peer.answer();
            }
        };
        assert_eq!((answer.status, answer.closes()), (408, true));
        assert!(is_due(start.elapsed()), "{:?}", start.elapsed());
    }

    /// The limits hold for every request of a connection, not for the first alone.
    fn the_limits_hold_after_the_first_request_too(setup) {
        let bed = Bed::new(setup, |settings| {
            (settings.config.timeouts.idle, settings.config.timeouts.head) = (LIMIT, LIMIT);
        });
        let (mut idle, mut halting) = (bed.connect(), bed.connect());
        for peer in [&mut idle, &mut halting] {
            for _ in 0..2 {
                peer.send(get("/"));
                assert_eq!(peer.answer().status, 200);
            }
        }
        let start = Instant::now();
        pause(100);
        halting.send("GE");
        assert!(idle.rest().is_empty());
        assert!(is_due(start.elapsed()), "{:?}", start.elapsed());
        assert_eq!(halting.answer().status, 408);
        assert!(is_due(start.elapsed()), "{:?}", start.elapsed());
    }

    /// A client that takes nothing is dropped when its time is up, and is nobody else's concern.
    fn whoever_takes_nothing_is_dropped(setup) {
        let bed = Bed::new(setup, |settings| {
            settings.config.timeouts.send = Pace { grace: LIMIT, rate: 1000 };
        });
        let mut stuck: Vec<Peer> = (0..4).map(|_| Peer::narrow(bed.address)).collect();
        for peer in &mut stuck {
            peer.send(get("/big?n=1000000000"));
        }
        pause(100);
        let waited = bed.greet();
        if setup.is_mio() {
            assert!(waited < Duration::from_millis(100), "{waited:?}");
        } else {
            assert!(waited < LATEST, "{waited:?}");
        }
        bed.await_open(0);
        assert_eq!(bed.running.stats().stalled, 4);
        assert!(stuck.iter_mut().all(|peer| peer.fate().is_err()), "an answer that was cut ended regularly");
    }

    /// How long a handler takes is not the client's fault, and an answer has the date of its own second.
    fn a_slow_handler_is_no_fault_of_the_client(setup) {
        let bed = Bed::of(setup, OnWorkers(slow), |settings| {
            settings.config.timeouts.idle = Duration::from_millis(500);
            settings.config.timeouts.head = LIMIT;
        });
        let mut peer = bed.connect();
        for _ in 0..2 {
            peer.send(get("/"));
            let answer = peer.answer();
            assert!(is_fresh(&answer), "{:?} at {:?}", answer.field("Date"), SystemTime::now());
            pause(100);
        }
    }

    /// The date is fresh after a time of quiet, too.
    fn the_date_does_not_go_stale(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut peer = bed.connect();
        for gap in [0, 2200, 300, 300, 300, 300] {
            pause(gap);
            peer.send(get("/"));
            assert!(is_fresh(&peer.answer()));
        }
    }

    /// No limit at all is a limit that never comes; none of zero is taken.
    fn extreme_limits_work_or_are_refused(setup) {
        for time in [Duration::MAX, Duration::from_secs(u64::MAX / 2), Duration::from_secs(60)] {
            let bed = Bed::new(setup, |settings| {
                let times = &mut settings.config.timeouts;
                (times.idle, times.head, times.linger) = (time, time, time);
                times.body = Pace { grace: time, rate: u32::MAX };
                times.send = Pace { grace: time, rate: 0 };
            });
            let mut peer = bed.connect();
            for _ in 0..2 {
                peer.send(post("/echo", 5) + "he");
                pause(10);
                peer.send("llo");
                assert_eq!(peer.answer().text(), "hello");
            }
        }
        let mut settings = settings(setup);
        settings.config.timeouts.head = Duration::ZERO;
        let server = Server::new(|_: Head<'_>, exchange: Exchange<'_>| exchange.respond(Status::OK, &[], ()));
        let server = server.backend(setup.backend()).settings(settings).bind("127.0.0.1:0").unwrap();
        assert!(server.start().is_err());
        // Next to nothing ends every connection at once, and the server goes on.
        let bed = Bed::new(setup, |settings| {
            settings.config.timeouts.head = Duration::from_nanos(1);
            settings.config.timeouts.idle = Duration::from_nanos(1);
        });
        for _ in 0..5 {
            let mut peer = bed.connect();
            let _ = peer.try_send(get("/"));
            peer.end();
        }
        bed.await_open(0);
    }

    /// A size that cannot work is refused at the start; every other one works as it says.
    fn odd_sizes_work_or_are_refused(setup) {
        type Change = fn(&mut Settings);
        let start = |change: Change| {
            let mut settings = settings(setup);
            change(&mut settings);
            let server = Server::new(|_: Head<'_>, mut exchange: Exchange<'_>| {
                let mut content = Vec::new();
                exchange.body().read_to_end(&mut content)?;
                exchange.respond(Status::OK, &[], content)
            });
            let server = server.backend(setup.backend()).settings(settings).bind("127.0.0.1:0").unwrap();
            let address = server.addresses().find_map(|address| address.tcp()).unwrap();
            server.start().map(|running| (running, address))
        };
        let refused: [Change; 7] = [
            |s| s.config.limits.head = 0,
            |s| s.config.limits.head = 64,
            |s| s.config.limits.head = u32::MAX,
            |s| s.config.limits.requests = 0,
            |s| s.min_threads = 0,
            |s| s.max_threads = 0,
            |s| (s.min_threads, s.max_threads) = (5, 4),
        ];
        for (n, change) in refused.into_iter().enumerate() {
            assert!(start(change).is_err(), "number {n}");
        }
        let working: [(Change, u16); 8] = [
            (|s| (s.config.limits.head, s.config.limits.target) = (256, 256), 200),
            (|s| s.config.limits.body = 0, 413),
            (|s| s.config.limits.body = u64::MAX, 200),
            (|s| s.queue = 0, 200),
            (|s| s.max_connections = 0, 503),
            (|s| s.max_connections = 1, 200),
            (|s| s.loops = 0, 200),
            (|s| s.inline_body = 0, 200),
        ];
        for (n, (change, status)) in working.into_iter().enumerate() {
            let (_running, address) = start(change).unwrap();
            let mut peer = Peer::connect(address);
            peer.send(post("/echo", 5) + "hello");
            assert_eq!(peer.answer().status, status, "number {n}");
        }
    }
}
