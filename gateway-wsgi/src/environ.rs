//! What does the application learn of a request?
//!
//! The `environ` of PEP 3333: the CGI variables, what the server adds to them, and a variable for each header field. What is the same
//! for all requests of a listener is made once and copied; keys are made once, too. The copy has the keys of what is different
//! already, so that it need not grow.
//!
//! Invariants:
//! 1. A field name with an underscore never becomes a variable: it could pass for the one with dashes, which a proxy checks.
//! 2. Lines of one field are joined in their order, by a comma, those of `Cookie` by a semicolon.
//! 3. `CONTENT_LENGTH` is the length of what can be read, or it is not there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use cherrystone::gateway::{Endpoint, Exchange, Peer, PeerAddress};
use cherrystone::{Head, TargetForm, Version};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

use crate::latin1;
use crate::tls::Told;

/// Makes environments.
#[derive(Debug)]
pub(crate) struct Environs {
    /// What all listeners have in common.
    base: Py<PyDict>,
    users: Users,
    tls: Told,
    templates: Mutex<Vec<(Arc<Endpoint>, Py<PyDict>)>>,
    /// The address of the last client.
    address: Mutex<Option<(IpAddr, Py<PyString>)>>,
}

/// Variables that every request has, with values of its own.
const ALWAYS: [&str; 10] = [
    "REQUEST_METHOD",
    "REQUEST_URI",
    "PATH_INFO",
    "QUERY_STRING",
    "SERVER_PROTOCOL",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "wsgi.input",
    "cherrystone.exchange",
    "HTTP_HOST",
];

/// Whether the names of clients on unix sockets are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Users {
    /// Nothing is said of them.
    Ignored,
    /// Their numbers are told.
    Numbers,
    /// Their names, too.
    Names,
}

impl Environs {
    /// Environments that begin with these variables.
    pub(crate) fn new(base: Py<PyDict>, users: Users) -> Self {
        Self { base, users, tls: Told::default(), templates: Mutex::default(), address: Mutex::default() }
    }

    /// The environment of a request whose content has this length, less the content itself.
    pub(crate) fn make<'py>(
        &self,
        py: Python<'py>,
        head: Head<'_>,
        exchange: &mut Exchange<'_>,
        length: Option<u64>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let environ = self.template(py, &exchange.peer().endpoint)?.copy()?;
        request_line(&environ, head)?;
        fields(&environ, head, length.is_some())?;
        self.peer(&environ, exchange.peer())?;
        if let Some(length) = length {
            environ.set_item(intern!(py, "CONTENT_LENGTH"), decimal(py, length))?;
        }
        if let Some(facts) = exchange.tls() {
            self.tls.describe(facts, &environ)?;
        }
        Ok(environ)
    }

    fn template<'py>(&self, py: Python<'py>, endpoint: &Arc<Endpoint>) -> PyResult<Bound<'py, PyDict>> {
        let mut templates = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, template)) = templates.iter().find(|(known, _)| Arc::ptr_eq(known, endpoint)) {
            return Ok(template.bind(py).clone());
        }
        let template = self.base.bind(py).copy()?;
        let (scheme, default_port) = if endpoint.secured { ("https", 443) } else { ("http", 80) };
        let port = match endpoint.address {
            PeerAddress::Ip(address) => address.port(),
            // PEP 3333 wants a port always; that of the scheme is the one that URLs leave out.
            PeerAddress::Unix(_) => default_port,
        };
        template.set_item("SERVER_NAME", latin1::text(py, endpoint.server_name.as_bytes()))?;
        template.set_item("SERVER_PORT", port.to_string())?;
        template.set_item("wsgi.url_scheme", scheme)?;
        for key in ALWAYS {
            template.set_item(PyString::intern(py, key), py.None())?;
        }
        templates.push((Arc::clone(endpoint), template.clone().unbind()));
        Ok(template)
    }

    /// The text of an address; clients that come through a proxy all have the same.
    fn address<'py>(&self, py: Python<'py>, address: IpAddr) -> Bound<'py, PyString> {
        let mut last = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, text)) = &*last
            && *known == address
        {
            return text.bind(py).clone();
        }
        let text = PyString::new(py, &address.to_string());
        *last = Some((address, text.clone().unbind()));
        text
    }

    fn peer(&self, environ: &Bound<'_, PyDict>, peer: &Peer) -> PyResult<()> {
        let py = environ.py();
        let (address, port) = match &peer.address {
            PeerAddress::Ip(address) => (self.address(py, address.ip()), decimal(py, address.port().into())),
            PeerAddress::Unix(path) => {
                (PyString::new(py, path.as_deref().unwrap_or_default()), intern!(py, "").clone())
            }
        };
        environ.set_item(intern!(py, "REMOTE_ADDR"), address)?;
        environ.set_item(intern!(py, "REMOTE_PORT"), port)?;
        let Some(credentials) = peer.credentials.filter(|_| self.users != Users::Ignored) else { return Ok(()) };
        if let Some(pid) = credentials.pid {
            environ.set_item("X_REMOTE_PID", pid.to_string())?;
        }
        environ.set_item("X_REMOTE_UID", credentials.uid.to_string())?;
        environ.set_item("X_REMOTE_GID", credentials.gid.to_string())?;
        if self.users == Users::Names {
            let user = py.import("pwd")?.call_method1("getpwuid", (credentials.uid,))?.getattr("pw_name")?;
            let group = py.import("grp")?.call_method1("getgrgid", (credentials.gid,))?.getattr("gr_name")?;
            environ.set_item("REMOTE_USER", &user)?;
            environ.set_item("X_REMOTE_USER", user)?;
            environ.set_item("X_REMOTE_GROUP", group)?;
        }
        Ok(())
    }
}

fn request_line(environ: &Bound<'_, PyDict>, head: Head<'_>) -> PyResult<()> {
    let py = environ.py();
    let method = match head.method() {
        "GET" => intern!(py, "GET").clone(),
        "POST" => intern!(py, "POST").clone(),
        other => PyString::new(py, other),
    };
    let protocol = match head.version() {
        Version::Http10 => intern!(py, "HTTP/1.0"),
        Version::Http11 => intern!(py, "HTTP/1.1"),
    };
    let path = match head.form() {
        // The form that this server's forerunner gave to it: every PATH_INFO begins with a slash.
        TargetForm::Asterisk => intern!(py, "/*").clone(),
        _ => path_info(py, head.path()),
    };
    environ.set_item(intern!(py, "REQUEST_METHOD"), method)?;
    environ.set_item(intern!(py, "REQUEST_URI"), PyString::new(py, head.target()))?;
    environ.set_item(intern!(py, "PATH_INFO"), path)?;
    environ.set_item(intern!(py, "QUERY_STRING"), PyString::new(py, head.query().unwrap_or_default()))?;
    environ.set_item(intern!(py, "SERVER_PROTOCOL"), protocol)?;
    Ok(())
}

/// The path, decoded, but for `%2F`: an encoded slash is part of a segment, and decoded it would divide it.
fn path_info<'py>(py: Python<'py>, path: &str) -> Bound<'py, PyString> {
    if !path.contains('%') {
        return PyString::new(py, path);
    }
    let mut octets = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let pair = tail.get(..2).filter(|_| *first == b'%').and_then(|pair| str::from_utf8(pair).ok());
        rest = match pair.map(|pair| u8::from_str_radix(pair, 16)) {
            Some(Ok(b'/')) => {
                octets.extend_from_slice(b"%2F");
                &tail[2..]
            }
            Some(Ok(octet)) => {
                octets.push(octet);
                &tail[2..]
            }
            Some(Err(_)) | None => {
                octets.push(*first);
                tail
            }
        };
    }
    latin1::text(py, &octets)
}

fn fields(environ: &Bound<'_, PyDict>, head: Head<'_>, is_length_known: bool) -> PyResult<()> {
    let py = environ.py();
    // The template has a place for the host.
    let mut has_host = false;
    let mut size = environ.len();
    for (name, value) in head.fields().iter() {
        if name.contains('_') || name.eq_ignore_ascii_case("Content-Length") {
            continue;
        }
        // What was encoded for the transfer has been decoded, and the length says all about it.
        if is_length_known && name.eq_ignore_ascii_case("Transfer-Encoding") {
            continue;
        }
        let key = key(py, name);
        environ.set_item(&key, latin1::text(py, value))?;
        if environ.len() > size {
            size += 1;
        } else if name.eq_ignore_ascii_case("Host") && !has_host {
            has_host = true;
        } else {
            let between: &[u8] = if name.eq_ignore_ascii_case("Cookie") { b"; " } else { b", " };
            let lines: Vec<&[u8]> = head.fields().get_all(name).collect();
            environ.set_item(key, latin1::text(py, &lines.join(between)))?;
        }
    }
    if !has_host {
        environ.del_item(intern!(py, "HTTP_HOST"))?;
    }
    Ok(())
}

/// The variable of a field.
fn key<'py>(py: Python<'py>, name: &str) -> Bound<'py, PyString> {
    /// Names that are made once; those with a hand of their own, `Content-Type`, among them.
    const COMMON: [&str; 45] = [
        "Accept",
        "Accept-Charset",
        "Accept-Encoding",
        "Accept-Language",
        "Access-Control-Request-Headers",
        "Access-Control-Request-Method",
        "Authorization",
        "Cache-Control",
        "Connection",
        "Content-Encoding",
        "Content-Type",
        "Cookie",
        "DNT",
        "Date",
        "Expect",
        "Forwarded",
        "From",
        "Host",
        "If-Match",
        "If-Modified-Since",
        "If-None-Match",
        "If-Range",
        "If-Unmodified-Since",
        "Keep-Alive",
        "Origin",
        "Pragma",
        "Priority",
        "Range",
        "Referer",
        "Sec-CH-UA",
        "Sec-CH-UA-Mobile",
        "Sec-CH-UA-Platform",
        "Sec-Fetch-Dest",
        "Sec-Fetch-Mode",
        "Sec-Fetch-Site",
        "Sec-Fetch-User",
        "TE",
        "Transfer-Encoding",
        "Upgrade",
        "Upgrade-Insecure-Requests",
        "User-Agent",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Request-ID",
    ];
    static KEYS: PyOnceLock<HashMap<Vec<u8>, Py<PyString>>> = PyOnceLock::new();
    let keys = KEYS.get_or_init(py, || {
        let made = |name: &&str| {
            let key = variable(name);
            (key.clone().into_bytes(), PyString::intern(py, &key).unbind())
        };
        COMMON.iter().map(made).collect()
    });
    let mut short = [0; 48];
    let length = 5 + name.len();
    if let Some(buffer) = short.get_mut(..length) {
        buffer[..5].copy_from_slice(b"HTTP_");
        for (to, from) in buffer[5..].iter_mut().zip(name.bytes()) {
            *to = upper(from);
        }
        let known = if buffer == b"HTTP_CONTENT_TYPE" { keys.get(&b"CONTENT_TYPE"[..]) } else { keys.get(&*buffer) };
        if let Some(key) = known {
            return key.bind(py).clone();
        }
    }
    PyString::new(py, &variable(name))
}

/// A number as text.
fn decimal(py: Python<'_>, value: u64) -> Bound<'_, PyString> {
    let mut digits = [b'0'; 20];
    let (mut at, mut rest) = (digits.len(), value);
    while at == digits.len() || rest > 0 {
        at -= 1;
        digits[at] += (rest % 10) as u8;
        rest /= 10;
    }
    latin1::text(py, &digits[at..])
}

fn variable(name: &str) -> String {
    if name.eq_ignore_ascii_case("Content-Type") {
        return "CONTENT_TYPE".into();
    }
    "HTTP_".chars().chain(name.bytes().map(|octet| char::from(upper(octet)))).collect()
}

fn upper(octet: u8) -> u8 {
    if octet == b'-' { b'_' } else { octet.to_ascii_uppercase() }
}
