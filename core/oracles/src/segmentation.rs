//! Does it matter how the octets arrive?
//!
//! It must not. [`play`] drives a connection over a stream that arrives in given pieces, with a server that decides by what it has
//! seen and never by when; [`check`] plays one stream in many ways and wants one [`Log`].

use cherrystone_core::{Config, Size, Status, Violation};

use crate::watch::{Lines, Request, Seen, Watched};

/// All that an application could tell of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The requests with what followed each.
    pub exchanges: Vec<Exchange>,
    /// What the client did wrong.
    pub violation: Option<Violation>,
    /// Octets for the protocol after HTTP.
    pub switched: Option<Vec<u8>>,
    /// What the server said, without 100 (Continue).
    pub output: Vec<u8>,
    /// The last event.
    pub last: Option<Seen>,
    /// Octets consumed, unless the connection closed and left the rest.
    pub consumed: Option<u64>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its head.
    pub request: Request,
    /// Its content, joined.
    pub content: Vec<u8>,
    /// Its trailers, if it was read to its end.
    pub trailers: Option<Lines>,
}

/// When the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// When the request is complete, with its content.
    Echo,
    /// When the request is complete, in chunks.
    Chunks,
    /// When the head is there, completely.
    Early,
    /// Begins when the head is there, ends when the request is complete.
    Duplex,
    /// Switches protocols if the client offers to, when the request is complete.
    Switch,
}

/// How a stream arrives.
#[derive(Clone, Debug)]
pub struct Arrival<'s> {
    /// The pieces.
    pub pieces: Vec<&'s [u8]>,
    /// What happens at the end.
    pub end: End,
}

/// What the client does when it has sent everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It waits.
    Open,
    /// It ends its side, which is seen after the last octet.
    Closed,
    /// The same, seen together with the last octet.
    ClosedAtOnce,
}

/// Plays a stream in many ways: whole, octet by octet, in two pieces, and with the given distances between cuts. `manner`
/// chooses how the server behaves.
///
/// # Panics
/// If two of them differ.
pub fn check(stream: &[u8], config: &Config, manner: u8, cuts: &[u8]) {
    for ends in [&[End::Open][..], &[End::Closed, End::ClosedAtOnce]] {
        let whole = play(&Arrival { pieces: vec![stream], end: ends[0] }, config, manner);
        for &end in ends {
            let same = |pieces: Vec<&[u8]>| {
                let lens: Vec<_> = pieces.iter().map(|piece| piece.len()).collect();
                let log = play(&Arrival { pieces, end }, config, manner);
                assert_eq!(log, whole, "{} cut into {lens:?}, then {end:?}", stream.escape_ascii());
            };
            same(stream.chunks(1).collect());
            same(cut(stream, cuts));
        }
        // Two pieces: all cuts of a short stream, some of a long one.
        let step = 1 + stream.len() / 400;
        for at in (0..=stream.len()).step_by(step) {
            let (a, b) = stream.split_at(at);
            let log = play(&Arrival { pieces: vec![a, b], end: ends[0] }, config, manner);
            assert_eq!(log, whole, "{} cut at {at}, then {:?}", stream.escape_ascii(), ends[0]);
        }
    }
}

/// Cuts a stream at the given distances, over and over.
fn cut<'s>(mut rest: &'s [u8], cuts: &[u8]) -> Vec<&'s [u8]> {
    let mut pieces = Vec::new();
    for distance in cuts.iter().cycle().take(if cuts.is_empty() { 0 } else { rest.len() }) {
        let (piece, behind) = rest.split_at(usize::from(*distance).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

/// Plays a stream once.
///
/// # Panics
/// If a promise is broken on the way.
pub fn play(arrival: &Arrival<'_>, config: &Config, manner: u8) -> Log {
    let mut server = Server { watched: Watched::new(config), log: Log::default(), manner, current: Manner::Echo };
    let (last, pieces) = arrival.pieces.split_last().map_or((&[][..], &[][..]), |(last, pieces)| (*last, pieces));
    for piece in pieces {
        server.watched.push(piece);
        server.run();
    }
    server.watched.push(last);
    if arrival.end != End::ClosedAtOnce {
        server.run();
    }
    if arrival.end != End::Open {
        server.watched.rx.close();
        server.run();
    }
    server.watched.check_output();
    let mut log = server.log;
    log.output = server.watched.output();
    if log.last != Some(Seen::Closed) {
        log.consumed = Some(server.watched.conn.consumed());
    }
    log
}

struct Server<'c> {
    watched: Watched<'c>,
    log: Log,
    manner: u8,
    current: Manner,
}

impl Server<'_> {
    /// Goes on until only the client can bring news.
    fn run(&mut self) {
        // Each event but a few takes an octet at least.
        for _ in 0..self.watched.rx.unread().len() + 10 {
            let seen = self.watched.poll();
            self.log.last = Some(seen.clone());
            match seen {
                Seen::Request(request) => self.begin(request),
                Seen::Data(data) => self.exchange().content.extend_from_slice(&data),
                Seen::End(trailers) => {
                    self.exchange().trailers = Some(trailers);
                    self.finish();
                }
                Seen::NeedContinue => self.watched.proceed().expect("the client waits"),
                Seen::NeedResponse => self.watched.finish(&Lines::new()).expect("an answer has begun"),
                Seen::Violated(violation) => {
                    self.log.violation = Some(violation);
                    let status = violation.status();
                    self.watched.give_up(status, |conn, env, tx| conn.refuse(env, violation, tx));
                }
                Seen::Upgraded => {
                    let rx = &mut self.watched.rx;
                    self.log.switched.get_or_insert_default().extend_from_slice(rx.unread());
                    rx.consume(usize::MAX);
                    return;
                }
                Seen::Shutdown => {}
                Seen::NeedInput | Seen::Closed => return,
            }
        }
        panic!("no end of events: {:?}", self.watched);
    }

    fn exchange(&mut self) -> &mut Exchange {
        self.log.exchanges.last_mut().expect("a request came before")
    }

    fn begin(&mut self, request: Request) {
        let manners = [Manner::Echo, Manner::Chunks, Manner::Early, Manner::Duplex, Manner::Switch];
        self.current = manners[(usize::from(self.manner) + self.log.exchanges.len()) % manners.len()];
        let offers = !request.upgrade.is_empty() || request.method == "CONNECT";
        if self.current == Manner::Switch && !offers {
            self.current = Manner::Echo;
        }
        self.log.exchanges.push(Exchange { request, content: Vec::new(), trailers: None });
        let watched = &mut self.watched;
        match self.current {
            Manner::Early => {
                watched.respond(Status::OK, &Lines::new(), Size::Exact(5)).unwrap_or_else(|_| early_tunnel(watched));
                let _ = watched.write(b"early");
                watched.finish(&Lines::new()).expect("all of it was written");
            }
            Manner::Duplex => {
                watched.respond(Status::NOT_FOUND, &Lines::new(), Size::Unknown).expect("a request is due");
                watched.write(b"begun").expect("the answer is open");
            }
            Manner::Echo | Manner::Chunks | Manner::Switch => {}
        }
    }

    fn finish(&mut self) {
        let content = self.exchange().content.clone();
        let trailers = self.exchange().trailers.clone().unwrap_or_default();
        let watched = &mut self.watched;
        match self.current {
            Manner::Echo => {
                let size = Size::Exact(content.len() as u64);
                watched.respond(Status::NOT_FOUND, &vec![("Content-Type".into(), b"a/b".to_vec())], size).expect("due");
                watched.write(&content).expect("as long as announced");
                watched.finish(&Lines::new()).expect("all was written");
            }
            Manner::Chunks => {
                watched.respond(Status::NOT_FOUND, &Lines::new(), Size::Unknown).expect("due");
                watched.write(b"one").expect("the answer is open");
                watched.frame(&content).expect("the answer is open");
                // Not every trailer of a request may be one of an answer.
                if watched.finish(&trailers).is_err() {
                    watched.finish(&Lines::new()).expect("the answer is open");
                }
            }
            Manner::Duplex => {
                watched.write(b"ended").expect("the answer is open");
                watched.finish(&Lines::new()).expect("the answer is open");
            }
            Manner::Switch => {
                watched.upgrade(&vec![("Upgrade".into(), b"echo".to_vec())]).expect("the client offered it");
            }
            Manner::Early => {}
        }
    }
}

/// A success for CONNECT has no content, and with it HTTP is over for the client.
fn early_tunnel(watched: &mut Watched<'_>) {
    watched.respond(Status::OK, &Lines::new(), Size::Empty).expect("a request is due");
}
