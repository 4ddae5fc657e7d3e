//! Who is at the other end of a UNIX socket?
//!
//! Invariants:
//! 1. Numbers come from the kernel and were fixed when the peer connected. They cannot be forged, yet say nothing about who
//!    holds the socket now, and the process may have ended.
//! 2. Names are looked up only on request: the system's user database may be a slow network service.

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Gid, Group, Uid, User};

/// The process, user and group that connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCredentials {
    /// The process; `None` if it is not visible from our PID namespace.
    pub pid: Option<u32>,
    /// The effective user.
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
}

impl PeerCredentials {
    /// The user's name; `None` if the user has none. May block on the system's user database.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn user_name(&self) -> io::Result<Option<String>> {
        Ok(User::from_uid(Uid::from_raw(self.uid))?.map(|user| user.name))
    }

    /// The group's name; `None` if the group has none. May block on the system's group database.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn group_name(&self) -> io::Result<Option<String>> {
        Ok(Group::from_gid(Gid::from_raw(self.gid))?.map(|group| group.name))
    }

    /// Asks the kernel (`SO_PEERCRED`).
    pub(super) fn of(socket: &impl AsFd) -> io::Result<Self> {
        let found = getsockopt(socket, sockopt::PeerCredentials)?;
        let pid = u32::try_from(found.pid()).ok().filter(|pid| *pid != 0);
        Ok(Self { pid, uid: found.uid(), gid: found.gid() })
    }
}
