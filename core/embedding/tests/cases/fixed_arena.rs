//! Does the program without std build, and serve?
//!
//! It is a workspace of its own, which this builds by the same cargo; each connection is a process at one end of a pair of sockets.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use cherrystone_conformance::channel::{Channel, Connect, Received};

use super::serial::Client;

/// Whether the library of the language is there for this target.
pub(crate) fn has_target(target: &str) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let folder = Command::new(rustc).args(["--print", "target-libdir", "--target", target]).output();
    folder.is_ok_and(|found| Path::new(String::from_utf8_lossy(&found.stdout).trim()).exists())
}

/// Builds the package for a target, or for this machine, and says where the program is.
pub(crate) fn build(target: Option<&str>) -> Result<PathBuf, String> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixed-arena");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixed-arena");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("build").arg("--locked").arg("--manifest-path").arg(package.join("Cargo.toml"));
    cargo.arg("--target-dir").arg(&folder);
    // Flags that are meant for this program, to measure its coverage for example, are not for that one.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    if let Some(target) = target {
        cargo.args(["--target", target]);
        if target.contains("linux") {
            // The linker that comes with the language: no C compiler for that machine is needed.
            cargo.arg("--config").arg(format!("target.{target}.linker = \"rust-lld\""));
        } else {
            cargo.arg("--lib");
        }
    }
    let built = cargo.output().map_err(|error| error.to_string())?;
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned());
    }
    Ok(target.map_or(folder.clone(), |target| folder.join(target)).join("debug/fixed-arena"))
}

/// Connects by a new process.
pub(crate) struct Program(pub(crate) PathBuf);

/// Sends requests of all sizes that the limits allow, one after the other, and panics unless each is answered: an arena that is full, or in
/// too small pieces, ends the program.
pub(crate) fn fills(program: &Program) {
    let mut dice: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut up_to = |most: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice % (most as u64 + 1)) as usize
    };
    for _ in 0..10 {
        let mut client = program.connect().unwrap();
        for number in 0..40 {
            let (route, padding, content) =
                (["echo", "inspect"][up_to(1)], "p".repeat(up_to(3_800)), "c".repeat(up_to(8 << 10)));
            let head = format!("POST /{route} HTTP/1.1\r\nHost: h\r\nX: {padding}\r\n");
            let request = match up_to(1) {
                0 => format!("{head}Content-Length: {}\r\n\r\n{content}", content.len()),
                _ => {
                    let pieces = content
                        .as_bytes()
                        .chunks(1 + up_to(3_000))
                        .map(|piece| format!("{:x}\r\n{}\r\n", piece.len(), piece.escape_ascii()));
                    format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", pieces.collect::<String>())
                }
            };
            let (mut sent, mut received) = (request.as_bytes(), Vec::new());
            while !sent.is_empty() {
                let n = client.send(sent, Duration::from_secs(5)).unwrap();
                sent = &sent[n..];
            }
            while !is_answer(&received) {
                let mut piece = [0; 4096];
                match client.receive(&mut piece, Duration::from_secs(20)).unwrap() {
                    Received::Bytes(n) => received.extend_from_slice(&piece[..n]),
                    other => panic!("request {number}: {other:?} behind {:?}", String::from_utf8_lossy(&received)),
                }
            }
            assert!(received.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&received));
        }
    }
}

/// Whether this is a whole answer of announced length.
fn is_answer(received: &[u8]) -> bool {
    let text = String::from_utf8_lossy(received);
    let Some((head, content)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    length.is_some_and(|length: usize| content.len() >= length)
}

impl Connect for Program {
    fn connect(&self) -> io::Result<Box<dyn Channel>> {
        let (ours, theirs) = UnixStream::pair()?;
        let output = theirs.try_clone()?;
        let mut process = Command::new(&self.0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(OwnedFd::from(output)))
            .spawn()?;
        thread::spawn(move || process.wait());
        Ok(Box::new(Client(ours)))
    }
}
