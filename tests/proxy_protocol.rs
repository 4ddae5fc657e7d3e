//! Who is the client behind a proxy that speaks the PROXY protocol, on both backends?

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use cherrystone::access_log::{AccessLog, Format};
use cherrystone::gateway::{Done, Failure, Inline, PeerAddress};
use cherrystone::{Backend, Config, Exchange, Head, Running, Server, Status};

mod common;
use common::{BACKENDS, Lines, connect, eventually, read_all};

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.2 4711 80\r\n";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Says who asks, and whom they came through.
fn whoami(_: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
    let peer = exchange.peer();
    let via = peer.via.as_ref().map(|via| (matches!(via.proxy, PeerAddress::Ip(_)), via.destination.to_string()));
    let text = format!("{} via {via:?} as {:?}", peer.address, peer.credentials.is_some());
    exchange.respond(Status::OK, &[], text)
}

fn server(backend: Backend) -> Server {
    Server::new(Inline(whoami)).backend(backend)
}

fn behind(server: Server, trusted: &str) -> (Arc<Running>, SocketAddr) {
    common::serve(server.proxy_protocol(trusted.parse().unwrap()))
}

/// What the server says on a connection on which a client sends this and ends its side.
fn said(address: SocketAddr, octets: &[u8]) -> String {
    let mut client = connect(address);
    // A server that has hung up already is what some of these want.
    let _ = client.write_all(octets);
    let _ = client.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn the_client_is_whom_the_header_speaks_for_on_every_request() {
    for backend in BACKENDS {
        let (_running, address) = behind(server(backend), "127.0.0.0/8");
        let answers = said(address, &[V1, REQUEST, REQUEST].concat());
        let seen = "192.0.2.7:4711 via Some((true, \"198.51.100.2:80\")) as false";
        assert_eq!(answers.matches(seen).count(), 2, "{backend:?}: {answers}");
        let v2 = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0f"[..], &[203, 0, 113, 9, 10, 0, 0, 1, 0, 99, 1, 187, 4, 0, 0]]
            .concat();
        let answer = said(address, &[&v2, REQUEST].concat());
        assert!(answer.contains("203.0.113.9:99 via Some((true, \"10.0.0.1:443\"))"), "{backend:?}: {answer}");
        for local in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"] {
            let answer = said(address, &[local, REQUEST].concat());
            assert!(answer.contains("127.0.0.1:") && answer.contains("via None"), "{backend:?}: {answer}");
        }
        // Octet by octet, from a client that is slow.
        let mut client = connect(address);
        client.set_nodelay(true).unwrap();
        for octet in [V1, REQUEST].concat() {
            client.write_all(&[octet]).unwrap();
            std::thread::sleep(Duration::from_micros(300));
        }
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(read_all(&mut client).contains(seen));
    }
}

#[test]
fn nobody_can_forge_a_client() {
    for backend in BACKENDS {
        // A second header is no header but a malformed request.
        let (running, address) = behind(server(backend), "127.0.0.1");
        let twice = said(address, &[V1, V1, REQUEST].concat());
        assert!(twice.starts_with("HTTP/1.1 400") && !twice.contains("via"), "{backend:?}: {twice}");
        let later = said(address, &[V1, REQUEST, V1, REQUEST].concat());
        assert!(later.contains("192.0.2.7:4711") && later.contains("HTTP/1.1 400"), "{backend:?}: {later}");
        // Without a valid one nobody is served, and nobody is answered.
        for octets in [REQUEST, b"PROXY TCP4 1.2.3.4\r\nGET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02", b"PROXY TCP4 192"]
        {
            assert_eq!(said(address, octets), "", "{backend:?}");
        }
        eventually("the refusals are counted", || running.stats().proxy_refusals == 4);
        assert_eq!(said(address, b""), "", "who knocks and leaves is no refusal");
        assert_eq!(running.stats().proxy_refusals, 4);
        // From elsewhere a header counts for nothing.
        let (running, address) = behind(server(backend), "10.0.0.0/8,unix");
        assert_eq!(said(address, &[V1, REQUEST].concat()), "", "{backend:?}");
        assert_eq!(said(address, REQUEST), "", "{backend:?}");
        eventually("the refusals are counted", || running.stats().proxy_refusals == 2);
        assert_eq!(running.stats().requests, 0);
        // Off, it is off.
        let (_running, address) = common::serve(server(backend));
        let plain = said(address, &[V1, REQUEST].concat());
        assert!(plain.starts_with("HTTP/1.1 400") && !plain.contains("192.0.2.7 "), "{backend:?}: {plain}");
        assert!(said(address, REQUEST).contains("127.0.0.1:"));
    }
}

#[test]
fn a_header_that_does_not_come_ends_with_the_wait_for_the_head() {
    for backend in BACKENDS {
        let mut config = Config::default();
        config.timeouts.head = Duration::from_millis(200);
        let (running, address) = behind(server(backend).config(config), "127.0.0.1");
        for octets in [&b""[..], b"PROXY TCP4 192.0.2.7 ", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"] {
            let mut client = connect(address);
            client.write_all(octets).unwrap();
            assert_eq!(read_all(&mut client), "", "{backend:?}");
        }
        eventually("all have gone", || running.stats().open == 0);
        // With its header a client has what is left of that time for its head.
        let mut client = connect(address);
        client.write_all(&[V1, b"GET / HT"].concat()).unwrap();
        assert!(read_all(&mut client).starts_with("HTTP/1.1 408"), "{backend:?}");
    }
}

#[test]
fn the_access_log_names_the_client() {
    for backend in BACKENDS {
        let lines = Lines::default();
        let log = AccessLog::to(lines.clone(), Format::Combined).unwrap();
        let (running, address) = behind(server(backend).access_log(log), "127.0.0.1");
        said(address, &[V1, REQUEST].concat());
        running.stop(Duration::from_secs(5));
        assert!(lines.text().starts_with("192.0.2.7 - - ["), "{}", lines.text());
    }
}

#[test]
fn a_proxy_on_a_unix_socket_speaks_for_others_and_not_for_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    for backend in BACKENDS {
        let server = server(backend).proxy_protocol("unix".parse().unwrap());
        let _running = server.bind(format!("unix:{}", path.display())).unwrap().start().unwrap();
        let ask = |header: &[u8]| {
            let mut client = UnixStream::connect(&path).unwrap();
            client.write_all(&[header, REQUEST].concat()).unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            answer
        };
        assert!(ask(V1).ends_with("192.0.2.7:4711 via Some((false, \"198.51.100.2:80\")) as false"), "{backend:?}");
        assert!(ask(b"PROXY UNKNOWN\r\n").ends_with("unix: via None as true"), "{backend:?}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn the_header_comes_in_front_of_tls() {
    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let config = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
    for backend in BACKENDS {
        let tls = cherrystone::Tls::from_pem(own.cert.pem(), own.signing_key.serialize_pem()).unwrap();
        let (_running, address) = behind(server(backend).tls(tls), "127.0.0.1");
        let mut socket: TcpStream = connect(address);
        socket.write_all(V1).unwrap();
        let session = ClientConnection::new(Arc::clone(&config), ServerName::try_from("localhost").unwrap()).unwrap();
        let mut client = StreamOwned::new(session, socket);
        client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("192.0.2.7:4711 via"), "{backend:?}: {answer}");
    }
}
