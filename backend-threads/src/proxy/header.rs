//! Whom does a header of the PROXY protocol speak for?
//!
//! [`parse`] is pure: octets in, a verdict out. It reads both versions (HAProxy's `proxy-protocol.txt`, 2.1 and 2.2).
//!
//! Invariants:
//! 1. The verdict is the same however the octets arrive, and a first octet that cannot begin a header is refused at once.
//! 2. No more than [`ENOUGH`] octets are ever needed, however long the header is.
//! 3. Numbers and addresses have one spelling each.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cherrystone_core::gateway::PeerAddress;

/// Octets that are always enough for a verdict: the longest fixed part and the addresses of two UNIX sockets.
pub(super) const ENOUGH: usize = FIXED + 2 * PATH;

/// The first octets of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The first octets of version 1.
const WORD: &[u8; 6] = b"PROXY ";
/// The longest line of version 1, with its end.
const LINE: usize = 107;
/// The part of version 2 in front of the addresses.
const FIXED: usize = 16;
/// The address of a UNIX socket in version 2.
const PATH: usize = 108;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// The proxy speaks for itself, or does not know for whom.
    Local,
    /// It speaks for this client.
    Client {
        /// The client.
        source: PeerAddress,
        /// Where the client connected to.
        destination: PeerAddress,
    },
}

/// How far the octets lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// To no verdict yet.
    More,
    /// To a header that is so many octets long in all, of which the last ones may be yet to come.
    Header(Header, usize),
}

/// Why a connection is not served behind a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It comes from an address that is not one of the proxies'.
    #[error("it does not come from a proxy that is trusted")]
    NotTrusted,
    /// It does not begin with a header.
    #[error("it does not begin with a header of the PROXY protocol")]
    Missing,
    /// The header breaks the rules.
    #[error("its header of the PROXY protocol is malformed")]
    Malformed,
    /// The header is of a version, or for a transport, that makes no sense here.
    #[error("its header of the PROXY protocol is of an unknown kind")]
    Unsupported,
    /// It ended within the header.
    #[error("it ended within its header of the PROXY protocol")]
    Truncated,
}

/// What these first octets of a connection say.
pub(super) fn parse(octets: &[u8]) -> Result<Parsed, ProxyError> {
    let begins = |with: &[u8]| {
        let n = octets.len().min(with.len());
        octets[..n] == with[..n]
    };
    if begins(WORD) {
        line(octets)
    } else if begins(SIGNATURE) {
        binary(octets)
    } else {
        Err(ProxyError::Missing)
    }
}

/// Version 1: `PROXY TCP4 192.0.2.1 192.0.2.2 4711 80`.
fn line(octets: &[u8]) -> Result<Parsed, ProxyError> {
    let Some(end) = octets.iter().position(|octet| matches!(octet, b'\r' | b'\n')) else {
        return if octets.len() < LINE { Ok(Parsed::More) } else { Err(ProxyError::Malformed) };
    };
    match &octets[end..] {
        [b'\r'] if end + 2 <= LINE => return Ok(Parsed::More),
        [b'\r', b'\n', ..] if end + 2 <= LINE => {}
        _ => return Err(ProxyError::Malformed),
    }
    let text = std::str::from_utf8(&octets[WORD.len()..end]).map_err(|_| ProxyError::Malformed)?;
    let mut words = text.split(' ');
    let is_v4 = match words.next() {
        Some("UNKNOWN") => return Ok(Parsed::Header(Header::Local, end + 2)),
        Some("TCP4") => true,
        Some("TCP6") => false,
        _ => return Err(ProxyError::Unsupported),
    };
    let words: Vec<&str> = words.collect();
    let [source, destination, source_port, destination_port] = words[..] else { return Err(ProxyError::Malformed) };
    let socket = |address: &str, number: &str| {
        let address: IpAddr = address.parse().ok().filter(|address: &IpAddr| address.is_ipv4() == is_v4)?;
        Some(ip(address, port(number)?))
    };
    let client = socket(source, source_port).zip(socket(destination, destination_port));
    let (source, destination) = client.ok_or(ProxyError::Malformed)?;
    Ok(Parsed::Header(Header::Client { source, destination }, end + 2))
}

/// A port as the protocol writes it: digits, and no zero in front.
fn port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|octet| octet.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    plain.then(|| digits.parse().ok()).flatten()
}

/// Version 2: a signature, four octets that say what follows, addresses, and parameters that nobody here wants.
fn binary(octets: &[u8]) -> Result<Parsed, ProxyError> {
    let rest = &octets[octets.len().min(SIGNATURE.len())..];
    let is_local = match rest.first() {
        None => return Ok(Parsed::More),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err(ProxyError::Unsupported),
    };
    let [_, kind, high, low, addresses @ ..] = rest else { return Ok(Parsed::More) };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let total = FIXED + length;
    let size = match kind {
        // What a proxy says about itself is not for us, whatever it is.
        _ if is_local => return Ok(Parsed::Header(Header::Local, total)),
        0x00 => return Ok(Parsed::Header(Header::Local, total)),
        0x11 => 12,
        0x21 => 36,
        0x31 => 2 * PATH,
        _ => return Err(ProxyError::Unsupported),
    };
    if length < size {
        return Err(ProxyError::Malformed);
    }
    let Some(addresses) = addresses.get(..size) else { return Ok(Parsed::More) };
    let (source, destination) = match kind {
        0x11 => ends::<4>(addresses),
        0x21 => ends::<16>(addresses),
        _ => Some((path(&addresses[..PATH]), path(&addresses[PATH..]))),
    }
    .ok_or(ProxyError::Malformed)?;
    Ok(Parsed::Header(Header::Client { source, destination }, total))
}

/// Two addresses of `N` octets each, and their ports.
fn ends<const N: usize>(octets: &[u8]) -> Option<(PeerAddress, PeerAddress)>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = octets.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let [a, b, c, d] = rest else { return None };
    let socket = |address: &[u8; N], port| ip(IpAddr::from(*address), port);
    Some((socket(source, u16::from_be_bytes([*a, *b])), socket(destination, u16::from_be_bytes([*c, *d]))))
}

/// The path of a UNIX socket, up to its first NUL; none if it has no name in the file system.
fn path(octets: &[u8]) -> PeerAddress {
    let name = octets.split(|octet| *octet == 0).next().unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    PeerAddress::Unix((!name.is_empty()).then(|| Arc::from(name)))
}

fn ip(address: IpAddr, port: u16) -> PeerAddress {
    PeerAddress::Ip(SocketAddr::new(address.to_canonical(), port))
}
