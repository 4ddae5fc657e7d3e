//! Does a restart cost a request, behind a proxy that has others to ask?
//!
//! The proxy is HAProxy with `docs/deploy/haproxy-restart.cfg`; only the addresses are other ones. Where there is no HAProxy this says so, unless
//! `CHERRYSTONE_PROXIES=required`.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::served::Served;
use crate::common::*;

/// Restarts of one of three servers.
const RESTARTS: usize = 12;
/// What the proxy needs to see that a server is there again: more than the interval of its checks.
const CHECKED: Duration = Duration::from_millis(700);

/// Whether there is a proxy to test with.
fn has_haproxy() -> bool {
    let found = Command::new("haproxy").arg("-v").stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    let required = std::env::var("CHERRYSTONE_PROXIES").is_ok_and(|value| value == "required");
    assert!(found || !required, "HAProxy is required and missing");
    found
}

/// HAProxy in front of these servers.
struct Proxy {
    child: Child,
    address: SocketAddr,
    _configuration: tempfile::TempDir,
}

impl Proxy {
    fn start(servers: &[SocketAddr]) -> Self {
        let address = free_address();
        let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deploy/haproxy-restart.cfg");
        let mut configuration = std::fs::read_to_string(shown).unwrap();
        let addresses = [address].into_iter().chain(servers.iter().copied());
        for (shown, address) in
            ["127.0.0.1:8080", "127.0.0.1:8071", "127.0.0.1:8072", "127.0.0.1:8073"].into_iter().zip(addresses)
        {
            assert_eq!(configuration.matches(shown).count(), 1, "{shown}");
            configuration = configuration.replace(shown, &address.to_string());
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("haproxy.cfg");
        std::fs::write(&path, configuration).unwrap();
        let child = Command::new("haproxy").arg("-q").arg("-f").arg(&path).spawn().unwrap();
        until(Duration::from_secs(10), || TcpStream::connect(address).is_ok(), || "HAProxy does not listen".into());
        Self { child, address, _configuration: directory }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody listens at. Another process might take it in the meantime, which would show.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Asks again and again on kept connections, and counts.
fn ask(address: SocketAddr, request: &str, expected: &str, over: &AtomicBool, answered: &AtomicUsize) {
    let mut peer = Peer::connect(address);
    while !over.load(Ordering::SeqCst) {
        peer.send(request);
        let answer = peer.next();
        let answer = answer.unwrap_or_else(|| panic!("no answer, after {} answers", answered.load(Ordering::SeqCst)));
        assert_eq!((answer.status, answer.text()), (200, expected));
        answered.fetch_add(1, Ordering::SeqCst);
        if answer.closes() {
            peer = Peer::connect(address);
        }
        pause(2);
    }
}

/// Three servers are stopped and started again, one after the other, as an operator does it, and no client notices.
fn run(setup: Setup) {
    let flags = ["--head-timeout", "60", "--idle-timeout", "60"];
    let mut servers: Vec<Served> = (0..3).map(|_| Served::start(setup, &flags)).collect();
    let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    let proxy = Proxy::start(&addresses);
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let asking = |request, expected| {
            let (over, answered, address) = (&over, &answered, proxy.address);
            scope.spawn(move || ask(address, request, expected, over, answered))
        };
        let put = "PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
        let kinds = [("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "ok"), (put, "hello")];
        let clients: Vec<_> = (0..8).map(|n| asking(kinds[n % 2].0, kinds[n % 2].1)).collect();
        thread::sleep(CHECKED);
        for n in 0..RESTARTS {
            let before = answered.load(Ordering::SeqCst);
            let place = n % servers.len();
            let address = addresses[place].to_string();
            let old = servers.remove(place);
            assert!(old.terminate().success(), "restart {n}");
            let new =
                Served::start_at(setup, &address, &flags).unwrap_or_else(|| panic!("restart {n}: {address} is taken"));
            servers.insert(place, new);
            thread::sleep(CHECKED);
            assert!(answered.load(Ordering::SeqCst) > before + 10, "{setup:?}: nothing goes on at restart {n}");
        }
        over.store(true, Ordering::SeqCst);
        let failed = clients.into_iter().filter_map(|client| client.join().err()).count();
        assert_eq!(failed, 0, "clients of {setup:?} failed");
    });
    println!("{setup:?}: {} answers through {RESTARTS} restarts", answered.load(Ordering::SeqCst));
}

#[test]
fn restarts_behind_haproxy_fail_no_request() {
    if !has_haproxy() {
        println!("skipped: there is no haproxy here");
        return;
    }
    thread::scope(|scope| {
        let trials = [Setup::Threads, Setup::Inline, Setup::Blocking].map(|setup| scope.spawn(move || run(setup)));
        let failed = trials.into_iter().filter_map(|trial| trial.join().err()).count();
        assert_eq!(failed, 0, "the reasons are above");
    });
}
