//! Is a request target taken for what it is?
//!
//! Judged by the grammar of RFC 3986 and RFC 9112, 3.2, written down here a second time without tables, and by the `http`
//! crate, which is more tolerant but must see the same parts.

use cherrystone_core::{Config, Connection, Env, Event, Instant, RecvBuf, TargetForm, ViolationKind};

/// Sends a request with this method and target, and compares what becomes of it.
///
/// # Panics
/// If the core and the grammar differ.
pub fn check(method: &str, target: &[u8]) {
    // These would end the target, and the request line with it.
    if target.iter().any(|b| matches!(b, b' ' | b'\r' | b'\n' | 0)) || target.is_empty() {
        return;
    }
    let config = Config::default();
    let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
    let (mut conn, mut rx) = (Connection::new(&env), RecvBuf::default());
    conn.secure();
    rx.push(&[method.as_bytes(), b" ", target, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat());
    let text = std::str::from_utf8(target).unwrap_or_default();
    let expected = if target.len() > config.limits.target as usize { None } else { parts(method, text) };
    match conn.poll(&env, &mut rx) {
        Ok(Event::Request(head)) => {
            assert_eq!(head.target().as_bytes(), target);
            assert_eq!(Some(Parts::of(head.form())), expected, "{method} {text:?}");
            agrees_with_http(text, head.path(), head.query());
        }
        Err(violation) => {
            let too_long = violation.kind == ViolationKind::TargetTooLong;
            assert!(violation.kind == ViolationKind::Target || too_long, "{violation}");
            assert_eq!(expected, None, "{method} {text:?}: {violation}");
        }
        other => panic!("{other:?}"),
    }
}

/// The parts of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Parts {
    Origin(String, Option<String>),
    Absolute(String, String, String, Option<String>),
    Authority(String),
    Asterisk,
}

impl Parts {
    fn of(form: TargetForm<'_>) -> Self {
        match form {
            TargetForm::Origin { path, query } => Self::Origin(path.into(), query.map(Into::into)),
            TargetForm::Absolute { scheme, authority, path, query } => {
                Self::Absolute(scheme.into(), authority.into(), path.into(), query.map(Into::into))
            }
            TargetForm::Authority(authority) => Self::Authority(authority.into()),
            TargetForm::Asterisk => Self::Asterisk,
        }
    }
}

/// What the grammar makes of it.
fn parts(method: &str, target: &str) -> Option<Parts> {
    if method == "CONNECT" {
        let (_, port) = target.rsplit_once(':')?;
        let usable = is_authority(target) && port.parse::<u16>().is_ok_and(|port| port > 0);
        return usable.then(|| Parts::Authority(target.into()));
    }
    if target == "*" && method == "OPTIONS" {
        return Some(Parts::Asterisk);
    }
    if target.starts_with('/') {
        let (path, query) = path_and_query(target)?;
        return Some(Parts::Origin(path, query));
    }
    let (scheme, rest) = target.split_once("://")?;
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (path, query) = path_and_query(rest)?;
    (known && is_authority(authority)).then(|| Parts::Absolute(scheme.into(), authority.into(), path, query))
}

fn path_and_query(text: &str) -> Option<(String, Option<String>)> {
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    // What browsers send raw is let through (see the documentation of what is not refused).
    let good = |part: &str| is_escaped(part) && part.chars().all(|c| is_pchar(c) || "/?{}[]|^`".contains(c));
    (good(path) && query.is_none_or(good)).then(|| (path.into(), query.map(Into::into)))
}

fn is_pchar(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c)
}

fn is_escaped(text: &str) -> bool {
    text.split('%').skip(1).all(|behind| {
        let mut digits = behind.chars().take(2).filter(char::is_ascii_hexdigit);
        digits.next().is_some() && digits.next().is_some()
    })
}

fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => return is_address(address) && is_port(port),
            None => return false,
        },
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let name = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+;=%".contains(c);
    !host.is_empty() && host.chars().all(name) && is_escaped(host) && is_port(port)
}

fn is_address(text: &str) -> bool {
    if let Some(future) = text.strip_prefix(['v', 'V']) {
        let name = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+;=:".contains(c);
        return future.split_once('.').is_some_and(|(version, address)| {
            let digits = !version.is_empty() && version.chars().all(|c| c.is_ascii_hexdigit());
            digits && !address.is_empty() && address.chars().all(name)
        });
    }
    !text.contains('%') && text.parse::<std::net::Ipv6Addr>().is_ok()
}

fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        None => text.is_empty(),
        Some("") => true,
        Some(port) => port.chars().all(|c| c.is_ascii_digit()) && port.parse::<u64>().is_ok_and(|port| port <= 65_535),
    }
}

/// What the `http` crate accepts too has the same path and query there.
fn agrees_with_http(target: &str, path: &str, query: Option<&str>) {
    let Ok(uri) = target.parse::<http::Uri>() else { return };
    if target.starts_with('/') || target.contains("://") {
        assert_eq!((uri.path(), uri.query()), (path, query), "{target:?}");
    }
}
