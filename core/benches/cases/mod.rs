//! What is measured.

use core::hint::black_box;
use core::mem::MaybeUninit;

use cherrystone_core::{Config, Connection, Date, Env, Event, Instant, RecvBuf, SendBuf, ServerName, Size, Status};

/// One thing that is measured.
pub(crate) struct Case {
    /// For the table and the command line.
    pub(crate) name: &'static str,
    /// What one count is about.
    pub(crate) what: &'static str,
    /// Rounds of the shorter run.
    pub(crate) rounds: u32,
    /// Requests in a round.
    pub(crate) requests: u32,
    /// Runs this many rounds.
    pub(crate) run: fn(u32),
}

/// A request as browsers send it, of about 650 octets.
pub(crate) const BROWSER: &str = "GET /library/shelves/7/books?order=title&page=3 HTTP/1.1\r\n\
    Host: reading-room.example.net\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: de,en-US;q=0.7,en;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://reading-room.example.net/library/shelves/7\r\n\
    Connection: keep-alive\r\n\
    Cookie: sid=0f3b6a9c2d5e8f7a1b4c; theme=light; seen=3; lang=de; last=1763990000.25; zone=eu-2\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Priority: u=0, i\r\n\r\n";

/// All that is measured.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "httparse",
        what: "httparse alone on a browser's request",
        rounds: 500,
        requests: 1,
        run: httparse_alone,
    },
    Case { name: "exchange", what: "that request in, a small answer out", rounds: 500, requests: 1, run: exchange },
    Case {
        name: "pipelined",
        what: "one of 16 such exchanges in one arrival",
        rounds: 50,
        requests: 16,
        run: pipelined,
    },
    Case { name: "trickled", what: "the exchange, one octet an arrival", rounds: 20, requests: 1, run: trickled },
    Case { name: "copy-1m", what: "1 MiB received and not decoded", rounds: 3, requests: 1, run: copy },
    Case { name: "sized-1m", what: "1 MiB of content of announced length", rounds: 3, requests: 1, run: sized },
    Case { name: "chunked-1k", what: "1 MiB in chunks of 1 KiB", rounds: 3, requests: 1, run: |n| chunked(n, 1 << 10) },
    Case {
        name: "chunked-64k",
        what: "1 MiB in chunks of 64 KiB",
        rounds: 3,
        requests: 1,
        run: |n| chunked(n, 1 << 16),
    },
];

fn httparse_alone(rounds: u32) {
    for _ in 0..rounds {
        // The cheapest way to use it: room that is not written to in advance.
        let mut room = [const { MaybeUninit::uninit() }; 64];
        let mut request = httparse::Request::new(&mut []);
        let parsed = request.parse_with_uninit_headers(black_box(BROWSER.as_bytes()), &mut room);
        assert!(matches!(parsed, Ok(httparse::Status::Complete(_))));
        black_box(&request);
    }
}

/// A server in memory that answers everything.
struct Server {
    config: Config,
    date: Date,
    conn: Connection,
    rx: RecvBuf,
    tx: SendBuf,
}

impl Server {
    fn new() -> Self {
        let mut config = Config::default();
        config.server = ServerName::new("cherrystone").ok();
        let conn = Connection::new(&Env { config: &config, now: Instant::from_nanos(0), date: None });
        Self { config, date: Date::from_unix(1_763_990_000), conn, rx: RecvBuf::default(), tx: SendBuf::default() }
    }

    /// Octets arrive; all requests that are complete then are answered.
    fn receive(&mut self, octets: &[u8]) {
        self.rx.spare(octets.len())[..octets.len()].copy_from_slice(octets);
        self.rx.filled(octets.len());
        let env = Env { config: &self.config, now: Instant::from_nanos(1), date: Some(&self.date) };
        loop {
            match self.conn.poll(&env, &mut self.rx) {
                Ok(Event::Request(head)) => drop(black_box(head.target())),
                Ok(Event::Data(data)) => drop(black_box(data)),
                Ok(Event::End(_)) => {
                    let fields = [("Content-Type", &b"text/plain"[..])];
                    self.conn.respond(&env, Status::OK, &fields, Size::Exact(13), &mut self.tx).expect("it is due");
                    self.conn.write(b"Hello, world!", &mut self.tx).expect("13 octets");
                    self.conn.finish(&[], &mut self.tx).expect("all are there");
                }
                Ok(Event::NeedInput) => break,
                other => panic!("{other:?}"),
            }
        }
        black_box(self.tx.unsent());
        self.conn.sent(&env, self.tx.len(), 0).expect("the socket is fast");
        self.tx.advance(self.tx.len());
    }
}

fn exchange(rounds: u32) {
    let mut server = Server::new();
    (0..rounds).for_each(|_| server.receive(black_box(BROWSER.as_bytes())));
    assert_eq!(server.conn.requests(), rounds);
}

fn pipelined(rounds: u32) {
    let mut server = Server::new();
    let batch = BROWSER.repeat(16);
    (0..rounds).for_each(|_| server.receive(black_box(batch.as_bytes())));
    assert_eq!(server.conn.requests(), rounds * 16);
}

fn trickled(rounds: u32) {
    let mut server = Server::new();
    (0..rounds).for_each(|_| BROWSER.as_bytes().chunks(1).for_each(|octet| server.receive(black_box(octet))));
    assert_eq!(server.conn.requests(), rounds);
}

/// Octets that come from a socket at a time.
const ARRIVAL: usize = 64 << 10;

fn upload(rounds: u32, stream: &[u8]) {
    let mut server = Server::new();
    for _ in 0..rounds {
        stream.chunks(ARRIVAL).for_each(|piece| server.receive(black_box(piece)));
    }
    assert_eq!(server.conn.requests(), rounds);
}

fn copy(rounds: u32) {
    let (mut rx, stream) = (RecvBuf::default(), vec![b'c'; 1 << 20]);
    for _ in 0..rounds {
        for piece in black_box(&stream[..]).chunks(ARRIVAL) {
            rx.spare(piece.len())[..piece.len()].copy_from_slice(piece);
            rx.filled(piece.len());
            black_box(rx.unread());
            rx.consume(piece.len());
        }
    }
}

fn sized(rounds: u32) {
    let mut stream = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n".to_vec();
    stream.resize(stream.len() + (1 << 20), b'c');
    upload(rounds, &stream);
}

fn chunked(rounds: u32, chunk: usize) {
    let mut stream = b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..(1 << 20) / chunk {
        stream.extend_from_slice(format!("{chunk:x}\r\n").as_bytes());
        stream.resize(stream.len() + chunk, b'c');
        stream.extend_from_slice(b"\r\n");
    }
    stream.extend_from_slice(b"0\r\n\r\n");
    upload(rounds, &stream);
}
