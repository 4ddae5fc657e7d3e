//! Does the channel work, and what does the server offer?
//!
//! Before any case, [`survey`] asks the server for each fixture in the plainest way. Without the root nothing can be
//! judged, which is an [`Obstacle`]; another fixture that is missing makes its cases untested, not failed. It also
//! finds how many connections the server serves at a time, so that no case waits for another one's connection.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::answer::{Answer, Malformed, Reader};
use crate::bytes::excerpt;
use crate::case::{Addressing, Fixture, To};
use crate::channel::{Channel, Connect, Received};
use crate::judge::Setting;

/// What a server offers.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The Server field of its answer.
    pub server: Option<String>,
    /// Each fixture that was looked for.
    pub fixtures: BTreeMap<Fixture, Presence>,
    /// How many cases to play at a time.
    pub jobs: NonZeroUsize,
}

/// Whether a fixture is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Present,
    /// It is not, for this reason.
    Missing(String),
}

/// Why no case can be judged.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// No connection comes about.
    #[error("no connection comes about: {0}{hint}", hint = refused_hint(.0))]
    Unreachable(io::Error),
    /// Connections are accepted, but a plain GET gets no answer.
    #[error("it accepts connections, but says nothing to GET {route} within {seconds:.1} s")]
    Silent {
        /// The route of the root.
        route: String,
        /// How long we waited.
        seconds: f32,
    },
    /// A plain GET makes it close.
    #[error("it closes the connection without an answer to GET {route}")]
    Closes {
        /// The route of the root.
        route: String,
    },
    /// What it says is not HTTP/1.x.
    #[error("its answer to GET {route} is not HTTP/1.x: {why}")]
    NotHttp {
        /// The route of the root.
        route: String,
        /// What is wrong with it.
        why: Malformed,
    },
    /// The root does not answer 200.
    #[error("GET {route} is answered {status}, not 200; name a route that is: --map root=/ROUTE")]
    NoRoot {
        /// The route of the root.
        route: String,
        /// What it answers.
        status: u16,
    },
    /// It speaks TLS.
    #[error("this port speaks TLS; add --tls")]
    TlsPort,
    /// It does not speak TLS.
    #[error("this port speaks plain HTTP; leave --tls out")]
    PlainPort,
}

fn refused_hint(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::ConnectionRefused { "; nothing listens there" } else { "" }
}

/// Looks at the server, for the fixtures that are `needed`; `declared` are the settings that the user vouches for.
///
/// # Errors
///
/// When the root is not there, so that nothing can be judged.
pub fn survey(
    connect: &dyn Connect,
    setting: &Setting,
    needed: &BTreeSet<Fixture>,
    declared: &BTreeSet<Fixture>,
    jobs: NonZeroUsize,
) -> Result<Survey, Obstacle> {
    let root = root(connect, setting)?;
    let mut survey = Survey {
        server: root.values("server").next().map(str::to_owned),
        fixtures: BTreeMap::from([(Fixture::Root, Presence::Present)]),
        jobs: bearable(connect, setting, jobs),
    };
    for &fixture in needed.iter().filter(|fixture| **fixture != Fixture::Root) {
        let presence = match fixture.default_route() {
            None if declared.contains(&fixture) => Presence::Present,
            None => Presence::Missing(format!("not declared: say --offers {fixture} if they are those of the suite")),
            Some(_) => probe(connect, setting, fixture),
        };
        survey.fixtures.insert(fixture, presence);
    }
    Ok(survey)
}

/// Whether a server answers a plain GET with anything that looks like HTTP.
pub(crate) fn ask_plainly(mut channel: Box<dyn Channel>, host: &str) -> bool {
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut buffer = [0; 512];
    let wait = Duration::from_secs(2);
    channel.send(request.as_bytes(), wait).is_ok()
        && matches!(channel.receive(&mut buffer, wait), Ok(Received::Bytes(n)) if buffer[..n].starts_with(b"HTTP/"))
}

/// Why a control got no answer.
enum Trouble {
    NoConnection(io::Error),
    Silent,
    Closed,
    Malformed(Malformed),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConnection(e) => write!(f, "no connection comes about: {e}"),
            Self::Silent => f.write_str("no answer"),
            Self::Closed => f.write_str("closed without an answer"),
            Self::Malformed(why) => write!(f, "{why}"),
        }
    }
}

fn root(connect: &dyn Connect, setting: &Setting) -> Result<Answer, Obstacle> {
    let route = setting.addressing.route(Fixture::Root).to_owned();
    let wait = setting.timing.answer * 2;
    let answer = ask(connect, &get(&setting.addressing, &route), wait).map_err(|trouble| match trouble {
        Trouble::NoConnection(e) => Obstacle::Unreachable(e),
        Trouble::Silent => Obstacle::Silent { route: route.clone(), seconds: wait.as_secs_f32() },
        Trouble::Closed => Obstacle::Closes { route: route.clone() },
        Trouble::Malformed(why) => Obstacle::NotHttp { route: route.clone(), why },
    })?;
    if answer.status == 200 { Ok(answer) } else { Err(Obstacle::NoRoot { route, status: answer.status }) }
}

fn probe(connect: &dyn Connect, setting: &Setting, fixture: Fixture) -> Presence {
    let addressing = &setting.addressing;
    let (route, host) = (addressing.route(fixture), addressing.authority());
    let request = match fixture {
        Fixture::Echo => format!("POST {route} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello"),
        Fixture::Trailers => format!(
            "POST {route} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Probe: pip\r\n\r\n"
        ),
        Fixture::Upgrade => {
            format!("GET {route} HTTP/1.1\r\nHost: {host}\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        }
        Fixture::Status => get(addressing, &format!("{route}/204")),
        _ => get(addressing, route),
    };
    let answer = match ask(connect, &request, setting.timing.answer * 2) {
        Ok(answer) => answer,
        Err(trouble) => return Presence::Missing(format!("{route}: {trouble}")),
    };
    let (status, content): (u16, Option<&[u8]>) = match fixture {
        Fixture::Echo | Fixture::Head => (200, Some(b"hello")),
        Fixture::Chunked => (200, Some(b"onetwothree")),
        Fixture::Discard => (200, Some(b"ok")),
        Fixture::Status => (204, None),
        Fixture::Upgrade => (101, None),
        _ => (200, None),
    };
    if answer.status != status {
        return Presence::Missing(format!("{route} is answered {}, not {status}", answer.status));
    }
    let dump = format!("GET {route} HTTP/1.");
    let fits = match fixture {
        Fixture::Inspect => answer.content.starts_with(dump.as_bytes()),
        Fixture::Trailers => answer.content.ends_with(b"\ntrailer x-probe: pip\n"),
        _ => content.is_none_or(|content| answer.content == content),
    };
    if fits {
        Presence::Present
    } else {
        Presence::Missing(format!("{route} answers \"{}\"", excerpt(&answer.content, 60)))
    }
}

/// The largest number of connections, up to `jobs`, that the server serves at a time; halved until a GET is answered
/// beside as many others that are within their heads.
fn bearable(connect: &dyn Connect, setting: &Setting, jobs: NonZeroUsize) -> NonZeroUsize {
    let route = setting.addressing.route(Fixture::Root);
    let request = get(&setting.addressing, route);
    let begin = &request.as_bytes()[..request.len() / 2];
    let mut jobs = jobs.get();
    while jobs > 1 {
        let mut held = Vec::new();
        for _ in 1..jobs {
            let Ok(mut channel) = connect.connect() else { break };
            let _ = channel.send(begin, setting.timing.answer);
            held.push(channel);
        }
        if held.len() + 1 == jobs && ask(connect, &request, setting.timing.answer).is_ok() {
            break;
        }
        jobs /= 2;
    }
    NonZeroUsize::new(jobs).unwrap_or(NonZeroUsize::MIN)
}

fn get(addressing: &Addressing, route: &str) -> String {
    format!("GET {route} HTTP/1.1\r\nHost: {}\r\n\r\n", addressing.authority())
}

/// One request on a connection of its own, and its final answer; flaws of the answer are for the cases to judge.
fn ask(connect: &dyn Connect, request: &str, wait: Duration) -> Result<Answer, Trouble> {
    let mut channel = connect.connect().map_err(Trouble::NoConnection)?;
    let until = channel.now() + wait;
    let mut left = request.as_bytes();
    while !left.is_empty() && channel.now() < until {
        match channel.send(left, wait) {
            Ok(n) => left = &left[n.min(left.len())..],
            Err(_) => break,
        }
    }
    let mut reader = Reader::new();
    let mut buffer = [0; 4096];
    let mut ended = false;
    loop {
        match reader.next(To::Other).map_err(Trouble::Malformed)? {
            Some(answer) if answer.is_interim() => continue,
            Some(answer) => return Ok(answer),
            None if ended => return Err(Trouble::Closed),
            None => {}
        }
        let left = until.saturating_duration_since(channel.now());
        if left.is_zero() {
            return Err(Trouble::Silent);
        }
        match channel.receive(&mut buffer, left) {
            Ok(Received::Bytes(n)) => reader.push(&buffer[..n]),
            Ok(Received::Nothing) => {}
            Ok(Received::End) | Err(_) => {
                reader.end();
                ended = true;
            }
        }
    }
}
