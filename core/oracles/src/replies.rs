//! What would a client make of these octets?
//!
//! A small reader of answers that follows RFC 9112, 6.3 from the client's side and is as strict as can be. It shares
//! nothing with the encoder that it judges.
//!
//! ```
//! use cherrystone_oracles::replies::{Ending, read};
//!
//! let (reply, rest) = read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1", false).unwrap();
//! assert_eq!((reply.status, &reply.content[..], reply.ending), (200, &b"hi"[..], Ending::Complete));
//! assert_eq!(rest, b"HTTP/1.1");
//! ```

/// One answer, final or interim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Field lines in order; values without white space around them.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Content without its framing.
    pub content: Vec<u8>,
    /// Trailer lines.
    pub trailers: Vec<(String, Vec<u8>)>,
    /// How it ends.
    pub ending: Ending,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of it is there.
    Complete,
    /// Its framing says that more should have come.
    Unterminated,
    /// Whatever came before the close is its content.
    UntilClose,
}

impl Reply {
    /// Whether a list field has this member, compared without case.
    pub fn lists(&self, name: &str, member: &str) -> bool {
        self.values(name).any(|value| {
            String::from_utf8_lossy(value)
                .split(',')
                .any(|found| found.trim_matches([' ', '\t']).eq_ignore_ascii_case(member))
        })
    }

    /// The values of all lines of this name.
    pub fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r [u8]> {
        self.fields.iter().filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }
}

/// Reads one answer from the front; `mute` says that it has no content whatever its fields say (an answer to HEAD).
///
/// # Errors
/// The octets are no answer; the text says why.
pub fn read(octets: &[u8], mute: bool) -> Result<(Reply, &[u8]), String> {
    let (line, mut rest) = line(octets).ok_or("the status line is incomplete")?;
    let status = status(line)?;
    let mut fields = Vec::new();
    rest = section(rest, &mut fields)?.ok_or("the header section is incomplete")?;
    let mut reply = Reply { status, fields, content: Vec::new(), trailers: Vec::new(), ending: Ending::Complete };
    let lengths: Vec<_> = reply.values("Content-Length").map(<[u8]>::to_vec).collect();
    let codings: Vec<_> = reply.values("Transfer-Encoding").map(<[u8]>::to_vec).collect();
    if (status < 200 || status == 204) && !(lengths.is_empty() && codings.is_empty()) {
        return Err(format!("{status} has framing fields"));
    }
    if mute || status < 200 || matches!(status, 204 | 304) {
        return Ok((reply, rest));
    }
    match (&lengths[..], &codings[..]) {
        ([length], []) => {
            let length: usize = std::str::from_utf8(length)
                .ok()
                .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|text| text.parse::<u64>().ok())
                .map(|length| usize::try_from(length).unwrap_or(usize::MAX))
                .ok_or("the length is no number")?;
            if rest.len() < length {
                reply.ending = Ending::Unterminated;
            }
            let (content, behind) = rest.split_at(length.min(rest.len()));
            reply.content = content.to_vec();
            rest = behind;
        }
        ([], [coding]) if coding == b"chunked" => rest = chunks(rest, &mut reply)?,
        ([], []) => {
            reply.ending = Ending::UntilClose;
            reply.content = rest.to_vec();
            rest = &[];
        }
        _ => return Err("the framing fields contradict each other".into()),
    }
    Ok((reply, rest))
}

fn status(line: &[u8]) -> Result<u16, String> {
    match line {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1', b' ', a, b, c, b' ', reason @ ..]
            if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) && reason.iter().all(|&b| visible(b)) =>
        {
            Ok(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => Err(format!("no status line: {}", line.escape_ascii())),
    }
}

/// Reads field lines and the empty line behind them; `None` if that has not come.
fn section<'o>(mut rest: &'o [u8], into: &mut Vec<(String, Vec<u8>)>) -> Result<Option<&'o [u8]>, String> {
    loop {
        let Some((line, behind)) = line(rest) else { return Ok(None) };
        rest = behind;
        if line.is_empty() {
            return Ok(Some(rest));
        }
        let colon = line.iter().position(|&b| b == b':').ok_or("a field line has no colon")?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        if name.is_empty() || !name.iter().all(token) || !value.iter().all(|&b| visible(b)) {
            return Err(format!("a malformed field line: {}", line.escape_ascii()));
        }
        into.push((String::from_utf8_lossy(name).into_owned(), strip(value).to_vec()));
    }
}

fn chunks<'o>(mut rest: &'o [u8], reply: &mut Reply) -> Result<&'o [u8], String> {
    reply.ending = Ending::Unterminated;
    loop {
        let Some((size, behind)) = line(rest) else { return Ok(&[]) };
        let text = std::str::from_utf8(size).map_err(|_| "a chunk size is not text")?;
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("a malformed chunk size: {text:?}"));
        }
        let size = usize::from_str_radix(text, 16).map_err(|error| error.to_string())?;
        rest = behind;
        if size == 0 {
            let mut trailers = Vec::new();
            let Some(behind) = section(rest, &mut trailers)? else { return Ok(&[]) };
            reply.trailers = trailers;
            reply.ending = Ending::Complete;
            return Ok(behind);
        }
        let have = size.min(rest.len());
        reply.content.extend_from_slice(&rest[..have]);
        match &rest[have..] {
            [b'\r', b'\n', behind @ ..] if have == size => rest = behind,
            [] | [b'\r'] => return Ok(&[]),
            _ => return Err("chunk data is not followed by CRLF".into()),
        }
    }
}

/// A line that ends in CRLF, and what is behind it. A CR or LF elsewhere stays in the line, where no rule admits it.
fn line(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = octets.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&octets[..end], &octets[end + 2..]))
}

fn visible(b: u8) -> bool {
    b == b'\t' || (b >= b' ' && b != 0x7f)
}

/// Without the optional white space that may surround a value (RFC 9110, 5.5).
pub fn strip(value: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
    let end = value.iter().rposition(|b| !blank(b)).map_or(start, |last| last + 1);
    &value[start..end]
}
