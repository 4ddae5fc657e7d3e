//! Does a fault of a client, a handler or the system stay where it belongs?

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use cherrystone::gateway::{Done, Exchange, Failure};
use cherrystone::{Head, Pace, Settings, Size, Status};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};

use crate::common::*;

const SOON: Duration = Duration::from_millis(500);

/// Panics or fails after half of its answer.
fn half(head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
    let size = if head.path().starts_with("/exact") { Size::Exact(10) } else { Size::Unknown };
    if head.path() == "/" {
        return exchange.respond(Status::OK, &[], "ok");
    }
    let mut writer = exchange.start_response(Status::OK, &[], size)?;
    writer.write_all(b"half.")?;
    writer.flush()?;
    if head.path().ends_with("panic") {
        panic!("as asked");
    }
    writer.finish()
}

/// Waits until the client has gone, and says so.
fn await_departure(departed: Sender<bool>) -> impl Fn(Head<'_>, Exchange<'_>) -> Result<Done, Failure> + Send + Sync {
    move |head, mut exchange| {
        if head.path() == "/wait" {
            let gone = (0..200).any(|_| {
                pause(10);
                exchange.is_client_gone()
            });
            departed.send(gone).unwrap();
        }
        exchange.respond(Status::OK, &[], "ok")
    }
}

on_all_setups_at_once! {
    /// A handler may ask whether its client has gone.
    fn a_handler_learns_that_its_client_has_gone(setup) {
        let (sender, receiver) = channel();
        let bed = Bed::of(setup, OnWorkers(await_departure(sender)), |_| {});
        let mut peer = bed.connect();
        peer.send(get("/wait"));
        pause(50);
        peer.reset();
        assert!(receiver.recv().unwrap(), "it was never told");
        bed.await_open(0);
    }

    /// More panics than there are workers leave as many workers.
    fn panics_cost_one_exchange_each(setup) {
        let bed = Bed::new(setup, |_| {});
        for _ in 0..6 {
            let mut peer = bed.connect();
            peer.send(get("/panic"));
            assert_eq!(peer.answer().status, 500);
        }
        assert_eq!(bed.running.stats().panics, 6);
        bed.greet();
        assert_eq!(bed.running.workers().threads, 4);
    }

    /// An answer that broke off never looks complete.
    fn half_an_answer_looks_like_half_an_answer(setup) {
        let bed = Bed::of(setup, Placed(setup, half), |_| {});
        for path in ["/exact/panic", "/exact/short", "/panic"] {
            let mut peer = bed.connect();
            peer.send(get(path));
            let answer = peer.answer();
            assert_eq!((answer.text(), answer.is_complete), ("half.", false), "{path}");
        }
        let mut peer = bed.connect();
        peer.send("GET /panic HTTP/1.0\r\n\r\n");
        assert!(peer.fate().is_err(), "a regular end");
        bed.await_open(0);
        bed.greet();
    }

    /// Clients that connect and reset at once are nobody's concern.
    fn a_storm_of_resets_passes(setup) {
        let bed = Bed::new(setup, |_| {});
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..1500 {
                    let mut peer = bed.connect();
                    if n % 3 == 1 {
                        let _ = peer.try_send("GET / HT");
                    } else if n % 3 == 2 {
                        let _ = peer.try_send(get("/big?n=1000000"));
                    }
                    peer.reset();
                }
                over.store(true, Ordering::SeqCst);
            });
            while !over.load(Ordering::SeqCst) {
                assert!(bed.greet() < Duration::from_secs(2));
                pause(20);
            }
        });
        bed.await_open(0);
    }

    /// Clients that go on sending after they were refused are listened to for a while, but keep nobody waiting.
    fn sending_on_after_a_refusal_delays_nobody(setup) {
        let bed = Bed::new(setup, |settings| settings.config.timeouts.linger = Duration::from_secs(3));
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut peer = bed.connect();
                    peer.send(post("/echo", 1 << 40));
                    let noise = vec![b'x'; 1 << 20];
                    while peer.try_send(&noise).is_ok() && !over.load(Ordering::SeqCst) {}
                });
            }
            pause(50);
            for _ in 0..20 {
                // Long before anybody is given up, on a busy machine too.
                assert!(bed.greet() < Duration::from_secs(2));
                pause(10);
            }
            bed.await_open(0);
            over.store(true, Ordering::SeqCst);
        });
    }

    /// Clients that leave in the middle of a long answer take it with them.
    fn leaving_in_the_middle_of_an_answer_ends_it(setup) {
        let bed = Bed::new(setup, |_| {});
        for clean in [false, true] {
            // On threads each of them takes a worker.
            let clients = if setup.is_mio() { 20 } else { 4 };
            let mut leaving: Vec<Peer> = (0..clients).map(|_| bed.connect()).collect();
            for peer in &mut leaving {
                peer.send(get("/stream"));
            }
            for peer in &mut leaving {
                peer.octets(1 << 20);
            }
            for peer in leaving {
                if clean { drop(peer) } else { peer.reset() }
            }
            bed.await_open(0);
        }
        assert!(bed.greet() < SOON);
    }

    /// With every worker taken and the queue full, the others are told so at once, and without a worker.
    fn overload_is_answered_at_once(setup) {
        if setup.mode() == cherrystone::gateway::Mode::Inline {
            return;
        }
        let bed = Bed::new(setup, |settings| {
            (settings.min_threads, settings.max_threads, settings.queue) = (1, 1, 1);
        });
        let mut accepted: Vec<Peer> = Vec::new();
        for _ in 0..2 {
            let mut peer = bed.connect();
            peer.send(get("/sleep?s=1"));
            accepted.push(peer);
            pause(50);
        }
        for _ in 0..10 {
            let mut peer = bed.connect();
            peer.send(get("/"));
            let start = std::time::Instant::now();
            let answer = peer.answer();
            assert_eq!((answer.status, answer.closes()), (503, true));
            assert!(answer.field("Retry-After").is_some());
            assert!(peer.rest().is_empty());
            assert!(start.elapsed() < SOON);
        }
        assert!(accepted.iter_mut().all(|peer| peer.answer().status == 200));
        bed.greet();
        assert_eq!(bed.running.stats().refused, 10);
    }

    /// The threads of a pool that grows and shrinks never get fewer than the least.
    fn a_dynamic_pool_keeps_its_least(setup) {
        if setup.mode() == cherrystone::gateway::Mode::Inline {
            return;
        }
        let bed = Bed::new(setup, |settings| (settings.min_threads, settings.max_threads) = (2, 20));
        for _ in 0..5 {
            let mut burst: Vec<Peer> = (0..40).map(|_| bed.connect()).collect();
            for peer in &mut burst {
                peer.send(get("/sleep?s=0.01"));
            }
            assert!(burst.iter_mut().all(|peer| peer.answer().status == 200));
            assert!((2..=20).contains(&bed.running.workers().threads));
        }
        bed.greet();
    }
}

/// A server in a process of its own.
struct Apart {
    child: Child,
    /// Kept open, since the child goes on talking.
    _output: Box<dyn Iterator<Item = std::io::Result<String>>>,
    address: SocketAddr,
}

impl Apart {
    /// Starts the test of this name, which has to say where it serves and to end with its input.
    fn start(test: &str, setup: Setup) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([&format!("faults::{test}"), "--exact", "--ignored", "--nocapture"])
            .env("SETUP", format!("{setup:?}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().split("serving at ").nth(1)?.parse().ok());
        Self { child, _output: Box::new(lines), address: address.expect("the server says where it is") }
    }

    /// The other side of `start`: serves until the input ends. None if it is not run by another test.
    fn serve(change: impl FnOnce(&mut Settings), ready: impl FnOnce()) -> Option<Bed> {
        let name = std::env::var("SETUP").ok()?;
        let setups = [Setup::Threads, Setup::Inline, Setup::Blocking, Setup::Loops];
        let bed = Bed::new(setups.into_iter().find(|setup| format!("{setup:?}") == name)?, change);
        ready();
        println!("serving at {}", bed.address);
        std::io::stdin().lines().for_each(drop);
        Some(bed)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Processor time that it has used.
    fn time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(10 * ticks)
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// The other half of [`running_out_of_descriptors_is_survived`].
#[test]
#[ignore = "run by another test, in a process of its own"]
fn a_server_with_few_descriptors() {
    let few = Rlimit { current: Some(64), maximum: Some(64) };
    let bed = Apart::serve(|_| {}, || setrlimit(Resource::Nofile, few).unwrap());
    assert!(bed.is_none_or(|bed| bed.running.stats().pauses > 0), "it has never run out");
}

/// A server that runs out of descriptors serves whom it has, does not spin, and recovers.
#[test]
fn running_out_of_descriptors_is_survived() {
    at_once(|setup| {
        let cramped = Apart::start("a_server_with_few_descriptors", setup);
        let mut first = Peer::connect(cramped.address);
        first.send(get("/"));
        assert_eq!(first.answer().status, 200);
        let crowd: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(cramped.address).unwrap()).collect();
        pause(100);
        let before = cramped.time();
        pause(1000);
        let used = cramped.time() - before;
        assert!(used < Duration::from_millis(200), "{setup:?} used {used:?} in a second");
        first.send(get("/"));
        assert_eq!(first.answer().status, 200);
        drop(crowd);
        let mut late = Peer::connect(cramped.address);
        late.send(get("/"));
        assert_eq!(late.answer().status, 200);
    });
}

/// The other half of [`being_stopped_and_continued_is_no_fault_of_the_clients`].
#[test]
#[ignore = "run by another test, in a process of its own"]
fn a_server_with_short_limits() {
    let limit = Duration::from_secs(1);
    let times = |settings: &mut Settings| {
        let times = &mut settings.config.timeouts;
        (times.idle, times.head) = (limit, limit);
        times.body = Pace { grace: limit, rate: 1 };
    };
    drop(Apart::serve(times, || {}));
}

/// What came in time is served, even if the process was stopped until its time was over.
#[test]
fn being_stopped_and_continued_is_no_fault_of_the_clients() {
    at_once(|setup| {
        let held_up = Apart::start("a_server_with_short_limits", setup);
        let mut peers: Vec<Peer> = (0..4).map(|_| Peer::connect(held_up.address)).collect();
        peers[0].send(get("/"));
        assert_eq!(peers[0].answer().status, 200);
        peers[1].send("GET / HT");
        peers[2].send(post("/echo", 5) + "he");
        pause(50);
        held_up.signal(Signal::STOP);
        peers[0].send(get("/"));
        peers[1].send("TP/1.1\r\nHost: a\r\n\r\n");
        peers[2].send("llo");
        peers[3].send(get("/"));
        // Longer than the limit, which in turn is longer than a busy machine takes to come this far.
        pause(1500);
        held_up.signal(Signal::CONT);
        for peer in &mut peers {
            assert_eq!(peer.answer().status, 200);
        }
    });
}
