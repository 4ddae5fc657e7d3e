//! What is left of a client behind nginx and HAProxy, as `docs/deploy` sets them up?
//!
//! The test says so where a proxy is missing, and fails for it where the environment says `CHERRYSTONE_PROXIES=required`.
#![cfg(feature = "tls")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use cherrystone::access_log::{AccessLog, Format};
use cherrystone::forwarded::{Fields, Trust};
use cherrystone::gateway::{Done, Exchange, Failure, Gateway, Mode};
use cherrystone::metrics::Metrics;
use cherrystone::{Backend, Head, Server, Status};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tungstenite::Message;

mod common;
use common::{Lines, eventually};

#[path = "../examples/live/app.rs"]
mod app;
#[path = "common/edge.rs"]
mod edge;
#[path = "../examples/live/events.rs"]
mod events;
#[path = "../examples/live/socket.rs"]
mod socket;

use edge::{Edge, Proxy};

/// Says who asks how for what; the rest is the example's.
struct Mirror(app::Live);

impl Gateway for Mirror {
    fn mode(&self, _: Head<'_>) -> Mode {
        Mode::Inline
    }

    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        if head.path() != "/who" {
            return self.0.handle(head, exchange);
        }
        let peer = exchange.peer();
        let scheme = if peer.endpoint.secured { "https" } else { "http" };
        let address = peer.address.to_string();
        let client = address.rsplit_once(':').map_or("", |(client, _)| client);
        let text = format!("[{scheme} {client} {}]", head.authority().unwrap_or_default());
        exchange.respond(Status::OK, &[], text)
    }
}

#[test]
fn a_client_is_itself_behind_each_proxy() {
    for (edge, backend) in [(Edge::Nginx, Backend::Mio), (Edge::HaProxy, Backend::Threads)] {
        let local: cherrystone::sockets::Networks = "127.0.0.1".parse().unwrap();
        let trust = Trust::new(local.clone(), Fields::XForwarded);
        let lines = Lines::default();
        let log = AccessLog::to(lines.clone(), Format::Combined).unwrap().forwarded(trust.clone());
        let live = app::Live::ticking(Duration::from_millis(20)).unwrap();
        let mut server = Server::new(Mirror(live)).backend(backend).forwarded(trust).access_log(log);
        if edge == Edge::HaProxy {
            server = server.proxy_protocol(local);
        }
        let (_watching, metrics) = common::serve(Server::new(Metrics::new(server.handle())).backend(Backend::Mio));
        let (running, upstream) = common::serve(server);
        let Some(proxy) = edge.start(upstream, metrics) else { continue };

        // HAProxy serves once the health check has been answered.
        eventually("the proxy serves", || ask(&proxy, "").contains("200"));
        let forged = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: evil.example\r\nForwarded: for=6.6.6.6\r\n";
        for fields in ["", forged] {
            let answer = ask(&proxy, fields);
            assert!(answer.contains("[https 127.0.0.5 site.example]"), "{edge:?}: {answer}");
        }
        // Ten requests on one connection come on few connections behind the proxy.
        let before = running.stats();
        let mut client = secured(&proxy);
        for _ in 0..10 {
            client.write_all(b"GET /who HTTP/1.1\r\nHost: site.example\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"]") {
                let mut piece = [0; 1024];
                let n = client.read(&mut piece).unwrap();
                assert!(n > 0, "{edge:?}");
                answer.extend_from_slice(&piece[..n]);
            }
        }
        let after = running.stats();
        assert_eq!(after.requests - before.requests, 10, "{edge:?}");
        let fresh = after.accepted - before.accepted;
        assert!(fresh <= 2, "{edge:?}: connections are kept, but {fresh} are new");

        let (mut socket, _) = tungstenite::client("wss://site.example/echo", secured(&proxy)).unwrap();
        for text in ["hello", &"long ".repeat(5_000)] {
            socket.send(Message::text(text)).unwrap();
            assert_eq!(socket.read().unwrap(), Message::text(text), "{edge:?}");
        }
        let mut client = BufReader::new(secured(&proxy));
        client.get_mut().write_all(b"GET /ticks HTTP/1.1\r\nHost: site.example\r\n\r\n").unwrap();
        let ids =
            (&mut client).lines().map(Result::unwrap).filter_map(|line| line.strip_prefix("id: ")?.parse::<u64>().ok());
        assert_eq!(ids.take(5).count(), 5, "{edge:?}: events come as they happen");

        assert_eq!(running.stats().proxy_refusals, 0, "{edge:?}");
        drop((client, socket));
        running.stop(Duration::from_secs(5));
        let text = lines.text();
        assert!(
            text.lines().filter(|line| line.contains("/who")).all(|line| line.starts_with("127.0.0.5 ")),
            "{edge:?}: {text}"
        );
    }
}

/// One request from 127.0.0.5, an address that no proxy has.
fn ask(proxy: &Proxy, fields: &str) -> String {
    let mut client = secured(proxy);
    let request = format!("GET /who HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n{fields}\r\n");
    client.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A proxy need not say goodbye in TLS.
    let _ = client.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn secured(proxy: &Proxy) -> StreamOwned<ClientConnection, TcpStream> {
    use std::os::fd::OwnedFd;

    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let plain: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&plain, &SocketAddr::from(([127, 0, 0, 5], 0))).unwrap();
    connect(&plain, &proxy.address).unwrap();
    let plain = TcpStream::from(plain);
    plain.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(&proxy.certificate[..])).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), ServerName::try_from("site.example").unwrap()).unwrap();
    StreamOwned::new(session, plain)
}
