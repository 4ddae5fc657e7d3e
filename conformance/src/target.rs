//! Where is the server under test, and why can it not be reached?
//!
//! ```
//! use cherrystone_conformance::target::Target;
//!
//! assert_eq!(Target::parse("[::1]:8080").unwrap().authority(), "[::1]:8080");
//! assert_eq!(Target::parse("https://www.example").unwrap().to_string(), "https://www.example:443");
//! assert_eq!(Target::parse("unix:/run/web.sock").unwrap().authority(), "localhost");
//! assert!(Target::parse("no port").is_err());
//! ```

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::case::Transport;
use crate::channel::{Channel, Connect, TcpChannel, TlsChannel, TlsSettings};
use crate::control::{Obstacle, ask_plainly};

const CONNECT_WAIT: Duration = Duration::from_secs(3);

/// The address of a server, over TCP, TLS or a Unix socket.
#[derive(Debug, Clone)]
pub struct Target {
    place: Place,
    tls: Option<TlsSettings>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl Target {
    /// Reads `HOST:PORT`, `[V6]:PORT`, `http://HOST[:PORT]`, `https://HOST[:PORT]` or `unix:PATH`.
    ///
    /// # Errors
    ///
    /// When it is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::unix(path);
        }
        let (rest, default_port, tls) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (rest, Some(80), false),
            (_, Some(rest)) => (rest, Some(443), true),
            _ => (text, None, false),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let no_port = !rest.contains(':') || rest.ends_with(']');
        let (host, port) = match (no_port, default_port) {
            (true, Some(port)) => (rest, Some(port)),
            _ => rest.rsplit_once(':').map_or((rest, None), |(host, port)| (host, number(port))),
        };
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
        let Some(port) = port.filter(|_| !bare.is_empty() && bare.bytes().all(named)) else {
            return Err(format!("{text:?} is no address: HOST:PORT, http://HOST, https://HOST or unix:PATH"));
        };
        let target = Self { place: Place::Tcp { host: bare.to_owned(), port }, tls: None };
        if tls { target.with_tls() } else { Ok(target) }
    }

    /// The Unix socket at `path`.
    ///
    /// # Errors
    ///
    /// When the path is empty, or this system has no such sockets.
    pub fn unix(path: impl Into<PathBuf>) -> Result<Self, String> {
        let path = path.into();
        if !cfg!(unix) {
            return Err("this system has no Unix sockets".to_owned());
        }
        if path.as_os_str().is_empty() {
            return Err("the path of the socket is missing".to_owned());
        }
        Ok(Self { place: Place::Unix(path), tls: None })
    }

    /// The same server, over TLS.
    ///
    /// # Errors
    ///
    /// For a Unix socket.
    pub fn with_tls(self) -> Result<Self, String> {
        if matches!(self.place, Place::Unix(_)) {
            return Err("TLS over a Unix socket is not supported".to_owned());
        }
        Ok(Self { tls: Some(TlsSettings::new().map_err(|e| e.to_string())?), ..self })
    }

    /// What goes into the Host field.
    pub fn authority(&self) -> String {
        match &self.place {
            Place::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp { host, port } => format!("{host}:{port}"),
            Place::Unix(_) => "localhost".to_owned(),
        }
    }

    /// Whether connections are in clear text.
    pub fn transport(&self) -> Transport {
        if self.tls.is_some() { Transport::Tls } else { Transport::Clear }
    }

    /// The end of a shell pipeline that sends its input to the server, and shows what comes back.
    pub fn shell_client(&self) -> String {
        match (&self.place, &self.tls) {
            (Place::Unix(path), _) => format!("nc -U {}", path.display()),
            (Place::Tcp { host, port }, None) => format!("nc {host} {port}"),
            (Place::Tcp { .. }, Some(_)) => format!("openssl s_client -quiet -connect {}", self.authority()),
        }
    }

    /// A better reason, where another way of speaking to the server shows one.
    pub fn diagnose(&self, obstacle: Obstacle) -> Obstacle {
        let Place::Tcp { host, port } = &self.place else { return obstacle };
        let Ok(below) = TcpChannel::open(host, *port, CONNECT_WAIT) else { return obstacle };
        match &self.tls {
            None => {
                let speaks_tls = TlsSettings::new()
                    .and_then(|settings| TlsChannel::open(&settings, host, below, CONNECT_WAIT))
                    .is_ok();
                if speaks_tls { Obstacle::TlsPort } else { obstacle }
            }
            Some(_) if matches!(obstacle, Obstacle::Unreachable(_)) => {
                if ask_plainly(Box::new(below), &self.authority()) { Obstacle::PlainPort } else { obstacle }
            }
            Some(_) => obstacle,
        }
    }
}

impl Connect for Target {
    fn connect(&self) -> io::Result<Box<dyn Channel>> {
        match (&self.place, &self.tls) {
            (Place::Tcp { host, port }, None) => Ok(Box::new(TcpChannel::open(host, *port, CONNECT_WAIT)?)),
            (Place::Tcp { host, port }, Some(settings)) => {
                let below = TcpChannel::open(host, *port, CONNECT_WAIT)?;
                Ok(Box::new(TlsChannel::open(settings, host, below, CONNECT_WAIT)?))
            }
            #[cfg(unix)]
            (Place::Unix(path), _) => Ok(Box::new(crate::channel::UnixChannel::open(path)?)),
            #[cfg(not(unix))]
            (Place::Unix(_), _) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.place, &self.tls) {
            (Place::Unix(path), _) => write!(f, "unix:{}", path.display()),
            (Place::Tcp { .. }, None) => write!(f, "http://{}", self.authority()),
            (Place::Tcp { .. }, Some(_)) => write!(f, "https://{}", self.authority()),
        }
    }
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten().filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_all_their_forms() {
        for (text, shown, client) in [
            ("127.0.0.1:80", "http://127.0.0.1:80", "nc 127.0.0.1 80"),
            ("[::1]:80", "http://[::1]:80", "nc ::1 80"),
            ("http://a.example/", "http://a.example:80", "nc a.example 80"),
            ("https://[::1]", "https://[::1]:443", "openssl s_client -quiet -connect [::1]:443"),
            ("unix:/a/b", "unix:/a/b", "nc -U /a/b"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.to_string().as_str(), target.shell_client().as_str()), (shown, client));
        }
        for wrong in
            ["", "host", "host:", "host:+80", "host:0", "host:65536", ":80", "a b:80", "http://h/path:80", "unix:"]
        {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
