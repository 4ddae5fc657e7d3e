//! Where should a server listen?
//!
//! ```
//! use cherrystone_threads::sockets::BindAddr;
//!
//! let addr: BindAddr = "unix:/run/app.sock".parse()?;
//! assert_eq!(addr, BindAddr::Unix("/run/app.sock".into()));
//! assert_eq!("@app".parse::<BindAddr>()?.to_string(), "unix:@app");
//! assert!(":8080".parse::<BindAddr>().unwrap_err().to_string().contains("0.0.0.0:8080"));
//! # Ok::<(), cherrystone_threads::sockets::BindAddrError>(())
//! ```
//!
//! Invariants:
//! 1. A text has one meaning: what is not clearly one of the forms is refused, and the error names all of them.
//! 2. A host is never implied. An address that means "all interfaces" is written out, since it is a decision.
//! 3. What `Display` prints of a parsed value parses to the same value.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// A place to listen at, as an operator writes it.
///
/// | text | meaning |
/// | --- | --- |
/// | `127.0.0.1:8070`, `[::1]:8070` | one address; port 0 lets the system choose |
/// | `0.0.0.0:8070`, `[::]:8070` | all interfaces; the second one takes IPv4 as well |
/// | `localhost:8070`, `[fe80::1%eth0]:8070` | every address that the system gives for this name |
/// | `unix:PATH`, or a path that begins with `/` | a UNIX socket in the file system |
/// | `unix:@NAME`, `@NAME` | a UNIX socket in Linux's abstract namespace |
/// | `fd:3` | an inherited descriptor that already listens |
/// | `systemd` | all descriptors that a service manager passed (`LISTEN_FDS`) |
/// | `systemd:NAME` | those of them that have this name (`LISTEN_FDNAMES`, `FileDescriptorName=`) |
///
/// `:8070` and `8070` are refused: they do not say whether the whole network or only this machine shall reach the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BindAddr {
    /// One TCP address. The unspecified IPv6 address takes IPv4 as well, unless the server listens at that of IPv4, too.
    Tcp(SocketAddr),
    /// All TCP addresses of a host name.
    Host {
        /// The name; an IPv6 address with the name of a zone is one, too.
        name: String,
        /// The port, the same on all addresses; 0 lets the system choose it.
        port: u16,
    },
    /// A UNIX socket at this path.
    Unix(PathBuf),
    /// A UNIX socket with this name in the abstract namespace, without its leading NUL.
    Abstract(Vec<u8>),
    /// An inherited descriptor by number.
    Descriptor(u32),
    /// All descriptors that the service manager passed; see [`inherited`](super::inherited).
    Activated,
    /// Those of them with this name.
    ActivatedAs(String),
}

impl From<SocketAddr> for BindAddr {
    fn from(addr: SocketAddr) -> Self {
        Self::Tcp(addr)
    }
}

impl From<PathBuf> for BindAddr {
    fn from(path: PathBuf) -> Self {
        Self::Unix(path)
    }
}

impl FromStr for BindAddr {
    type Err = BindAddrError;

    fn from_str(text: &str) -> Result<Self, BindAddrError> {
        let refuse = |why: String| BindAddrError { text: text.into(), why };
        parse(text).map_err(refuse)
    }
}

impl fmt::Display for BindAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => write!(f, "{addr}"),
            Self::Host { name, port } if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Host { name, port } => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Abstract(name) => write!(f, "unix:@{}", String::from_utf8_lossy(name)),
            Self::Descriptor(number) => write!(f, "fd:{number}"),
            Self::Activated => f.write_str("systemd"),
            Self::ActivatedAs(name) => write!(f, "systemd:{name}"),
        }
    }
}

/// A text that is no [`BindAddr`], and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot listen at {text:?}: {why}; accepted forms are 127.0.0.1:8070, [::1]:8070, 0.0.0.0:8070 or [::]:8070 (all \
     interfaces), localhost:8070, unix:PATH, /PATH, unix:@NAME or @NAME (abstract), fd:3, systemd, systemd:NAME"
)]
pub struct BindAddrError {
    text: String,
    why: String,
}

/// The longest name that DNS allows (RFC 1035, 2.3.4), which also bounds a zone's name.
const NAME_MAX: usize = 253;

fn parse(text: &str) -> Result<BindAddr, String> {
    if text.contains('\0') {
        return Err("it contains a NUL; an abstract name is written @NAME".into());
    }
    if text == "systemd" {
        return Ok(BindAddr::Activated);
    }
    // A number is a port, of a host that has this name.
    if let Some(name) = text.strip_prefix("systemd:").filter(|name| decimal(name).is_none()) {
        return if name.is_empty() {
            Err("the name of the descriptors is empty".into())
        } else {
            Ok(BindAddr::ActivatedAs(name.into()))
        };
    }
    if let Some(number) = text.strip_prefix("fd:") {
        return match decimal(number).and_then(|n| u32::try_from(n).ok()).filter(|n| i32::try_from(*n).is_ok()) {
            Some(number) => Ok(BindAddr::Descriptor(number)),
            None => Err("fd: takes the number of a descriptor".into()),
        };
    }
    let path = text.strip_prefix("unix:");
    if let Some(name) = path.unwrap_or(text).strip_prefix('@') {
        return match name {
            "" => Err("the abstract name is empty".into()),
            _ => Ok(BindAddr::Abstract(name.into())),
        };
    }
    if let Some(path) = path.or(text.starts_with('/').then_some(text)) {
        return match path {
            "" => Err("the path is empty".into()),
            _ if path.ends_with('/') => Err("the path names a directory".into()),
            _ => Ok(BindAddr::Unix(path.into())),
        };
    }
    let (host, port) = split(text)?;
    let port = match decimal(port).map(u16::try_from) {
        Some(Ok(port)) => port,
        Some(Err(_)) => return Err("the port is above 65535".into()),
        None => return Err("the port is not a number".into()),
    };
    match host {
        Host::Bracketed(inner) => match format!("[{inner}]:{port}").parse() {
            Ok(addr) => Ok(BindAddr::Tcp(addr)),
            Err(_) if is_zoned(inner) => Ok(BindAddr::Host { name: inner.into(), port }),
            Err(_) => Err("the brackets hold no IPv6 address".into()),
        },
        Host::Plain("") => Err(format!("it names no host: write 0.0.0.0:{port} or [::]:{port} for all interfaces")),
        Host::Plain(name) => match name.parse::<Ipv4Addr>() {
            Ok(ip) => Ok(BindAddr::Tcp(SocketAddr::new(IpAddr::V4(ip), port))),
            Err(_) if is_host_name(name) => Ok(BindAddr::Host { name: name.into(), port }),
            Err(_) => Err("the host is neither an address nor a name".into()),
        },
    }
}

enum Host<'t> {
    Bracketed(&'t str),
    Plain(&'t str),
}

fn split(text: &str) -> Result<(Host<'_>, &str), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((inner, rest)) = rest.split_once(']') else { return Err("the bracket is not closed".into()) };
        let Some(port) = rest.strip_prefix(':') else { return Err("the port is missing".into()) };
        return Ok((Host::Bracketed(inner), port));
    }
    match text.rsplit_once(':') {
        _ if text.contains('/') => Err("a relative path needs unix: in front, and a URL is no address".into()),
        Some((host, _)) if host.contains(':') => Err("an IPv6 address is written in brackets".into()),
        Some((host, port)) => Ok((Host::Plain(host), port)),
        None if text.is_empty() => Err("it is empty".into()),
        None if decimal(text).is_some() => {
            Err(format!("it names no host: write 0.0.0.0:{text} or [::]:{text} for all interfaces"))
        }
        None => Err("the port is missing".into()),
    }
}

/// Digits only: no sign, no space, no overflow.
fn decimal(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.bytes().fold(0_u64, |n, b| n.saturating_mul(10).saturating_add(u64::from(b - b'0'))))
}

/// A name whose last label is a number is a misspelt IPv4 address, which some resolvers read in a surprising way.
fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label =
        |l: &str| (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    name.len() <= NAME_MAX
        && name.split('.').all(label)
        && name.rsplit('.').next().is_some_and(|last| decimal(last).is_none())
}

fn is_zoned(inner: &str) -> bool {
    inner.split_once('%').is_some_and(|(ip, zone)| {
        ip.parse::<std::net::Ipv6Addr>().is_ok()
            && (1..=NAME_MAX).contains(&zone.len())
            && zone.bytes().all(|b| b.is_ascii_graphic() && b != b'%' && b != b']' && b != b'/')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        text.parse::<BindAddr>().unwrap_err().why
    }

    #[test]
    fn every_form_parses_and_prints_itself() {
        let host = |name: &str, port| BindAddr::Host { name: name.into(), port };
        let cases: &[(&str, BindAddr, &str)] = &[
            ("127.0.0.1:8070", BindAddr::Tcp(([127, 0, 0, 1], 8070).into()), "127.0.0.1:8070"),
            ("0.0.0.0:0", BindAddr::Tcp(([0, 0, 0, 0], 0).into()), "0.0.0.0:0"),
            ("[::1]:8080", BindAddr::Tcp("[::1]:8080".parse().unwrap()), "[::1]:8080"),
            ("[::]:65535", BindAddr::Tcp("[::]:65535".parse().unwrap()), "[::]:65535"),
            ("[fe80::1%3]:80", BindAddr::Tcp("[fe80::1%3]:80".parse().unwrap()), "[fe80::1%3]:80"),
            ("[fe80::1%eth0]:80", host("fe80::1%eth0", 80), "[fe80::1%eth0]:80"),
            ("localhost:0", host("localhost", 0), "localhost:0"),
            ("my-host.example.:80", host("my-host.example.", 80), "my-host.example.:80"),
            ("unix:x.sock", BindAddr::Unix("x.sock".into()), "unix:x.sock"),
            ("unix:/run/a:b.sock", BindAddr::Unix("/run/a:b.sock".into()), "unix:/run/a:b.sock"),
            ("/run/x.sock", BindAddr::Unix("/run/x.sock".into()), "unix:/run/x.sock"),
            ("systemd:web", BindAddr::ActivatedAs("web".into()), "systemd:web"),
            ("@abstract", BindAddr::Abstract(b"abstract".to_vec()), "unix:@abstract"),
            ("unix:@a/b:1", BindAddr::Abstract(b"a/b:1".to_vec()), "unix:@a/b:1"),
            ("fd:3", BindAddr::Descriptor(3), "fd:3"),
            ("systemd", BindAddr::Activated, "systemd"),
            ("systemd:80", host("systemd", 80), "systemd:80"),
        ];
        for (text, expected, shown) in cases {
            let parsed: BindAddr = text.parse().unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(parsed, *expected, "{text}");
            assert_eq!(parsed.to_string(), *shown, "{text}");
            assert_eq!(shown.parse::<BindAddr>().unwrap(), parsed, "{text}");
        }
    }

    #[test]
    fn a_missing_host_is_refused_with_advice() {
        for text in [":8080", "8080"] {
            let error = text.parse::<BindAddr>().unwrap_err().to_string();
            assert!(error.contains("0.0.0.0:8080 or [::]:8080 for all interfaces"), "{error}");
        }
    }

    #[test]
    fn an_error_names_the_text_and_all_forms() {
        let error = "[::]:99999".parse::<BindAddr>().unwrap_err().to_string();
        for part in
            ["[::]:99999", "above 65535", "127.0.0.1:8070", "unix:PATH", "@NAME", "fd:3", "systemd", "localhost:8070"]
        {
            assert!(error.contains(part), "{part} is not in {error}");
        }
    }

    #[test]
    fn what_is_unclear_is_refused() {
        for (text, part) in [
            ("", "empty"),
            ("127.0.0.1", "port is missing"),
            ("localhost", "port is missing"),
            ("[::1]", "port is missing"),
            ("[::1", "not closed"),
            ("[localhost]:80", "no IPv6"),
            ("[::1]80", "port is missing"),
            ("::1", "in brackets"),
            ("::1:80", "in brackets"),
            ("localhost:", "not a number"),
            ("localhost:+80", "not a number"),
            ("localhost: 80", "not a number"),
            ("localhost:http", "not a number"),
            ("localhost:99999999999999999999999", "above 65535"),
            ("127.1:80", "neither"),
            ("256.0.0.1:80", "neither"),
            ("0x7f.1:80", "neither"),
            ("a b:80", "neither"),
            ("user@host:80", "neither"),
            ("a..b:80", "neither"),
            ("http://a:80", "URL"),
            ("x/y.sock", "relative path"),
            ("unix:", "path is empty"),
            ("unix:/run/", "directory"),
            ("@", "name is empty"),
            ("unix:@", "name is empty"),
            ("\0abc", "NUL"),
            ("fd:", "number"),
            ("fd:-1", "number"),
            ("fd:4294967296", "number"),
        ] {
            assert!(why(text).contains(part), "{text:?}: {}", why(text));
        }
    }
}
