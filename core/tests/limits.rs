//! Each limit admits what is exactly as large, and refuses one more: as a whole and octet by octet.

use cherrystone_core::{Config, Limits, ViolationKind};
use cherrystone_oracles::segmentation::{Arrival, End, Log, play};

/// Plays a stream as a whole and octet by octet, which must give the same; `early` answers before the content is read.
fn log(stream: &str, change: impl Fn(&mut Limits), manner: u8) -> Log {
    let mut config = Config::default();
    change(&mut config.limits);
    let whole = play(&Arrival { pieces: vec![stream.as_bytes()], end: End::Open }, &config, manner);
    let octets = stream.as_bytes().chunks(1).collect();
    assert_eq!(play(&Arrival { pieces: octets, end: End::Open }, &config, manner), whole, "{stream:?}");
    whole
}

/// The last octet that fits is let through, and the next one is not.
#[track_caller]
fn bounds(stream: &str, limit: impl Fn(&mut Limits, u32), exact: u32, kind: ViolationKind) {
    let admitted = log(stream, |limits| limit(limits, exact), 0);
    assert_eq!(admitted.violation, None, "{exact} is enough");
    assert!(admitted.exchanges[0].trailers.is_some());
    let refused = log(stream, |limits| limit(limits, exact - 1), 0);
    assert_eq!(refused.violation.map(|violation| violation.kind), Some(kind), "{} is too little", exact - 1);
}

const GET: &str = "GET /abc HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn heads() {
    bounds(GET, |limits, n| limits.head = n, GET.len() as u32, ViolationKind::HeadTooLarge);
    bounds(GET, |limits, n| limits.target = n, 4, ViolationKind::TargetTooLong);
    bounds(GET, |limits, n| limits.fields = n as u16, 3, ViolationKind::TooManyFields);
    // More lines than the short way has room for.
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(299));
    bounds(&long, |limits, n| limits.fields = n as u16, 300, ViolationKind::TooManyFields);
    let line = "GET / HTTP/1.1\r\n".len() as u32;
    let short = log(GET, |limits| limits.head = line, 0).violation;
    assert_eq!(short.map(|violation| violation.kind), Some(ViolationKind::TargetTooLong), "the line alone is too long");
}

#[test]
fn content() {
    let sized = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    bounds(sized, |limits, n| limits.body = n.into(), 5, ViolationKind::BodyTooLarge);
    let chunked = format!("{CHUNKED}3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n");
    bounds(&chunked, |limits, n| limits.body = n.into(), 5, ViolationKind::BodyTooLarge);
    let trailers = format!("{CHUNKED}0\r\nA: b\r\nC: d\r\nE: f\r\n\r\n");
    bounds(&trailers, |limits, n| limits.trailers = n, 20, ViolationKind::TrailersTooLarge);
    bounds(&trailers, |limits, n| limits.fields = n as u16, 3, ViolationKind::TooManyFields);
}

#[test]
fn chunk_extensions() {
    let extended = format!("{CHUNKED}1;ab=c\r\nx\r\n1;d\r\ny\r\n0\r\n\r\n");
    bounds(&extended, |limits, n| limits.chunk_overhead = n, 7, ViolationKind::ChunkOverhead);
    bounds(&extended, |limits, n| limits.chunk_line = n, 6, ViolationKind::ChunkOverhead);
    let padded = format!("{CHUNKED}{}1\r\nx\r\n0\r\n\r\n", "0".repeat(20));
    bounds(&padded, |limits, n| limits.chunk_overhead = n, 5, ViolationKind::ChunkOverhead);
}

#[test]
fn requests_on_a_connection() {
    let two = log(&GET.repeat(3), |limits| limits.requests = 2, 0);
    assert_eq!(two.exchanges.len(), 2);
}

#[test]
fn content_that_nobody_reads() {
    // Answered early: what is at most as much as the limit is dropped and the connection kept.
    let sized = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello{GET}");
    let chunked = format!("{CHUNKED}3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n{GET}");
    let says_close = |log: &Log| String::from_utf8_lossy(&log.output).contains("Connection: close");
    assert!(says_close(&log(&sized, |limits| limits.drain = 4, 2)), "how it will end is known in advance");
    assert!(!says_close(&log(&sized, |limits| limits.drain = 5, 2)));
    for stream in [sized, chunked] {
        assert_eq!(log(&stream, |limits| limits.drain = 5, 2).exchanges.len(), 2);
        assert_eq!(log(&stream, |limits| limits.drain = 4, 2).exchanges.len(), 1);
    }
}
