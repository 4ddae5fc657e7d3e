//! The program as its operator meets it: signals, descriptors that run out, a disk that is full.
#![cfg(all(feature = "cli", target_os = "linux"))]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use common::{connect, eventually, get};

const BACKENDS: [&str; 2] = ["threads", "mio"];

/// The program at work.
struct Program {
    child: Child,
    _out: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cherrystone"))
            .args(["--hello", "--bind", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A signal to the group of the tests is not for it.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
        Self { child, _out: out, address }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Sends signals, and says how it ended, after how long, and what it had to say.
    fn end(mut self, signals: &[Signal]) -> (ExitStatus, Duration, String) {
        let start = Instant::now();
        for signal in signals {
            self.signal(*signal);
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = self.child.wait().unwrap();
        (status, start.elapsed(), said)
    }

    /// Limits it from now on.
    fn limit(&self, resource: Resource, most: u64) {
        let pid = Some(self.pid());
        let old = prlimit(pid, resource, Rlimit { current: Some(most), maximum: Some(most) }).unwrap();
        assert!(old.current.is_none_or(|old| old >= most), "it was limited before");
    }

    fn lives(&self) -> bool {
        std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).is_ok_and(|stat| !stat.contains(") Z "))
    }
}

/// Ctrl-C ends it within a second, whatever it did before, with the code of a success; twice too.
#[test]
fn an_interrupt_ends_it() {
    for backend in BACKENDS {
        let quiet = Program::start(&["--backend", backend]);
        let (status, took, said) = quiet.end(&[Signal::INT]);
        assert!(status.success() && took < Duration::from_secs(1), "{backend}: {status}, {took:?}: {said}");

        let twice = Program::start(&["--backend", backend]);
        let (status, took, said) = twice.end(&[Signal::INT, Signal::INT]);
        assert!(status.success() && took < Duration::from_secs(1), "{backend}: {status}, {took:?}: {said}");

        // Turned away: more connections than it takes.
        let crowded =
            Program::start(&["--backend", backend, "--max-connections", "2", "--threads", "1:1", "--queue", "0"]);
        let mut crowd: Vec<TcpStream> = (0..10).map(|_| connect(crowded.address)).collect();
        assert_eq!(get(crowd.last_mut().unwrap(), "/").0, 503, "{backend}");
        let (status, took, said) = crowded.end(&[Signal::INT]);
        assert!(status.success() && took < Duration::from_secs(1), "{backend}: {status}, {took:?}: {said}");
    }
}

/// A request that never ends is waited for until the second interrupt.
#[test]
fn a_second_interrupt_cuts() {
    use std::io::Write;
    for backend in BACKENDS {
        let program = Program::start(&["--backend", backend]);
        let mut halting = connect(program.address);
        halting.write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
        std::thread::sleep(Duration::from_millis(50));
        program.signal(Signal::TERM);
        std::thread::sleep(Duration::from_millis(700));
        assert!(program.lives(), "{backend}: it did not wait");
        let (status, took, said) = program.end(&[Signal::TERM]);
        assert!(status.success() && took < Duration::from_secs(2), "{backend}: {status}, {took:?}: {said}");
    }
}

/// That descriptors have run out is said once, and so is the end of it.
#[test]
fn running_out_of_descriptors_is_said_once() {
    for backend in BACKENDS {
        let program = Program::start(&["--backend", backend]);
        let used = std::fs::read_dir(format!("/proc/{}/fd", program.child.id())).unwrap().count() as u64;
        program.limit(Resource::Nofile, used + 5);
        let mut crowd: Vec<TcpStream> = (0..20).map(|_| connect(program.address)).collect();
        assert_eq!(get(&mut crowd[0], "/").0, 200, "{backend}");
        // It tries again a few times.
        std::thread::sleep(Duration::from_millis(500));
        drop(crowd);
        let mut late = connect(program.address);
        assert_eq!(get(&mut late, "/").0, 200, "{backend}");
        std::thread::sleep(Duration::from_millis(100));
        let (_, _, said) = program.end(&[Signal::TERM]);
        let count = |words: &str| said.matches(words).count();
        assert_eq!((count(" WARN accepting pauses"), count(" WARN accepting again")), (1, 1), "{backend}: {said}");
        assert!(said.contains("Too many open files"), "{backend}: {said}");
    }
}

/// A file system that is full, and has room again: a small one of its own where this process may mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(at.path()).output();
        mounted.is_ok_and(|done| done.status.success()).then(|| Self(at))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Requests for more lines than there is room for in the log, which is full in the end, and no line waits any more.
fn fill(program: &Program, log: &Path) {
    let mut client = connect(program.address);
    let long = format!("/{}", "x".repeat(900));
    for n in 0..120 {
        assert_eq!(get(&mut client, &long).0, 200, "request {n}");
    }
    eventually("a full log", || std::fs::metadata(log).unwrap().len() > 15 << 10);
    std::thread::sleep(Duration::from_millis(200));
}

/// The access log's disk is full: requests are answered, the operator is told once, and lines come again when there is room.
#[test]
fn a_full_disk_costs_lines_only() {
    let Some(disk) = SmallDisk::new() else {
        println!("skipped: no file system can be mounted here; see the test with a limit of file sizes");
        return;
    };
    for backend in BACKENDS {
        let log = disk.path().join("access.log");
        let ballast = disk.path().join("ballast");
        std::fs::write(&ballast, vec![0; 40 << 10]).unwrap();
        let program = Program::start(&["--backend", backend, "--access-log", log.to_str().unwrap()]);
        fill(&program, &log);
        let told = std::fs::metadata(&log).unwrap().len();
        assert!(told <= 24 << 10, "{backend}: {told} octets");
        std::fs::remove_file(&ballast).unwrap();
        eventually("lines again", || {
            get(&mut connect(program.address), "/again");
            std::fs::read_to_string(&log).unwrap().contains("GET /again ")
        });
        let (status, _, said) = program.end(&[Signal::TERM]);
        assert!(status.success(), "{backend}: {status}");
        let count = |words: &str| said.matches(words).count();
        let counts = (count("the access log cannot be written"), count("the access log is written again"));
        assert_eq!(counts, (1, 1), "{backend}: {said}");
        assert!(said.contains("No space left on device"), "{backend}: {said}");
        let text = std::fs::read_to_string(&log).unwrap();
        let whole = |line: &str| line.starts_with("127.0.0.1 - - [") && line.ends_with('"');
        let torn = text.lines().filter(|line| !whole(line)).count();
        assert!(torn <= 1, "{backend}: {torn} lines are torn");
        std::fs::remove_file(&log).unwrap();
    }
}

/// The same with a limit of file sizes, whose signal does not end the program.
#[test]
fn a_file_that_may_not_grow_costs_lines_only() {
    for backend in BACKENDS {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("access.log");
        let program = Program::start(&["--backend", backend, "--access-log", log.to_str().unwrap()]);
        program.limit(Resource::Fsize, 20 << 10);
        fill(&program, &log);
        assert!(std::fs::metadata(&log).unwrap().len() <= 20 << 10);
        // The operator moves it away.
        std::fs::rename(&log, dir.path().join("access.log.1")).unwrap();
        program.signal(Signal::HUP);
        eventually("lines again", || {
            get(&mut connect(program.address), "/again");
            std::fs::read_to_string(&log).is_ok_and(|text| text.contains("GET /again "))
        });
        let (status, _, said) = program.end(&[Signal::TERM]);
        assert!(status.success(), "{backend}: {status}: {said}");
        assert!(said.contains("the access log cannot be written"), "{backend}: {said}");
    }
}

/// A log that cannot be opened anew goes on in the file that it was, and the operator is told that, not that lines are lost.
#[test]
fn a_log_that_cannot_be_opened_anew_goes_on_as_before() {
    for backend in BACKENDS {
        let dir = tempfile::tempdir().unwrap();
        let (log, moved) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
        let program = Program::start(&["--backend", backend, "--access-log", log.to_str().unwrap()]);
        std::fs::rename(&log, &moved).unwrap();
        std::fs::create_dir(&log).unwrap();
        program.signal(Signal::HUP);
        eventually("lines in the file of before", || {
            get(&mut connect(program.address), "/again");
            std::fs::read_to_string(&moved).unwrap().contains("GET /again ")
        });
        let (status, _, said) = program.end(&[Signal::TERM]);
        assert!(status.success(), "{backend}: {status}: {said}");
        assert!(said.contains("the access log cannot be opened anew"), "{backend}: {said}");
        assert!(!said.contains("dropped") && !said.contains("written again"), "{backend}: {said}");
    }
}
