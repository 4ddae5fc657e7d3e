//! Access logs, on both backends and from the command line.

mod common;

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cherrystone::access_log::{AccessLog, Format};
use cherrystone::gateways::Hello;
use cherrystone::{Server, Status};

use common::{BACKENDS, connect, eventually, get, read_all, serve};

/// A client that would forge lines if it could.
const FORGER: &[u8] =
    b"GET /a\"b?q=%0a HTTP/1.1\r\nHost: h\r\nUser-Agent: x\" 200 1\\\t\xff\xc3\xa4\r\nReferer: http://a/\r\n\
    Connection: close\r\n\r\n";

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn ask(address: std::net::SocketAddr, request: &[u8]) -> String {
    let mut client = connect(address);
    client.write_all(request).unwrap();
    read_all(&mut client)
}

#[test]
fn combined_lines() {
    for backend in BACKENDS {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        std::fs::write(&path, "what was there\n").unwrap();
        let log = AccessLog::file(&path, Format::Combined).unwrap();
        let (running, address) = serve(Server::new(Hello).backend(backend).access_log(log));
        let octets = content(&ask(address, b"GET /x HTTP/1.0\r\n\r\n"));
        ask(address, b"HEAD /y HTTP/1.1\r\nHost: h\r\nUser-Agent: me\r\nConnection: close\r\n\r\n");
        assert!(ask(address, FORGER).starts_with("HTTP/1.1 400"), "a quote is no part of a target");
        let fine = String::from_utf8_lossy(FORGER).replace("/a\"b", "/ab");
        let fine = fine.replace("\u{fffd}", "");
        ask(address, fine.as_bytes());
        running.stop(Duration::from_secs(1));
        let log = read(&path);
        let lines: Vec<_> = log.lines().collect();
        assert_eq!((lines.len(), lines[0]), (5, "what was there"), "{backend:?}: {log}");
        let rest = |line: &str| {
            let (client, rest) = line.split_once(" - - [").unwrap();
            let (time, rest) = rest.split_once("] ").unwrap();
            assert_eq!((client, time.len()), ("127.0.0.1", "10/Oct/2000:13:55:36 +0000".len()), "{line}");
            rest.to_owned()
        };
        assert_eq!(rest(lines[1]), format!("\"GET /x HTTP/1.0\" 200 {octets} \"-\" \"-\""));
        assert_eq!(rest(lines[2]), "\"HEAD /y HTTP/1.1\" 200 - \"-\" \"me\"");
        assert!(rest(lines[3]).starts_with("\"-\" 400 "), "{}", lines[3]);
        let forged = rest(lines[4]);
        assert!(forged.starts_with("\"GET /ab?q=%0a HTTP/1.1\" 200 "), "{forged}");
        assert!(forged.ends_with(r#" "http://a/" "x\" 200 1\\\x09\xc3\xa4""#), "{forged}");
    }
}

fn content(answer: &str) -> usize {
    answer.split_once("\r\n\r\n").unwrap().1.len()
}

#[test]
fn json_lines() {
    for backend in BACKENDS {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let log = AccessLog::file(&path, Format::Json).unwrap();
        let (running, address) = serve(Server::new(Hello).backend(backend).access_log(log));
        let mut request =
            b"GET /ab?q=1 HTTP/1.1\r\nHost: h\r\nUser-Agent: x\"\\\t\xff\xc3\xa4\r\nConnection: close\r\n\r\n".to_vec();
        let octets = content(&ask(address, &request));
        request[5] = 0;
        ask(address, &request);
        running.stop(Duration::from_secs(1));
        let log = read(&path);
        let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [first, second] = &lines[..] else { panic!("{backend:?}: {log}") };
        assert_eq!(first["client"], "127.0.0.1");
        assert_eq!((&first["method"], &first["target"]), (&"GET".into(), &"/ab?q=1".into()));
        assert_eq!((&first["version"], &first["host"]), (&"HTTP/1.1".into(), &"h".into()));
        assert_eq!((&first["status"], &first["content"]), (&200.into(), &octets.into()));
        assert_eq!(first["user_agent"], "x\"\\\t\u{fffd}ä");
        assert_eq!((&first["referrer"], &first["cut"]), (&serde_json::Value::Null, &false.into()));
        assert!(first["seconds"].as_f64().is_some_and(|seconds| (0.0..10.0).contains(&seconds)), "{first}");
        assert_eq!(first["time"].as_str().unwrap().len(), "1994-11-06T08:49:37.042Z".len());
        assert_eq!((&second["method"], &second["status"]), (&serde_json::Value::Null, &400.into()));
    }
}

#[test]
fn a_log_that_was_moved_away_is_opened_anew() {
    for backend in BACKENDS {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
        let log = AccessLog::file(&path, Format::Combined).unwrap();
        let (running, address) = serve(Server::new(Hello).backend(backend).access_log(log.clone()));
        let mut client = connect(address);
        get(&mut client, "/before");
        assert!(log.flush(Duration::from_secs(10)));
        std::fs::rename(&path, &moved).unwrap();
        log.reopen();
        eventually("a new file", || path.exists());
        get(&mut client, "/after");
        running.stop(Duration::from_secs(1));
        assert!(read(&moved).contains("GET /before ") && !read(&moved).contains("GET /after "), "{backend:?}");
        assert!(read(&path).contains("GET /after ") && !read(&path).contains("GET /before "), "{backend:?}");
        assert_eq!(log.dropped(), 0);
    }
}

/// A disk that is full until there is room.
#[derive(Clone, Default)]
struct Full(Arc<Mutex<Option<Vec<u8>>>>);

impl Write for Full {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut room = self.0.lock().unwrap();
        let room = room.as_mut().ok_or(io::ErrorKind::StorageFull)?;
        room.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_costs_lines_and_no_answers() {
    for backend in BACKENDS {
        let disk = Full::default();
        let log = AccessLog::to(disk.clone(), Format::Combined).unwrap();
        let (running, address) = serve(Server::new(Hello).backend(backend).access_log(log.clone()));
        let mut client = connect(address);
        for _ in 0..100 {
            assert_eq!(get(&mut client, "/lost").0, Status::OK.code());
        }
        log.flush(Duration::from_secs(10));
        eventually("dropped lines", || log.dropped() == 100);
        *disk.0.lock().unwrap() = Some(Vec::new());
        get(&mut client, "/kept");
        running.stop(Duration::from_secs(1));
        let written = disk.0.lock().unwrap().clone().unwrap();
        let written = String::from_utf8(written).unwrap();
        assert!(written.lines().count() == 1 && written.contains("GET /kept "), "{backend:?}: {written}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_takes_nothing_costs_no_answers() {
    for backend in BACKENDS {
        let log = AccessLog::file("/dev/full", Format::Json).unwrap();
        let (running, address) = serve(Server::new(Hello).backend(backend).access_log(log.clone()));
        let mut client = connect(address);
        for _ in 0..10 {
            assert_eq!(get(&mut client, "/").0, 200, "{backend:?}");
        }
        running.stop(Duration::from_secs(1));
        assert_eq!(log.dropped(), 10, "{backend:?}");
    }
}

#[cfg(feature = "cli")]
mod program {
    use super::*;
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, Command, Stdio};

    fn start(arguments: &[&str]) -> (Child, BufReader<std::process::ChildStdout>, std::net::SocketAddr) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cherrystone"))
            .args(["--hello", "--bind", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
        (child, out, address)
    }

    fn signal(child: &Child, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn end(mut child: Child) -> String {
        signal(&child, rustix::process::Signal::TERM);
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
        said
    }

    #[test]
    fn hangup_opens_the_log_anew() {
        for backend in ["threads", "mio"] {
            let dir = tempfile::tempdir().unwrap();
            let (path, moved) = (dir.path().join("a.log"), dir.path().join("a.log.1"));
            let arguments = [
                "--backend",
                backend,
                "--access-log",
                path.to_str().unwrap(),
                "--log-format",
                "json",
                "--log-level",
                "info",
            ];
            let (child, _out, address) = start(&arguments);
            get(&mut connect(address), "/before");
            eventually("a line", || read(&path).contains("/before"));
            std::fs::rename(&path, &moved).unwrap();
            signal(&child, rustix::process::Signal::HUP);
            eventually("a new file", || path.exists());
            get(&mut connect(address), "/after");
            let said = end(child);
            assert!(read(&path).contains("\"target\":\"/after\"") && !read(&moved).contains("/after"), "{backend}");
            for words in [" INFO listening", " INFO stopping", " INFO stopped"] {
                assert!(said.contains(words), "{backend}: {said}");
            }
            assert!(!said.contains("connected"), "{backend}: {said}");
        }
    }

    #[test]
    fn the_log_may_be_the_standard_output() {
        let (child, mut out, address) = start(&["--access-log", "-", "--log-level", "debug"]);
        get(&mut connect(address), "/x");
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert!(line.contains("\"GET /x HTTP/1.1\" 200 "), "{line}");
        ask(address, b"\0");
        let said = end(child);
        for words in ["DEBUG connected peer=127.0.0.1:", "DEBUG a client broke a rule", "DEBUG disconnected"] {
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_quiet_program_says_nothing() {
        let (child, _out, address) = start(&["--log-level", "off"]);
        get(&mut connect(address), "/x");
        assert_eq!(end(child), "");
    }
}
