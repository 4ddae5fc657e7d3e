//! How does a thread wait for one socket without waiting for ever?
//!
//! With `poll(2)`, which knows no highest descriptor, and a deadline in monotonic time.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Bytes, the end of input, a connection to accept, or an error.
    Readable,
    /// Space for bytes, or an error.
    Writable,
}

/// Waits until `socket` is ready, in error, or hung up: then the operation itself tells. An interrupted wait goes on.
///
/// # Errors
/// `ErrorKind::TimedOut` when `deadline` passed; else what the system said.
pub fn wait(socket: impl AsFd, interest: Interest, deadline: Instant) -> io::Result<()> {
    let events = match interest {
        Interest::Readable => PollFlags::IN,
        Interest::Writable => PollFlags::OUT,
    };
    let mut fds = [PollFd::from_borrowed_fd(socket.as_fd(), events)];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match poll(&mut fds, Some(&timespec(left))) {
            // The kernel may round the time down to its clock's grain: only our own clock says that it is over.
            Ok(0) if Instant::now() >= deadline => return Err(io::ErrorKind::TimedOut.into()),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// What of `events` holds for `socket` now, errors and hang-ups always included.
pub(super) fn now(socket: impl AsFd, events: PollFlags) -> io::Result<PollFlags> {
    let mut fds = [PollFd::from_borrowed_fd(socket.as_fd(), events)];
    loop {
        match poll(&mut fds, Some(&timespec(Duration::ZERO))) {
            Ok(_) => return Ok(fds[0].revents()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn timespec(left: Duration) -> Timespec {
    // A day at a time: some kernels refuse what does not fit into their ticks.
    let left = left.min(Duration::from_secs(86_400));
    Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_wait_ends_at_its_deadline_or_with_the_event() {
        let (mut a, b) = UnixStream::pair().unwrap();
        let start = Instant::now();
        let end = start + Duration::from_millis(30);
        assert_eq!(wait(&b, Interest::Readable, end).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(Instant::now() >= end);
        assert_eq!(wait(&b, Interest::Readable, start).unwrap_err().kind(), io::ErrorKind::TimedOut);
        wait(&b, Interest::Writable, start).unwrap();
        a.write_all(b"x").unwrap();
        wait(&b, Interest::Readable, Instant::now() + Duration::from_secs(100 * 86_400)).unwrap();
    }
}
