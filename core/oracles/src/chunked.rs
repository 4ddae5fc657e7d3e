//! Is chunked content decoded as the grammar says?
//!
//! Judged against a decoder that is as plain as can be: it wants the whole content at once and looks at it line by line.

use cherrystone_core::{Config, Violation};

use crate::segmentation::{Arrival, End, Log, play};
use crate::watch::Lines;

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Content that the naive decoder took apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naive {
    /// Content and trailers, and how long they were with all framing.
    Complete(Vec<u8>, Lines, usize),
    /// More is to come.
    Incomplete,
    /// Something that the grammar does not have, or the limits do not allow.
    Wrong,
}

/// Sends `body` as chunked content, in pieces of `step` octets, and compares.
///
/// # Panics
/// If the core and the naive decoder differ.
pub fn check(body: &[u8], step: usize, config: &Config) {
    let stream = [HEAD, body].concat();
    // Only the end of the content matters here; what follows it is another request.
    let log = play(&Arrival { pieces: stream.chunks(step.max(1)).collect(), end: End::Open }, config, 0);
    let expected = naive(body, config);
    let found = found(&log);
    match (&expected, &found) {
        (Naive::Complete(content, trailers, _), Naive::Complete(got, lines, _)) => {
            assert_eq!((content, trailers), (got, lines), "{}", body.escape_ascii());
        }
        // A fault is seen as early as possible; the naive decoder may still wait for the end of the line.
        (Naive::Incomplete, Naive::Wrong) => {
            assert!(is_hopeless(body, config), "{}: {:?}", body.escape_ascii(), log.violation)
        }
        _ => assert_eq!(expected, found, "{}: {:?}", body.escape_ascii(), log.violation),
    }
    if let (Naive::Complete(.., len), Some(Violation { offset, .. })) = (&expected, log.violation) {
        assert!(offset >= (HEAD.len() + len) as u64, "a fault inside valid content");
    }
}

fn found(log: &Log) -> Naive {
    match (log.exchanges.first(), log.violation) {
        (Some(exchange), _) if exchange.trailers.is_some() => {
            Naive::Complete(exchange.content.clone(), exchange.trailers.clone().unwrap_or_default(), 0)
        }
        (_, Some(_)) => Naive::Wrong,
        _ => Naive::Incomplete,
    }
}

/// Whether no continuation could make this valid: some that would end any line or chunk do not.
fn is_hopeless(body: &[u8], config: &Config) -> bool {
    let tails: [&[u8]; 9] = [b"", b"0", b"a", b"\"", b"a\"", b";a", b"=a", b"\n", b": a"];
    let ends: [&[u8]; 3] = [b"", b"\n", b"\r\n"];
    tails.iter().flat_map(|tail| ends.map(|end| [body, tail, end].concat())).all(|longer| {
        // Enough data for whatever chunk is under way, then an end.
        naive_prefix(&longer, config) != Prefix::Good
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    Good,
    Bad,
}

/// Whether every complete line of this prefix is right.
fn naive_prefix(body: &[u8], config: &Config) -> Prefix {
    match naive(body, config) {
        Naive::Wrong => Prefix::Bad,
        Naive::Incomplete if ends_in_partial_line(body, config) => Prefix::Bad,
        _ => Prefix::Good,
    }
}

fn ends_in_partial_line(body: &[u8], config: &Config) -> bool {
    walk(body, config).is_ok_and(|at| at.partial_line)
}

/// Decodes the whole of it.
pub fn naive(body: &[u8], config: &Config) -> Naive {
    match walk(body, config) {
        Ok(Walk { complete: true, content, trailers, used, .. }) => Naive::Complete(content, trailers, used),
        Ok(_) => Naive::Incomplete,
        Err(()) => Naive::Wrong,
    }
}

#[derive(Default)]
struct Walk {
    content: Vec<u8>,
    trailers: Lines,
    used: usize,
    complete: bool,
    partial_line: bool,
}

fn walk(body: &[u8], config: &Config) -> Result<Walk, ()> {
    let limits = &config.limits;
    let (mut walk, mut rest, mut overhead, mut announced) = (Walk::default(), body, 0, 0_u64);
    loop {
        let Some((line, behind)) = line(rest)? else {
            walk.partial_line = !rest.is_empty();
            // A line that is too long already stays so; its digits beyond 16 and its extensions are counted.
            return if extra(rest) + overhead > limits.chunk_overhead as usize { Err(()) } else { Ok(walk) };
        };
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (size, extensions) = line.split_at(digits);
        let text = std::str::from_utf8(size).map_err(drop)?.trim_start_matches('0');
        let size = if text.is_empty() && digits > 0 { 0 } else { u64::from_str_radix(text, 16).map_err(drop)? };
        self::extensions(extensions)?;
        overhead += extra(line);
        if overhead > limits.chunk_overhead as usize || extra(line) > 0 && line.len() > limits.chunk_line as usize {
            return Err(());
        }
        announced = announced.checked_add(size).filter(|sum| *sum <= limits.body).ok_or(())?;
        rest = behind;
        if size == 0 {
            return trailers(rest, body.len(), walk, config);
        }
        let have = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        walk.content.extend_from_slice(&rest[..have]);
        rest = match &rest[have..] {
            [b'\r', b'\n', behind @ ..] => behind,
            [] | [b'\r'] => return Ok(walk),
            _ => return Err(()),
        };
    }
}

/// Octets of a chunk-size line that count as overhead.
fn extra(line: &[u8]) -> usize {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    line.len() - digits + digits.saturating_sub(16)
}

fn trailers(mut rest: &[u8], len: usize, mut walk: Walk, config: &Config) -> Result<Walk, ()> {
    let start = rest.len();
    let (mut bad, mut lines) = (false, 0);
    loop {
        let Some((line, behind)) = line(rest)? else {
            walk.partial_line = !rest.is_empty();
            return if start > config.limits.trailers as usize { Err(()) } else { Ok(walk) };
        };
        rest = behind;
        if line.is_empty() {
            let over = start - rest.len() > config.limits.trailers as usize;
            walk.used = len - rest.len();
            walk.complete = true;
            return if over || bad { Err(()) } else { Ok(walk) };
        }
        if start - rest.len() > config.limits.trailers as usize {
            return Err(());
        }
        // A malformed line is refused when the section is complete.
        match field(line) {
            Some(field) => walk.trailers.push(field),
            None => bad = true,
        }
        lines += 1;
        if lines > config.limits.fields {
            return Err(());
        }
    }
}

fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|&b| b == b':')?;
    let (name, value) = (&line[..colon], crate::replies::strip(&line[colon + 1..]));
    let good = is_token(name) && value.iter().all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f));
    good.then(|| (String::from_utf8_lossy(name).into_owned(), value.to_vec()))
}

/// A line, and what is behind it.
type Line<'o> = (&'o [u8], &'o [u8]);

/// A line up to CRLF; an error for a CR or LF elsewhere, or NUL.
fn line(rest: &[u8]) -> Result<Option<Line<'_>>, ()> {
    let Some(at) = rest.iter().position(|b| matches!(b, b'\r' | b'\n' | 0)) else { return Ok(None) };
    match &rest[at..] {
        [b'\r', b'\n', behind @ ..] => Ok(Some((&rest[..at], behind))),
        [b'\r'] => Ok(None),
        _ => Err(()),
    }
}

/// `*( BWS ";" BWS name [ BWS "=" BWS value ] )` (RFC 9112, 7.1.1).
fn extensions(mut rest: &[u8]) -> Result<(), ()> {
    while !rest.is_empty() {
        rest = expect(skip_blanks(rest), b';')?;
        rest = token(skip_blanks(rest))?;
        if let Ok(behind) = expect(skip_blanks(rest), b'=') {
            rest = skip_blanks(behind);
            rest = if rest.first() == Some(&b'"') { quoted(&rest[1..])? } else { token(rest)? };
        }
    }
    Ok(())
}

fn skip_blanks(rest: &[u8]) -> &[u8] {
    &rest[rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()..]
}

fn expect(rest: &[u8], octet: u8) -> Result<&[u8], ()> {
    if rest.first() == Some(&octet) { Ok(&rest[1..]) } else { Err(()) }
}

fn token(rest: &[u8]) -> Result<&[u8], ()> {
    let len = rest.iter().take_while(|&&b| is_token(&[b])).count();
    if len > 0 { Ok(&rest[len..]) } else { Err(()) }
}

fn is_token(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// Behind the closing quote.
fn quoted(rest: &[u8]) -> Result<&[u8], ()> {
    let text = |b: u8| b == b'\t' || (b >= b' ' && b != 0x7f);
    match rest {
        [b'"', behind @ ..] => Ok(behind),
        [b'\\', b, behind @ ..] if text(*b) => quoted(behind),
        [b, behind @ ..] if text(*b) && *b != b'\\' => quoted(behind),
        _ => Err(()),
    }
}
