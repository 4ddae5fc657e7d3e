//! How is a server tried in a process of its own?

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Peer, Setup, get};

/// The testbed, served by the program of the suite.
#[derive(Debug)]
pub struct Served {
    child: Child,
    /// Kept open for what the child has to say.
    _out: Lines<BufReader<ChildStdout>>,
    pub address: SocketAddr,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub descriptors: usize,
    pub threads: usize,
    /// Octets.
    pub resident: u64,
}

impl Served {
    /// Serves on this set-up, at a port of the system's choice, with these flags besides.
    pub fn start(setup: Setup, flags: &[&str]) -> Self {
        Self::start_at(setup, "127.0.0.1:0", flags).expect("it serves")
    }

    /// The same at this address; none if it does not come to serve.
    pub fn start_at(setup: Setup, address: &str, flags: &[&str]) -> Option<Self> {
        let (backend, dispatch, loops) = match setup {
            Setup::Threads => ("threads", "blocking", "1"),
            Setup::Inline => ("mio", "inline", "1"),
            Setup::Blocking => ("mio", "blocking", "1"),
            Setup::Loops => ("mio", "inline", "2"),
        };
        let mut child = Command::new(env!("CARGO_BIN_EXE_cherrystone-conformance"))
            .args(["serve", "--backend", backend, "--dispatch", dispatch, "--loops", loops, "--bind", address])
            .args(flags)
            .stdout(Stdio::piped())
            // Panics that clients ask for would fill the output of the tests.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = out.find_map(|line| line.ok()?.strip_prefix("listening on http://")?.parse().ok());
        let Some(address) = address else {
            child.wait().unwrap();
            return None;
        };
        Some(Self { child, _out: out, address })
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

    /// The middle of some greetings.
    pub fn median_greeting(&self) -> Duration {
        let mut times: Vec<Duration> = (0..21).map(|_| self.greet()).collect();
        times.sort_unstable();
        times[10]
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it as an operator does.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.child.wait().unwrap()
    }

    pub fn usage(&self) -> Usage {
        let count = |what: &str| fs::read_dir(self.file(what)).unwrap().count();
        let pages = fs::read_to_string(self.file("statm")).unwrap();
        let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
        Usage { descriptors: count("fd"), threads: count("task"), resident: pages * 4096 }
    }

    /// How often its threads went to sleep so far.
    pub fn naps(&self) -> u64 {
        let tasks = fs::read_dir(self.file("task")).unwrap().flatten();
        let naps = |status: String| {
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
            line.trim().parse::<u64>().ok()
        };
        tasks.filter_map(|task| naps(fs::read_to_string(task.path().join("status")).ok()?)).sum()
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.child.id())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
