//! What if everything is called in any order, at any time?
//!
//! A [`Script`] is a list of calls that no sane driver would make in this order. Each is made on a
//! [`Watched`] connection, which judges it; at the end all output is read back.

use arbitrary::{Arbitrary, Result, Unstructured};
use cherrystone_core::{Env, Instant, Interim, RecvBuf, Size, Status};

use crate::rules;
use crate::traffic::Traffic;
use crate::watch::{Lines, Seen, Watched};

/// Calls, the settings they are made under, and the stream that the client sends.
#[derive(Clone, Debug)]
pub struct Script {
    /// Which settings.
    pub rules: u8,
    /// What the client sends, piece by piece.
    pub traffic: Traffic,
    /// What is called.
    pub calls: Vec<Call>,
}

impl<'a> Arbitrary<'a> for Script {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let rules = u.arbitrary()?;
        let share = u.int_in_range(0..=u.len() / 2)?;
        let traffic = Traffic::from_dice(u.bytes(share)?);
        let mut calls = Vec::new();
        while !u.is_empty() && calls.len() < 300 {
            // What a driver does all the time comes often, so that conversations get somewhere.
            calls.push(match u.int_in_range(0..=10)? {
                0 | 1 => Call::Receive(u.arbitrary::<u8>()? >> u.int_in_range(0..=6)?),
                2 | 3 => Call::PollOut,
                4 => Call::Poll,
                5 => Call::Finish(Answer(Lines::new())),
                6 => Call::Time(Time::Deadline),
                _ => u.arbitrary()?,
            });
        }
        Ok(Self { rules, traffic, calls })
    }
}

/// One call.
#[derive(Arbitrary, Clone, Debug)]
#[expect(missing_docs, reason = "these are the methods of a connection, and what surrounds it")]
pub enum Call {
    /// Some of the stream arrives.
    Receive(u8),
    /// Octets arrive that are not of the stream.
    Push(Vec<u8>),
    CloseInput,
    Poll,
    /// Polls until the connection waits.
    PollOut,
    Proceed,
    Inform(u16, Answer),
    Respond(u16, Length, Answer),
    Write(u8),
    Frame(u8),
    Finish(Answer),
    Upgrade(Answer),
    Refuse,
    Abort,
    Overloaded,
    Retire,
    Secure,
    LimitBody(u16),
    Admit,
    EndUpgrade,
    Hasten,
    /// The driver has looked away for so many milliseconds.
    Excuse(u16),
    Sent(u16, u16),
    Flush,
    /// Time goes on, or back.
    Time(Time),
    /// The input buffer is exchanged for another one.
    Exchange,
}

/// How much content is announced.
#[derive(Arbitrary, Clone, Copy, Debug)]
#[expect(missing_docs, reason = "as in `Size`, but short")]
pub enum Length {
    Empty,
    Exact(u8),
    Unknown,
}

/// A new time.
#[derive(Arbitrary, Clone, Copy, Debug)]
#[expect(missing_docs, reason = "they name themselves")]
pub enum Time {
    Later { millis: u16 },
    Anything { nanos: u64 },
    Deadline,
    Zero,
    Never,
}

/// Fields of an answer.
#[derive(Clone, Debug)]
pub struct Answer(pub Lines);

impl<'a> Arbitrary<'a> for Answer {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        const NAMES: &[&str] = &[
            "X",
            "Upgrade",
            "Date",
            "server",
            "Content-Type",
            "ETag",
            "Content-Length",
            "transfer-encoding",
            "Connection",
            "Keep-Alive",
            "Trailer",
            "Sum",
            "",
            "A B",
            "A:",
            "\u{e9}",
        ];
        const VALUES: &[&[u8]] = &[
            b"a",
            b"",
            b" b\t",
            b"echo",
            b"close",
            b"5",
            b"chunked",
            b"\xe9",
            b"a\r\nB: c",
            b"\0",
            b"\n",
            b"\r",
            b"\x7f",
        ];
        let mut lines = Lines::new();
        for _ in 0..u.int_in_range(0..=3)? {
            // Anything at all sometimes, known trouble mostly.
            let name = if u.ratio(1, 8)? { u.arbitrary::<String>()? } else { (*u.choose(NAMES)?).into() };
            let value = if u.ratio(1, 8)? { u.arbitrary::<Vec<u8>>()? } else { u.choose(VALUES)?.to_vec() };
            lines.push((name, value));
        }
        Ok(Self(lines))
    }
}

/// Makes all calls of a script.
///
/// # Panics
/// If the connection panics, or a promise is broken.
pub fn check(script: &Script) {
    let config = rules::config(script.rules);
    let mut watched = Watched::new(&config);
    let mut other = RecvBuf::default();
    let mut stream = &script.traffic.octets[..];
    let mut blamed = None;
    for call in &script.calls {
        match call {
            Call::Receive(n) => {
                let (piece, rest) = stream.split_at(usize::from(*n).min(stream.len()));
                watched.push(piece);
                stream = rest;
            }
            Call::Exchange => watched.exchange(&mut other),
            Call::PollOut => {
                // Each event but a few takes an octet at least.
                let waits = (0..watched.rx.unread().len() + 10).any(|_| {
                    let seen = watched.poll();
                    if let Seen::Violated(violation) = seen {
                        blamed = Some(violation);
                    }
                    seen.is_wait()
                });
                assert!(waits, "no end of events: {watched:?}");
            }
            Call::Poll => {
                if let Seen::Violated(violation) = watched.poll() {
                    blamed = Some(violation);
                }
            }
            Call::Refuse => {
                if let Some(violation) = blamed {
                    watched.give_up(violation.status(), |conn, env, tx| conn.refuse(env, violation, tx));
                }
            }
            Call::Admit => {
                if let Err(violation) = watched.admit() {
                    blamed = Some(violation);
                }
            }
            call => answer(call, &mut watched),
        }
        if let Some(deadline) = watched.conn.deadline() {
            assert_ne!(deadline.at, Instant::NEVER);
        }
    }
    // Whatever happened, a connection that is given up comes to its end.
    watched.give_up(Status::INTERNAL_SERVER_ERROR, |conn, env, tx| conn.abort(env, tx));
    watched.rx.close();
    let ends = (0..3).any(|_| watched.poll() == Seen::Closed);
    assert!(ends, "{watched:?}");
    watched.check_output();
}

/// Makes a call that says something, or that changes the surroundings.
fn answer(call: &Call, watched: &mut Watched<'_>) {
    // A misuse is no fault of the connection's, and was judged.
    match call {
        Call::Push(data) => watched.push(data),
        Call::CloseInput => watched.rx.close(),
        Call::Proceed => drop(watched.proceed()),
        Call::Inform(status, fields) => {
            if let Ok(status) = Interim::new(102 + status % 98) {
                let _ = watched.inform(status, &fields.0);
            }
        }
        Call::Respond(status, length, fields) => {
            let often = [200, 204, 205, 206, 304, 404, 500, 599];
            let code = often.get(usize::from(*status)).copied().unwrap_or(200 + status % 400);
            let size = match *length {
                Length::Empty => Size::Empty,
                Length::Exact(octets) => Size::Exact(octets.into()),
                Length::Unknown => Size::Unknown,
            };
            if let Ok(status) = Status::new(code) {
                let _ = watched.respond(status, &fields.0, size);
            }
        }
        Call::Write(n) => drop(watched.write(&vec![b'w'; usize::from(*n)])),
        Call::Frame(n) => drop(watched.frame(&vec![b'f'; usize::from(*n)])),
        Call::Finish(fields) => drop(watched.finish(&fields.0)),
        Call::Upgrade(fields) => drop(watched.upgrade(&fields.0)),
        Call::Abort => watched.give_up(Status::INTERNAL_SERVER_ERROR, |conn, env, tx| conn.abort(env, tx)),
        Call::Overloaded => {
            watched.give_up(Status::SERVICE_UNAVAILABLE, |conn, env, tx| conn.overloaded(env, tx));
        }
        Call::Retire => watched.conn.retire(),
        Call::Secure => watched.conn.secure(),
        Call::LimitBody(octets) => watched.conn.limit_body(u64::from(*octets)),
        Call::EndUpgrade => watched.end_upgrade(),
        Call::Hasten => watched.conn.hasten(watched.now),
        Call::Excuse(millis) => {
            let env = Env { config: watched.config, now: watched.now, date: None };
            let seen = watched.now.as_nanos().saturating_sub(u64::from(*millis) * 1_000_000);
            watched.conn.excuse(Instant::from_nanos(seen), &env);
        }
        Call::Sent(n, left) => drop(watched.sent((*n).into(), (*left).into())),
        Call::Flush => watched.flush(),
        Call::Time(time) => {
            watched.now = match *time {
                Time::Later { millis } => watched.now + core::time::Duration::from_millis(millis.into()),
                Time::Anything { nanos } => Instant::from_nanos(nanos),
                Time::Deadline => watched.conn.deadline().map_or(watched.now, |deadline| deadline.at),
                Time::Zero => Instant::from_nanos(0),
                Time::Never => Instant::NEVER,
            }
        }
        _ => {}
    }
}
