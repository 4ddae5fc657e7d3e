//! Which octets do clients send?
//!
//! Named streams of requests, good and bad: the seeds of the fuzz targets, and the inputs of the tests that look at
//! every possible cut. Each stands for one thing that a server can get wrong.

/// A stream of octets from a client.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What it shows, fit for a file name.
    pub name: &'static str,
    /// The octets, which are text in all samples.
    pub octets: &'static str,
}

/// Targets of requests, good and bad.
pub const TARGETS: &[&str] = &[
    "/",
    "//a//b",
    "/a?b=c&d",
    "/%41%zz",
    "*",
    "http://h",
    "HTTP://h:80/p?q",
    "https://[::1]:443?q",
    "http://u@h/",
    "h:443",
    "[v1.a:b]:1",
    "h",
    "/#f",
    "?",
    "/{|}^`",
];

macro_rules! samples {
    ($($name:literal: $octets:expr;)+) => {
        /// All samples.
        pub const SAMPLES: &[Sample] = &[$(Sample { name: $name, octets: $octets }),+];
    };
}

samples! {
    "get": "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    "get-query": "GET /a/b?c=d&e HTTP/1.1\r\nHost: a.example:8080\r\nAccept: */*\r\n\r\n";
    "get-empty-line-first": "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    "get-two-empty-lines-first": "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    "get-http10": "GET / HTTP/1.0\r\n\r\n";
    "get-http10-keep-alive": "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n";
    "get-http12": "GET / HTTP/1.2\r\nHost: a\r\n\r\n";
    "get-http20": "GET / HTTP/2.0\r\nHost: a\r\n\r\n";
    "http2-preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    "tls-hello": "\x16\x03\x01\x02\0\x01\0\x01";
    "head-pipelined": "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    "head-then-garbage": "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n\0\0";
    "head-broken": "HEAD / HTTP/1.1\r\n\r\n";
    "close": "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    "options-asterisk": "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n";
    "absolute": "GET http://a.example/p?q HTTP/1.1\r\nHost: b\r\n\r\n";
    "absolute-https": "GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n";
    "connect": "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\nraw octets";
    "upgrade": "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo, x/1\r\n\r\nraw octets";
    "length": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    "length-zero": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    "length-repeated": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx";
    "length-differs": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy";
    "length-signed": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx";
    "length-huge": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\nx";
    "length-cut-off": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhello";
    "length-larger-than-drained":
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n012345678901234567890123456789GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    "chunked": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n";
    "chunked-trailers":
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nSum: 1\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    "chunked-extensions":
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b ; c = \"d\\\"e\"\r\nhi\r\n0;z\r\n\r\n";
    "chunked-bare-cr-at-end": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\rX0\r\n\r\n";
    "chunked-bare-lf": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n";
    "chunked-overlong": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n";
    "chunked-wrapping": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n";
    "chunked-longer-than-drained":
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\n012345678901234567890123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    "chunked-bad-trailer": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA : b\r\n\r\n";
    "chunked-and-length": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n";
    "chunked-http10": "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    "gzip-chunked": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    "expect": "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    "expect-chunked": "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    "expect-other": "POST / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 2\r\n\r\nhi";
    "host-missing": "GET / HTTP/1.1\r\nAccept: */*\r\n\r\n";
    "host-repeated": "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n";
    "host-malformed": "GET / HTTP/1.1\r\nHost: a b\r\n\r\n";
    "field-folded": "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n";
    "field-spaced-colon": "GET / HTTP/1.1\r\nHost : a\r\n\r\n";
    "field-without-colon": "GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n";
    "field-empty": "GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB: \t \r\n\r\n";
    "field-nul": "GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n";
    "field-control": "GET / HTTP/1.1\r\nHost: a\r\nA: b\x01c\r\n\r\n";
    "fields-many": "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: 6\r\nG: 7\r\n\r\n";
    "line-bare-lf": "GET / HTTP/1.1\nHost: a\n\n";
    "field-bare-lf": "GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n";
    "last-field-bare-lf": "GET / HTTP/1.1\r\nHost: a\r\nA: b\n\r\n";
    "end-bare-lf": "GET / HTTP/1.1\r\nHost: a\r\n\n";
    "empty-value-bare-lf": "GET / HTTP/1.1\r\nHost: a\r\nA:\n\r\n";
    "line-bare-cr": "GET / HTTP/1.1\rHost: a\r\r";
    "line-without-version": "GET /\r\n\r\n";
    "line-two-spaces": "GET  / HTTP/1.1\r\nHost: a\r\n\r\n";
    "line-long": "GET /0123456789012345678901234567890123456789 HTTP/1.1\r\nHost: a\r\n\r\n";
    "target-fragment": "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n";
    "target-two-slashes": "GET //a//b HTTP/1.1\r\nHost: a\r\n\r\n";
    "cut-off": "GET / HTTP/1.1\r\nHos";
}
