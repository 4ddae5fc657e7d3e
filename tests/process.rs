//! Is the program a good citizen: of a service manager, of a container, and of those who replace it while it serves?
#![cfg(feature = "cli")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

mod common;
use common::{connect, eventually, get};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cherrystone");
const BACKENDS: [&str; 2] = ["threads", "mio"];

/// A program at work, which ends with its test.
struct Program {
    child: Child,
    said: Vec<String>,
}

impl Program {
    /// Starts it, and waits until it has said where `lines` of its listeners are.
    fn start(command: &mut Command, lines: usize) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut said = Vec::new();
        for _ in 0..lines {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            said.push(line.trim_end().to_owned());
        }
        // A successor goes on writing to the same pipe.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        Self { child, said }
    }

    fn address(&self) -> SocketAddr {
        self.said[0].strip_prefix("listening on http://").unwrap().parse().unwrap()
    }

    fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// How it ended, within a bounded time.
    fn ended(&mut self) -> Option<i32> {
        let mut status = None;
        eventually("the program ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(process: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &process.to_string()]).status().unwrap();
    assert!(status.success());
}

fn hello(backend: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["--hello", "--bind", "127.0.0.1:0", "--backend", backend]);
    command
}

fn once(address: SocketAddr, path: &str) -> String {
    let mut client = connect(address);
    client.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    common::read_all(&mut client)
}

/// The messages to a service manager.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    fn at(path: &Path) -> Self {
        Self::behind(UnixDatagram::bind(path).unwrap())
    }

    fn behind(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { socket }
    }

    fn next(&self) -> String {
        let mut text = [0; 512];
        let n = self.socket.recv(&mut text).expect("the service manager is told something");
        String::from_utf8(text[..n].to_vec()).unwrap()
    }
}

#[test]
fn metrics_and_health_have_an_address_of_their_own() {
    for backend in BACKENDS {
        let mut program = Program::start(hello(backend).args(["--metrics", "127.0.0.1:0"]), 2);
        let address = program.address();
        let metrics = program.said[1].strip_prefix("metrics on http://").unwrap().parse().unwrap();
        let mut held = connect(address);
        assert_eq!(get(&mut held, "/").0, 200);
        let text = once(metrics, "/metrics");
        assert!(text.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{text}");
        for line in [
            "cherrystone_ready 1",
            "cherrystone_requests_total 1",
            "cherrystone_connections_open 1",
            "cherrystone_workers 10",
        ] {
            assert!(text.lines().any(|own| own == line), "{line}: {text}");
        }
        assert!(once(metrics, "/healthz").starts_with("HTTP/1.1 200 "));
        assert!(once(metrics, "/").starts_with("HTTP/1.1 404 "));
        // The public sees none of that: the greeting answers everything there.
        assert!(once(address, "/metrics").ends_with("Hello, World!"));
        program.signal("TERM");
        assert_eq!(program.ended(), Some(0), "{backend}");
    }
}

#[test]
fn a_server_that_drains_is_not_ready() {
    use cherrystone::gateway::{Done, Failure};
    use cherrystone::metrics::Metrics;
    use cherrystone::{Backend, Exchange, Head, Server, Status};
    static GO: AtomicBool = AtomicBool::new(false);
    fn slow(_: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        while !GO.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(5));
        }
        exchange.respond(Status::OK, &[], "")
    }
    let server = Server::new(slow);
    let handle = server.handle();
    let (_watching, metrics) = common::serve(Server::new(Metrics::new(handle.clone())).backend(Backend::Mio));
    assert!(once(metrics, "/healthz").contains("503 Service Unavailable"), "it has not started");
    let (running, address) = common::serve(server);
    assert!(once(metrics, "/healthz").contains(" 200 "));
    let mut client = connect(address);
    client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    eventually("the handler is at work", || running.stats().requests == 1);
    handle.request_stop(Duration::from_secs(20));
    let health = once(metrics, "/healthz");
    assert!(health.contains(" 503 ") && health.ends_with("draining\n"), "{health}");
    GO.store(true, Ordering::Release);
    handle.wait_until_stopped(&running);
}

#[test]
fn the_service_manager_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = Manager::at(&path);
    let log = directory.path().join("access.log");
    let mut program = Program::start(hello("mio").env("NOTIFY_SOCKET", &path).arg("--access-log").arg(&log), 1);
    assert_eq!(manager.next(), "READY=1\n");
    let mut client = connect(program.address());
    assert_eq!(get(&mut client, "/before").0, 200);
    eventually("a line is written", || std::fs::read_to_string(&log).unwrap().contains("/before"));
    std::fs::rename(&log, log.with_extension("old")).unwrap();
    program.signal("HUP");
    let reloading = manager.next();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(manager.next(), "READY=1\n");
    assert_eq!(get(&mut client, "/after").0, 200);
    eventually("the log was opened anew", || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("/after")));
    program.signal("TERM");
    assert_eq!(manager.next(), "STOPPING=1\n");
    assert_eq!(program.ended(), Some(0));
}

#[test]
fn a_reload_with_nothing_to_read_is_no_end() {
    let name = format!("cherrystone-reload-{}", std::process::id());
    let address = net::SocketAddr::from_abstract_name(&name).unwrap();
    let manager = Manager::behind(UnixDatagram::bind_addr(&address).unwrap());
    let mut program = Program::start(hello("threads").env("NOTIFY_SOCKET", format!("@{name}")), 1);
    assert_eq!(manager.next(), "READY=1\n");
    program.signal("HUP");
    assert!(manager.next().starts_with("RELOADING=1\n"));
    assert_eq!(manager.next(), "READY=1\n");
    assert!(once(program.address(), "/").contains(" 200 "));
    program.signal("TERM");
    assert_eq!(program.ended(), Some(0));
}

#[test]
fn listeners_of_a_service_manager_are_required_tried_or_ignored() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let passed = listener.local_addr().unwrap();
    let start = |arguments: &str, names: &str| {
        let script = format!(
            "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={names}; exec {PROGRAM} --hello {arguments}"
        );
        let mut command = Command::new("sh");
        command.args(["-ec", &script]).stdin(std::os::fd::OwnedFd::from(listener.try_clone().unwrap()));
        command
    };
    for arguments in ["--activation require", "--activation try", "--bind systemd", "--bind systemd:web"] {
        let program = Program::start(&mut start(arguments, "web"), 1);
        assert_eq!(program.address(), passed, "{arguments}");
        assert!(once(passed, "/").ends_with("Hello, World!"), "{arguments}");
    }
    for arguments in ["--activation never --bind 127.0.0.1:0", "--bind 127.0.0.1:0"] {
        assert_ne!(Program::start(&mut start(arguments, "web"), 1).address(), passed, "{arguments}");
    }
    let refused = start("--bind systemd:web", "other").output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("none of that name"), "{refused:?}");
    // Without a service manager.
    let tried = Program::start(hello("mio").args(["--activation", "try"]), 1);
    assert!(once(tried.address(), "/").ends_with("Hello, World!"));
    let required = hello("mio").args(["--activation", "require"]).output().unwrap();
    assert!(!required.status.success() && String::from_utf8_lossy(&required.stderr).contains("none was passed"));
}

/// Ends the load whatever happens.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Asks over and over, on connections that are kept as long as the server keeps them; counts answers, and what went wrong.
fn ask_until(stop: &AtomicBool, address: SocketAddr, answers: &AtomicU64) -> Result<(), String> {
    let mut client: Option<TcpStream> = None;
    while !stop.load(Ordering::Acquire) {
        let mut own = match client.take() {
            Some(own) => own,
            None => TcpStream::connect(address).map_err(|error| format!("connecting: {error}"))?,
        };
        own.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        own.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").map_err(|error| format!("asking: {error}"))?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"Hello, World!") {
            let mut piece = [0; 1024];
            match own.read(&mut piece) {
                Ok(n) if n > 0 => answer.extend_from_slice(&piece[..n]),
                other => return Err(format!("{other:?} after {:?}", String::from_utf8_lossy(&answer))),
            }
        }
        answers.fetch_add(1, Ordering::AcqRel);
        let is_last = answer.windows(17).any(|part| part == b"Connection: close");
        client = (!is_last).then_some(own);
    }
    Ok(())
}

#[test]
fn a_running_process_is_replaced_and_no_request_fails() {
    for backend in BACKENDS {
        let directory = tempfile::tempdir().unwrap();
        let manager = Manager::at(&directory.path().join("notify"));
        let socket = directory.path().join("site.sock");
        // From a file of its own, as a newer program would be put in its place.
        let file = directory.path().join("cherrystone");
        std::fs::copy(PROGRAM, &file).unwrap();
        let mut command = Command::new(&file);
        command.args(["--hello", "--bind", "127.0.0.1:0", "--bind"]).arg(format!("unix:{}", socket.display()));
        command.args(["--backend", backend, "--metrics", "127.0.0.1:0"]);
        command.env("NOTIFY_SOCKET", directory.path().join("notify"));
        let mut first = Program::start(&mut command, 3);
        assert_eq!(manager.next(), "READY=1\n");
        let address = first.address();
        let metrics = first.said[2].strip_prefix("metrics on http://").unwrap().parse().unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::copy(PROGRAM, &file).unwrap();

        let (stop, answers) = (AtomicBool::new(false), AtomicU64::new(0));
        let mut processes = vec![first.child.id()];
        std::thread::scope(|scope| {
            let _stop = Stop(&stop);
            let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| ask_until(&stop, address, &answers))).collect();
            for _ in 0..2 {
                let before = answers.load(Ordering::Acquire);
                eventually("the load is on", || answers.load(Ordering::Acquire) > before + 200);
                signal(*processes.last().unwrap(), "USR2");
                // The predecessor names its successor, which is ready, in either order.
                let told = [manager.next(), manager.next()];
                assert!(told.iter().any(|message| message == "READY=1\n"), "{told:?}");
                let named = told.iter().find_map(|message| message.strip_prefix("MAINPID=")).unwrap();
                processes.push(named.trim_end().parse().unwrap());
            }
            let before = answers.load(Ordering::Acquire);
            eventually("the load goes on", || answers.load(Ordering::Acquire) > before + 200);
            assert_eq!(first.ended(), Some(0), "{backend}: the first has left");
            stop.store(true, Ordering::Release);
            for client in clients {
                assert_eq!(
                    client.join().unwrap(),
                    Ok(()),
                    "{backend}, after {} answers",
                    answers.load(Ordering::Acquire)
                );
            }
        });
        assert!(once(metrics, "/healthz").starts_with("HTTP/1.1 200 "), "{backend}: metrics went along");
        let mut local = UnixStream::connect(&socket).unwrap();
        local.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        local.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("Hello, World!"), "{backend}");
        // The last one owns everything, and cleans up.
        signal(*processes.last().unwrap(), "TERM");
        eventually("the last one ends", || TcpStream::connect(address).is_err());
        eventually("and takes its socket with it", || !socket.exists());
    }
}

#[test]
fn a_successor_that_fails_changes_nothing() {
    for backend in BACKENDS {
        let directory = tempfile::tempdir().unwrap();
        let logs = directory.path().join("logs");
        std::fs::create_dir(&logs).unwrap();
        let socket = directory.path().join("site.sock");
        let mut command = hello(backend);
        command.arg("--bind").arg(format!("unix:{}", socket.display()));
        command.arg("--access-log").arg(logs.join("access.log")).stderr(Stdio::piped());
        let mut program = Program::start(&mut command, 2);
        let mut held = connect(program.address());
        assert_eq!(get(&mut held, "/").0, 200);
        // The next one has nowhere to write to.
        std::fs::remove_dir_all(&logs).unwrap();
        let mut said = BufReader::new(program.child.stderr.take().unwrap()).lines();
        program.signal("USR2");
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let line = said.next().unwrap().unwrap();
            if line.contains("not replaced") {
                break;
            }
            assert!(Instant::now() < until, "{line}");
        }
        assert_eq!(get(&mut held, "/").0, 200, "{backend}: the connection is as it was");
        assert!(once(program.address(), "/").ends_with("Hello, World!"), "{backend}: others are welcome");
        assert!(UnixStream::connect(&socket).is_ok(), "{backend}: the socket is as it was");
        // It can still be replaced later.
        std::fs::create_dir(&logs).unwrap();
        program.signal("TERM");
        assert_eq!(program.ended(), Some(0));
        assert!(!socket.exists(), "{backend}");
    }
}

#[test]
fn process_1_of_a_container_stops_when_it_is_told_to() {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", PROGRAM, "--hello", "--bind", "127.0.0.1:0"]);
    let can = Command::new("unshare").args(["--pid", "--fork", "true"]).stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("NOT TESTED: a process here cannot be process 1 of a namespace of its own (unshare --pid)");
        return;
    }
    let mut program = Program::start(&mut command, 1);
    let children = format!("/proc/{0}/task/{0}/children", program.child.id());
    let inside: u32 = std::fs::read_to_string(children).unwrap().trim().parse().unwrap();
    // It goes on, since with its end everything in the container would end.
    signal(inside, "USR2");
    std::thread::sleep(Duration::from_millis(100));
    assert!(once(program.address(), "/").ends_with("Hello, World!"));
    signal(inside, "TERM");
    assert_eq!(program.ended(), Some(0));
}
