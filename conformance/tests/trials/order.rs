//! Are pipelined answers complete, in order, and no later than they have to be?

use std::time::{Duration, Instant};

use cherrystone::gateway::{Done, Exchange, Failure, Gateway, Mode};
use cherrystone::{Head, Status};

use crate::common::*;

/// Answers `/` inline and everything else on a worker, after half a second.
struct Mixed;

impl Gateway for Mixed {
    fn mode(&self, head: Head<'_>) -> Mode {
        if head.path() == "/" { Mode::Inline } else { Mode::Blocking }
    }

    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        if head.path() != "/" {
            pause(500);
        }
        exchange.respond(Status::OK, &[], head.path().as_bytes().to_vec())
    }
}

on_all_setups_at_once! {
    /// A later answer never comes before or into an earlier one, and no interim one does.
    fn answers_keep_the_order_of_requests(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut peer = bed.connect();
        let expecting = post("/echo", 5).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
        peer.send(get("/sleep?s=0.2") + &get("/inspect") + &expecting);
        assert_eq!(peer.next().unwrap().text(), "ok");
        assert!(peer.next().unwrap().text().starts_with("GET /inspect"));
        assert_eq!(peer.next().unwrap().status, 100);
        peer.send("hello");
        assert_eq!(peer.next().unwrap().text(), "hello");
    }

    /// An answer does not wait for the handler of the next request.
    fn an_answer_does_not_wait_for_the_next_handler(setup) {
        let bed = Bed::of(setup, Mixed, |_| {});
        for first in ["/", "/slow"] {
            let mut peer = bed.connect();
            peer.send(get(first) + &get("/slower"));
            assert_eq!(peer.answer().text(), first);
            let start = Instant::now();
            assert_eq!(peer.answer().text(), "/slower");
            assert!(start.elapsed() > Duration::from_millis(300), "{first} came only {:?} before", start.elapsed());
        }
    }

    /// A client that has said everything and ended its side still wants its answers.
    fn half_closing_loses_no_answer(setup) {
        for deferring in [false, true] {
            let bed = if deferring { Bed::deferring(setup, |_| {}) } else { Bed::new(setup, |_| {}) };
            for path in ["/", "/sleep?s=0.2", "/chunked", "/big?n=3000000"] {
                let mut peer = bed.connect();
                peer.send(get(path));
                peer.finish();
                let answer = peer.answer();
                assert!(answer.status == 200 && answer.is_complete, "{path}");
                assert!(peer.rest().is_empty());
            }
            let mut peer = bed.connect();
            peer.send(get("/sleep?s=0.1") + &get("/inspect"));
            peer.finish();
            assert_eq!(peer.answer().text(), "ok");
            assert!(peer.answer().text().starts_with("GET /inspect"));
            assert!(peer.rest().is_empty());
            bed.await_open(0);
        }
    }

    /// Nonsense behind a request costs that request nothing.
    fn nonsense_does_not_swallow_the_answer_before_it(setup) {
        for deferring in [false, true] {
            let bed = if deferring { Bed::deferring(setup, |_| {}) } else { Bed::new(setup, |_| {}) };
            for path in ["/", "/sleep?s=0.1"] {
                let mut peer = bed.connect();
                peer.send(get(path) + "Invalid\r\n\r\n");
                assert_eq!((peer.answer().status, path), (200, path));
                let refusal = peer.answer();
                assert_eq!((refusal.status, refusal.closes()), (400, true));
                assert!(peer.rest().is_empty());
            }
        }
    }

    /// What no request begins with is refused at the first octet, while others are served.
    fn binary_noise_is_refused_at_once(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut peer = bed.connect();
        let start = Instant::now();
        peer.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
        assert_eq!(peer.answer().status, 400);
        assert!(start.elapsed() < Duration::from_secs(1));
        bed.greet();
    }

    /// Octets of a protocol that come together with the request for it are its first ones, wherever the arrival is cut.
    fn the_next_protocol_gets_its_first_octets(setup) {
        let bed = Bed::new(setup, |_| {});
        let whole = format!("{UPGRADE}PING");
        for cut in [UPGRADE.len() - 1, UPGRADE.len(), UPGRADE.len() + 1, UPGRADE.len() + 2, whole.len()] {
            let mut peer = bed.connect();
            peer.send(&whole[..cut]);
            if cut < whole.len() {
                pause(5);
                peer.send(&whole[cut..]);
            }
            assert_eq!(peer.answer().status, 101);
            assert_eq!(peer.octets(4), b"PING");
            peer.send("more");
            assert_eq!(peer.octets(4), b"more");
            peer.finish();
            assert!(peer.rest().is_empty());
        }
        bed.await_open(0);
    }

    /// An offer of a protocol that nobody speaks changes nothing.
    fn an_unknown_upgrade_is_ignored(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut peer = bed.connect();
        let offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
        peer.send(post("/echo", 5).replace("\r\n\r\n", &format!("\r\n{offer}hello")) + &get("/"));
        assert_eq!(peer.answer().text(), "hello");
        assert_eq!(peer.answer().status, 200);
    }

    /// Where no content may be there is none, and the connection goes on.
    fn no_content_where_none_may_be(setup) {
        let bed = Bed::new(setup, |_| {});
        let mut peer = bed.connect();
        for (request, status) in [
            ("HEAD /big?n=10 HTTP/1.1\r\nHost: a\r\n\r\n", 200),
            ("HEAD /drip HTTP/1.1\r\nHost: a\r\n\r\n", 200),
            ("GET /status/204 HTTP/1.1\r\nHost: a\r\n\r\n", 204),
            ("GET /status/304 HTTP/1.1\r\nHost: a\r\n\r\n", 304),
        ] {
            peer.send(request.to_owned() + &get("/"));
            let head = peer.head();
            assert_eq!(head, status, "{request}");
            assert_eq!(peer.answer().text(), "ok", "{request}");
        }
    }
}
