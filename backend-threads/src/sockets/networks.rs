//! Which addresses are among those that an operator trusts?
//!
//! ```
//! use cherrystone_threads::sockets::Networks;
//!
//! let trusted: Networks = "10.0.0.0/8,2001:db8::/32,192.0.2.7,unix".parse()?;
//! assert!(trusted.contains("10.1.2.3".parse()?));
//! assert!(!trusted.contains("192.0.2.8".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//! 1. An IPv4 address is the same one in its IPv6 form.
//! 2. A network has no bits beyond its prefix: `10.1.2.3/8` is refused, since it may be meant to be either of two things.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use cherrystone_core::gateway::PeerAddress;

/// Networks in CIDR form, and whether UNIX sockets belong to them. The empty set contains nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    networks: Vec<Network>,
    unix: bool,
}

/// A text that is no list of networks, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no network: {why}; expected ADDRESS, ADDRESS/BITS or unix, separated by commas, such as 10.0.0.0/8,::1"
)]
pub struct NetworksError {
    text: String,
    why: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Networks {
    /// Whether this address is in one of the networks.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Whether a peer is in one of the networks, or at the other end of a UNIX socket if those belong to them.
    pub fn contains_peer(&self, peer: &PeerAddress) -> bool {
        match peer {
            PeerAddress::Ip(address) => self.contains(address.ip()),
            PeerAddress::Unix(_) => self.unix,
        }
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits,
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits,
            _ => false,
        }
    }
}

impl FromStr for Networks {
    type Err = NetworksError;

    fn from_str(text: &str) -> Result<Self, NetworksError> {
        let mut networks = Self::default();
        for item in text.split(',').map(str::trim) {
            if item == "unix" {
                networks.unix = true;
            } else {
                networks.networks.push(parse(item).map_err(|why| NetworksError { text: item.into(), why })?);
            }
        }
        Ok(networks)
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(|network| format!("{}/{}", network.address, network.bits));
        let items: Vec<String> = networks.chain(self.unix.then(|| "unix".to_owned())).collect();
        f.write_str(&items.join(","))
    }
}

fn parse(item: &str) -> Result<Network, &'static str> {
    let (address, bits) = item.split_once('/').map_or((item, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().map_err(|_| "the address cannot be read")?;
    if address != address.to_canonical() {
        return Err("write the IPv4 address itself");
    }
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => width,
        Some(digits) if !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok().filter(|bits| *bits <= width).ok_or("the prefix is longer than the address")?
        }
        Some(_) => return Err("the length of the prefix is no number"),
    };
    let lowest = match address {
        IpAddr::V4(address) => address.to_bits().trailing_zeros(),
        IpAddr::V6(address) => address.to_bits().trailing_zeros(),
    };
    if width - lowest > bits {
        return Err("the address has bits beyond its prefix");
    }
    Ok(Network { address, bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> Networks {
        text.parse().unwrap()
    }

    #[test]
    fn membership() {
        let trusted = networks("10.0.0.0/8, 192.0.2.128/25,198.51.100.7,2001:db8::/33,::1");
        for inside in
            ["10.0.0.0", "10.255.255.255", "192.0.2.128", "198.51.100.7", "2001:db8:7fff::1", "::1", "::ffff:10.1.1.1"]
        {
            assert!(trusted.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["11.0.0.0", "9.255.255.255", "192.0.2.127", "198.51.100.8", "2001:db8:8000::", "::2", "::a00:1"]
        {
            assert!(!trusted.contains(outside.parse().unwrap()), "{outside}");
        }
        assert!(networks("0.0.0.0/0").contains("203.0.113.9".parse().unwrap()));
        assert!(!networks("0.0.0.0/0").contains("::1".parse().unwrap()));
        assert!(networks("::/0").contains("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn unix_sockets_are_named() {
        assert!(networks("unix").contains_peer(&PeerAddress::Unix(None)));
        assert!(!networks("0.0.0.0/0,::/0").contains_peer(&PeerAddress::Unix(None)));
        assert!(!networks("unix").contains_peer(&PeerAddress::Ip("127.0.0.1:1".parse().unwrap())));
        assert!(!Networks::default().contains("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_printed_reads_as_the_same() {
        for text in ["10.0.0.0/8,::1/128,unix", "0.0.0.0/0", "::/0", "unix"] {
            assert_eq!(networks(text).to_string(), text);
        }
        assert_eq!(networks("127.0.0.1").to_string(), "127.0.0.1/32");
    }

    #[test]
    fn doubtful_texts_are_refused() {
        for bad in [
            "",
            ",",
            "10.0.0.0/8,",
            "10.0.0.0/33",
            "10.1.2.3/8",
            "::1/64",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "::/129",
            "localhost",
            "*",
            "010.0.0.1",
            "::ffff:10.0.0.1",
            "127.0.0.1:80",
            "[::1]",
            "unix:/x",
            "10.0.0.0/0008",
        ] {
            assert!(bad.parse::<Networks>().is_err(), "{bad}");
        }
        let error = "10.0.0.0/8,10.1.2.3/8".parse::<Networks>().unwrap_err().to_string();
        assert!(error.contains("\"10.1.2.3/8\"") && error.contains("beyond its prefix"), "{error}");
    }
}
