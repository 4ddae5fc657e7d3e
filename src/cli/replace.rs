//! How does a new process of the program take the place of a running one?
//!
//! The running one starts its successor with the same arguments, from the file that it was started from, which may be a newer program by
//! now, and gives it its listeners over a socket on the standard input. When the successor serves it says so; only then the
//! predecessor hands over, and leaves.
//!
//! ```text
//! predecessor                      successor
//!     │ ── starts, gives listeners ──▶ │ reads files, settles in, serves
//!     │ ◀───────────── ready ───────── │
//!     │ ── yours ────────────────────▶ │ owns the listeners and their files
//!     ╵ drains, ends
//! ```
//!
//! Invariants:
//! 1. At every moment somebody accepts. A successor that fails, or does not get ready in time, changes nothing.
//! 2. Descriptors go from hand to hand as such: none is left open under its number in a process that does not know of it.
//! 3. Only a direct child of the process that it is to replace takes anything over.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use crate::sockets::Listener;

/// Names the process that is to be replaced.
const VARIABLE: &str = "CHERRYSTONE_REPLACES";
/// How long a successor may take until it serves.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most listeners that are handed over; the system takes 253 at once.
const MOST: usize = 128;
const READY: u8 = b'R';
const YOURS: u8 = b'Y';

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The server's own.
    Server,
    /// That of the metrics.
    Metrics,
}

/// A process that is being replaced by this one.
#[derive(Debug)]
pub(super) struct Predecessor {
    stream: UnixStream,
    listeners: Vec<(Role, Listener)>,
}

impl Predecessor {
    /// The process that started this one to be replaced by it, if one did.
    ///
    /// # Errors
    /// It did, and its listeners cannot be taken.
    pub(super) fn find() -> io::Result<Option<Self>> {
        let Ok(of) = std::env::var(VARIABLE) else { return Ok(None) };
        let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().to_string());
        if parent != Some(of) {
            return Ok(None);
        }
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        stream.set_read_timeout(Some(PATIENCE))?;
        let listeners = receive(&stream)?;
        Ok(Some(Self { stream, listeners }))
    }

    /// Takes the listeners for this.
    pub(super) fn take(&mut self, role: Role) -> Vec<Listener> {
        let (taken, left) = std::mem::take(&mut self.listeners).into_iter().partition(|(own, _)| *own == role);
        self.listeners = left;
        taken.into_iter().map(|(_, listener)| listener).collect()
    }

    /// Says that this process serves, and takes these listeners over.
    ///
    /// # Errors
    /// The predecessor wants no successor any more.
    pub(super) fn relieve(mut self, listeners: &[(Role, Listener)]) -> io::Result<()> {
        self.stream.write_all(&[READY])?;
        let mut answer = [0];
        // A predecessor that died in between has left everything, too.
        let said = self.stream.read(&mut answer)?;
        if said == 1 && answer != [YOURS] {
            return Err(io::Error::other("the process to be replaced goes on"));
        }
        listeners.iter().for_each(|(_, listener)| listener.take_over());
        Ok(())
    }
}

/// Starts a successor and hands over to it when it serves; gives its process id. These listeners are its from then on.
///
/// # Errors
/// It failed, or did not get ready in time. Nothing has changed.
pub(super) fn succeed(program: &PathBuf, listeners: &[(Role, Listener)]) -> io::Result<u32> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(VARIABLE, std::process::id().to_string())
        .env_remove("LISTEN_PID")
        .env_remove("LISTEN_FDS")
        .env_remove("LISTEN_FDNAMES")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()?;
    let ready = send(&ours, listeners).and_then(|()| await_ready(&ours, &mut child));
    match ready {
        Ok(()) => {
            listeners.iter().for_each(|(_, listener)| listener.hand_over());
            // Whether it hears that or finds us gone is the same to it.
            let _ = (&ours).write_all(&[YOURS]);
            Ok(child.id())
        }
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

fn await_ready(stream: &UnixStream, child: &mut Child) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    let mut answer = [0];
    loop {
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        match (&mut &*stream).read(&mut answer) {
            Ok(1) if answer == [READY] => return Ok(()),
            Ok(_) => return Err(io::Error::other("the new process ended before it served")),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("the new process ended before it served: {status}")));
        }
        if Instant::now() > until {
            return Err(io::Error::other("the new process does not get ready"));
        }
    }
}

/// A line for each listener, and the listeners themselves beside.
fn send(stream: &UnixStream, listeners: &[(Role, Listener)]) -> io::Result<()> {
    if listeners.len() > MOST {
        return Err(io::Error::other("there are too many listeners to hand over"));
    }
    let text: String = listeners.iter().map(|(role, listener)| line(*role, listener)).collect();
    let descriptors: Vec<BorrowedFd<'_>> = listeners.iter().map(|(_, listener)| listener.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !beside.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("there are too many listeners to hand over"));
    }
    sendmsg(stream, &[IoSlice::new(text.as_bytes())], &mut beside, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive(stream: &UnixStream) -> io::Result<Vec<(Role, Listener)>> {
    let mut text = vec![0; MOST * 64];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(stream, &mut [IoSliceMut::new(&mut text)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let sockets = beside.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let sockets: Vec<OwnedFd> = sockets.flatten().collect();
    let text = std::str::from_utf8(&text[..got.bytes]).unwrap_or_default();
    if text.lines().count() != sockets.len() {
        return Err(io::Error::other("the process to be replaced gave something else than its listeners"));
    }
    text.lines().zip(sockets).map(|(line, socket)| read(line, socket)).collect()
}

/// What it is for, and whose: that of a service manager, or ours, with the file that belongs to it.
fn line(role: Role, listener: &Listener) -> String {
    let role = match role {
        Role::Server => "server",
        Role::Metrics => "metrics",
    };
    match (listener.is_inherited(), listener.file()) {
        (true, _) => format!("{role} inherited\n"),
        (false, None) => format!("{role} own\n"),
        (false, Some((device, inode))) => format!("{role} own {device} {inode}\n"),
    }
}

fn read(line: &str, socket: OwnedFd) -> io::Result<(Role, Listener)> {
    let words: Vec<&str> = line.split(' ').collect();
    let unknown = || io::Error::other("the process to be replaced speaks of its listeners in an unknown way");
    let role = match words[0] {
        "server" => Role::Server,
        "metrics" => Role::Metrics,
        _ => return Err(unknown()),
    };
    let listener = match words[1..] {
        ["inherited"] => Listener::try_from(socket),
        ["own"] => Listener::heir(socket, None),
        ["own", device, inode] => {
            let file = device.parse().ok().zip(inode.parse().ok());
            Listener::heir(socket, Some(file.ok_or_else(unknown)?))
        }
        _ => return Err(unknown()),
    };
    Ok((role, listener.map_err(io::Error::other)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sockets::{Options, bind};

    #[test]
    fn listeners_go_from_hand_to_hand_with_their_duties() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let (one, other) = UnixStream::pair().unwrap();
        let listen = |address: &str| bind(&address.parse().unwrap(), &Options::default()).unwrap().remove(0);
        let foreign = Listener::try_from(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let given = vec![
            (Role::Server, listen("127.0.0.1:0")),
            (Role::Server, listen(&format!("unix:{}", path.display()))),
            (Role::Metrics, foreign),
        ];
        send(&one, &given).unwrap();
        let taken = receive(&other).unwrap();
        for ((role, listener), (same, given)) in taken.iter().zip(&given) {
            assert_eq!((role, listener.local_addr(), listener.file()), (same, given.local_addr(), given.file()));
            assert_eq!(listener.is_inherited(), given.is_inherited());
        }
        // An heir that fails leaves everything to its predecessor.
        drop(receive(&{
            send(&one, &given).unwrap();
            other.try_clone().unwrap()
        }));
        assert!(path.exists());
        UnixStream::connect(&path).unwrap();
        // One that takes over has the duties, and the predecessor has none.
        given.iter().for_each(|(_, listener)| listener.hand_over());
        given.iter().for_each(|(_, listener)| listener.close());
        drop(given);
        UnixStream::connect(&path).unwrap();
        taken.iter().for_each(|(_, listener)| listener.take_over());
        taken.iter().for_each(|(_, listener)| listener.close());
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_listener_is_not_taken() {
        let (one, other) = UnixStream::pair().unwrap();
        (&one).write_all(b"server own\n").unwrap();
        assert!(receive(&other).is_err());
        let plain = std::fs::File::open("/dev/null").unwrap();
        for line in ["server own", "server", "server own 1", "client own", ""] {
            assert!(read(line, plain.try_clone().unwrap().into()).is_err(), "{line}");
        }
    }
}
