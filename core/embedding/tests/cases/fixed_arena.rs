//! Does the program without std build, and serve?
//!
//! It is a workspace of its own, which this builds by the same cargo; each connection is a process at one end of a pair of sockets.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use cherrystone_conformance::channel::{Channel, Connect};

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
