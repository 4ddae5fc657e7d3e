//! Is the head of an answer within the grammar?
//!
//! RFC 9112, 4 and 5: `HTTP/1.x SP status SP [reason]`, then field lines; no folding, no white space before a colon.

use super::{Answer, Malformed, date};
use crate::bytes::excerpt;

/// Reads a head; `text` ends before the two line ends that end it.
pub(super) fn parse(text: &[u8]) -> Result<Answer, Malformed> {
    let mut lines = split_lines(text);
    let line = lines.next().unwrap_or_default();
    let bad = || Malformed(format!("bad status line: {}", excerpt(line, 160)));
    let mut flaws = Vec::new();
    let rest = line.strip_prefix(b"HTTP/1.").ok_or_else(bad)?;
    let (minor_version, status, reason) = match *rest {
        [minor @ b'0'..=b'1', b' ', a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', ref reason @ ..] => {
            let digit = |d: u8| u16::from(d - b'0');
            (minor - b'0', digit(a) * 100 + digit(b) * 10 + digit(c), reason)
        }
        _ => return Err(bad()),
    };
    match reason {
        [] => flaws.push("no space behind the status code".to_owned()),
        [b' ', text @ ..] if text.iter().all(|&b| is_text(b)) => {}
        _ => return Err(bad()),
    }
    let mut answer = Answer { minor_version, status, fields: Vec::new(), content: Vec::new(), flaws };
    for line in lines {
        answer.fields.push(field(line)?);
    }
    let framed = ["content-length", "transfer-encoding"].into_iter().find(|name| answer.values(name).next().is_some());
    if let Some(name) = framed.filter(|_| status < 200 || status == 204) {
        answer.flaws.push(format!("{status} with {name}"));
    }
    let dates: Vec<_> = answer.values("date").collect();
    if dates.len() > 1 {
        answer.flaws.push("more than one Date field".to_owned());
    } else if let Some(value) = dates.first().filter(|value| !date::is_imf_fixdate(value.as_bytes())) {
        let flaw = format!("the Date is not an IMF-fixdate: {value}");
        answer.flaws.push(flaw);
    }
    Ok(answer)
}

/// Reads a field or trailer line.
pub(super) fn field(line: &[u8]) -> Result<(String, String), Malformed> {
    let bad = || Malformed(format!("bad field line: {}", excerpt(line, 160)));
    let colon = line.iter().position(|&b| b == b':').ok_or_else(bad)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|&b| is_token(b)) || !value.iter().all(|&b| is_text(b)) {
        return Err(bad());
    }
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
    let end = value.iter().rposition(|b| !blank(b)).map_or(start, |n| n + 1);
    let latin = |bytes: &[u8]| bytes.iter().map(|&b| char::from(b)).collect::<String>();
    Ok((latin(name).to_ascii_lowercase(), latin(&value[start..end])))
}

fn split_lines(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut more = true;
    core::iter::from_fn(move || {
        if !more {
            return None;
        }
        let end = text.windows(2).position(|two| two == b"\r\n");
        let line = &text[..end.unwrap_or(text.len())];
        more = end.is_some();
        text = end.map_or(&[][..], |n| &text[n + 2..]);
        Some(line)
    })
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

pub(super) const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
