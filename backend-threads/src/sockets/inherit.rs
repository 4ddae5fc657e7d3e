//! How does a server take over listeners that another process opened?
//!
//! A service manager passes descriptors from 3 on and says how many in `LISTEN_FDS`, and for whom in `LISTEN_PID`
//! (sd_listen_fds(3)). A supervisor of another kind names a descriptor on the command line (`fd:3`).
//!
//! Invariants:
//! 1. Variables meant for another process, such as a parent that forgot to clear them, are ignored.
//! 2. What is passed is duplicated, never taken: the number stays open, so that a server can be stopped and started again
//!    on it, and a number that was wrong closes nothing.
//! 3. Only a listening stream socket of a known family is accepted.

use std::env;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use filedescriptor::FileDescriptor;
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketType, sockopt};

use super::listener::LocalAddr;
use super::{BindAddr, BindError, Listener, Options, tcp};

/// A listener from a service manager.
#[derive(Debug)]
pub struct Inherited {
    /// The listener.
    pub listener: Listener,
    /// Its name (`LISTEN_FDNAMES`), if it has one.
    pub name: Option<String>,
}

/// The listeners that a service manager passed to this process, in its order; none without a service manager.
///
/// The environment is left as it is, since other threads may read it: a child process finds `LISTEN_PID` to be another
/// process's, and ignores it.
///
/// # Errors
/// The variables make no sense, or a descriptor is no listener.
pub fn inherited(options: &Options) -> Result<Vec<Inherited>, BindError> {
    let read = |name| env::var(name).ok();
    passed(
        read("LISTEN_PID").as_deref(),
        read("LISTEN_FDS").as_deref(),
        read("LISTEN_FDNAMES").as_deref(),
        std::process::id(),
    )?
    .into_iter()
    .map(|(number, name)| Ok(Inherited { listener: descriptor(number, options)?, name }))
    .collect()
}

/// A duplicate of the listener with this number.
pub(super) fn descriptor(number: u32, options: &Options) -> Result<Listener, BindError> {
    let refused = |source| BindError::Refused { addr: BindAddr::Descriptor(number), source };
    let raw = i32::try_from(number).map_err(|_| refused(Errno::BADF.into()))?;
    let duplicate = FileDescriptor::dup(&raw)
        .map_err(io::Error::other)
        .and_then(|copy| copy.as_fd().try_clone_to_owned())
        .map_err(|_| BindError::NotAListener { number: raw, what: "it is not open" })?;
    check(&duplicate).map_err(|what| BindError::NotAListener { number: raw, what })?;
    settle(duplicate, options).map_err(refused)
}

/// Takes over a descriptor that the caller owns.
pub(super) fn adopt(socket: OwnedFd, options: &Options) -> Result<Listener, BindError> {
    let number = socket.as_raw_fd();
    check(&socket).map_err(|what| BindError::NotAListener { number, what })?;
    settle(socket, options)
        .map_err(|source| BindError::Refused { addr: BindAddr::Descriptor(number.cast_unsigned()), source })
}

/// The number after standard input, output and error.
const FIRST: u32 = 3;

/// Far more than any service manager passes, so that a wild number is an error rather than a long loop.
const MOST: u32 = 1024;

/// Numbers and names, from the variables' values.
fn passed(
    pid: Option<&str>,
    count: Option<&str>,
    names: Option<&str>,
    own_pid: u32,
) -> Result<Vec<(u32, Option<String>)>, BindError> {
    let (Some(pid), Some(count)) = (pid, count) else { return Ok(Vec::new()) };
    let Some(pid) = number(pid) else { return Err(BindError::Activation { what: "LISTEN_PID is not a number" }) };
    if pid != own_pid {
        return Ok(Vec::new());
    }
    let Some(count) = number(count).filter(|n| *n <= MOST) else {
        return Err(BindError::Activation { what: "LISTEN_FDS is not a plausible number" });
    };
    let mut names = names.map(|names| names.split(':')).into_iter().flatten();
    Ok((FIRST..FIRST + count)
        .map(|number| (number, names.next().filter(|name| !name.is_empty()).map(str::to_owned)))
        .collect())
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

fn check(socket: &OwnedFd) -> Result<(), &'static str> {
    match sockopt::socket_domain(socket) {
        Ok(AddressFamily::INET | AddressFamily::INET6 | AddressFamily::UNIX) => {}
        Ok(_) => return Err("it is a socket of an unknown family"),
        Err(_) => return Err("it is not a socket"),
    }
    if sockopt::socket_type(socket) != Ok(SocketType::STREAM) {
        return Err("it is not a stream socket");
    }
    match sockopt::socket_acceptconn(socket) {
        Ok(true) => Ok(()),
        _ => Err("it does not listen"),
    }
}

fn settle(socket: OwnedFd, options: &Options) -> io::Result<Listener> {
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    // O_NONBLOCK is shared with the process that opened it. Two processes that accept need it in both.
    ioctl_fionbio(&socket, true)?;
    let addr = LocalAddr::of(&socket)?;
    if matches!(addr, LocalAddr::Tcp(_)) {
        tcp::settle(&socket, options)?;
    }
    Ok(Listener::foreign(socket, addr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_another_process_are_ignored() {
        for (pid, count) in [(None, None), (Some("7"), None), (None, Some("1")), (Some("8"), Some("x"))] {
            assert_eq!(passed(pid, count, None, 7).unwrap(), []);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for (pid, count) in [("", "1"), ("+7", "1"), ("7x", "1"), ("7", ""), ("7", "-1"), ("7", "+1"), ("7", "99999")] {
            assert!(
                matches!(passed(Some(pid), Some(count), None, 7), Err(BindError::Activation { .. })),
                "{pid} {count}"
            );
        }
    }

    #[test]
    fn descriptors_start_at_three_and_may_have_names() {
        let named = |n, name: &str| (n, Some(name.to_owned()));
        assert_eq!(passed(Some("7"), Some("2"), None, 7).unwrap(), [(3, None), (4, None)]);
        assert_eq!(passed(Some("7"), Some("0"), None, 7).unwrap(), []);
        assert_eq!(
            passed(Some("7"), Some("3"), Some("http::admin"), 7).unwrap(),
            [named(3, "http"), (4, None), named(5, "admin")]
        );
        assert_eq!(passed(Some("7"), Some("2"), Some("http"), 7).unwrap(), [named(3, "http"), (4, None)]);
    }
}
