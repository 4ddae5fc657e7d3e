//! Strictness of the reader, and its independence of how bytes arrive.

use super::*;

fn read(bytes: &[u8], to: To) -> Result<Vec<Answer>, Malformed> {
    let mut reader = Reader::new();
    reader.push(bytes);
    reader.end();
    let mut answers = Vec::new();
    while let Some(answer) = reader.next(to)? {
        answers.push(answer);
    }
    Ok(answers)
}

fn one(bytes: &[u8]) -> Answer {
    let mut answers = read(bytes, To::Other).unwrap();
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.remove(0)
}

#[test]
fn every_way_to_arrive_gives_the_same_answers() {
    let stream: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
        3;x=\"y\"\r\none\r\n00A \t;a\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\nHTTP/1.0 204 \r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let whole = read(stream, To::Other).unwrap();
    assert_eq!(whole.iter().map(|a| a.status).collect::<Vec<_>>(), [100, 200, 204, 200]);
    assert_eq!(whole[1].content, b"one0123456789");
    for cut in 0..=stream.len() {
        let mut reader = Reader::new();
        let mut answers = Vec::new();
        for piece in [&stream[..cut], &stream[cut..]] {
            reader.push(piece);
            while let Some(answer) = reader.next(To::Other).unwrap() {
                answers.push(answer);
            }
        }
        assert_eq!(answers, whole, "cut at {cut}");
    }
    let mut reader = Reader::new();
    let mut answers = Vec::new();
    for byte in stream {
        reader.push(&[*byte]);
        answers.extend(reader.next(To::Other).unwrap());
    }
    assert_eq!(answers, whole);
    assert_eq!(reader.rest(), b"");
}

#[test]
fn content_ends_where_the_head_says() {
    assert_eq!(one(b"HTTP/1.1 200 OK\r\n\r\nto the end").content, b"to the end");
    assert_eq!(one(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n").content, b"");
    let head = read(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", To::Head).unwrap();
    assert_eq!(head[0].content, b"");
    let chunked = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", To::Head).unwrap();
    assert_eq!(chunked[0].content, b"");
}

#[test]
fn what_is_doubtful_is_malformed() {
    for (bytes, word) in [
        (&b"HTTP/1.1 200 OK\nA: b\n\n"[..], "bare LF"),
        (b"HTTP/1.1 200 OK\r\nA: b\n\r\n", "bare LF"),
        (b"HTTP/1.1 200 O\0K\r\n\r\n", "status line"),
        (b"HTTP/1.2 200 OK\r\n\r\n", "status line"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "status line"),
        (b"HTTP/1.1 600 OK\r\n\r\n", "status line"),
        (b"HTTP/1.1  200 OK\r\n\r\n", "status line"),
        (b"HTTP/2 200 OK\r\n\r\n", "not a status line"),
        (b"<html>", "not a status line"),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", "not a status line"),
        (b"HTTP/1.1 200 OK\r\nA b\r\n\r\n", "field line"),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "field line"),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "field line"),
        (b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "field line"),
        (b"HTTP/1.1 200 OK\r\n: b\r\n\r\n", "field line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "more than one"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\na", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\na", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "in one answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "Transfer-Encoding"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "1 octets of content are missing"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n", "a chunk size is missing"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nonetwo\r\n", "behind a chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 3\r\none\r\n", "chunk size line"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\none\r\n", "chunk size line"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\none\r\n", "bare LF"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nbad\r\n\r\n", "field line"),
        (b"HTTP/1.1 200 OK\r\nConte", "closed within the head"),
    ] {
        let error = read(bytes, To::Other).expect_err(&String::from_utf8_lossy(bytes)).to_string();
        assert!(error.contains(word), "{}: {error}", bytes.escape_ascii());
    }
}

#[test]
fn what_is_wrong_without_doubt_is_a_flaw() {
    assert_eq!(one(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n").flaws, ["no space behind the status code"]);
    assert!(one(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n").flaws.is_empty());
    assert_eq!(one(b"HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n").flaws, ["204 with content-length"]);
    assert_eq!(one(b"HTTP/1.1 100 C\r\nTransfer-Encoding: chunked\r\n\r\n").flaws, ["100 with transfer-encoding"]);
    assert_eq!(one(b"HTTP/1.1 205 R\r\nContent-Length: 1\r\n\r\na").flaws, ["205 with content"]);
    assert_eq!(one(b"HTTP/1.1 204 N\r\nDate: now\r\n\r\n").flaws, ["the Date is not an IMF-fixdate: now"]);
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    assert!(one(format!("HTTP/1.1 204 N\r\n{date}\r\n").as_bytes()).flaws.is_empty());
    assert_eq!(one(format!("HTTP/1.1 204 N\r\n{date}{date}\r\n").as_bytes()).flaws, ["more than one Date field"]);
}

#[test]
fn a_server_may_say_that_it_closes() {
    assert!(one(b"HTTP/1.1 204 N\r\nConnection: a, Close\r\n\r\n").announces_close());
    assert!(!one(b"HTTP/1.1 204 N\r\n\r\n").announces_close());
    assert!(one(b"HTTP/1.0 204 N\r\n\r\n").announces_close());
    assert!(!one(b"HTTP/1.0 204 N\r\nConnection: keep-alive\r\n\r\n").announces_close());
}

#[test]
fn a_head_without_end_is_given_up() {
    let mut reader = Reader::new();
    reader.push(b"HTTP/1.1 200 OK\r\nA: ");
    reader.push(&vec![b'a'; LONGEST_HEAD]);
    assert!(reader.next(To::Other).unwrap_err().to_string().contains("a head of more"));
}
