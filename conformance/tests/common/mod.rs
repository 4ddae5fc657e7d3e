//! How is a server tried in this process, on every set-up and over real sockets?
//!
//! A [`Bed`] is a running server with chosen settings; a [`Peer`] is a raw client of it. [`on_every_setup!`] makes a test of each
//! function for each [`Setup`].

// Each test binary uses a part of this, and none exports it.
#![allow(dead_code, unused_macros, unused_imports, unreachable_pub)]

mod answer;
mod peer;
pub mod process;
pub mod served;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Once;
use std::time::{Duration, Instant};

use cherrystone::gateway::{Gateway, Mode};
use cherrystone::{Backend, Handle, Running, Server, Settings};
use cherrystone_conformance::testbed::{self, Testbed};

pub use answer::Answer;
pub use peer::Peer;

/// `GET` of a path.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// `POST` with a length.
pub fn post(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
}

/// An upgrade to the echo of octets.
pub const UPGRADE: &str = "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

/// A backend, where it handles requests, and on how many loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    Threads,
    Inline,
    Blocking,
    Loops,
}

impl Setup {
    pub fn backend(self) -> Backend {
        if self == Self::Threads { Backend::Threads } else { Backend::Mio }
    }

    pub fn mode(self) -> Mode {
        if matches!(self, Self::Inline | Self::Loops) { Mode::Inline } else { Mode::Blocking }
    }

    pub fn is_mio(self) -> bool {
        self != Self::Threads
    }

    /// Whether the testbed's `/sleep` keeps a worker.
    pub fn sleeps_in_workers(self) -> bool {
        self.mode() == Mode::Blocking
    }
}

/// A server at work. It ends when it is dropped.
pub struct Bed {
    pub setup: Setup,
    pub address: SocketAddr,
    pub running: Arc<Running>,
    pub handle: Handle,
}

impl Bed {
    /// The testbed with these settings, or the usual ones if nothing is changed.
    pub fn new(setup: Setup, change: impl FnOnce(&mut Settings)) -> Self {
        Self::of(setup, Testbed::new(setup.mode()), change)
    }

    /// The testbed whose `/sleep` waits without a worker on every set-up.
    pub fn deferring(setup: Setup, change: impl FnOnce(&mut Settings)) -> Self {
        let testbed = Testbed::new(Mode::Inline);
        match setup {
            Setup::Blocking => Self::of(setup, OnWorkers(testbed), change),
            _ => Self::of(setup, testbed, change),
        }
    }

    /// Some gateway.
    pub fn of(setup: Setup, gateway: impl Gateway, change: impl FnOnce(&mut Settings)) -> Self {
        allow_many_files();
        let mut settings = settings(setup);
        change(&mut settings);
        let server = Server::new(gateway).backend(setup.backend()).settings(settings).bind("127.0.0.1:0").unwrap();
        let address = server.addresses().find_map(|address| address.tcp()).unwrap();
        let handle = server.handle();
        Self { setup, address, running: server.start().unwrap(), handle }
    }

    pub fn connect(&self) -> Peer {
        Peer::connect(self.address)
    }

    /// A new client asks for `/` and is answered; says how long that took.
    pub fn greet(&self) -> Duration {
        let start = Instant::now();
        let mut peer = self.connect();
        peer.send(get("/"));
        assert_eq!(peer.answer().status, 200);
        start.elapsed()
    }

    /// Waits until no more than `left` connections are open.
    pub fn await_open(&self, left: u64) {
        until(Duration::from_secs(5), || self.running.stats().open <= left, || format!("{:?}", self.running.stats()));
    }
}

/// The limits of the testbed, four workers, and time limits that a test can wait for.
pub fn settings(setup: Setup) -> Settings {
    let mut settings = Settings::default();
    settings.config = testbed::limits();
    settings.config.timeouts.idle = Duration::from_secs(20);
    settings.config.timeouts.head = Duration::from_secs(20);
    settings.config.timeouts.linger = Duration::from_secs(5);
    settings.min_threads = 4;
    settings.max_threads = 4;
    settings.loops = if setup == Setup::Loops { 2 } else { 1 };
    settings
}

/// Waits for something that has to come about.
pub fn until(within: Duration, mut holds: impl FnMut() -> bool, state: impl FnOnce() -> String) {
    let deadline = Instant::now() + within;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {within:?}: {}", state());
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Handles everything on workers, whatever the gateway inside says.
pub struct OnWorkers<G>(pub G);

impl<G: Gateway> Gateway for OnWorkers<G> {
    fn handle(
        &self,
        head: cherrystone::Head<'_>,
        exchange: cherrystone::Exchange<'_>,
    ) -> Result<cherrystone::gateway::Done, cherrystone::gateway::Failure> {
        self.0.handle(head, exchange)
    }
}

/// A closure that is handled where the set-up says.
pub struct Placed<F>(pub Setup, pub F);

impl<F: Gateway> Gateway for Placed<F> {
    fn mode(&self, _: cherrystone::Head<'_>) -> Mode {
        self.0.mode()
    }

    fn handle(
        &self,
        head: cherrystone::Head<'_>,
        exchange: cherrystone::Exchange<'_>,
    ) -> Result<cherrystone::gateway::Done, cherrystone::gateway::Failure> {
        self.1.handle(head, exchange)
    }
}

/// Raises the limit of descriptors as far as that is allowed, and says how far.
pub fn allow_many_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let limit = getrlimit(Resource::Nofile);
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Makes a test of each function for each set-up.
macro_rules! on_every_setup {
    ($($(#[doc = $doc:literal])* fn $name:ident($setup:ident) $body:block)+) => {$(
        $(#[doc = $doc])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            fn run($setup: Setup) $body
            #[test]
            fn threads() { run(Setup::Threads); }
            #[test]
            fn inline() { run(Setup::Inline); }
            #[test]
            fn blocking() { run(Setup::Blocking); }
            #[test]
            fn loops() { run(Setup::Loops); }
        }
    )+};
}
pub(crate) use on_every_setup;

/// Makes a test of each function for all set-ups at a time; for those that mostly wait.
macro_rules! on_all_setups_at_once {
    ($($(#[doc = $doc:literal])* fn $name:ident($setup:ident) $body:block)+) => {$(
        $(#[doc = $doc])*
        #[test]
        fn $name() {
            fn run($setup: Setup) $body
            at_once(run);
        }
    )+};
}
pub(crate) use on_all_setups_at_once;

/// Runs a trial on all set-ups at a time.
pub fn at_once(run: fn(Setup)) {
    let setups = [Setup::Threads, Setup::Inline, Setup::Blocking, Setup::Loops];
    let trials = setups.map(|setup| {
        let name = format!("{setup:?}");
        std::thread::Builder::new().name(name).spawn(move || run(setup)).unwrap()
    });
    let outcomes = trials.map(std::thread::JoinHandle::join);
    let failed: Vec<Setup> = setups.into_iter().zip(outcomes).filter_map(|(s, o)| o.is_err().then_some(s)).collect();
    assert!(failed.is_empty(), "failed on {failed:?}; the reasons are above");
}
