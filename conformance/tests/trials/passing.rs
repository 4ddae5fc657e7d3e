//! Does content arrive as it is when it passes to the socket without a copy, however the client takes it?

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use cherrystone::gateway::{Done, Exchange, Failure, Payload};
use cherrystone::{Head, Size, Status};

use crate::common::*;

const LONG: usize = 3 << 20;

/// Octets of which no two places look alike for long.
fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

fn file_of(octets: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(octets).unwrap();
    file
}

/// Answers with so many octets, in the way that the path names.
fn content(head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
    let (way, n) = head.path()[1..].split_once('/').unwrap_or(("owned", "0"));
    let octets = pattern(n.parse().unwrap_or(0));
    let payload = match way {
        "static" => Payload::Static(Box::leak(octets.into_boxed_slice())),
        "shared" => Payload::Shared(Arc::from(octets)),
        "file" => Payload::File(file_of(&octets), 0..octets.len() as u64),
        "part" => Payload::File(file_of(&octets), 1000..octets.len() as u64),
        "grown" => {
            let mut file = file_of(&octets);
            file.write_all(&[0; 70_000])?;
            Payload::File(file, 0..octets.len() as u64)
        }
        "holes" => {
            let file = tempfile::tempfile()?;
            file.set_len(1 << 30)?;
            Payload::File(file, 0..1 << 30)
        }
        "shrunk" => Payload::File(file_of(&octets), 0..octets.len() as u64 + 1),
        // A file that the kernel reads and does not move.
        "unmoved" => {
            let length = std::fs::read("/proc/self/environ")?.len() as u64;
            Payload::File(File::open("/proc/self/environ")?, 0..length)
        }
        "chunks" | "pushed" => {
            let size = if way == "pushed" { Size::Exact(octets.len() as u64) } else { Size::Unknown };
            let mut writer = exchange.start_response(Status::OK, &[], size)?;
            writer.write_all(&octets)?;
            return writer.finish();
        }
        _ => Payload::Owned(octets),
    };
    exchange.respond(Status::OK, &[], payload)
}

on_every_setup! {
    /// Every way of giving content, at sizes around what is copied and far above what a socket takes at once, with another answer
    /// behind it.
    fn content_arrives_as_it_is(setup) {
        let bed = Bed::of(setup, Placed(setup, content), |_| {});
        let mut peer = bed.connect();
        for way in ["static", "shared", "owned", "file"] {
            for n in [1, 16 << 10, (16 << 10) + 1, 100_003, LONG] {
                peer.send(get(&format!("/{way}/{n}")) + &get("/owned/3"));
                assert!(peer.answer().body == pattern(n), "{way} {n}");
                assert_eq!(peer.answer().body, pattern(3));
            }
        }
        peer.send(get("/part/100003") + "HEAD /file/100003 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(peer.answer().body == pattern(100_003)[1000..]);
        assert_eq!(peer.head(), 200);
        peer.send(get("/unmoved/0") + &get("/owned/3"));
        assert!(peer.answer().body == std::fs::read("/proc/self/environ").unwrap());
        assert_eq!(peer.answer().body, pattern(3));
    }

    /// What a handler pushes in large pieces, on a worker, where it may wait for the client.
    fn pushed_content_arrives_as_it_is(setup) {
        let bed = Bed::of(setup, OnWorkers(content), |_| {});
        let mut peer = bed.connect();
        for way in ["pushed", "chunks"] {
            for n in [1, 16 << 10, (16 << 10) + 1, 65_536, 65_537, LONG] {
                peer.send(get(&format!("/{way}/{n}")) + &get("/owned/3"));
                assert!(peer.answer().body == pattern(n), "{way} {n}");
                assert_eq!(peer.answer().body, pattern(3));
            }
        }
        peer.send("HEAD /chunks/100003 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned() + &get("/owned/3"));
        assert_eq!(peer.head(), 200);
        assert_eq!(peer.answer().body, pattern(3));
    }
}

on_all_setups_at_once! {
    /// A client with little room: each write ends somewhere else.
    fn no_octet_is_lost_or_said_twice(setup) {
        let bed = Bed::of(setup, OnWorkers(content), |_| {});
        let inline = Bed::of(setup, Placed(setup, content), |_| {});
        for (bed, ways) in [(&bed, &["chunks", "pushed", "file"][..]), (&inline, &["owned", "static", "file"][..])] {
            for way in ways {
                let mut peer = Peer::narrow(bed.address);
                peer.send(get(&format!("/{way}/300007")));
                let answer = peer.answer();
                assert!(answer.is_complete && answer.body == pattern(300_007), "{way}");
                peer.send(get("/owned/3"));
                assert_eq!(peer.answer().body, pattern(3));
            }
        }
    }

    /// A file that has lost octets since its length was announced ends the connection, short of that length; one that has got more
    /// is sent as announced.
    fn a_file_that_changed_is_seen_to_have(setup) {
        let bed = Bed::of(setup, Placed(setup, content), |_| {});
        for n in [0, 1, 20_000, LONG] {
            let mut peer = bed.connect();
            peer.send(get(&format!("/shrunk/{n}")));
            let answer = peer.answer();
            assert!(!answer.is_complete && answer.body.len() <= n, "{} of {n}", answer.body.len());
            peer.end();
            let mut peer = bed.connect();
            peer.send(get(&format!("/grown/{n}")) + &get("/owned/3"));
            assert!(peer.answer().body == pattern(n), "{n}");
            assert_eq!(peer.answer().body, pattern(3));
        }
    }

    /// A client that takes a large file slowly keeps nobody else waiting, and one that takes none of it is given up.
    fn a_slow_reader_of_a_file_harms_nobody(setup) {
        let bed = Bed::of(setup, Placed(setup, content), |settings| {
            settings.config.timeouts.send.grace = Duration::from_millis(400);
            settings.max_threads = 6;
        });
        let mut readers: Vec<Peer> = (0..3).map(|_| Peer::narrow(bed.address)).collect();
        for reader in &mut readers {
            reader.send(get("/holes/0"));
        }
        let mut peer = bed.connect();
        peer.send(get("/owned/3"));
        assert_eq!(peer.answer().body, pattern(3));
        drop(peer);
        bed.await_open(0);
        assert_eq!(bed.running.stats().stalled, 3);
    }
}
