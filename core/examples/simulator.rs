//! How does the core run in a simulated world?
//!
//! Time is an argument, and nothing is random but what the seed says: a network that cuts, delays and holds back as it likes, a
//! clock that jumps from one event to the next, a client that falls silent for a minute without anybody waiting for one. The same
//! seed gives the same log, to the octet and the nanosecond; a fault that was found once can be looked at for ever.
//!
//! ```text
//! cargo run -p cherrystone-core --example simulator -- 7       # the log of seed 7
//! cargo run -p cherrystone-core --example simulator            # a thousand seeds, each twice
//! ```
//!
//! 1. The server moves only in [`Server::turn`], when octets have come or its deadline has; it never asks what time it is.
//! 2. A deadline that lies ahead is an event of the world like any other.

use core::cmp::Reverse;
use core::fmt::Write as _;
use core::time::Duration;
use std::collections::BinaryHeap;

use cherrystone_core::{Config, Connection, Date, Env, Event, HeadBuf, Instant, Misuse, RecvBuf, SendBuf, Size};

mod routes;

use routes::{Content, Reply};

fn main() {
    match std::env::args().nth(1).map(|seed| seed.parse()) {
        Some(Ok(seed)) => {
            let Outcome { log, received, over_at } = simulate(seed);
            print!("{log}");
            println!("{} octets were said in {over_at:?} of a time that nobody waited for", received.len());
        }
        Some(Err(_)) => eprintln!("usage: simulator [SEED]"),
        None => println!("{} requests answered alike in 1000 worlds, each run twice", thousand_worlds()),
    }
}

/// What the client of the simulation does: how long it waits, and what it sends then.
const SCRIPT: [(Duration, &[u8]); 5] = [
    (Duration::from_millis(5), b"GET / HTTP/1.1\r\nHost: moon.example\r\n\r\nGET /head HTTP/1.1\r\nHost: moon.example\r\n\r\n"),
    (Duration::from_millis(300), b"POST /echo HTTP/1.1\r\nHost: moon.example\r\nContent-Length: 11\r\n\r\nhello world"),
    (
        Duration::from_millis(900),
        b"POST /echo HTTP/1.1\r\nHost: moon.example\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nSum: 1\r\n\r\n",
    ),
    (Duration::from_millis(100), b"GET /chunked HTTP/1.1\r\nHost: moon.example\r\n\r\n"),
    // Half a head, and then silence: the world goes on until the server has had enough.
    (Duration::from_millis(10), b"GET / HTTP/1.1\r\nHo"),
];

/// What came of a simulation.
pub(crate) struct Outcome {
    pub(crate) log: String,
    /// All octets that the client received.
    pub(crate) received: Vec<u8>,
    /// When the server dropped the connection.
    pub(crate) over_at: Duration,
}

/// Runs a thousand worlds, and checks that nothing depends on the network and everything on the seed alone.
pub(crate) fn thousand_worlds() -> usize {
    let first = simulate(0);
    for seed in 0..1000 {
        let (once, again) = (simulate(seed), simulate(seed));
        assert_eq!(once.log, again.log, "seed {seed} is not replayed");
        assert_eq!(undated(&once.received), undated(&first.received), "seed {seed} is answered differently");
    }
    first.received.windows(12).filter(|octets| octets == b"HTTP/1.1 200").count()
}

/// What was received, without what tells the time.
fn undated(received: &[u8]) -> Vec<&[u8]> {
    received.split(|&octet| octet == b'\n').filter(|line| !line.starts_with(b"Date: ")).collect()
}

/// An event of the world; the number keeps those of one moment in order.
type Arrival = Reverse<(Instant, usize, Vec<u8>)>;

/// One client, one server, and a network between them that the seed decides about.
pub(crate) fn simulate(seed: u64) -> Outcome {
    let config = routes::rules();
    let mut dice = Dice(seed.wrapping_mul(2).wrapping_add(1));
    let (mut now, mut log, mut received) = (Instant::from_nanos(0), String::new(), Vec::new());
    let mut server = Server::new(&config, now);

    let mut network: BinaryHeap<Arrival> = BinaryHeap::new();
    let mut at = now;
    for (pause, octets) in SCRIPT {
        at = at + pause;
        let mut rest = octets;
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(dice.up_to(rest.len()));
            at = at + Duration::from_micros(dice.up_to(20_000) as u64);
            network.push(Reverse((at, network.len(), piece.to_vec())));
            rest = more;
        }
    }
    while !server.is_over {
        // The next event: octets that arrive, or a wait of the server that ends.
        let arrival = network.peek().map(|Reverse((at, ..))| *at);
        let Some(next) = [arrival, server.deadline()].into_iter().flatten().min() else { break };
        now = next.max(now);
        match network.peek() {
            Some(Reverse((at, ..))) if *at <= now => {
                if let Some(Reverse((_, _, octets))) = network.pop() {
                    line(&mut log, now, "client", &octets);
                    server.receive(&octets);
                }
            }
            _ => line(&mut log, now, "time  ", b""),
        }
        server.turn(now);
        let said = server.take(now);
        if !said.is_empty() {
            line(&mut log, now, "server", &said);
            received.extend(said);
        }
        if server.has_ended {
            // The client sees the end, and leaves.
            server.receive_end();
            server.turn(now);
        }
    }
    line(&mut log, now, "over  ", b"");
    Outcome { log, received, over_at: now.since(Instant::from_nanos(0)) }
}

fn line(log: &mut String, at: Instant, who: &str, octets: &[u8]) {
    let at = at.since(Instant::from_nanos(0));
    let _ = writeln!(log, "{:>10.6} s  {who}  {}", at.as_secs_f64(), octets.escape_ascii());
}

/// A server's end of one connection: a value, and no thread.
pub(crate) struct Server<'c> {
    config: &'c Config,
    conn: Connection,
    rx: RecvBuf,
    tx: SendBuf,
    head: HeadBuf,
    content: Vec<u8>,
    /// The server has ended its side.
    pub(crate) has_ended: bool,
    /// The server has dropped the connection.
    pub(crate) is_over: bool,
}

impl<'c> Server<'c> {
    pub(crate) fn new(config: &'c Config, now: Instant) -> Self {
        Self {
            config,
            conn: Connection::new(&env(config, now, None)),
            rx: RecvBuf::default(),
            tx: SendBuf::default(),
            head: HeadBuf::default(),
            content: Vec::new(),
            has_ended: false,
            is_over: false,
        }
    }

    /// Octets have arrived; follow with [`turn`](Self::turn).
    pub(crate) fn receive(&mut self, octets: &[u8]) {
        self.rx.push(octets);
    }

    /// The client has ended its side.
    pub(crate) fn receive_end(&mut self) {
        self.rx.close();
    }

    /// When the server wants a turn although nothing has come.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.conn.deadline().map(|deadline| deadline.at)
    }

    /// What was said since the last call: the network of this world takes everything at once.
    pub(crate) fn take(&mut self, now: Instant) -> Vec<u8> {
        let said = self.tx.unsent().to_vec();
        self.tx.advance(said.len());
        let in_time = self.conn.sent(&env(self.config, now, None), said.len(), 0);
        debug_assert!(in_time.is_ok(), "nothing waits to be taken");
        said
    }

    /// Moves on until octets, or time, are needed.
    pub(crate) fn turn(&mut self, now: Instant) {
        // A world of its own has a calendar of its own: it began in 2026.
        let date = Date::from_unix(1_790_000_000 + now.as_nanos() / 1_000_000_000);
        let env = env(self.config, now, Some(&date));
        let Self { conn, rx, tx, head, content, .. } = self;
        while !self.is_over {
            match conn.poll(&env, rx) {
                Ok(Event::Request(request)) => {
                    request.copy_into(head);
                    content.clear();
                    if let Err(violation) = conn.admit() {
                        conn.refuse(&env, violation, tx);
                    } else if routes::is_early(head.head().path()) {
                        say(routes::reply(head.head(), &[], Default::default()), conn, &env, tx);
                    }
                }
                Ok(Event::Data(octets)) => content.extend_from_slice(octets),
                Ok(Event::End(trailers)) => say(routes::reply(head.head(), content, trailers), conn, &env, tx),
                Ok(Event::NeedContinue) => {
                    if conn.proceed(tx).is_err() {
                        conn.abort(&env, tx);
                    }
                }
                Ok(Event::NeedInput) => return,
                Ok(Event::Upgraded) => {
                    tx.put(rx.unread());
                    rx.consume(usize::MAX);
                    if !rx.is_closed() {
                        return;
                    }
                    conn.end_upgrade();
                }
                Ok(Event::NeedResponse) => conn.abort(&env, tx),
                Ok(Event::Shutdown) => self.has_ended = true,
                Ok(Event::Closed) => self.is_over = true,
                Err(violation) => conn.refuse(&env, violation, tx),
            }
        }
    }
}

fn env<'e>(config: &'e Config, now: Instant, date: Option<&'e Date>) -> Env<'e> {
    Env { config, now, date }
}

fn say(reply: Reply, conn: &mut Connection, env: &Env<'_>, tx: &mut SendBuf) {
    let Reply { status, fields, content } = reply;
    let said: Result<(), Misuse> = (|| match content {
        Content::Whole(octets) => {
            conn.respond(env, status, &fields, Size::Exact(octets.len() as u64), tx)?;
            conn.write(&octets, tx)?;
            conn.finish(&[], tx)
        }
        Content::Pieces(pieces) => {
            conn.respond(env, status, &fields, Size::Unknown, tx)?;
            pieces.iter().try_for_each(|piece| conn.write(piece, tx))?;
            conn.finish(&[], tx)
        }
        Content::Echo => conn.upgrade(env, &fields, tx),
    })();
    if said.is_err() {
        conn.abort(env, tx);
    }
}

/// Chance that can be repeated (xorshift).
struct Dice(u64);

impl Dice {
    /// A number from 1 to `most`.
    fn up_to(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        1 + (self.0 % most.max(1) as u64) as usize
    }
}
