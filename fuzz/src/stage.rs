//! Does TLS change anything but the octets on the wire?
//!
//! A [`Talk`] is a stream of requests that a client of rustls sends through [`Tls`]'s stage, in pieces of any size either way. The log of
//! what the application sees, and what the client decrypts, must be those of a plain connection. With one octet of the wire damaged
//! it must be a beginning of them, and the connection must end.

use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use arbitrary::{Arbitrary, Result, Unstructured};
use cherrystone::Tls;
use cherrystone_core::{Config, Env, Event, Instant, Link, Size, Status};
use cherrystone_oracles::rules;
use cherrystone_oracles::traffic::Traffic;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// Turns in which nothing moves before a side ends.
const IDLE: usize = 4;

/// What a client sends, and how it gets there.
#[derive(Clone, Debug)]
pub struct Talk {
    /// What the client sends.
    pub traffic: Traffic,
    /// Which settings.
    pub rules: u8,
    /// Pieces on the way to the server, over and over.
    pub up: [u16; 3],
    /// Pieces on the way to the client, over and over.
    pub down: [u16; 3],
    /// TLS 1.2 or 1.3.
    pub version: Protocol,
    /// An octet on the way to the server, and what is changed of it.
    pub damage: Option<(u16, u8)>,
}

/// The version that is spoken.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Protocol {
    V12,
    V13,
}

impl<'a> Arbitrary<'a> for Talk {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let rules = u.int_in_range(0..=1)?;
        let (up, down, version) = (u.arbitrary()?, u.arbitrary()?, u.arbitrary()?);
        let damage =
            if u.ratio(1, 4)? { Some((u.arbitrary::<u16>()? % 2_000, u.int_in_range(1..=255)?)) } else { None };
        Ok(Self { traffic: Traffic::from_dice(u.bytes(u.len())?), rules, up, down, version, damage })
    }
}

/// Talks with TLS and without.
///
/// # Panics
/// If that makes a difference.
pub fn check(talk: &Talk) {
    let config = rules::config(talk.rules);
    let plain = plain(&talk.traffic.octets, &config);
    let secured = secured(talk, &config);
    let same = |log: &Log| (log.events.clone(), without_100(&log.said));
    match talk.damage {
        None => assert_eq!(same(&secured), same(&plain), "{talk:?}"),
        Some(_) => {
            let (events, said) = same(&secured);
            let (all, everything) = same(&plain);
            // Whatever came through was right; what is missing was not made up.
            let whole = events.split_last().map_or(&events[..], |(_, whole)| whole);
            assert!(all.starts_with(whole) || plain.events == events, "{events:?} is no beginning of {all:?}");
            let refused = events.iter().any(|event| event.starts_with("violation"));
            assert!(refused || everything.starts_with(&said), "{} was not said", said.escape_ascii());
        }
    }
}

/// What the application saw, and what the client got.
#[derive(Debug, Default)]
struct Log {
    events: Vec<String>,
    content: Vec<u8>,
    said: Vec<u8>,
    is_over: bool,
}

impl Log {
    /// Lets the server move on until it needs something.
    fn run(&mut self, link: &mut Link, env: &Env<'_>) {
        while !self.is_over {
            match link.conn.poll(env, &mut link.rx) {
                Ok(Event::Request(head)) => {
                    self.events.push(format!("{head:?}"));
                    self.content.clear();
                }
                Ok(Event::Data(data)) => self.content.extend_from_slice(data),
                Ok(Event::End(trailers)) => {
                    self.events.push(format!("{} {trailers:?}", self.content.escape_ascii()));
                    let size = Size::Exact(self.content.len() as u64);
                    if link.conn.respond(env, Status::NOT_FOUND, &[], size, &mut link.tx).is_ok() {
                        link.conn.write(&self.content, &mut link.tx).expect("as announced");
                        link.conn.finish(&[], &mut link.tx).expect("as announced");
                    }
                }
                Ok(Event::NeedInput) => match link.resume() {
                    Ok(true) => {}
                    Ok(false) | Err(_) => return,
                },
                Ok(Event::NeedContinue) => link.conn.proceed(&mut link.tx).expect("the client waits"),
                Ok(Event::NeedResponse | Event::Upgraded) => link.conn.abort(env, &mut link.tx),
                Ok(Event::Shutdown) => link.farewell(),
                Ok(Event::Closed) => self.is_over = true,
                Err(violation) => {
                    self.events.push(format!("violation {violation:?}"));
                    link.conn.refuse(env, violation, &mut link.tx);
                }
            }
        }
    }
}

fn env(config: &Config) -> Env<'_> {
    Env { config, now: Instant::from_nanos(0), date: None }
}

fn plain(stream: &[u8], config: &Config) -> Log {
    let (env, mut log) = (env(config), Log::default());
    let mut link = Link::new(&env, None);
    link.conn.secure();
    link.rx.push(stream);
    log.run(&mut link, &env);
    link.rx.close();
    log.run(&mut link, &env);
    log.said = link.tx.unsent().to_vec();
    log
}

fn secured(talk: &Talk, config: &Config) -> Log {
    let (env, mut log) = (env(config), Log::default());
    let mut link = Link::new(&env, Some(keys().tls.stage()));
    let config = match talk.version {
        Protocol::V12 => &keys().v12,
        Protocol::V13 => &keys().v13,
    };
    let name = "localhost".try_into().expect("a name");
    let mut client = ClientConnection::new(Arc::clone(config), name).expect("a client");
    client.writer().write_all(&talk.traffic.octets).expect("a buffer in memory");
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let (mut passed, mut idle) = (0, 0);
    let (mut refused, mut leaves, mut ended) = (false, false, false);
    for turn in 0..100_000 {
        let mut moved = false;
        while client.wants_write() && client.write_tls(&mut up).is_ok_and(|n| n > 0) {}
        let n = up.len().min(usize::from(talk.up[turn % 3]).max(1));
        if n > 0 {
            let mut piece: Vec<u8> = up.drain(..n).collect();
            if let Some((at, change)) = talk.damage
                && let Some(octet) = usize::from(at).checked_sub(passed).and_then(|at| piece.get_mut(at))
            {
                *octet ^= change;
            }
            passed += n;
            link.spare(n)[..n].copy_from_slice(&piece);
            let _ = link.received(n);
            moved = true;
        }
        log.run(&mut link, &env);
        if let Ok(out) = link.outgoing() {
            let n = out.len().min(usize::from(talk.down[turn % 3]).max(1));
            down.extend_from_slice(&out[..n]);
            moved |= n > 0;
            let _ = link.sent(&env, n);
        }
        if !down.is_empty() {
            let mut rest = &down[..];
            let took = client.read_tls(&mut rest).unwrap_or(0);
            down.drain(..took);
            // A client that is told something wrong says so, and is not heard any more.
            if client.process_new_packets().is_err() {
                refused = true;
                down.clear();
            }
            let mut piece = [0; 4_096];
            while let Ok(n) = client.reader().read(&mut piece)
                && n > 0
            {
                log.said.extend_from_slice(&piece[..n]);
            }
        }
        idle = if moved { 0 } else { idle + 1 };
        if idle < IDLE {
            continue;
        }
        if log.is_over {
            return log;
        }
        // Nothing moves any more: first the client says goodbye, then its side of the wire ends.
        if !leaves {
            leaves = true;
            // Nothing follows an alert.
            if !refused {
                client.send_close_notify();
            }
        } else if !ended {
            ended = true;
            let _ = link.close();
        } else {
            break;
        }
        idle = 0;
    }
    panic!("no end: {link:?}, {log:?}");
}

struct Keys {
    tls: Tls,
    v12: Arc<ClientConfig>,
    v13: Arc<ClientConfig>,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let tls = Tls::from_pem(made.cert.pem(), made.signing_key.serialize_pem()).expect("our own certificate");
        let client = |version: &'static rustls::SupportedProtocolVersion| {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(made.cert.der().to_vec())).expect("our own certificate");
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]);
            let mut config = config.expect("a version").with_root_certificates(roots).with_no_client_auth();
            // Each run is to be the same.
            config.resumption = rustls::client::Resumption::disabled();
            Arc::new(config)
        };
        Keys { tls, v12: client(&rustls::version::TLS12), v13: client(&rustls::version::TLS13) }
    })
}

/// 100 (Continue) depends on when content comes.
fn without_100(said: &[u8]) -> Vec<u8> {
    const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut rest = said;
    let mut out = Vec::new();
    while let Some(at) = rest.windows(CONTINUE.len()).position(|window| window == CONTINUE) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + CONTINUE.len()..];
    }
    out.extend_from_slice(rest);
    out
}
