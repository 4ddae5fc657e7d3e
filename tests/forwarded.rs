//! Does an application see requests as clients made them to a proxy in front?

use std::io::Write;
use std::time::Duration;

use cherrystone::access_log::{AccessLog, Format};
use cherrystone::forwarded::{Fields, Trust};
use cherrystone::gateway::{Done, Failure};
use cherrystone::{Exchange, Head, Server, Status};

mod common;
use common::{BACKENDS, Lines, connect, read_all};

/// Says how the request looks.
fn mirror(head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
    let peer = exchange.peer();
    let host = head.fields().get("host").map(String::from_utf8_lossy).unwrap_or_default().into_owned();
    let text = format!(
        "[{} {} {} {host} {:?} {}]",
        if peer.endpoint.secured { "https" } else { "http" },
        peer.address,
        head.authority().unwrap_or_default(),
        head.fields().get("x").map(<[u8]>::len),
        head.target(),
    );
    let mut exchange = exchange;
    let mut content = Vec::new();
    std::io::Read::read_to_end(&mut exchange.body(), &mut content)?;
    exchange.respond(Status::OK, &[], [text.as_bytes(), &content].concat())
}

fn ask(address: std::net::SocketAddr, lines: &str) -> String {
    let mut client = connect(address);
    let request = format!(
        "POST /a?b HTTP/1.1\r\nHost: own:1\r\nX: 12\r\nContent-Length: 3\r\nConnection: close\r\n{lines}\r\nabc"
    );
    client.write_all(request.as_bytes()).unwrap();
    read_all(&mut client)
}

fn trust(networks: &str) -> Trust {
    Trust::new(networks.parse().unwrap(), Fields::XForwarded)
}

const LINES: &str =
    "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n";

#[test]
fn client_scheme_and_host_are_those_of_the_clients_request() {
    for backend in BACKENDS {
        let (_running, address) = common::serve(Server::new(mirror).backend(backend).forwarded(trust("127.0.0.1")));
        let told = ask(address, LINES);
        assert!(told.ends_with("[https 192.0.2.1:0 shop.example shop.example Some(2) /a?b]abc"), "{backend:?}: {told}");
        let plain = ask(address, "");
        assert!(plain.contains("[http 127.0.0.1:") && plain.contains(" own:1 own:1 Some(2) /a?b]abc"), "{plain}");
    }
}

#[test]
fn it_is_off_until_it_is_asked_for_and_for_strangers() {
    for server in [Server::new(mirror), Server::new(mirror).forwarded(trust("10.0.0.0/8,unix"))] {
        let (_running, address) = common::serve(server);
        let told = ask(address, LINES);
        assert!(told.contains("[http 127.0.0.1:") && told.contains(" own:1 own:1 Some(2) /a?b]abc"), "{told}");
    }
}

#[test]
fn nonsense_is_refused_and_reaches_no_application() {
    let (_running, address) = common::serve(Server::new(mirror).forwarded(trust("127.0.0.1")));
    for lines in [
        "X-Forwarded-For: <script>\r\n",
        "X-Forwarded-Proto: javascript\r\n",
        "X-Forwarded-Host: a b\r\n",
        "X-Forwarded-Host: user@evil\r\n",
        "X-Forwarded-Host: a/b\r\n",
        "X-Forwarded-Host: a:99999999\r\n",
    ] {
        let answer = ask(address, lines);
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("Connection: close"), "{lines}: {answer}");
        assert!(!answer.contains('['), "{lines}: {answer}");
    }
}

#[test]
fn the_access_log_names_the_client() {
    let lines = Lines::default();
    let log = AccessLog::to(lines.clone(), Format::Combined).unwrap().forwarded(trust("127.0.0.1"));
    let server = Server::new(mirror).forwarded(trust("127.0.0.1")).access_log(log);
    let (running, address) = common::serve(server);
    ask(address, LINES);
    ask(address, "");
    running.stop(Duration::from_secs(5));
    let text = lines.text();
    assert!(text.starts_with("192.0.2.1 - - [") && text.contains("\n127.0.0.1 - - ["), "{text}");
}
