//! Which settings does a listener get, and why these?
//!
//! ```
//! use cherrystone_threads::sockets::Options;
//!
//! let mut options = Options::default();
//! options.unix_mode = Some("660".parse()?);
//! assert_eq!(options.backlog, 1024);
//! # Ok::<(), cherrystone_threads::sockets::UnixModeError>(())
//! ```
//!
//! Invariants:
//! 1. One value serves listeners of all families; a setting that a family does not have is without effect there.
//! 2. `TCP_NODELAY` is always on: a response is written whole, so that Nagle's algorithm could only delay its last part.

use std::fmt;
use std::str::FromStr;

/// The settings of new listeners. Those of an inherited listener belong to whoever made it, except that close-on-exec and
/// non-blocking are set on our descriptor, and the TCP settings that its connections inherit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Connections that the kernel completes before they are accepted: default 1,024. The kernel cuts it to `somaxconn`.
    pub backlog: u16,
    /// Unsent octets that a connection's socket takes in before it stops being writable (`TCP_NOTSENT_LOWAT`): default
    /// 1 MiB. An answer of that size leaves in one call and is off its worker's hands, and a slow reader does not get the
    /// 4 MiB of kernel memory that the system would give it. `None` leaves it to the system. TCP only.
    pub unsent_mark: Option<u32>,
    /// Whether several sockets may listen at one address (`SO_REUSEPORT`), the kernel spreading the connections: default
    /// `false`. TCP only.
    pub reuse_port: bool,
    /// The permissions of a socket file, whatever the process's umask: default `None`, 0777 less the umask. Connecting
    /// takes the permission to write.
    pub unix_mode: Option<UnixMode>,
}

impl Default for Options {
    fn default() -> Self {
        Self { backlog: 1024, unsent_mark: Some(1 << 20), reuse_port: false, unix_mode: None }
    }
}

/// Permission bits of a socket file: three octal digits, as `chmod` takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UnixMode(u16);

impl UnixMode {
    /// Only the owner may connect.
    pub const OWNER: Self = Self(0o600);
    /// The owner and the group may connect.
    pub const GROUP: Self = Self(0o660);
    /// Everybody may connect.
    pub const EVERYBODY: Self = Self(0o666);

    /// The mode with these bits.
    ///
    /// # Errors
    /// Bits beyond 0o777 are refused: they mean nothing on a socket.
    pub fn from_bits(bits: u32) -> Result<Self, UnixModeError> {
        u16::try_from(bits).ok().filter(|bits| *bits <= 0o777).map(Self).ok_or(UnixModeError)
    }

    /// The bits, at most 0o777.
    pub fn bits(self) -> u32 {
        u32::from(self.0)
    }
}

impl FromStr for UnixMode {
    type Err = UnixModeError;

    /// Reads `660`, `0660` or `0o660`, always octal.
    fn from_str(text: &str) -> Result<Self, UnixModeError> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        if !(1..=4).contains(&digits.len()) || !digits.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
            return Err(UnixModeError);
        }
        Self::from_bits(digits.bytes().fold(0, |bits, b| bits << 3 | u32::from(b - b'0')))
    }
}

impl fmt::Display for UnixMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

/// A text or number that is no [`UnixMode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mode of a socket file is an octal number up to 777, such as 660")]
pub struct UnixModeError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        for text in ["660", "0660", "0o660"] {
            assert_eq!(text.parse(), Ok(UnixMode::GROUP), "{text}");
        }
        assert_eq!("0".parse::<UnixMode>().unwrap().to_string(), "000");
        for text in ["", "0o", "888", "1777", "07777", "-660", "+60", " 660", "u=rw", "00660"] {
            assert_eq!(text.parse::<UnixMode>(), Err(UnixModeError), "{text}");
        }
        assert_eq!(UnixMode::from_bits(0o1000), Err(UnixModeError));
        assert_eq!(UnixMode::from_bits(0x1_0000), Err(UnixModeError));
    }
}
