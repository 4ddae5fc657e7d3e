//! Does what waits hold no worker, and end with its client?

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use cherrystone::workers::{self, Executor, Rejected, Stopped, Workers};
use cherrystone::{Exchange, Head, Job, Server, Status};

use crate::common::*;
use crate::hands::hands;

const SOON: Duration = Duration::from_millis(300);

/// One worker, which somebody always waits for, and which takes nothing back.
struct Strict(Workers<Job>);

impl Executor<Job> for Strict {
    fn try_submit(&self, job: Job) -> Result<(), Rejected<Job>> {
        self.0.try_submit(job)
    }

    fn requeue(&self, job: Job) -> Result<(), Rejected<Job>> {
        Err(Rejected::Full(job))
    }

    fn waiting(&self) -> bool {
        true
    }

    fn stop(&self, deadline: Instant) -> Stopped<Job> {
        self.0.stop(deadline)
    }
}

fn one_worker() -> workers::Settings {
    let mut settings = workers::Settings::default();
    (settings.min, settings.max, settings.queue) = (1, Some(1), 8);
    settings
}

on_every_setup! {
    /// A thousand event streams.
    fn event_streams_hold_no_worker(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut streams: Vec<Peer> = (0..1000).map(|_| bed.connect()).collect();
        for peer in &mut streams {
            peer.send(get("/drip"));
        }
        for peer in &mut streams {
            assert_eq!(peer.head(), 200);
            assert_eq!(peer.octets(10), b"5\r\ndrip\n\r\n");
        }
        let mut times: Vec<Duration> = (0..11).map(|_| bed.greet()).collect();
        times.sort_unstable();
        assert!(times[5] < SOON, "{times:?}");
        assert!(streams.iter_mut().all(|peer| peer.octets(10) == b"5\r\ndrip\n\r\n"));
        drop(streams);
        bed.await_open(0);
    }

    /// A thousand connections of another protocol.
    fn upgraded_connections_hold_no_worker(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut upgraded: Vec<Peer> = (0..1000).map(|_| bed.connect()).collect();
        for peer in &mut upgraded {
            peer.send(UPGRADE);
        }
        assert!(upgraded.iter_mut().all(|peer| peer.answer().status == 101));
        assert!(bed.greet() < SOON);
        for peer in &mut upgraded {
            peer.send("hello");
        }
        assert!(upgraded.iter_mut().all(|peer| peer.octets(5) == b"hello"));
        drop(upgraded);
        bed.await_open(0);
    }
}

on_all_setups_at_once! {
    /// A thousand long polls that another thread answers.
    fn long_polls_hold_no_worker(setup) {
        let bed = Bed::deferring(setup, |_| {});
        let mut polls: Vec<Peer> = (0..1000).map(|_| bed.connect()).collect();
        for peer in &mut polls {
            peer.send(get("/sleep?s=1.5"));
        }
        pause(300);
        assert!(bed.greet() < SOON);
        for peer in &mut polls {
            assert_eq!(peer.answer().text(), "ok");
            peer.send(get("/"));
        }
        assert!(polls.iter_mut().all(|peer| peer.answer().status == 200));
    }

    /// A client that goes away while its stream waits is noticed with the next piece, in whichever way it went.
    fn a_stream_ends_with_its_client(setup) {
        let bed = Bed::new(setup, |_| {});
        for way in 0..3 {
            let mut peer = bed.connect();
            peer.send(get("/drip"));
            assert_eq!(peer.head(), 200);
            match way {
                0 => peer.reset(),
                1 => drop(peer),
                _ => {
                    peer.finish();
                    peer.octets(10);
                    peer.octets(10);
                    drop(peer);
                }
            }
            bed.await_open(0);
        }
    }

    /// A deferred answer is abandoned when its client is gone, and not before.
    fn a_deferred_answer_is_abandoned_with_its_client(setup) {
        let (bed, hands) = hands(setup);
        let mut peer = bed.connect();
        peer.send(get("/defer"));
        let deferred = hands.deferred();
        peer.finish();
        pause(50);
        assert!(!deferred.is_abandoned(), "a half-closed client still waits");
        deferred.respond(Status::OK, &[], "late");
        assert_eq!(peer.answer().text(), "late");

        let mut peer = bed.connect();
        peer.send(get("/defer"));
        let deferred = hands.deferred();
        peer.reset();
        until(SOON * 4, || deferred.is_abandoned(), || "it is not abandoned".into());
        bed.await_open(0);
        deferred.respond(Status::OK, &[], "nobody hears this");
        bed.greet();
    }

    /// A deferred answer that nobody gives is a failure, not a silence.
    fn a_dropped_deferred_answer_is_a_failure(setup) {
        let (bed, hands) = hands(setup);
        let mut peer = bed.connect();
        peer.send(get("/defer"));
        drop(hands.deferred());
        assert_eq!(peer.answer().status, 500);
    }

    /// A source is not asked again before it is woken, whatever its client does.
    fn a_waiting_source_is_left_alone(setup) {
        let (bed, hands) = hands(setup);
        let mut peer = bed.connect();
        peer.send(get("/wait"));
        assert_eq!(peer.head(), 200);
        peer.octets(10);
        for _ in 0..20 {
            peer.send(get("/"));
            pause(2);
        }
        assert_eq!(hands.asked.load(Ordering::SeqCst), 1);
        hands.open.store(true, Ordering::SeqCst);
        hands.waker().wake();
        assert_eq!(peer.octets(15), b"5\r\nended\r\n0\r\n\r\n");
        assert!((0..20).all(|_| peer.answer().text() == "ok"));
    }

    /// No wake-up is lost, not even one that comes before the source has said that it waits.
    fn no_wake_up_is_lost(setup) {
        let (bed, hands) = hands(setup);
        let mut peer = bed.connect();
        for _ in 0..200 {
            peer.send(get("/at-once"));
            let answer = peer.answer();
            assert!(answer.is_complete && answer.text() == "begunended");
            hands.open.store(false, Ordering::SeqCst);
        }
    }

    /// A waker that is called too late finds another connection in the place of its own, and does it no harm.
    fn a_late_waker_does_no_harm(setup) {
        let (bed, hands) = hands(setup);
        for _ in 0..20 {
            let mut peer = bed.connect();
            peer.send(get("/wait"));
            assert_eq!(peer.head(), 200);
            let waker = hands.waker();
            peer.reset();
            bed.await_open(0);
            let mut next = bed.connect();
            waker.wake_by_ref();
            next.send(get("/"));
            assert_eq!(next.answer().text(), "ok");
            waker.wake();
            next.send(get("/wait"));
            assert_eq!(next.head(), 200);
            hands.waker();
            next.reset();
        }
    }

    /// What panics beside the handler costs its own exchange: 500 if that is still possible, else a visible cut.
    fn panics_beside_the_handler_cost_one_exchange(setup) {
        let (bed, hands) = hands(setup);
        // A backend that has no use for the mode does not ask for it.
        for (path, status) in [("/panic-in-mode", 500), ("/panic-in-limit", 500)] {
            let mut peer = bed.connect();
            if setup == Setup::Threads && path == "/panic-in-mode" {
                continue;
            }
            peer.send(get(path));
            let answer = peer.answer();
            assert_eq!((answer.status, answer.closes()), (status, true), "{path}");
            peer.rest();
        }
        hands.open.store(true, Ordering::SeqCst);
        for (n, path) in ["/panic", "/fail"].into_iter().enumerate() {
            let mut peer = bed.connect();
            peer.send(get(path));
            hands.waker().wake();
            let answer = peer.answer();
            assert_eq!((answer.text(), answer.is_complete), ("begun", false), "{path}");
            hands.await_drops(n + 1);
            // Where the end of the connection is the end of the answer, it is no regular one.
            let mut peer = bed.connect();
            peer.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
            assert_eq!(peer.head(), 200);
            hands.waker().wake();
            assert!(peer.fate().is_err(), "{path}");
            hands.dropped.fetch_sub(1, Ordering::SeqCst);
        }
        let mut peer = bed.connect();
        peer.send(get("/panic-in-drop"));
        hands.waker().wake();
        peer.answer();
        peer = bed.connect();
        hands.open.store(false, Ordering::SeqCst);
        peer.send(UPGRADE);
        assert_eq!(peer.answer().status, 101);
        peer.send("panic");
        peer.end();
        drop(peer);
        bed.await_open(0);
        for _ in 0..10 {
            bed.greet();
        }
    }

    /// Another protocol may go on when its client has ended its side, and ends when the client has gone.
    fn a_half_closed_upgrade_goes_on(setup) {
        let (bed, hands) = hands(setup);
        let mut peer = bed.connect();
        peer.send(UPGRADE);
        assert_eq!(peer.answer().status, 101);
        peer.finish();
        pause(100);
        let asked = hands.asked.load(Ordering::SeqCst);
        pause(200);
        assert!(hands.asked.load(Ordering::SeqCst) <= asked + 1, "it is asked over and over");
        hands.open.store(true, Ordering::SeqCst);
        hands.waker().wake();
        assert_eq!(peer.rest(), b"pushed");
        hands.await_drops(1);

        hands.open.store(false, Ordering::SeqCst);
        let mut peer = bed.connect();
        peer.send(UPGRADE);
        assert_eq!(peer.answer().status, 101);
        peer.reset();
        hands.await_drops(2);
    }

    /// A protocol that leaves its input alone does not make the server hoard it.
    fn input_that_nobody_takes_is_not_hoarded(setup) {
        let (bed, _hands) = hands(setup);
        let mut peer = bed.connect();
        peer.send(UPGRADE);
        assert_eq!(peer.answer().status, 101);
        let taken = peer.stuff(&[b'x'; 64 << 10], 64 << 20);
        assert!(taken < 24 << 20, "{taken} octets were taken");
    }

    /// Nor does a kept connection that makes room for others meet a 503 because they fill the queue, whether there is one or not.
    fn making_room_is_no_way_out(setup) {
        if setup.is_mio() {
            return;
        }
        for queue in [0, 1] {
            let bed = Bed::new(setup, |settings| {
                (settings.min_threads, settings.max_threads, settings.queue) = (1, 1, queue);
            });
            let mut kept = bed.connect();
            kept.send(get("/sleep?s=0.2") + &get("/").repeat(300));
            pause(50);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..40 {
                            let mut other = bed.connect();
                            other.send(get("/"));
                            let status = other.answer().status;
                            assert!(status == 200 || status == 503, "{status}");
                        }
                    });
                }
                for n in 0..301 {
                    assert_eq!(kept.answer().status, 200, "answer {n} with a queue of {queue}");
                }
            });
            let stats = bed.running.stats();
            assert!(stats.refused > 0, "the queue was never full: {stats:?}");
        }
    }

    /// Threads of the program's own may refuse to take a connection back: it goes on where it is.
    fn a_strict_executor_ends_no_connection(setup) {
        if setup.is_mio() {
            return;
        }
        let settings = settings(setup);
        let strict = Strict(Workers::start(one_worker(), Job::run).unwrap());
        let server = Server::new(|_: Head<'_>, exchange: Exchange<'_>| exchange.respond(Status::OK, &[], "ok"));
        let server = server.backend(setup.backend()).settings(settings).executor(strict).bind("127.0.0.1:0").unwrap();
        let address = server.addresses().find_map(|address| address.tcp()).unwrap();
        let running = server.start().unwrap();
        let mut kept = Peer::connect(address);
        for _ in 0..20 {
            kept.send(get("/").repeat(20));
            let mut other = Peer::connect(address);
            other.send(get("/"));
            assert!((0..20).all(|_| kept.answer().status == 200));
            assert!([200, 503].contains(&other.answer().status));
        }
        running.stop(Duration::from_secs(5));
    }

    /// A full queue gives no answer up that has begun.
    fn a_full_queue_ends_no_stream(setup) {
        if setup.is_mio() {
            return;
        }
        let bed = Bed::new(setup, |settings| {
            (settings.min_threads, settings.max_threads, settings.queue) = (1, 1, 0);
        });
        let mut stream = bed.connect();
        stream.send(get("/drip"));
        assert_eq!(stream.head(), 200);
        let mut busy = bed.connect();
        busy.send(get("/sleep?s=1.5"));
        thread::sleep(Duration::from_millis(50));
        assert_eq!(stream.octets(20), b"5\r\ndrip\n\r\n".repeat(2));
        assert_eq!(stream.octets(10), b"5\r\ndrip\n\r\n");
        assert_eq!(busy.answer().status, 200);
    }
}
