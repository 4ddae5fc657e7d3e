//! Does a server stay what it was through hours of good, bad, slow and aborted traffic?
//!
//! A short soak is a test like others. A long one, ten minutes unless `CHERRYSTONE_SOAK` says how many seconds, is
//!
//! ```text
//! cargo test --release -p cherrystone-conformance --test strain -- --ignored --nocapture a_long_soak
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::served::{Served, Usage};
use crate::common::*;

/// Octets that resident memory may differ by from the beginning to the end, beside a tenth.
const WAVERING: u64 = 2 << 20;

/// A conversation, with numbers to vary it.
type Talk = fn(&Served, &mut Dice);

/// What goes on at once, and in how many threads.
const TRAFFIC: [(&str, usize, Talk); 11] = [
    ("kept", 3, kept),
    ("pipelined", 1, pipelined),
    ("echoed", 2, echoed),
    ("refused", 1, refused),
    ("slow to ask", 2, slow_to_ask),
    ("slow to read", 2, slow_to_read),
    ("half-closed", 1, half_closed),
    ("aborted", 2, aborted),
    ("upgraded", 1, upgraded),
    ("waiting", 1, waiting),
    ("panicking", 1, panicking),
];

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    /// Octets that are not the same each time.
    fn octets(&mut self, most: usize) -> Vec<u8> {
        let seed = self.roll(251);
        (0..self.roll(most)).map(|i| ((i + seed) % 251) as u8).collect()
    }
}

fn expect(peer: &mut Peer, text: &str) {
    let answer = peer.answer();
    assert_eq!((answer.status, answer.text(), answer.is_complete), (200, text, true));
}

/// What `/big` consists of.
fn is_pattern(octets: &[u8], from: usize) -> bool {
    octets.iter().enumerate().all(|(i, octet)| *octet == ((from + i) % 251) as u8)
}

fn kept(server: &Served, dice: &mut Dice) {
    let mut peer = server.connect();
    for _ in 0..dice.roll(30) {
        match dice.roll(4) {
            0 => {
                peer.send(get("/"));
                expect(&mut peer, "ok");
            }
            1 => {
                peer.send(get("/chunked"));
                expect(&mut peer, "onetwothree");
            }
            2 => {
                let n = dice.roll(300_000);
                peer.send(get(&format!("/big?n={n}")));
                let answer = peer.answer();
                assert!(answer.status == 200 && answer.body.len() == n && is_pattern(&answer.body, 0), "of {n} octets");
            }
            _ => {
                peer.send("HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n");
                assert_eq!(peer.head(), 200);
            }
        }
        pause(dice.roll(8) as u64);
    }
}

fn pipelined(server: &Served, dice: &mut Dice) {
    let mut peer = server.connect();
    let n = 1 + dice.roll(100);
    peer.send((get("/") + &get("/chunked")).repeat(n));
    for _ in 0..n {
        expect(&mut peer, "ok");
        expect(&mut peer, "onetwothree");
    }
    pause(20);
}

fn echoed(server: &Served, dice: &mut Dice) {
    let mut peer = server.connect();
    for _ in 0..3 {
        let content = dice.octets(200_000);
        match dice.roll(3) {
            0 => {
                peer.send(post("/echo", content.len()));
                peer.send(&content);
            }
            1 => {
                peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
                for piece in content.chunks(500 + dice.roll(60_000)) {
                    peer.send(format!("{:x};x=y\r\n", piece.len()));
                    peer.send(piece);
                    peer.send("\r\n");
                }
                peer.send("0\r\nX-Trailer: x\r\n\r\n");
            }
            _ => {
                let expecting = "\r\nExpect: 100-continue\r\n\r\n";
                peer.send(post("/echo", content.len()).replace("\r\n\r\n", expecting));
                if !content.is_empty() {
                    assert_eq!(peer.next().unwrap().status, 100);
                }
                peer.send(&content);
            }
        }
        let answer = peer.answer();
        assert!(answer.status == 200 && answer.body == content, "an echo of {} octets", content.len());
    }
    pause(10);
}

fn refused(server: &Served, dice: &mut Dice) {
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200));
    let bad = [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01", 400),
        ("GET / HTTP/3.1\r\nHost: a\r\n\r\n", 505),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413),
        (&*long, 414),
        (&*many, 431),
    ];
    let (request, status) = bad[dice.roll(bad.len())];
    let mut peer = server.connect();
    // The connection may end while the rest is under way.
    let _ = peer.try_send(request);
    let answer = peer.answer();
    assert_eq!((answer.status, answer.closes()), (status, true), "{:?}", &request[..request.len().min(80)]);
    pause(10);
}

fn slow_to_ask(server: &Served, dice: &mut Dice) {
    let mut peer = server.connect();
    let content = dice.octets(200);
    let request = [post("/echo", content.len()).as_bytes(), &content].concat();
    for piece in request.chunks(1 + dice.roll(20)) {
        peer.send(piece);
        pause(10);
    }
    assert_eq!(peer.answer().body, content);
}

fn slow_to_read(server: &Served, dice: &mut Dice) {
    let mut peer = Peer::narrow(server.address);
    peer.send("GET /big?n=400000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(peer.head(), 200);
    let mut taken = 0;
    while taken < 400_000 {
        let n = (1 + dice.roll(20_000)).min(400_000 - taken);
        assert!(is_pattern(&peer.octets(n), taken), "at {taken}");
        taken += n;
        pause(5);
    }
    assert!(peer.rest().is_empty());
}

fn half_closed(server: &Served, _: &mut Dice) {
    let mut peer = server.connect();
    peer.send(get("/") + &get("/chunked"));
    peer.finish();
    expect(&mut peer, "ok");
    expect(&mut peer, "onetwothree");
    assert!(peer.rest().is_empty());
    pause(10);
}

fn aborted(server: &Served, dice: &mut Dice) {
    let mut peer = server.connect();
    let requests = [
        get("/stream"),
        get("/drip"),
        get("/sleep?s=0.05"),
        "GET / HT".into(),
        post("/echo", 1000) + "some",
        String::new(),
    ];
    peer.send(&requests[dice.roll(requests.len())]);
    peer.hears(Duration::from_millis(1 + dice.roll(20) as u64));
    if dice.roll(2) == 0 {
        peer.reset()
    } else {
        drop(peer)
    }
    pause(5);
}

fn upgraded(server: &Served, dice: &mut Dice) {
    let mut peer = server.connect();
    peer.send(UPGRADE.to_owned() + "PING");
    assert_eq!(peer.answer().status, 101);
    assert_eq!(peer.octets(4), b"PING");
    for _ in 0..dice.roll(10) {
        let said = dice.octets(3000);
        peer.send(&said);
        assert_eq!(peer.octets(said.len()), said);
    }
    pause(10);
}

fn waiting(server: &Served, dice: &mut Dice) {
    let mut peer = server.connect();
    peer.send(get("/sleep?s=0.1"));
    expect(&mut peer, "ok");
    peer.send(get("/drip"));
    assert_eq!(peer.head(), 200);
    for _ in 0..1 + dice.roll(2) {
        assert_eq!(peer.octets(10), b"5\r\ndrip\n\r\n");
    }
}

fn panicking(server: &Served, _: &mut Dice) {
    let mut peer = server.connect();
    peer.send(get("/panic"));
    assert_eq!(peer.answer().status, 500);
    pause(50);
}

/// Lets traffic run for this time; says what was wrong.
fn soak(setup: Setup, lasting: Duration) {
    let server = Served::start(setup, &["--threads", "12:12", "--head-timeout", "20", "--idle-timeout", "20"]);
    // Whatever is made once is made, the threads of the testbed too.
    for (_, _, talk) in TRAFFIC {
        talk(&server, &mut Dice(42));
    }
    await_quiet(&server, None);
    let fresh = server.usage();
    let (over, wrong) = (AtomicBool::new(false), AtomicU64::new(0));
    let talks = [const { AtomicU64::new(0) }; TRAFFIC.len()];
    let mut watched = Vec::new();
    thread::scope(|scope| {
        for (kind, (name, threads, talk)) in TRAFFIC.into_iter().enumerate() {
            for n in 0..threads {
                let (over, wrong, talks, server) = (&over, &wrong, &talks, &server);
                scope.spawn(move || {
                    let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul((kind * 10 + n + 1) as u64));
                    while !over.load(Ordering::SeqCst) {
                        if catch_unwind(AssertUnwindSafe(|| talk(server, &mut dice))).is_err() {
                            println!("{setup:?}: wrong, {name}");
                            wrong.fetch_add(1, Ordering::SeqCst);
                        }
                        talks[kind].fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        }
        let end = Instant::now() + lasting;
        while Instant::now() < end {
            thread::sleep((lasting / 40).min(end.saturating_duration_since(Instant::now())));
            watched.push(server.usage());
        }
        over.store(true, Ordering::SeqCst);
    });
    await_quiet(&server, Some(fresh.descriptors));
    report(setup, fresh, &watched, server.usage(), &talks);
    let after = server.usage();
    assert_eq!(wrong.load(Ordering::SeqCst), 0, "{setup:?}: conversations went wrong");
    for (talks, (name, ..)) in talks.iter().zip(TRAFFIC) {
        assert!(talks.load(Ordering::SeqCst) > 2, "{setup:?}: hardly anybody was {name}");
    }
    assert_eq!((after.descriptors, after.threads), (fresh.descriptors, fresh.threads), "{setup:?}");
    // Once it has warmed up, memory goes nowhere.
    let (early, late) =
        (median(&watched[watched.len() / 5..][..watched.len() / 5]), median(&watched[watched.len() * 4 / 5..]));
    assert!(late < early + early / 10 + WAVERING, "{setup:?}: {early} octets became {late}");
    assert!(server.greet() < Duration::from_secs(1));
    assert!(server.terminate().success());
}

/// Waits until the server has got rid of its connections.
fn await_quiet(server: &Served, descriptors: Option<usize>) {
    let mut last = server.usage().descriptors;
    let mut steady = 0;
    until(
        Duration::from_secs(30),
        || {
            pause(100);
            let now = server.usage().descriptors;
            steady = if now == std::mem::replace(&mut last, now) { steady + 1 } else { 0 };
            descriptors.map_or(steady >= 20, |wanted| now == wanted)
        },
        || format!("{descriptors:?}, now {:?}", server.usage()),
    );
}

fn median(usages: &[Usage]) -> u64 {
    let mut resident: Vec<u64> = usages.iter().map(|usage| usage.resident).collect();
    resident.sort_unstable();
    resident[resident.len() / 2]
}

fn report(setup: Setup, fresh: Usage, watched: &[Usage], after: Usage, talks: &[AtomicU64]) {
    let show =
        |usage: Usage| format!("{} fds, {} threads, {} KiB", usage.descriptors, usage.threads, usage.resident >> 10);
    let tenths: Vec<u64> = watched.chunks(watched.len().div_ceil(10)).map(|tenth| median(tenth) >> 10).collect();
    let talks: Vec<String> =
        talks.iter().zip(TRAFFIC).map(|(n, (name, ..))| format!("{} {name}", n.load(Ordering::SeqCst))).collect();
    println!(
        "{setup:?}: fresh {}; after {}; KiB in each tenth {tenths:?}; conversations: {}",
        show(fresh),
        show(after),
        talks.join(", ")
    );
}

fn soak_all(lasting: Duration) {
    thread::scope(|scope| {
        let setups = [Setup::Threads, Setup::Loops, Setup::Blocking];
        let soaks = setups.map(|setup| scope.spawn(move || soak(setup, lasting)));
        let failed = soaks.into_iter().filter_map(|soak| soak.join().err()).count();
        assert_eq!(failed, 0, "the reasons are above");
    });
}

#[test]
fn a_short_soak() {
    soak_all(Duration::from_secs(15));
}

#[test]
#[ignore = "takes ten minutes, or what CHERRYSTONE_SOAK says"]
fn a_long_soak() {
    let seconds =
        std::env::var("CHERRYSTONE_SOAK").map_or(600, |seconds| seconds.parse().expect("CHERRYSTONE_SOAK is a number"));
    soak_all(Duration::from_secs(seconds));
}
