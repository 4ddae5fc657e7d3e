//! What becomes of content that is late, too much, unread, or faster than its handler?

use std::io::Read;
use std::time::Duration;

use cherrystone::gateway::{Done, Exchange, Failure};
use cherrystone::{Head, Size, Status};

use crate::common::*;

/// Sleeps before it reads the content, then says how much there was.
fn dawdle(_: Head<'_>, mut exchange: Exchange<'_>) -> Result<Done, Failure> {
    pause(600);
    let mut body = exchange.body();
    let (mut sum, mut room) = (0, [0; 4096]);
    loop {
        match body.read(&mut room)? {
            0 => break,
            n => sum += n,
        }
    }
    exchange.respond(Status::OK, &[], sum.to_string())
}

/// Sends back what comes while it comes.
fn relay(_: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
    let mut writer = exchange.start_response(Status::OK, &[], Size::Unknown)?;
    let mut room = [0; 16 << 10];
    loop {
        match writer.body().read(&mut room)? {
            0 => return writer.finish(),
            n => std::io::Write::write_all(&mut writer, &room[..n])?,
        }
    }
}

on_all_setups_at_once! {
    /// Content that a handler leaves alone is not taken for a request.
    fn unread_content_is_no_request(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut peer = bed.connect();
        peer.send(post("/ignore", 5) + "hello" + &get("/count"));
        assert_eq!(peer.answer().status, 200);
        assert_eq!(peer.answer().status, 200);
        peer.send(get("/count/read"));
        assert_eq!(peer.answer().text(), "1");
        // More than is worth draining ends the connection instead, and says so.
        let mut peer = bed.connect();
        peer.send(post("/ignore", 1_000_000));
        let answer = peer.answer();
        assert_eq!((answer.status, answer.closes()), (200, true));
    }

    /// The end of the last chunk may dawdle: it belongs to its own request.
    fn a_late_end_of_the_last_chunk_spoils_nothing(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut peer = bed.connect();
        peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n");
        pause(40);
        assert!(!peer.hears(Duration::from_millis(40)), "answered before the end");
        peer.send("\r");
        pause(40);
        peer.send("\n".to_owned() + &get("/count"));
        assert_eq!(peer.answer().text(), "hello");
        assert_eq!(peer.answer().text(), "ok");
    }

    /// Content that is read past the buffer ends where it ends, whatever comes in one piece with its last octets, and its storage can be used
    /// again for content of another size.
    fn large_content_ends_before_the_next_request(setup) {
        let bed = Bed::new(setup, |settings| settings.inline_body = 1 << 20);
        let octets: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let mut peers = [bed.connect(), bed.connect()];
        for (n, size) in [200_000, 70_000, 199_999, 20_000, 150_000, 70_001].into_iter().enumerate() {
            let content = &octets[n..size];
            let stream = [post("/echo", content.len()).as_bytes(), content, get("/count").as_bytes()].concat();
            // Where the first piece ends, and whether the octets behind the content come with the last ones of it.
            for (first, last) in [(0, 0), (1, 30), (stream.len() / 2, 0), (9_000, stream.len() / 3)] {
                for peer in &mut peers {
                    let (start, rest) = stream.split_at(first);
                    let (middle, end) = rest.split_at(rest.len() - last);
                    peer.send(start);
                    pause(3);
                    peer.send(middle);
                    pause(3);
                    peer.send(end);
                }
                for peer in &mut peers {
                    assert!(peer.answer().body == content, "{size} {first} {last}");
                    assert_eq!(peer.answer().text(), "ok");
                }
            }
        }
    }

    /// A client that writes all of a too large upload before it reads anything gets to read why it failed.
    fn too_large_an_upload_is_told_so(setup) {
        let bed = Bed::new(setup, |_| {});
        let megabyte = vec![b'x'; 1 << 20];
        for chunked in [false, true] {
            let mut peer = bed.connect();
            if chunked {
                peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            } else {
                peer.send(post("/echo", 20 << 20));
            }
            for _ in 0..20 {
                if chunked {
                    peer.send("100000\r\n");
                }
                peer.send(&megabyte);
                if chunked {
                    peer.send("\r\n");
                }
            }
            let answer = peer.answer();
            assert_eq!((answer.status, answer.closes()), (413, true));
            assert!(peer.rest().is_empty());
        }
        assert!(bed.greet() < Duration::from_millis(500));
    }

    /// Content that stops half-way is no content.
    fn truncated_content_is_refused(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut peer = bed.connect();
        peer.send(post("/echo", 100) + "only this");
        peer.finish();
        assert_eq!(peer.answer().status, 400);
        let mut peer = bed.connect();
        peer.send(post("/echo", 100) + "only this");
        pause(20);
        peer.reset();
        bed.await_open(0);
        bed.greet();
    }

    /// A handler that is not ready for content holds its sender up, not the memory.
    fn a_slow_handler_holds_the_sender_up(setup) {
        let bed = Bed::of(setup, OnWorkers(dawdle), |settings| settings.config.limits.body = 1 << 30);
        let mut peer = bed.connect();
        peer.send(post("/", 64 << 20));
        let kilobytes = vec![b'x'; 64 << 10];
        let sent = peer.stuff(&kilobytes, 64 << 20);
        assert!(sent < 24 << 20, "{sent} octets were taken");
        let rest = (64 << 20) - sent;
        for _ in 0..rest / kilobytes.len() {
            peer.send(&kilobytes);
        }
        peer.send(&kilobytes[..rest % kilobytes.len()]);
        assert_eq!(peer.answer().text(), (64 << 20).to_string());
    }

    /// Octets go out while others still come in; a client that does not read is not read from either.
    fn a_relay_is_bounded_in_both_directions(setup) {
        let bed = Bed::of(setup, OnWorkers(relay), |settings| settings.config.limits.body = 1 << 30);
        let mut peer = bed.connect();
        peer.send(post("/", 48 << 20));
        let kilobytes = vec![b'x'; 64 << 10];
        let sent = peer.stuff(&kilobytes, 48 << 20);
        assert!(sent < 32 << 20, "{sent} octets were taken");
        drop(peer);
        bed.await_open(0);
    }

    /// A complete answer before the content: the rest of it is read if it is little, and no state is confused.
    fn an_early_answer_confuses_nothing(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut peer = bed.connect();
        // So much that no set-up collects it for the handler.
        peer.send(post("/reject", 100_000));
        assert_eq!(peer.answer().status, 403);
        peer.send([b'x'; 100_000]);
        peer.send(get("/"));
        assert_eq!(peer.answer().status, 200);
    }
}
