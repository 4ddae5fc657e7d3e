//! What do a connection and a request cost in memory?

use cherrystone_core::gateway::Intake;
use cherrystone_core::{Config, Connection, Env, Event, Instant, Link, Pool, RecvBuf, SendBuf, Size, Status};
use cherrystone_oracles::allocations::{self, Counting, Use};

#[global_allocator]
static COUNTING: Counting = Counting;

const GET: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: a.example\r\nUser-Agent: x\r\nAccept: */*\r\nCookie: a=b; c=d\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nhello world";
const CHUNKED: &[u8] =
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nSum: 1\r\n\r\n";

/// Answers all requests that are there, with an answer of announced size or in chunks.
fn serve(conn: &mut Connection, env: &Env<'_>, rx: &mut RecvBuf, tx: &mut SendBuf, size: Size) -> usize {
    let mut answered = 0;
    loop {
        match conn.poll(env, rx) {
            Ok(Event::NeedInput) => return answered,
            Ok(Event::Request(_) | Event::Data(_)) => {}
            Ok(Event::End(_)) => {
                conn.respond(env, Status::OK, &[("Content-Type", b"text/plain")], size, tx).unwrap();
                conn.write(b"hello", tx).unwrap();
                let trailers: &[(&str, &[u8])] = if size == Size::Unknown { &[("Sum", b"1")] } else { &[] };
                conn.finish(trailers, tx).unwrap();
                answered += 1;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn no_allocation_for_a_request_in_steady_state() {
    let config = Config::default();
    let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
    for (name, request) in [("GET", GET), ("POST", POST), ("chunked", CHUNKED)] {
        for size in [Size::Exact(5), Size::Unknown] {
            for piece in [request.len(), 7] {
                let (mut conn, mut rx, mut tx) = (Connection::new(&env), RecvBuf::default(), SendBuf::default());
                let mut once = || {
                    let mut answered = 0;
                    for part in request.chunks(piece) {
                        rx.push(part);
                        answered += serve(&mut conn, &env, &mut rx, &mut tx, size);
                    }
                    tx.advance(usize::MAX);
                    answered
                };
                assert_eq!(once(), 1);
                let (answered, heap) = allocations::count(|| (0..100).map(|_| once()).sum::<usize>());
                assert_eq!((answered, heap), (100, Use::default()), "{name}, {size:?}, {piece} octets at a time");
            }
        }
    }
}

#[test]
fn a_violation_and_its_answer_allocate_nothing_either() {
    let config = Config::default();
    let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
    let (mut rx, mut tx) = (RecvBuf::default(), SendBuf::default());
    let mut once = || {
        let mut conn = Connection::new(&env);
        rx.push(b"GET / HTTP/1.1\r\nHost: a\r\nBroken\r\n\r\n");
        let violation = conn.poll(&env, &mut rx).unwrap_err();
        conn.refuse(&env, violation, &mut tx);
        assert!(matches!(conn.poll(&env, &mut rx), Ok(Event::Shutdown)));
        rx.consume(usize::MAX);
        tx.advance(usize::MAX);
    };
    once();
    assert_eq!(allocations::count(once).1, Use::default());
}

#[test]
fn an_idle_link_owns_no_heap() {
    let config = Config::default();
    let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
    assert!(size_of::<Connection>() <= 128 && size_of::<Link>() <= 320);
    let mut pool = Pool::default();
    let (mut first, fresh) = allocations::count(|| Link::new(&env, None));
    assert_eq!(fresh, Use::default());
    let mut once = |link: &mut Link| {
        link.wake(&mut pool);
        link.spare(4096)[..GET.len()].copy_from_slice(GET);
        link.received(GET.len()).unwrap();
        assert_eq!(serve(&mut link.conn, &env, &mut link.rx, &mut link.tx, Size::Exact(5)), 1);
        link.sent(&env, usize::MAX).unwrap();
        assert!(link.rest(&mut pool));
        assert_eq!((link.rx.capacity(), link.tx.capacity()), (0, 0));
    };
    once(&mut first);
    // The storage is the pool's now, and the next link's in its turn.
    let mut second = Link::new(&env, None);
    assert_eq!(allocations::count(|| once(&mut second)).1, Use::default());
}

#[test]
fn content_that_is_expected_is_collected_without_being_moved() {
    let collect = |intake: &mut Intake| (0..64).for_each(|_| intake.collect(&[b'x'; 100]));
    let (expected, heap) = allocations::count(|| {
        let mut intake = Intake::default();
        intake.expect(6_400, &mut Pool::default());
        collect(&mut intake);
        intake
    });
    let (grown, more) = allocations::count(|| {
        let mut intake = Intake::default();
        collect(&mut intake);
        intake
    });
    assert_eq!((expected.len(), grown.len()), (6_400, 6_400));
    assert!(heap.allocations == 1 && more.allocations > 1, "{heap:?}, {more:?}");
}

#[test]
fn a_pool_keeps_few_buffers_and_none_that_is_large() {
    let config = Config::default();
    let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
    let held_after = |links: usize, octets: usize| {
        let mut pool = Pool::default();
        let rest = |pool: &mut Pool| {
            for _ in 0..links {
                let mut link = Link::new(&env, None);
                link.spare(octets);
                link.tx.put(&vec![b'x'; octets]);
                link.tx.advance(octets);
                assert!(link.rest(pool));
            }
        };
        let ((), heap) = allocations::count(|| rest(&mut pool));
        drop(pool);
        usize::try_from(heap.held).unwrap()
    };
    let (few, many) = (held_after(256, 4_096), held_after(600, 4_096));
    assert!(few > 256 * 2 * 4_096 && many < few + 1_024, "{few} octets of 256 links, {many} of 600");
    assert!(held_after(10, 128 << 10) > 10 * 2 * (128 << 10), "buffers of that size are kept");
    assert!(held_after(10, 129 << 10) < 1 << 10, "larger ones are not");
}
