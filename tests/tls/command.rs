//! The program on the command line, as operators use it: several names, a redirect, new certificates by SIGHUP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConnection, StreamOwned};

use crate::authority::{Authority, Leaf, der};
use crate::talk::client;

const LONG: Duration = Duration::from_secs(20);

struct Program {
    child: Child,
    address: SocketAddr,
    stderr: Option<BufReader<ChildStderr>>,
    authority: Authority,
    files: tempfile::TempDir,
}

impl Program {
    /// Serves with a certificate for `a.test` and one for `b.test`.
    fn start(backend: &str) -> Self {
        let (authority, files) = (Authority::new("the authority"), tempfile::tempdir().unwrap());
        let path = |name: &str| files.path().join(name);
        for name in ["a", "b"] {
            put(&authority.issue(&[&format!("{name}.test")]), path(name));
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_cherrystone"));
        command.args(["--hello", "--bind", "127.0.0.1:0", "--tls-redirect", "--backend", backend]);
        for name in ["a", "b"] {
            let [certificate, key] = ["pem", "key"].map(|kind| path(name).with_extension(kind));
            command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on https://").expect(&line).parse().unwrap();
        let stderr = child.stderr.take().map(BufReader::new);
        Self { child, address, stderr, authority, files }
    }

    fn hang_up_signal(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    fn secured(&self, name: &'static str) -> StreamOwned<ClientConnection, TcpStream> {
        StreamOwned::new(client(self.authority.client(), name), self.connect())
    }

    /// Asks once, and says which certificate the server showed.
    fn seen(&self, name: &'static str) -> CertificateDer<'static> {
        let mut stream = self.secured(name);
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{answer:?}");
        stream.conn.peer_certificates().unwrap()[0].clone()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn put(leaf: &Leaf, path: PathBuf) {
    std::fs::write(path.with_extension("pem"), &leaf.certificate).unwrap();
    std::fs::write(path.with_extension("key"), &leaf.key).unwrap();
}

#[test]
fn several_names_and_a_redirect() {
    for backend in ["threads", "mio"] {
        let program = Program::start(backend);
        assert_ne!(program.seen("a.test"), program.seen("b.test"));
        for (host, answer) in [("b.test:81", Some("https://b.test:81/x?y")), ("a/../b", None), ("a@b", None)] {
            let mut stream = program.connect();
            write!(stream, "GET /x?y HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            let location = text.lines().find_map(|line| line.strip_prefix("Location: "));
            assert_eq!((text.starts_with("HTTP/1.1 308 "), location), (answer.is_some(), answer), "{text}");
        }
    }
}

#[test]
fn new_certificates_by_signal_under_load() {
    for backend in ["threads", "mio"] {
        let mut program = Program::start(backend);
        let mut complaints = program.stderr.take().unwrap().lines();
        let over = AtomicBool::new(false);
        let path = program.files.path().join("a");
        let asked = std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let mut kept = program.secured("a.test");
                let mut asked = 0;
                while !over.load(Ordering::Acquire) {
                    kept.write_all(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
                    let mut answer = Vec::new();
                    while !answer.ends_with(b"\r\n\r\n") {
                        let mut octet = [0];
                        kept.read_exact(&mut octet).unwrap();
                        answer.push(octet[0]);
                    }
                    assert!(answer.starts_with(b"HTTP/1.1 200 "));
                    program.seen("a.test");
                    program.seen("b.test");
                    asked += 3;
                }
                asked
            });
            for n in 0..20 {
                if n == 7 || n == 13 {
                    let before = program.seen("a.test");
                    std::fs::write(path.with_extension("key"), "rubbish").unwrap();
                    program.hang_up_signal();
                    let complaint = complaints.next().unwrap().unwrap();
                    assert!(complaint.contains("the certificates stay as they were") && complaint.contains("a.key"));
                    assert_eq!(program.seen("a.test"), before);
                } else {
                    let leaf = program.authority.issue(&["a.test"]);
                    put(&leaf, path.clone());
                    program.hang_up_signal();
                    let until = Instant::now() + LONG;
                    while program.seen("a.test") != der(&leaf.certificate) {
                        assert!(Instant::now() < until, "the new certificate is not in force");
                    }
                }
            }
            over.store(true, Ordering::Release);
            asking.join().unwrap()
        });
        assert!(asked > 0);
        kill_process(Pid::from_child(&program.child), Signal::TERM).unwrap();
        assert!(program.child.wait().unwrap().success());
        assert_eq!(complaints.map(Result::unwrap).collect::<Vec<_>>(), [""; 0]);
    }
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_to_do() {
    let (authority, files) = (Authority::new("the authority"), tempfile::tempdir().unwrap());
    let leaf = authority.issue(&["a.test"]);
    put(&leaf, files.path().join("a"));
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(files.path().join("locked.key"), locked).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cherrystone"));
    command.arg("--hello").arg("--tls-cert").arg(files.path().join("a.pem"));
    let output = command.arg("--tls-key").arg(files.path().join("locked.key")).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(text.contains("locked.key is encrypted") && text.contains("openssl pkey -in"), "{text}");
    assert_eq!(text.trim().lines().count(), 1, "{text}");
}
