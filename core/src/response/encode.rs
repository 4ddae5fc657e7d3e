//! Which octets make the head of an answer?
//!
//! An [`Encoder`] appends to a [`SendBuf`]; one that is dropped before its end takes everything back, so a refused field
//! leaves no trace. This is the one place where fields leave the server: heads, interim answers and trailers all pass through
//! the same check.
//!
//! Invariants:
//! 1. No octet of an application's field can end its line, and no field can change the framing.

use alloc::vec::Vec;

use crate::{Env, Field, Interim, Misuse, SendBuf, Size, Status, StatusLine, syntax};

/// Writes one head.
pub(crate) struct Encoder<'t> {
    out: &'t mut Vec<u8>,
    /// Where to cut if the head is given up.
    start: usize,
    seen: Seen,
    complete: bool,
}

/// Fields that the application gave itself.
#[derive(Clone, Copy, Default)]
struct Seen {
    date: bool,
    server: bool,
    upgrade: bool,
}

/// What the server adds to a head.
#[derive(Clone, Copy, Default)]
pub(crate) struct Coda<'e, 'c> {
    /// For Date and Server; `None` adds neither.
    pub(crate) env: Option<&'e Env<'c>>,
    /// For the framing; `None` adds none.
    pub(crate) size: Option<Size>,
    pub(crate) chunked: bool,
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
}

impl<'t> Encoder<'t> {
    #[inline]
    pub(crate) fn new(tx: &'t mut SendBuf) -> Self {
        let out = tx.tail();
        let start = out.len();
        Self { out, start, seen: Seen::default(), complete: false }
    }

    #[inline]
    pub(crate) fn status_line(&mut self, status: Status) {
        // The most frequent one by far: a copy whose length the compiler knows.
        if status == Status::OK {
            return self.out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        }
        match status.line() {
            "" => {
                self.out.extend_from_slice(b"HTTP/1.1 ");
                number(u64::from(status.code()), b" \r\n", self.out);
            }
            line => self.out.extend_from_slice(line.as_bytes()),
        }
    }

    /// A status line in the application's words, if it has any.
    #[inline]
    pub(crate) fn worded_line(&mut self, line: StatusLine<'_>) -> Result<(), Misuse> {
        let Some(reason) = line.reason() else {
            self.status_line(line.status());
            return Ok(());
        };
        if !syntax::is_value(reason) {
            return Err(Misuse::Reason);
        }
        self.out.extend_from_slice(b"HTTP/1.1 ");
        number(u64::from(line.status().code()), b" ", self.out);
        self.out.extend_from_slice(reason);
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }

    pub(crate) fn interim_line(&mut self, status: Interim) {
        self.out.extend_from_slice(b"HTTP/1.1 ");
        number(u64::from(status.code()), b" ", self.out);
        self.out.extend_from_slice(status.reason().as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    pub(crate) fn switching_line(&mut self) {
        self.out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
    }

    /// The application's field lines.
    #[inline]
    pub(crate) fn fields(&mut self, fields: &[Field<'_>]) -> Result<(), Misuse> {
        for (name, value) in fields {
            check(name, value)?;
            match name.len() {
                4 => self.seen.date |= name.eq_ignore_ascii_case("Date"),
                6 => self.seen.server |= name.eq_ignore_ascii_case("Server"),
                7 => self.seen.upgrade |= name.eq_ignore_ascii_case("Upgrade"),
                10 if name.eq_ignore_ascii_case("Connection") || name.eq_ignore_ascii_case("Keep-Alive") => {
                    return Err(Misuse::ReservedField);
                }
                14 if name.eq_ignore_ascii_case("Content-Length") => return Err(Misuse::ReservedField),
                17 if name.eq_ignore_ascii_case("Transfer-Encoding") => return Err(Misuse::ReservedField),
                _ => {}
            }
            self.line(name, value);
        }
        Ok(())
    }

    #[inline]
    fn line(&mut self, name: &str, value: &[u8]) {
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        self.out.extend_from_slice(value);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Whether the application gave an `Upgrade` field, which the `Connection` field has to name (RFC 9110, 7.8).
    pub(crate) fn has_upgrade(&self) -> bool {
        self.seen.upgrade
    }

    /// The server's own fields and the empty line.
    #[inline]
    pub(crate) fn end(&mut self, coda: Coda<'_, '_>) {
        if let Some(env) = coda.env {
            if let (Some(date), false) = (env.date, self.seen.date) {
                self.out.extend_from_slice(date.line());
            }
            if let (Some(server), false) = (&env.config.server, self.seen.server) {
                self.out.extend_from_slice(server.line());
            }
        }
        match coda.size {
            Some(Size::Empty) => self.out.extend_from_slice(b"Content-Length: 0\r\n"),
            Some(Size::Exact(octets)) => {
                self.out.extend_from_slice(b"Content-Length: ");
                number(octets, b"\r\n", self.out);
            }
            Some(Size::Unknown) if coda.chunked => self.out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Some(Size::Unknown) | None => {}
        }
        match (coda.upgrade, coda.close, coda.keep_alive) {
            (false, false, false) => self.out.extend_from_slice(b"\r\n"),
            (false, true, _) => self.out.extend_from_slice(b"Connection: close\r\n\r\n"),
            (false, false, true) => self.out.extend_from_slice(b"Connection: keep-alive\r\n\r\n"),
            (true, true, _) => self.out.extend_from_slice(b"Connection: upgrade, close\r\n\r\n"),
            (true, false, _) => self.out.extend_from_slice(b"Connection: upgrade\r\n\r\n"),
        }
        self.complete = true;
    }

    /// A whole answer of the server's own, with a line of text for people.
    pub(crate) fn canned(&mut self, status: Status, text: &str, mute: bool, env: &Env<'_>) {
        self.status_line(status);
        self.line("Content-Type", b"text/plain");
        if status == Status::SERVICE_UNAVAILABLE {
            self.line("Retry-After", b"1");
        }
        let size = Some(Size::Exact(text.len() as u64 + 1));
        self.end(Coda { env: Some(env), size, close: true, ..Coda::default() });
        if !mute {
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'\n');
        }
    }

    /// A whole answer of the server's own, in the application's words.
    pub(crate) fn last(
        &mut self,
        fields: &[Field<'_>],
        content: &[u8],
        mute: bool,
        env: &Env<'_>,
    ) -> Result<(), Misuse> {
        self.fields(fields)?;
        self.end(Coda {
            env: Some(env),
            size: Some(Size::Exact(content.len() as u64)),
            close: true,
            ..Coda::default()
        });
        if !mute {
            self.out.extend_from_slice(content);
        }
        Ok(())
    }

    /// Trailer lines that were checked, and the empty line.
    pub(crate) fn trailers(&mut self, fields: &[Field<'_>]) {
        for (name, value) in fields {
            self.line(name, value);
        }
        self.out.extend_from_slice(b"\r\n");
        self.complete = true;
    }
}

impl Drop for Encoder<'_> {
    fn drop(&mut self) {
        if !self.complete {
            self.out.truncate(self.start);
        }
    }
}

/// Whether all of these may be trailers: well formed, and none that a recipient needs before the content, for framing, routing,
/// or to be believed (RFC 9110, 6.5.1).
pub(crate) fn check_trailers(fields: &[Field<'_>]) -> Result<(), Misuse> {
    const RESERVED: [&str; 24] = [
        "Authorization",
        "Cache-Control",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Range",
        "Content-Type",
        "Date",
        "Expect",
        "Host",
        "Keep-Alive",
        "Location",
        "Max-Forwards",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Range",
        "Retry-After",
        "Set-Cookie",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Vary",
        "WWW-Authenticate",
    ];
    for (name, value) in fields {
        check(name, value)?;
        if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            return Err(Misuse::ReservedField);
        }
    }
    Ok(())
}

#[inline]
fn check(name: &str, value: &[u8]) -> Result<(), Misuse> {
    let well_formed = syntax::is_token(name.as_bytes()) && syntax::is_value(value);
    if well_formed { Ok(()) } else { Err(Misuse::InvalidField) }
}

/// Decimal digits, and what follows them.
fn number<const N: usize>(value: u64, end: &[u8; N], out: &mut Vec<u8>) {
    let mut digits = [0; 24];
    let mut at = digits.len() - N;
    digits[at..].copy_from_slice(end);
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
