//! What do the field lines decide for the connection?
//!
//! [`Seen`] gathers in one pass what the six fields that matter say; [`Seen::decide`] takes every decision from that. The length of
//! a name and its first letter tell nearly all others from these six.

use super::framing::{self, Encoding, Framing, Length};
use super::{Decisions, Line};
use crate::syntax::{is_authority, is_name, members};
use crate::{Version, ViolationKind as Kind};

/// The first letter of the field that matters whose name is this long.
const INITIALS: [u8; 18] = [0, 0, 0, 0, b'h', 0, b'e', b'u', 0, 0, b'c', 0, 0, 0, b'c', 0, 0, b't'];

/// What the Host lines say so far.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Host {
    #[default]
    Absent,
    /// One, that names a host or nobody.
    One,
    /// One, that is malformed.
    Malformed,
    /// More than one.
    Repeated,
}

/// What the fields that matter to the connection say.
#[derive(Default)]
pub(super) struct Seen {
    host: Host,
    length: Length,
    encoding: Encoding,
    close: bool,
    keep_alive: bool,
    upgrade_option: bool,
    upgrade_field: bool,
    expects_continue: bool,
    expects_other: bool,
}

impl Seen {
    /// Takes one more field line in.
    #[inline]
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        let initial = INITIALS.get(name.len());
        if initial.is_some() && name.first().map(|first| first | 0x20).as_ref() == initial {
            self.note(name, value);
        }
    }

    /// Takes in what one of the six may be.
    #[inline(never)]
    fn note(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            4 if is_name(name, b"Host") => self.host(value),
            6 if is_name(name, b"Expect") => self.expect(value),
            7 if is_name(name, b"Upgrade") => self.upgrade_field |= members(value).next().is_some(),
            10 if is_name(name, b"Connection") => self.connection(value),
            14 if is_name(name, b"Content-Length") => self.length.add(value),
            17 if is_name(name, b"Transfer-Encoding") => self.encoding.add(value),
            _ => {}
        }
    }

    fn host(&mut self, value: &[u8]) {
        self.host = match self.host {
            Host::Absent if value.is_empty() || is_authority(value) => Host::One,
            Host::Absent => Host::Malformed,
            Host::One | Host::Malformed | Host::Repeated => Host::Repeated,
        };
    }

    #[cold]
    fn expect(&mut self, value: &[u8]) {
        for member in members(value) {
            let known = is_name(member, b"100-continue");
            self.expects_continue |= known;
            self.expects_other |= !known;
        }
    }

    fn connection(&mut self, value: &[u8]) {
        // Nearly always this is all that it says.
        if is_name(value, b"keep-alive") {
            self.keep_alive = true;
            return;
        }
        for option in members(value) {
            self.close |= is_name(option, b"close");
            self.keep_alive |= is_name(option, b"keep-alive");
            self.upgrade_option |= is_name(option, b"upgrade");
        }
    }

    /// What follows from all lines together, for a request with this request line.
    #[inline]
    pub(super) fn decide(&self, line: &Line) -> Result<Decisions, Kind> {
        let modern = line.version == Version::Http11;
        match self.host {
            Host::One => {}
            Host::Absent if !modern => {}
            Host::Absent => return Err(Kind::HostMissing),
            Host::Malformed => return Err(Kind::Host),
            Host::Repeated => return Err(Kind::HostRepeated),
        }
        let framing = framing::decide(line.version, self.encoding, self.length)?;
        if modern && self.expects_other {
            return Err(Kind::Expectation);
        }
        let has_content = !matches!(framing, Framing::None | Framing::Length(0));
        Ok(Decisions {
            framing,
            expects_continue: self.expects_continue && modern && has_content,
            offers_upgrade: modern && self.upgrade_field && self.upgrade_option,
            persistent: !self.close && (modern || self.keep_alive),
        })
    }
}
