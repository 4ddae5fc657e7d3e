//! What is measured.

mod requests;
mod server;

use core::hint::black_box;
use core::mem::MaybeUninit;

use cherrystone_core::{Field, RecvBuf};

use self::requests::{BROWSER, MINIMAL, api_post, chunked, sized, with_fields};
use self::server::Server;
use crate::count::counted;

/// One thing that is measured.
pub(crate) struct Case {
    /// For the table and the baseline.
    pub(crate) name: &'static str,
    /// What one figure is about.
    pub(crate) what: &'static str,
    /// The case that shows what `httparse` alone needs for the same request, if there is one.
    pub(crate) parsed_by: Option<&'static str>,
    /// Octets of input in a round.
    pub(crate) octets: usize,
    /// Requests in a round.
    pub(crate) requests: usize,
    /// Runs one round.
    pub(crate) round: Box<dyn FnMut()>,
}

const FEW: &[Field<'static>] = &[("Content-Type", b"text/plain")];

const TWELVE: &[Field<'static>] = &[
    ("Content-Type", b"text/html; charset=utf-8"),
    ("Content-Language", b"en"),
    ("Cache-Control", b"private, max-age=60"),
    ("ETag", b"\"5f1b3c-2d9\""),
    ("Last-Modified", b"Mon, 24 Nov 2025 13:13:20 GMT"),
    ("Vary", b"Accept-Encoding, Cookie"),
    ("Set-Cookie", b"sid=0f3b6a9c2d5e8f7a1b4c; Path=/; Secure; HttpOnly; SameSite=Lax"),
    ("Strict-Transport-Security", b"max-age=31536000; includeSubDomains"),
    ("X-Content-Type-Options", b"nosniff"),
    ("X-Frame-Options", b"DENY"),
    ("Referrer-Policy", b"same-origin"),
    ("Content-Security-Policy", b"default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"),
];

/// All that is measured: first what others need for the same octets, to compare with, then the core.
pub(crate) fn all() -> Vec<Case> {
    let many = with_fields(99, 20);
    let large = with_fields(16, 491);
    let mib: Vec<u8> = (0..1 << 20).map(|n: u32| b'a' + (n % 23) as u8).collect();
    vec![
        httparse("httparse-minimal", MINIMAL.into()),
        httparse("httparse-browser", BROWSER.into()),
        httparse("httparse-post", api_post()),
        httparse("httparse-fields", many.clone()),
        httparse("httparse-8k", large.clone()),
        copy(1 << 20),
        exchange("minimal", "the least request in, a small answer out", MINIMAL.into()).parsed_by("httparse-minimal"),
        exchange("browser", "a browser's request", BROWSER.into()).parsed_by("httparse-browser"),
        exchange("api-post", "1 KiB of JSON to an API", api_post()).parsed_by("httparse-post"),
        pipelined("pipelined", "one of 16 browser's requests in one arrival", BROWSER).parsed_by("httparse-browser"),
        exchange("fields", "100 field lines", many).parsed_by("httparse-fields"),
        exchange("head-8k", "a head of 8 KiB in 17 field lines", large).parsed_by("httparse-8k"),
        bytewise("bytewise", "the browser's request, one octet an arrival", BROWSER).parsed_by("httparse-browser"),
        answering("answer", "the least request, an answer with 12 fields", MINIMAL.into(), TWELVE)
            .parsed_by("httparse-minimal"),
        decode("sized", "1 MiB of announced length, decoding alone", sized(&mib), mib.clone()),
        decode("chunked-1k", "1 MiB in chunks of 1 KiB, decoding alone", chunked(&mib, 1 << 10), mib.clone()),
        decode("chunked-64k", "1 MiB in chunks of 64 KiB, decoding alone", chunked(&mib, 1 << 16), mib),
    ]
}

impl Case {
    fn parsed_by(mut self, case: &'static str) -> Self {
        self.parsed_by = Some(case);
        self
    }
}

/// The cheapest way to use it: room that is not written to in advance.
fn httparse(name: &'static str, input: Vec<u8>) -> Case {
    let octets = input.len();
    let round = move || {
        counted(|| {
            let mut room = [const { MaybeUninit::uninit() }; 128];
            let mut request = httparse::Request::new(&mut []);
            let parsed = request.parse_with_uninit_headers(black_box(&input), &mut room);
            assert!(matches!(parsed, Ok(httparse::Status::Complete(_))));
            black_box(&request);
        });
    };
    Case { name, what: "httparse alone", parsed_by: None, octets, requests: 1, round: Box::new(round) }
}

fn copy(octets: usize) -> Case {
    let (mut rx, input) = (RecvBuf::default(), vec![b'c'; octets]);
    let round = move || {
        for arrival in input.chunks(64 << 10) {
            counted(|| rx.push(black_box(arrival)));
            rx.consume(usize::MAX);
        }
    };
    let what = "1 MiB copied into the receive buffer";
    Case { name: "copy", what, parsed_by: None, octets, requests: 1, round: Box::new(round) }
}

fn exchange(name: &'static str, what: &'static str, input: Vec<u8>) -> Case {
    answering(name, what, input, FEW)
}

fn answering(name: &'static str, what: &'static str, input: Vec<u8>, fields: &'static [Field<'static>]) -> Case {
    let (mut server, octets) = (Server::new(fields), input.len());
    let round = move || assert_eq!(counted(|| server.receive(black_box(&input))), 1);
    Case { name, what, parsed_by: None, octets, requests: 1, round: Box::new(round) }
}

fn pipelined(name: &'static str, what: &'static str, request: &str) -> Case {
    let (mut server, input) = (Server::new(FEW), request.repeat(16));
    let octets = input.len();
    let round = move || assert_eq!(counted(|| server.receive(black_box(input.as_bytes()))), 16);
    Case { name, what, parsed_by: None, octets, requests: 16, round: Box::new(round) }
}

fn bytewise(name: &'static str, what: &'static str, request: &'static str) -> Case {
    let mut server = Server::new(FEW);
    let round = move || {
        let answered: u32 =
            request.as_bytes().chunks(1).map(|octet| counted(|| server.receive(black_box(octet)))).sum();
        assert_eq!(answered, 1);
    };
    Case { name, what, parsed_by: None, octets: request.len(), requests: 1, round: Box::new(round) }
}

fn decode(name: &'static str, what: &'static str, upload: Vec<u8>, content: Vec<u8>) -> Case {
    let (mut server, octets) = (Server::new(FEW), upload.len());
    let round = move || server.decode(black_box(&upload), &content);
    Case { name, what, parsed_by: None, octets, requests: 1, round: Box::new(round) }
}
