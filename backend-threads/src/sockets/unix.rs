//! How does a UNIX socket come to its place without races?
//!
//! Binding creates the file and fails if anything is there, a symbolic link included. Nobody can connect before `listen`,
//! so the mode is made exact between the two, on the file itself rather than on whatever the path leads to by then. Only
//! a socket that nobody answers is ever replaced.
//!
//! Invariants:
//! 1. The umask of the process, which all threads share, is neither read nor changed.
//! 2. The file never has a wider mode than asked for, and exactly that one when the first client can connect.
//! 3. Two servers that start at once at one path take turns by a lock on the directory, where it can be locked: otherwise
//!    one could take the other's socket, bound but not yet listening, for a dead one.
//! 4. A forked child that drops its copy removes nothing.

use std::fs::{self, FileType};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, fchmod, flock, open};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, listen, socket_with};

use super::listener::LocalAddr;
use super::{BindAddr, BindError, Listener, Options, UnixMode};

/// A path can be in use, dead, removed by somebody else, in use again. Nobody does that for long.
const ATTEMPTS: usize = 8;

/// How long another server may hold the directory's lock, which it does for a few system calls.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn bind_path(path: &Path, options: &Options) -> Result<Listener, BindError> {
    let refused = |source| BindError::Refused { addr: BindAddr::Unix(path.into()), source };
    let addr = match SocketAddrUnix::new(path) {
        Err(Errno::NAMETOOLONG) => return Err(BindError::NameTooLong { addr: BindAddr::Unix(path.into()) }),
        other => other.map_err(|e| refused(e.into()))?,
    };
    // For the removal: the process may change its directory meanwhile.
    let absolute = std::path::absolute(path).map_err(refused)?;
    let _lock = absolute.parent().and_then(lock);
    for _ in 0..ATTEMPTS {
        let socket = new_socket().map_err(|e| refused(e.into()))?;
        if let Some(mode) = options.unix_mode {
            // Linux creates the file with the mode of the socket less the umask. Elsewhere this fails, or is without effect.
            let _ = fchmod(&socket, Mode::from_raw_mode(mode.bits()));
        }
        match rustix::net::bind(&socket, &addr) {
            Ok(()) => {
                let file = SocketFile::made(absolute, options.unix_mode).map_err(refused)?;
                listen(&socket, options.backlog.into()).map_err(|e| refused(e.into()))?;
                return Ok(Listener::own(socket, LocalAddr::Unix(path.into()), Some(file)));
            }
            Err(Errno::ADDRINUSE) => clear(path, &addr)?,
            Err(errno) => return Err(refused(errno.into())),
        }
    }
    Err(refused(Errno::ADDRINUSE.into()))
}

pub(super) fn bind_abstract(name: &[u8], options: &Options) -> Result<Listener, BindError> {
    let place = || BindAddr::Abstract(name.into());
    let refused = |errno: Errno| BindError::Refused { addr: place(), source: errno.into() };
    let addr = match SocketAddrUnix::new_abstract_name(name) {
        Err(Errno::NAMETOOLONG) => return Err(BindError::NameTooLong { addr: place() }),
        other => other.map_err(refused)?,
    };
    let socket = new_socket().map_err(refused)?;
    rustix::net::bind(&socket, &addr).map_err(refused)?;
    listen(&socket, options.backlog.into()).map_err(refused)?;
    Ok(Listener::own(socket, LocalAddr::Abstract(name.into()), None))
}

/// The file of a socket that this process made. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Identity,
    process: u32,
    removed: AtomicBool,
}

/// Device and inode.
pub(super) type Identity = (u64, u64);

impl SocketFile {
    /// Removes the file unless it was replaced, or this is a fork of the process that made it.
    pub(super) fn remove(&self) {
        if self.process != std::process::id() || self.removed.swap(true, Ordering::Relaxed) {
            return;
        }
        if fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            // Without the right to remove it any more it stays, as after a crash: the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Leaves the file to somebody else, or not any more.
    pub(super) fn set_left(&self, left: bool) {
        self.removed.store(left, Ordering::Relaxed);
    }

    /// Device and inode.
    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    /// The file with this identity that another process made at `path`.
    pub(super) fn of_another(path: &Path, identity: Identity) -> Option<Self> {
        let path = std::path::absolute(path).ok()?;
        Some(Self { path, identity, process: std::process::id(), removed: AtomicBool::new(false) })
    }

    /// The file that `bind` just made at `path`, which gets exactly this mode.
    fn made(path: PathBuf, mode: Option<UnixMode>) -> io::Result<Self> {
        let held = fs::File::from(open(&path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?);
        let found = held.metadata()?;
        if !found.file_type().is_socket() {
            return Err(io::Error::other("the socket was replaced while it was made"));
        }
        let identity = (found.dev(), found.ino());
        let file = Self { path, identity, process: std::process::id(), removed: AtomicBool::new(false) };
        if let Some(mode) = mode.filter(|mode| mode.bits() != found.mode() & 0o7777) {
            // A file held by O_PATH has no fchmod; its entry in /proc leads to it, whatever the path has become.
            let held = format!("/proc/self/fd/{}", held.as_raw_fd());
            rustix::fs::chmod(held, Mode::from_raw_mode(mode.bits()))?;
        }
        Ok(file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn new_socket() -> rustix::io::Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

/// Removes a dead socket from `path`, and refuses everything else.
fn clear(path: &Path, addr: &SocketAddrUnix) -> Result<(), BindError> {
    let refused = |source| BindError::Refused { addr: BindAddr::Unix(path.into()), source };
    let found = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(refused)?,
    };
    if !found.file_type().is_socket() {
        return Err(BindError::InTheWay { path: path.into(), what: kind(found.file_type()) });
    }
    let probe = new_socket().map_err(|e| refused(e.into()))?;
    match connect(&probe, addr) {
        Err(Errno::CONNREFUSED) => {}
        Err(Errno::NOENT) => return Ok(()),
        // The queue of a busy server is full; or the socket is open, but of another type.
        Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS | Errno::PROTOTYPE) => {
            return Err(BindError::Live { path: path.into() });
        }
        Err(errno) => return Err(refused(errno.into())),
    }
    match fs::symlink_metadata(path) {
        Ok(still) if (still.dev(), still.ino()) == (found.dev(), found.ino()) => match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(refused(e)),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn kind(of: FileType) -> &'static str {
    if of.is_symlink() {
        "a symbolic link"
    } else if of.is_dir() {
        "a directory"
    } else if of.is_file() {
        "a regular file"
    } else {
        "a special file"
    }
}

/// The lock lasts as long as the descriptor. A directory that cannot be read or locked has none, which only leaves the
/// race between two servers that start in the same instant.
fn lock(directory: &Path) -> Option<OwnedFd> {
    let held = open(directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match flock(&held, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(held),
            Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(2));
            }
            Err(_) => return None,
        }
    }
}
