//! What might a client send?
//!
//! [`Traffic`] makes streams of requests from random choices: most parts are right, so that the machine is led deep into a
//! conversation, and some are wrong in the ways that matter.

use arbitrary::{Arbitrary, Result, Unstructured};

/// A stream of requests, most of them valid.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// The stream.
    pub octets: Vec<u8>,
}

impl<'a> Arbitrary<'a> for Traffic {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut octets = Vec::new();
        for _ in 0..u.int_in_range(1..=5)? {
            request(u, &mut octets)?;
            if u.is_empty() {
                break;
            }
        }
        if seldom(u, 4)? {
            damage(u, &mut octets)?;
        }
        Ok(Self { octets })
    }
}

impl Traffic {
    /// The stream that these random octets choose.
    pub fn from_dice(dice: &[u8]) -> Self {
        Self::arbitrary(&mut Unstructured::new(dice)).unwrap_or(Self { octets: Vec::new() })
    }
}

/// One of `good` mostly, one of `odd` sometimes.
fn pick(u: &mut Unstructured<'_>, good: &[&'static str], odd: &[&'static str]) -> Result<&'static str> {
    let from = if seldom(u, 24)? { odd } else { good };
    u.choose(from).copied()
}

/// Once in `n` times; never when the random octets have run out.
fn seldom(u: &mut Unstructured<'_>, n: u32) -> Result<bool> {
    Ok(u.int_in_range(1..=n)? == n)
}

fn request(u: &mut Unstructured<'_>, out: &mut Vec<u8>) -> Result<()> {
    let lead = pick(u, &["", "", "\r\n"], &["\r\n\r\n", "\n", "\r", " ", "\0"])?;
    let method = pick(
        u,
        &["GET", "GET", "POST", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT"],
        &["get", "G=T", "", "G\tT", "HEADX", "M-SEARCH"],
    )?;
    let target = match method {
        "CONNECT" => pick(u, &["h:80", "[::1]:443"], &["/", "h:0", "h"])?,
        "OPTIONS" => pick(u, &["*", "/"], &["http://h", "**"])?,
        _ => pick(
            u,
            &["/", "/a/b?c=d", "//x", "/%41?", "http://h:8/p"],
            &["*", "https://h/", "/#", "/%", "/a b", "", "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "/\u{e9}"],
        )?,
    };
    let version = pick(
        u,
        &["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2"],
        &["HTTP/2.0", "HTTP/1.1 ", "http/1.1", "HTTP/11", ""],
    )?;
    out.extend_from_slice(format!("{lead}{method} {target} {version}").as_bytes());
    line_end(u, out)?;
    if !seldom(u, 24)? {
        field(u, out, "Host: h")?;
    }
    let body = body(u, method, out)?;
    for _ in 0..u.int_in_range(0..=3)? {
        let line = pick(
            u,
            &[
                "Connection: keep-alive",
                "Connection: close",
                "Connection: Upgrade\r\nUpgrade: echo",
                "Expect: 100-continue",
                "Expect: 100-continue",
                "X: y",
                "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "Empty:",
                "X:\t\u{e9} \t",
            ],
            &["Host: h", "X : y", " folded", "X", ": y", "X: \0", "X: \u{1}", "Expect: x", "Content-Length: 7"],
        )?;
        field(u, out, line)?;
    }
    line_end(u, out)?;
    out.extend_from_slice(&body);
    Ok(())
}

/// Writes the framing fields, and makes the content that goes with them.
fn body(u: &mut Unstructured<'_>, method: &str, out: &mut Vec<u8>) -> Result<Vec<u8>> {
    let wants_content = matches!(method, "POST" | "PUT") || seldom(u, 8)?;
    if !wants_content {
        return Ok(Vec::new());
    }
    let mut body = Vec::new();
    if seldom(u, 2)? {
        let len = u.int_in_range(0..=70)?;
        let claimed = if seldom(u, 16)? { u.arbitrary()? } else { len };
        field(u, out, &format!("Content-Length: {claimed}"))?;
        body.resize(len as usize, b'd');
        return Ok(body);
    }
    let coding = pick(u, &["chunked", "Chunked"], &["gzip", "gzip, chunked", "chunked, chunked", "", "chunked;q=1"])?;
    field(u, out, &format!("Transfer-Encoding: {coding}"))?;
    for _ in 0..u.int_in_range(0..=3)? {
        let len = u.int_in_range(1..=40usize)?;
        let size = pick(u, &["", "0", "000"], &["+", "0x", " ", "00000000000000000", "FFFFFFFFFFFFFFFF"])?;
        body.extend_from_slice(format!("{size}{len:x}").as_bytes());
        chunk_rest(u, &mut body)?;
        body.resize(body.len() + len, b'c');
        line_end(u, &mut body)?;
    }
    body.push(b'0');
    chunk_rest(u, &mut body)?;
    for _ in 0..u.int_in_range(0..=2)? {
        let line = pick(u, &["T: v", "Sum: 0123456789"], &["T : v", " T", "T", "T: \0", "Content-Length: 1"])?;
        field(u, &mut body, line)?;
    }
    line_end(u, &mut body)?;
    Ok(body)
}

/// Behind the digits of a chunk size.
fn chunk_rest(u: &mut Unstructured<'_>, body: &mut Vec<u8>) -> Result<()> {
    let extension = pick(
        u,
        &["", "", "", ";a", ";a=b", " ; a = \"b;\\\"\"", "\t;a;b"],
        &[";", " ", ";a ", ";a=", ";\"", ";a=\"", "x", ";aaaaaaaaaaaaaaaaaaaaaaaaaaa"],
    )?;
    body.extend_from_slice(extension.as_bytes());
    line_end(u, body)
}

fn field(u: &mut Unstructured<'_>, out: &mut Vec<u8>, line: &str) -> Result<()> {
    out.extend_from_slice(line.as_bytes());
    line_end(u, out)
}

fn line_end(u: &mut Unstructured<'_>, out: &mut Vec<u8>) -> Result<()> {
    let end = if seldom(u, 100)? { *u.choose(&["\n", "\r", "\r\r\n", "\r\n\r\n", ""])? } else { "\r\n" };
    out.extend_from_slice(end.as_bytes());
    Ok(())
}

/// Changes, drops or inserts one octet, or cuts the stream off.
fn damage(u: &mut Unstructured<'_>, octets: &mut Vec<u8>) -> Result<()> {
    let Some(at) = octets.len().checked_sub(1).map(|last| u.int_in_range(0..=last)).transpose()? else { return Ok(()) };
    let octet = if seldom(u, 2)? { *u.choose(b"\r\n \t:;,0\0\x7f\xff")? } else { u.arbitrary()? };
    match u.int_in_range(0..=3)? {
        0 => octets[at] = octet,
        1 => octets.insert(at, octet),
        2 => drop(octets.remove(at)),
        _ => octets.truncate(at),
    }
    Ok(())
}
