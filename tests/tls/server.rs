//! Over real sockets: on worker threads, and on the event loop with handlers on it and beside it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cherrystone::gateway::{Done, Exchange, Failure, Gateway, Mode, Peer};
use cherrystone::tls::Identity;
use cherrystone::{
    Backend, Config, Head, Observer, Running, Server, Settings, StageError, Status, Tls, sockets::LocalAddr,
};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::authority::Authority;
use crate::talk::client;

const SOON: Duration = Duration::from_secs(5);
/// How long a handshake may take.
const HEAD: Duration = Duration::from_millis(1500);

struct Site {
    address: std::net::SocketAddr,
    running: Arc<Running>,
    authority: Authority,
    tls: Tls,
    files: tempfile::TempDir,
    failures: Failures,
}

/// Why connections were not secured.
#[derive(Clone, Default)]
struct Failures(Arc<Mutex<Vec<StageError>>>);

impl Observer for Failures {
    fn unsecured(&self, error: StageError, _: &Peer) {
        self.0.lock().unwrap().push(error);
    }
}

impl Site {
    fn new(backend: Backend, mode: Mode) -> Self {
        let (authority, files) = (Authority::new("the authority"), tempfile::tempdir().unwrap());
        let leaf = authority.issue(&["localhost"]);
        let [certificate, key] = ["www.pem", "www.key"].map(|name| files.path().join(name));
        std::fs::write(&certificate, &leaf.certificate).unwrap();
        std::fs::write(&key, &leaf.key).unwrap();
        let tls = Tls::builder(Identity::files(certificate, key)).build().unwrap();
        let mut config = Config::default();
        config.timeouts.head = HEAD;
        let mut settings = Settings::default();
        (settings.config, settings.min_threads, settings.max_threads) = (config, 2, 2);
        let failures = Failures::default();
        let server = Server::new(Echo(mode)).settings(settings).backend(backend).observer(failures.clone());
        let server = server.bind("127.0.0.1:0").unwrap().tls(tls.clone());
        let address = server.addresses().find_map(LocalAddr::tcp).unwrap();
        Self { address, running: server.start().unwrap(), authority, tls, files, failures }
    }

    /// Issues a new certificate, and puts it where the server looks at its next reload.
    fn renew(&self) {
        let leaf = self.authority.issue(&["localhost"]);
        std::fs::write(self.files.path().join("www.pem"), leaf.certificate).unwrap();
        std::fs::write(self.files.path().join("www.key"), leaf.key).unwrap();
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        stream
    }

    fn secured(&self, config: ClientConfig) -> StreamOwned<ClientConnection, TcpStream> {
        StreamOwned::new(client(config, "localhost"), self.connect())
    }

    /// What is answered to `text`, up to an orderly end.
    fn ask(&self, text: &[u8]) -> Vec<u8> {
        let mut stream = self.secured(self.authority.client());
        stream.write_all(text).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    fn failures(&self, expected: u64, each: StageError) {
        let until = Instant::now() + SOON;
        while self.running.stats().stage_failures < expected && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(self.running.stats().stage_failures, expected);
        let why = self.failures.0.lock().unwrap();
        assert_eq!((why.len() as u64, why.iter().all(|error| *error == each)), (expected, true), "{why:?}");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.running.stop(Duration::ZERO);
    }
}

struct Echo(Mode);

impl Gateway for Echo {
    fn mode(&self, _: Head<'_>) -> Mode {
        self.0
    }

    fn handle(&self, head: Head<'_>, mut exchange: Exchange<'_>) -> Result<Done, Failure> {
        let mut content = Vec::new();
        exchange.body().read_to_end(&mut content)?;
        if let Some(octets) = head.target().strip_prefix("/big/") {
            content.resize(octets.parse().unwrap_or(0), b'x');
        }
        if head.target() == "/facts" {
            content = exchange.tls().map_or("none", |facts| &facts.protocol).into();
        }
        exchange.respond(Status::OK, &[("Content-Type", b"text/plain")], content)
    }
}

fn on_each(test: impl Fn(Site)) {
    test(Site::new(Backend::Threads, Mode::Blocking));
    test(Site::new(Backend::Mio, Mode::Blocking));
    test(Site::new(Backend::Mio, Mode::Inline));
}

#[test]
fn requests_are_answered() {
    on_each(|site| {
        let answer = site.ask(b"GET /facts HTTP/1.1\r\nHost: h\r\n\r\nGET /facts HTTP/1.0\r\n\r\n");
        assert_eq!(String::from_utf8(answer).unwrap().matches("TLSv1.3").count(), 2);
        let answer = site.ask(b"GET /big/5000000 HTTP/1.0\r\n\r\n");
        assert!(answer.len() > 5_000_000 && answer.ends_with(b"xxx"));
        let head = "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 900000\r\n\r\n";
        let answer = site.ask(&[head.as_bytes(), &[b'u'; 900_000]].concat());
        assert!(answer.len() > 900_000 && answer.ends_with(b"uuu"));
        assert_eq!(site.running.stats().stage_failures, 0);
    });
}

#[test]
fn an_idle_client_is_told_of_the_end() {
    on_each(|site| {
        let mut stream = site.secured(site.authority.client());
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
        let running = Arc::clone(&site.running);
        let stopping = std::thread::spawn(move || running.stop(SOON));
        // Only a close_notify makes this succeed.
        stream.read_to_end(&mut Vec::new()).unwrap();
        stopping.join().unwrap();
    });
}

#[test]
fn a_client_that_says_goodbye_still_gets_its_answer() {
    on_each(|site| {
        let mut stream = site.secured(site.authority.client());
        stream.write_all(b"GET /big/300000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        stream.sock.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.len() > 300_000);
    });
}

#[test]
fn plain_http_gets_a_hint_and_no_reset() {
    on_each(|site| {
        for (text, late) in [(&b"GET / HTTP/1.1\r\n"[..], &b"Host: h\r\n\r\n"[..]), (b"P", b"UT / HTTP/1.1\r\n\r\n")] {
            let mut stream = site.connect();
            stream.write_all(text).unwrap();
            std::thread::sleep(Duration::from_millis(50));
            stream.write_all(late).unwrap();
            std::thread::sleep(Duration::from_millis(50));
            // What a client sends after the end must not destroy the hint.
            stream.write_all(&[b'x'; 1000]).unwrap();
            std::thread::sleep(Duration::from_millis(50));
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("HTTPS"), "{answer}");
        }
        site.failures(2, StageError::WrongProtocol);
        assert_eq!(site.running.stats().violations, 0);
    });
}

#[test]
fn garbage_and_refusals_get_an_alert() {
    on_each(|site| {
        let mut stream = site.connect();
        stream.write_all(&[0; 64]).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!((answer[0], answer.len()), (21, 7));
        let mut config = site.authority.client();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let error = site.secured(config).write_all(b"GET").unwrap_err();
        assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
        // One that does not trust the server.
        let stranger = Authority::new("another authority").client();
        site.secured(stranger).write_all(b"GET").unwrap_err();
        site.failures(3, StageError::Failed);
        assert!(site.ask(b"GET / HTTP/1.0\r\n\r\n").starts_with(b"HTTP/1.1 200"));
    });
}

#[test]
fn stalled_handshakes_hold_nobody_up() {
    const STALLERS: u64 = 300;
    on_each(|site| {
        let mut hello = Vec::new();
        client(site.authority.client(), "localhost").write_tls(&mut hello).unwrap();
        let begun = Instant::now();
        let stalled: Vec<(Instant, TcpStream)> = (0..STALLERS)
            .map(|n| {
                let since = Instant::now();
                let mut stream = site.connect();
                stream.write_all(&hello[..[0, 1, 100, hello.len()][(n % 4) as usize]]).unwrap();
                (since, stream)
            })
            .collect();
        assert!(site.ask(b"GET / HTTP/1.0\r\n\r\n").starts_with(b"HTTP/1.1 200"));
        // If the machine let us, all of them stall at this moment.
        let was_soon = begun.elapsed() < HEAD;
        assert!(!was_soon || site.running.stats().open >= STALLERS, "{:?}", site.running.stats());
        for (since, mut stream) in stalled {
            stream.read_to_end(&mut Vec::new()).unwrap();
            assert!(since.elapsed() >= HEAD - Duration::from_millis(100), "{:?}", since.elapsed());
        }
        let took = begun.elapsed();
        assert!(took < 2 * SOON, "{took:?}");
        let until = Instant::now() + SOON;
        while site.running.stats().open > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!((site.running.stats().open, site.running.stats().violations), (0, 0));
        assert!(site.ask(b"GET / HTTP/1.0\r\n\r\n").starts_with(b"HTTP/1.1 200"));
    });
}

#[test]
fn reloads_disturb_nobody() {
    on_each(|site| {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..20 {
                    let is_broken = n == 5 || n == 12;
                    site.renew();
                    if is_broken {
                        std::fs::write(site.files.path().join("www.key"), "rubbish").unwrap();
                    }
                    assert_eq!(site.tls.reload().is_err(), is_broken);
                    std::thread::sleep(Duration::from_millis(10));
                }
                over.store(true, Ordering::Release);
            });
            let mut kept = site.secured(site.authority.client());
            while !over.load(Ordering::Acquire) {
                assert!(site.ask(b"GET / HTTP/1.0\r\n\r\n").starts_with(b"HTTP/1.1 200"));
                kept.write_all(b"GET /facts HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
                let mut answer = Vec::new();
                while !answer.ends_with(b"TLSv1.3") {
                    let mut octet = [0];
                    kept.read_exact(&mut octet).unwrap();
                    answer.push(octet[0]);
                }
            }
        });
        assert_eq!(site.running.stats().stage_failures, 0);
    });
}

#[test]
fn tls_at_a_plain_port_is_refused_at_once() {
    for backend in [Backend::Threads, Backend::Mio] {
        let server = Server::new(Echo(Mode::Blocking)).backend(backend).bind("127.0.0.1:0").unwrap();
        let address = server.addresses().find_map(LocalAddr::tcp).unwrap();
        let running = server.start().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        // One octet of a record is enough.
        stream.write_all(&[22]).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{answer:?}");
        let mut tls = StreamOwned::new(
            client(Authority::new("nobody").client(), "localhost"),
            TcpStream::connect(address).unwrap(),
        );
        tls.sock.set_read_timeout(Some(SOON)).unwrap();
        let error = tls.write_all(b"GET / HTTP/1.1\r\n").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
        assert_eq!(running.stats().violations, 2);
        running.stop(Duration::ZERO);
    }
}
