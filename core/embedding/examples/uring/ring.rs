//! How does io_uring keep the promises of a queue?
//!
//! All that is unsafe is here. Why it is sound:
//!
//! 1. Whatever the kernel was given a pointer to is in [`Ring::flying`], on the heap, from before the submission until its
//!    completion; a `Vec` that moves leaves its octets where they are.
//! 2. A descriptor is not closed while it is in a submission: the driver keeps the socket until then.
//! 3. A ring that is dropped leaks what is under way, since the kernel may still write there.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use cherrystone_core::gateway::PeerAddress;
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};

use super::queue::{Completion, Queue, Socket};

/// Entries of the submission queue.
const ENTRIES: u32 = 256;

/// io_uring, a listener, and what is under way.
pub(crate) struct Ring {
    ring: IoUring,
    listener: TcpListener,
    bell: UnixStream,
    waker: Waker,
    /// By the number in the submission.
    flying: Vec<Option<Flying>>,
    free: Vec<usize>,
    /// What the submission queue had no room for.
    backlog: VecDeque<squeue::Entry>,
    is_listening_to_bell: bool,
}

enum Flying {
    Accept,
    Receive { key: usize, buffer: Vec<u8> },
    Send { key: usize, chunk: Vec<u8> },
    Bell(Vec<u8>),
}

impl Ring {
    /// A ring for the clients of this listener.
    ///
    /// # Errors
    /// The kernel has no io_uring, or does not let us use it.
    pub(crate) fn new(listener: TcpListener) -> io::Result<Self> {
        let ring = IoUring::new(ENTRIES)?;
        if !ring.params().is_feature_ext_arg() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "waits cannot be limited before Linux 5.11"));
        }
        let (bell, rope) = UnixStream::pair()?;
        rope.set_nonblocking(true)?;
        let waker = Waker::from(Arc::new(Rope(rope)));
        Ok(Self {
            ring,
            listener,
            bell,
            waker,
            flying: Vec::new(),
            free: Vec::new(),
            backlog: VecDeque::new(),
            is_listening_to_bell: false,
        })
    }

    /// Keeps what the kernel is about to be given, and hands it over.
    fn submit(&mut self, flying: Flying, entry: impl FnOnce(&mut Flying) -> squeue::Entry) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.flying.push(None);
            self.flying.len() - 1
        });
        let flying = self.flying[number].insert(flying);
        let entry = entry(flying).user_data(number as u64);
        self.backlog.push_back(entry);
        self.push();
    }

    /// Moves submissions to where the kernel sees them.
    fn push(&mut self) {
        let mut queue = self.ring.submission();
        while let Some(entry) = self.backlog.front() {
            // SAFETY: what the entry points to is in `flying` until its completion (1), and its descriptor is open (2).
            if unsafe { queue.push(entry) }.is_err() {
                return; // full: the next wait submits it, and comes back
            }
            self.backlog.pop_front();
        }
    }

    fn complete(&mut self, number: usize, result: i32) -> Option<Completion<TcpStream>> {
        let flying = self.flying.get_mut(number)?.take()?;
        self.free.push(number);
        let result = if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result as usize) };
        Some(match flying {
            // SAFETY: a completion of accept is a descriptor that is open and nobody else's.
            Flying::Accept => Completion::Accepted(result.map(|fd| unsafe { TcpStream::from_raw_fd(fd as RawFd) })),
            Flying::Receive { key, buffer } => Completion::Received { key, result, buffer },
            Flying::Send { key, chunk } => Completion::Sent { key, result, chunk },
            Flying::Bell(_) => {
                self.is_listening_to_bell = false;
                Completion::Woken
            }
        })
    }
}

impl Queue for Ring {
    type Socket = TcpStream;

    fn accept(&mut self) {
        let fd = Fd(self.listener.as_raw_fd());
        let (nobody, nowhere) = (std::ptr::null_mut(), std::ptr::null_mut());
        self.submit(Flying::Accept, |_| opcode::Accept::new(fd, nobody, nowhere).build());
    }

    fn receive(&mut self, key: usize, socket: &TcpStream, buffer: Vec<u8>) {
        let fd = Fd(socket.as_raw_fd());
        self.submit(Flying::Receive { key, buffer }, |flying| match flying {
            Flying::Receive { buffer, .. } => opcode::Recv::new(fd, buffer.as_mut_ptr(), buffer.len() as u32).build(),
            _ => opcode::Nop::new().build(),
        });
    }

    fn send(&mut self, key: usize, socket: &TcpStream, chunk: Vec<u8>) {
        let fd = Fd(socket.as_raw_fd());
        self.submit(Flying::Send { key, chunk }, |flying| match flying {
            // No signal for a client that has gone: the completion tells.
            Flying::Send { chunk, .. } => {
                let flags = rustix::net::SendFlags::NOSIGNAL.bits() as i32;
                opcode::Send::new(fd, chunk.as_ptr(), chunk.len() as u32).flags(flags).build()
            }
            _ => opcode::Nop::new().build(),
        });
    }

    fn wait(&mut self, at_most: Option<Duration>) -> io::Result<Vec<Completion<TcpStream>>> {
        if !std::mem::replace(&mut self.is_listening_to_bell, true) {
            let fd = Fd(self.bell.as_raw_fd());
            self.submit(Flying::Bell(vec![0; 64]), |flying| match flying {
                Flying::Bell(buffer) => opcode::Recv::new(fd, buffer.as_mut_ptr(), buffer.len() as u32).build(),
                _ => opcode::Nop::new().build(),
            });
        }
        let wanted = if self.backlog.is_empty() { 1 } else { 0 };
        // A little longer, so that a deadline has passed when the wait has.
        let until = at_most.map(|time| Timespec::from(time + Duration::from_millis(1)));
        let waited = match &until {
            Some(until) => self.ring.submitter().submit_with_args(wanted, &SubmitArgs::new().timespec(until)),
            None => self.ring.submitter().submit_and_wait(wanted),
        };
        match waited {
            Ok(_) => {}
            Err(error)
                if [rustix::io::Errno::TIME, rustix::io::Errno::INTR, rustix::io::Errno::BUSY]
                    .iter()
                    .any(|errno| error.raw_os_error() == Some(errno.raw_os_error())) => {}
            Err(error) => return Err(error),
        }
        self.push();
        let complete: Vec<_> =
            self.ring.completion().map(|entry| (entry.user_data() as usize, entry.result())).collect();
        Ok(complete.into_iter().filter_map(|(number, result)| self.complete(number, result)).collect())
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        std::mem::forget(std::mem::take(&mut self.flying));
    }
}

impl Socket for TcpStream {
    fn peer(&self) -> PeerAddress {
        self.peer_addr().map_or(PeerAddress::Unix(None), PeerAddress::Ip)
    }

    fn end(&self) {
        // A client that has gone shows in the next completion.
        let _ = self.shutdown(Shutdown::Write);
    }

    fn cut(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }

    fn reset(&self) {
        let _ = rustix::net::sockopt::set_socket_linger(self, Some(Duration::ZERO));
    }
}

/// Wakes the ring by an octet on a pair of sockets.
struct Rope(UnixStream);

impl Wake for Rope {
    fn wake(self: Arc<Self>) {
        // A rope that is full of pulls has been pulled enough.
        let _ = (&self.0).write(&[1]);
    }
}
