//! What applications and backends call and the oracles do not: payloads of every kind, content by lines, files, a stage, what is shown.

mod memory;

use core::task::Waker;
use std::io::{BufRead, Read, Write};
use std::sync::{Arc, Mutex};

use cherrystone_core::gateway::{
    Advance, Answered, ChunkOut, Credentials, Deferred, Done, Exchange, Failure, Gateway, Inline, Intake, Mode,
    Payload, PeerAddress, Port, Progress, Source, answer,
};
use cherrystone_core::{
    Cause, Config, Date, Env, Event, Head, Instant, Link, Pool, RecvBuf, SendBuf, Stage, StageError, Status, Traffic,
};

use self::memory::{Memory, peer};

/// Has one request answered, with all that goes on after the handler; what was said.
fn said(stream: &str, gateway: impl Gateway) -> (String, Memory) {
    let config = Config::default();
    let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
    let mut memory = Memory::new(None);
    let head = memory.hear(stream.as_bytes());
    let mut intake = Intake::default();
    if let Answered::Ongoing(mut ongoing) = answer(&gateway, head.head(), &mut memory, &mut intake, &peer()) {
        let mut turns = 0;
        while ongoing.advance(&mut memory.link, &env, usize::MAX, Waker::noop()) != Advance::Finished {
            turns += 1;
            assert!(turns < 100, "{ongoing:?} does not end");
        }
    }
    (String::from_utf8_lossy(memory.link.tx.unsent()).into_owned(), memory)
}

const GET: &str = "GET /app/page?q HTTP/1.1\r\nHost: h.example:81\r\nA: 1\r\nB: 2\r\n\r\n";

fn payload(make: impl Fn() -> Payload + Send + Sync + 'static) -> String {
    said(GET, move |_: Head<'_>, exchange: Exchange<'_>| exchange.respond(Status::OK, &[], make())).0
}

#[test]
fn payloads_of_every_kind_are_said_whole() {
    let head = |len: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n");
    assert_eq!(payload(|| ().into()), head(0));
    assert_eq!(payload(|| "text".into()), head(4) + "text");
    assert_eq!(payload(|| (&b"ab"[..]).into()), head(2) + "ab");
    assert_eq!(payload(|| b"abc".into()), head(3) + "abc");
    assert_eq!(payload(|| b"owned".to_vec().into()), head(5) + "owned");
    assert_eq!(payload(|| String::from("string").into()), head(6) + "string");
    assert_eq!(payload(|| Arc::<[u8]>::from(&b"shared"[..]).into()), head(6) + "shared");
    assert_eq!(format!("{:?}", Payload::from("text")), "Payload(Exact(4))");
}

#[test]
fn a_part_of_a_file_is_said_or_the_answer_is_visibly_incomplete() {
    let path = std::env::temp_dir().join(format!("cherrystone-surface-{}", std::process::id()));
    std::fs::write(&path, "0123456789").unwrap();
    let open = {
        let path = path.clone();
        move |range: core::ops::Range<u64>| Payload::from((std::fs::File::open(&path).unwrap(), range))
    };
    assert_eq!(format!("{:?}", open(2..5)), "Payload::File(2..5)");
    let (within, beyond) = (open.clone(), open);
    assert!(payload(move || within(2..5)).ends_with("Content-Length: 3\r\n\r\n234"));
    let cut = payload(move || beyond(8..20));
    assert!(cut.ends_with("Content-Length: 12\r\n\r\n89"), "{cut}");
    std::fs::remove_file(path).unwrap();
}

/// A source that ends without trailers.
struct Short(bool);

impl Source for Short {
    fn next(&mut self, out: &mut ChunkOut<'_>, _: &Waker) -> Result<Progress, Failure> {
        if core::mem::replace(&mut self.0, true) {
            return Ok(Progress::End);
        }
        out.write(b"once")?;
        Ok(Progress::More)
    }
}

#[test]
fn a_source_may_end_without_trailers() {
    assert!(
        payload(|| Payload::from(Box::new(Short(false)) as Box<dyn Source>))
            .ends_with("\r\n\r\n4\r\nonce\r\n0\r\n\r\n")
    );
}

#[test]
fn content_is_read_by_lines_and_its_trailers_come_behind_it() {
    let stream =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n7\r\na\nbc\nde\r\n0\r\nSum: 7\r\n\r\n";
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let (said, _) = said(stream, move |_: Head<'_>, mut exchange: Exchange<'_>| {
        let mut body = exchange.body();
        assert!(format!("{body:?}").starts_with("Body"));
        assert_eq!(body.read(&mut [])?, 0);
        for line in body.by_ref().lines() {
            kept.lock().unwrap().push(line?);
        }
        assert_eq!(body.trailers().get("sum"), Some(&b"7"[..]));
        exchange.respond(Status::NO_CONTENT, &[], ())
    });
    assert_eq!(*lines.lock().unwrap(), ["a", "bc", "de"]);
    assert!(said.starts_with("HTTP/1.1 204 "));
}

#[test]
fn content_is_read_behind_what_the_reader_has() {
    let stream = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabcdef";
    let (said, _) = said(stream, |_: Head<'_>, mut exchange: Exchange<'_>| {
        let mut body = exchange.body();
        let mut content = vec![0; 2];
        body.read_exact(&mut content)?;
        // What was taken from the connection and not read yet comes first.
        assert_eq!(body.fill_buf()?, b"cdef");
        body.consume(1);
        assert_eq!(body.read_to_end(&mut content)?, 3);
        exchange.respond(Status::OK, &[], content)
    });
    assert!(said.ends_with("\r\n\r\nabdef"), "{said}");
}

#[test]
fn an_exchange_tells_who_asks_and_for_what() {
    let (said, memory) = said(GET, |head: Head<'_>, mut exchange: Exchange<'_>| -> Result<Done, Failure> {
        assert_eq!(head.authority(), Some("h.example:81"));
        assert_eq!((head.fields().len(), head.fields().get("b")), (3, Some(&b"2"[..])));
        assert!(format!("{head:?}").contains("\"GET\"") && format!("{exchange:?}").starts_with("Exchange"));
        assert_eq!((exchange.peer().address.to_string(), exchange.tls()), ("unix:".to_owned(), None));
        assert!(exchange.is_client_gone());
        let exchange = exchange.mounted(4);
        assert_eq!(exchange.split_path(head), ("/app", "/page"));
        let mut writer = exchange.start_response(Status::OK, &[], cherrystone_core::Size::Exact(2))?;
        assert!(writer.is_client_gone() && format!("{writer:?}").starts_with("ResponseWriter"));
        writer.write_all(b"ok")?;
        writer.flush()?;
        writer.finish()
    });
    assert!(said.ends_with("\r\n\r\nok") && memory.drained == 1);
    let named = PeerAddress::Unix(Some("/run/x".into()));
    let network = PeerAddress::Ip("[::1]:80".parse().unwrap());
    assert_eq!((named.to_string(), network.to_string()), ("unix:/run/x".to_owned(), "[::1]:80".to_owned()));
}

#[test]
fn a_proxy_speaks_for_a_client_and_a_gateway_may_know_better_still() {
    let address = |text: &str| PeerAddress::Ip(text.parse().unwrap());
    let mut peer = peer();
    peer.credentials = Some(Credentials { pid: None, uid: 1, gid: 2 });
    peer.spoken_for(address("192.0.2.1:7"), address("198.51.100.1:80"));
    // What is known of the proxy's process says nothing about the client.
    assert_eq!((&peer.address, peer.credentials), (&address("192.0.2.1:7"), None));
    let via = peer.via.as_deref().unwrap();
    assert_eq!((&via.proxy, &via.destination), (&PeerAddress::Unix(None), &address("198.51.100.1:80")));
    let (said, _) = said(GET, move |_: Head<'_>, exchange: Exchange<'_>| {
        let exchange = exchange.mounted(4).seen_as(&peer);
        let who = exchange.peer().address.to_string();
        exchange.respond(Status::OK, &[], who)
    });
    assert!(said.ends_with("\r\n\r\n192.0.2.1:7"), "{said}");
}

#[test]
fn a_target_names_whom_the_request_is_for() {
    for (target, host, authority) in [
        ("http://a.example:81/p", "b.example", Some("a.example:81")),
        ("/p", "b.example", Some("b.example")),
        ("/p", "", None),
    ] {
        let stream = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let (said, _) = said(&stream, move |head: Head<'_>, exchange: Exchange<'_>| {
            let same = (head.authority(), head.path()) == (authority, "/p");
            exchange.respond(if same { Status::OK } else { Status::NOT_FOUND }, &[], ())
        });
        assert!(said.starts_with("HTTP/1.1 200 "), "{target}, {host}: {said}");
    }
}

#[test]
fn a_gateway_is_the_same_in_an_arc_or_inline() {
    fn plain(_: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        exchange.respond(Status::OK, &[], "plain")
    }
    let mut rx = RecvBuf::default();
    rx.push(GET.as_bytes());
    let config = Config::default();
    let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
    let mut link = Link::new(&env, None);
    let Ok(Event::Request(head)) = link.conn.poll(&env, &mut rx) else { panic!("no request") };
    let shared = Arc::new(plain);
    assert_eq!(
        (plain.mode(head), shared.mode(head), Inline(plain).mode(head)),
        (Mode::Blocking, Mode::Blocking, Mode::Inline)
    );
    assert_eq!((shared.body_limit(head), Inline(plain).body_limit(head)), (None, None));
    assert_eq!(said(GET, shared).0, said(GET, Inline(plain)).0);
}

#[test]
fn who_defers_learns_that_nobody_waits_any_more() {
    let kept: Arc<Mutex<Option<Deferred>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let gateway = move |_: Head<'_>, exchange: Exchange<'_>| {
        let (deferred, done) = exchange.defer();
        *keep.lock().unwrap() = Some(deferred);
        Ok(done)
    };
    let mut memory = Memory::new(None);
    let head = memory.hear(GET.as_bytes());
    let answered = answer(&gateway, head.head(), &mut memory, &mut Intake::default(), &peer());
    let Answered::Ongoing(ongoing) = answered else { panic!("{answered:?}") };
    assert_eq!((ongoing.needs_waker(), format!("{ongoing:?}")), (true, "Ongoing(Deferred)".to_owned()));
    let is_abandoned = || kept.lock().unwrap().as_ref().is_some_and(Deferred::is_abandoned);
    assert!(!is_abandoned());
    drop(ongoing);
    assert!(is_abandoned());
}

/// A stage that changes the case of letters, and knows nothing of the peer.
struct Case;

impl Stage for Case {
    fn open(&mut self, wire: &mut RecvBuf, rx: &mut RecvBuf, _: &mut SendBuf) -> Result<(), StageError> {
        // One line at a time, so that there is something to resume.
        let len = wire.unread().iter().position(|octet| *octet == b'\n').map_or(wire.unread().len(), |at| at + 1);
        let swapped: Vec<u8> = wire.unread()[..len].iter().map(|octet| octet ^ 1).collect();
        wire.consume(len);
        rx.push(&swapped.iter().map(|octet| octet ^ 1).collect::<Vec<_>>());
        Ok(())
    }

    fn seal(&mut self, tx: &mut SendBuf, out: &mut SendBuf) -> Result<(), StageError> {
        out.put(tx.unsent());
        tx.advance(usize::MAX);
        Ok(())
    }

    fn close(&mut self, _: &mut SendBuf) {}
}

#[test]
fn a_link_with_a_stage_goes_on_rests_and_wakes() {
    let config = Config::default();
    let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
    let (mut link, mut pool) = (Link::new(&env, Some(Box::new(Case))), Pool::default());
    assert!(link.is_secured() && !link.is_handshaking() && link.facts().is_none());
    assert!(format!("{link:?}").contains("Secure"));
    link.spare(GET.len())[..GET.len()].copy_from_slice(GET.as_bytes());
    link.received(GET.len()).unwrap();
    assert!(!link.rest(&mut pool), "what was read is in use");
    let request = loop {
        match link.conn.poll(&env, &mut link.rx) {
            Ok(Event::NeedInput) => assert_eq!(link.resume(), Ok(true)),
            other => break format!("{other:?}"),
        }
    };
    assert!(request.contains("/app/page?q"), "{request}");
    link.conn.respond(&env, Status::OK, &[], cherrystone_core::Size::Empty, &mut link.tx).unwrap();
    let said = link.outgoing().unwrap().len();
    assert_eq!(link.pending(), said);
    link.sent(&env, said).unwrap();
    assert_eq!(link.take_traffic(), Traffic { received: GET.len() as u64, sent: said as u64 });
    assert!(link.rest(&mut pool));
    link.wake(&mut pool);
    assert!(link.rx.capacity() > 0 || link.tx.capacity() > 0);
}

#[test]
fn what_went_wrong_says_why_and_where_it_is_written() {
    let config = Config::default();
    let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
    let mut link = Link::new(&env, None);
    link.rx.push(b"\0");
    let violation = link.conn.poll(&env, &mut link.rx).unwrap_err();
    assert!(violation.section().starts_with("RFC 9112"), "{}", violation.section());
    assert_eq!(format!("{:?}", Date::from_unix(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
    let mut idle = Link::new(&env, None);
    let late = Env { now: Instant::NEVER, ..env };
    assert!(matches!(idle.conn.poll(&late, &mut idle.rx), Ok(Event::Shutdown)));
    assert_eq!(idle.conn.expired(), Some(Cause::Head));
}

#[test]
fn content_is_not_read_behind_a_complete_answer() {
    let stream = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET /next HTTP/1.1\r\nHost: h\r\n\r\n";
    let (_, mut memory) = said(stream, |_: Head<'_>, exchange: Exchange<'_>| {
        let mut out = exchange.start_response(Status::OK, &[], cherrystone_core::Size::Empty)?;
        assert!(out.body().read(&mut [0; 8]).is_err());
        out.finish()
    });
    let (link, env) = memory.parts();
    let next = link.conn.poll(&env, &mut link.rx);
    assert!(matches!(&next, Ok(Event::Request(head)) if head.path() == "/next"), "{next:?}");
}

/// A port whose socket fails when a piece is to pass.
struct Failing(Memory);

impl Port for Failing {
    fn parts(&mut self) -> (&mut Link, Env<'_>) {
        self.0.parts()
    }

    fn fill(&mut self) -> std::io::Result<()> {
        self.0.fill()
    }

    fn drain(&mut self) -> std::io::Result<()> {
        self.0.drain()
    }

    fn pass(&mut self, _: [&[u8]; 3]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::ConnectionAborted.into())
    }

    fn is_gone(&mut self) -> bool {
        false
    }
}

#[test]
fn an_answer_that_lacks_a_piece_never_looks_complete() {
    let mut port = Failing(Memory::new(None));
    let head = port.0.hear(GET.as_bytes());
    let careless = |_: Head<'_>, exchange: Exchange<'_>| {
        let mut out = exchange.start_response(Status::OK, &[], cherrystone_core::Size::Unknown)?;
        assert!(out.write_all(&[b'x'; 40_000]).is_err());
        out.finish()
    };
    let answered = answer(&careless, head.head(), &mut port, &mut Intake::default(), &peer());
    assert!(matches!(answered, Answered::Failed(_)), "{answered:?}");
    assert!(!port.0.link.tx.unsent().ends_with(b"0\r\n\r\n"));
}
