//! Does a server come out as it went in after a time of good, bad, slow and aborted traffic all at once?

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::*;

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn roll(&mut self, sides: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides) as usize
    }
}

/// Does one thing with a fresh connection, and looks at what comes of it as far as anything has to.
fn visit(bed: &Bed, dice: &mut Dice) {
    let mut peer = bed.connect();
    let content = vec![b'a' + dice.roll(26) as u8; dice.roll(200_000)];
    match dice.roll(12) {
        0 => {
            for _ in 0..dice.roll(5) {
                peer.send(get("/"));
                assert_eq!(peer.answer().text(), "ok");
            }
        }
        1 => {
            let n = 1 + dice.roll(50);
            peer.send(get("/inspect").repeat(n));
            assert!((0..n).all(|_| peer.answer().text().starts_with("GET /inspect")));
        }
        2 => {
            let request = get("/");
            peer.send(&request[..dice.roll(request.len() as u64)]);
            peer.reset();
        }
        3 => {
            peer.send(post("/echo", content.len()));
            for piece in content.chunks(1 + dice.roll(60_000)) {
                peer.send(piece);
            }
            assert_eq!(peer.answer().body, content);
        }
        4 => {
            peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nnot so much");
            if dice.roll(2) == 0 {
                peer.finish();
                assert_eq!(peer.answer().status, 400);
            }
        }
        5 => {
            peer.send(get("/big?n=5000000"));
            peer.octets(dice.roll(4_000_000));
            if dice.roll(2) == 0 {
                peer.reset();
            }
        }
        6 => {
            peer.send(UPGRADE.to_owned() + "hello");
            assert_eq!(peer.answer().status, 101);
            assert_eq!(peer.octets(5), b"hello");
            if dice.roll(2) == 0 {
                peer.send(&content);
                peer.finish();
                assert_eq!(peer.rest(), content);
            }
        }
        7 => {
            peer.send(get("/drip"));
            assert_eq!(peer.head(), 200);
            peer.reset();
        }
        8 => {
            peer.send(get("/sleep?s=0.02"));
            match dice.roll(3) {
                0 => peer.reset(),
                1 => drop(peer),
                _ => assert_eq!(peer.answer().text(), "ok"),
            }
        }
        9 => {
            peer.send(b"\x00\x01 no request at all");
            assert_eq!(peer.answer().status, 400);
        }
        10 => {
            peer.send(post("/reject", 3 << 20));
            let _ = peer.try_send(&content);
            assert!([403, 413].contains(&peer.answer().status));
        }
        _ => {
            peer.send(get("/stream"));
            peer.octets(dice.roll(300_000));
        }
    }
}

on_all_setups_at_once! {
    /// Every good request is answered rightly, and in the end there is no connection and no worker less.
    fn mixed_traffic_leaves_nothing_behind(setup) {
        let bed = Bed::new(setup, |_| {});
        let end = Instant::now() + Duration::from_secs(3);
        thread::scope(|scope| {
            for seed in 1..=6 {
                let bed = &bed;
                scope.spawn(move || {
                    let mut dice = Dice::new(seed);
                    while Instant::now() < end {
                        visit(bed, &mut dice);
                    }
                });
            }
        });
        bed.await_open(0);
        bed.greet();
        let stats = bed.running.stats();
        assert_eq!((stats.panics, stats.refused, bed.running.workers().threads), (0, 0, 4), "{stats:?}");
        let stopped = bed.running.stop(Duration::from_secs(5));
        assert_eq!((stopped.cut, stopped.busy), (0, 0));
    }

    /// A stop in the middle of it all keeps to its deadline, and leaves nothing behind either.
    fn a_stop_in_mixed_traffic_is_a_stop(setup) {
        for round in 0..4 {
            let bed = Bed::new(setup, |_| {});
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                for seed in 1..=6 {
                    let (bed, over) = (&bed, &over);
                    scope.spawn(move || {
                        let mut dice = Dice::new(seed + 10 * round);
                        while !over.load(Ordering::SeqCst) {
                            let mut peer = match std::net::TcpStream::connect(bed.address) {
                                Ok(stream) => Peer::from(stream),
                                Err(_) => return,
                            };
                            let requests = [&get("/"), &get("/stream"), &get("/drip"), UPGRADE, &post("/echo", 9)];
                            let _ = peer.try_send(requests[dice.roll(5)]);
                            peer.hears(Duration::from_millis(10));
                        }
                    });
                }
                pause(150);
                let start = Instant::now();
                let stopped = bed.running.stop(Duration::from_millis(300));
                assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
                assert_eq!((stopped.busy, bed.running.stats().open), (0, 0), "{stopped:?}");
                over.store(true, Ordering::SeqCst);
            });
        }
    }
}
