//! How does an embedder of the core test a runtime of their own?
//!
//! The runtime here is a blocking loop around the core, a thread for each client, over a wire that is a pair of queues: the suite
//! needs no socket. What an embedder writes for the suite is [`Orchard`]'s `Connect` and [`Client`]'s `Channel`; the rest is their
//! runtime, and one call of `survey` and of `run`.
//!
//! ```text
//! cargo run -p cherrystone-conformance --example own_runtime
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{self, Duration, SystemTime};

use cherrystone::{Config, Connection, Date, Env, Event, HeadBuf, Instant, RecvBuf, SendBuf, Size, Status};
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::channel::{Channel, Connect, Received};
use cherrystone_conformance::control::survey;
use cherrystone_conformance::judge::{Setting, Verdict};
use cherrystone_conformance::suite::{self, Selection};

/// Judges the runtime, and fails if a case does.
pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let catalog = Catalog::embedded()?;
    let cases = Selection::default().cases(&catalog);
    let (runtime, setting) = (Orchard::default(), Setting::new("orchard.example"));
    let jobs = NonZeroUsize::new(16).unwrap_or(NonZeroUsize::MIN);
    // The runtime has the routes for some of the cases; the others are untested.
    let survey = survey(&runtime, &setting, &suite::needed(&cases), &BTreeSet::new(), jobs)?;
    let run = suite::run(&cases, &setting, &survey, &runtime, &|_, _| {});
    let count = |name: &str| run.outcomes.iter().filter(|outcome| outcome.verdict.name() == name).count();
    println!("{} pass, {} fail, {} untested", count("pass"), count("fail"), count("untested"));
    let failures: Vec<_> = cases
        .iter()
        .zip(&run.outcomes)
        .filter(|(_, outcome)| matches!(outcome.verdict, Verdict::Fail(_)))
        .map(|(case, outcome)| format!("{}: {}", case.id, outcome.verdict))
        .collect();
    match (run.lost, failures.as_slice()) {
        (Some(lost), _) => Err(lost.into()),
        (None, []) if count("pass") < 700 => Err("hardly a case was played".into()),
        (None, []) => Ok(()),
        (None, _) => Err(failures.join("\n").into()),
    }
}

/// The runtime.
#[derive(Default)]
struct Orchard {
    config: Arc<Config>,
}

impl Connect for Orchard {
    fn connect(&self) -> io::Result<Box<dyn Channel>> {
        let (to_server, from_client) = mpsc::channel();
        let (to_client, from_server) = mpsc::channel();
        let wire = Wire { from_client, to_client: Some(to_client) };
        let config = Arc::clone(&self.config);
        thread::Builder::new().spawn(move || serve(wire, &config))?;
        Ok(Box::new(Client { to_server: Some(to_server), from_server, received: Vec::new() }))
    }
}

/// The client's end of a wire, as the suite drives it.
struct Client {
    to_server: Option<Sender<Vec<u8>>>,
    from_server: Receiver<Vec<u8>>,
    received: Vec<u8>,
}

impl Channel for Client {
    fn send(&mut self, bytes: &[u8], _: Duration) -> io::Result<usize> {
        let to_server = self.to_server.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        to_server.send(bytes.to_vec()).map_err(|_| io::ErrorKind::ConnectionReset)?;
        Ok(bytes.len())
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Received> {
        if self.received.is_empty() {
            match self.from_server.recv_timeout(wait) {
                Ok(bytes) => self.received = bytes,
                Err(RecvTimeoutError::Timeout) => return Ok(Received::Nothing),
                Err(RecvTimeoutError::Disconnected) => return Ok(Received::End),
            }
        }
        let n = self.received.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.received[..n]);
        self.received.drain(..n);
        Ok(Received::Bytes(n))
    }

    fn half_close(&mut self) -> io::Result<()> {
        self.to_server = None;
        Ok(())
    }
}

/// The server's end of a wire.
struct Wire {
    from_client: Receiver<Vec<u8>>,
    to_client: Option<Sender<Vec<u8>>>,
}

impl Wire {
    /// Waits for octets of the client, for its end, or until time is up.
    fn fill(&self, rx: &mut RecvBuf, wait: Duration) {
        match self.from_client.recv_timeout(wait) {
            Ok(bytes) => rx.push(&bytes),
            Err(RecvTimeoutError::Disconnected) => rx.close(),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }

    fn drain(&self, tx: &mut SendBuf) {
        if let Some(to_client) = self.to_client.as_ref().filter(|_| !tx.is_empty()) {
            // A client that has gone shows when it is read from.
            let _ = to_client.send(tx.unsent().to_vec());
        }
        tx.advance(tx.len());
    }
}

/// Serves one client until the connection is over.
fn serve(mut wire: Wire, config: &Config) {
    let began = time::Instant::now();
    let now = || Instant::from_nanos(began.elapsed().as_nanos() as u64);
    let date = Date::from_unix(SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs()));
    let env = || Env { config, now: now(), date: Some(&date) };
    let (mut conn, mut rx, mut tx) = (Connection::new(&env()), RecvBuf::default(), SendBuf::default());
    let (mut head, mut content, mut reading) = (HeadBuf::default(), Vec::new(), false);
    loop {
        match conn.poll(&env(), &mut rx) {
            Ok(Event::Request(request)) => {
                request.copy_into(&mut head);
                content.clear();
                reading = true;
                if let Err(violation) = conn.admit() {
                    reading = false;
                    conn.refuse(&env(), violation, &mut tx);
                }
            }
            Ok(Event::Data(octets)) if reading => content.extend_from_slice(octets),
            Ok(Event::End(_)) if reading => {
                reading = false;
                let (status, answer) = route(head.head().path(), &content);
                let fields = [("Content-Type", &b"text/plain"[..])];
                let size = Size::Exact(answer.len() as u64);
                let answered = conn
                    .respond(&env(), status, &fields, size, &mut tx)
                    .and_then(|()| conn.write(answer, &mut tx))
                    .and_then(|()| conn.finish(&[], &mut tx));
                if answered.is_err() {
                    conn.abort(&env(), &mut tx);
                }
            }
            Ok(Event::Data(_) | Event::End(_)) => {}
            Ok(Event::NeedContinue) => {
                if conn.proceed(&mut tx).is_err() {
                    conn.abort(&env(), &mut tx);
                }
            }
            Ok(Event::NeedInput) => {
                wire.drain(&mut tx);
                wire.fill(&mut rx, conn.patience(now()).unwrap_or(Duration::from_secs(60)));
            }
            Ok(Event::NeedResponse | Event::Upgraded) => conn.abort(&env(), &mut tx),
            Ok(Event::Shutdown) => {
                wire.drain(&mut tx);
                wire.to_client = None;
            }
            Ok(Event::Closed) => return,
            Err(violation) => {
                reading = false;
                conn.refuse(&env(), violation, &mut tx);
            }
        }
    }
}

/// The application.
fn route<'c>(path: &str, content: &'c [u8]) -> (Status, &'c [u8]) {
    match path {
        "/" => (Status::OK, b"ok"),
        "/head" => (Status::OK, b"hello"),
        "/echo" => (Status::OK, content),
        "/discard" => (Status::OK, b"ok"),
        "*" => (Status::NOT_IMPLEMENTED, b"no options"),
        _ => (Status::NOT_FOUND, b"not found"),
    }
}
