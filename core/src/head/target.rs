//! Which resource is meant?
//!
//! The four forms of a request target (RFC 9112, 3.2). A target that begins with `//` is a path whose first segment is
//! empty, not an authority. Nothing is decoded.

use crate::ViolationKind as Kind;
use crate::syntax;

/// A request target by its form; all parts as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm<'b> {
    /// `/path?query`
    Origin {
        /// From the first slash on.
        path: &'b str,
        /// Behind the first question mark.
        query: Option<&'b str>,
    },
    /// `http://authority/path?query`
    Absolute {
        /// `http` or `https`, case as received.
        scheme: &'b str,
        /// Host and port.
        authority: &'b str,
        /// From the first slash on, or empty.
        path: &'b str,
        /// Behind the first question mark.
        query: Option<&'b str>,
    },
    /// `host:port`, for CONNECT alone.
    Authority(&'b str),
    /// `*`, for OPTIONS alone.
    Asterisk,
}

/// The form of a target, with the positions that tell its parts apart, counted from its first octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Origin { query_at: Option<u16> },
    Absolute { authority_at: u16, path_at: u16, query_at: Option<u16> },
    Authority,
    Asterisk,
}

impl Default for Form {
    fn default() -> Self {
        Self::Origin { query_at: None }
    }
}

impl Form {
    /// Judges a target for this method.
    #[inline(always)]
    pub(crate) fn of(method: &[u8], target: &[u8]) -> Result<Self, Kind> {
        let common = syntax::common(target);
        let escapes_are_sound = common & syntax::UNESCAPED != 0 || syntax::percents_are_pairs(target);
        if common & syntax::TARGET == 0 || !escapes_are_sound {
            return Err(Kind::Target);
        }
        let asks = common & syntax::UNASKED == 0;
        match target {
            _ if method == b"CONNECT" => {
                let port = target.iter().rposition(|&b| b == b':').and_then(|at| syntax::decimal(&target[at + 1..]));
                let usable = syntax::is_authority(target) && port.is_some_and(|port| port > 0);
                if usable { Ok(Self::Authority) } else { Err(Kind::Target) }
            }
            [b'/', ..] => Ok(Self::Origin { query_at: if asks { question(target, 0) } else { None } }),
            b"*" if method == b"OPTIONS" => Ok(Self::Asterisk),
            _ => Self::absolute(target),
        }
    }

    fn absolute(target: &[u8]) -> Result<Self, Kind> {
        let authority_at = if starts_with(target, b"http://") {
            7
        } else if starts_with(target, b"https://") {
            8
        } else {
            return Err(Kind::Target);
        };
        let end = target[authority_at..].iter().position(|b| matches!(b, b'/' | b'?'));
        let path_at = end.map_or(target.len(), |end| authority_at + end);
        if !syntax::is_authority(&target[authority_at..path_at]) {
            return Err(Kind::Target);
        }
        Ok(Self::Absolute {
            authority_at: authority_at as u16,
            path_at: path_at as u16,
            query_at: question(target, path_at),
        })
    }

    /// Whether the target is an `https` URI, which needs a secured connection.
    pub(crate) fn wants_security(self) -> bool {
        matches!(self, Self::Absolute { authority_at: 8, .. })
    }

    /// The parts of `target`, which this is the form of.
    pub(crate) fn view(self, target: &str) -> TargetForm<'_> {
        let part = |from: u16, to: usize| target.get(usize::from(from)..to).unwrap_or_default();
        let path_end = |query_at: Option<u16>| query_at.map_or(target.len(), usize::from);
        let query = |query_at: Option<u16>| query_at.map(|at| part(at + 1, target.len()));
        match self {
            Self::Origin { query_at } => {
                TargetForm::Origin { path: part(0, path_end(query_at)), query: query(query_at) }
            }
            Self::Absolute { authority_at, path_at, query_at } => TargetForm::Absolute {
                scheme: part(0, usize::from(authority_at) - 3),
                authority: part(authority_at, usize::from(path_at)),
                path: part(path_at, path_end(query_at)),
                query: query(query_at),
            },
            Self::Authority => TargetForm::Authority(target),
            Self::Asterisk => TargetForm::Asterisk,
        }
    }
}

fn starts_with(target: &[u8], scheme: &[u8]) -> bool {
    target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

fn question(target: &[u8], from: usize) -> Option<u16> {
    memchr::memchr(b'?', &target[from..]).map(|at| (from + at) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view<'t>(method: &str, target: &'t str) -> Result<TargetForm<'t>, Kind> {
        Form::of(method.as_bytes(), target.as_bytes()).map(|form| form.view(target))
    }

    #[test]
    fn forms() {
        let origin = |path, query| Ok(TargetForm::Origin { path, query });
        assert_eq!(view("GET", "/"), origin("/", None));
        assert_eq!(view("GET", "//a//b?c?d/"), origin("//a//b", Some("c?d/")));
        assert_eq!(view("GET", "/?"), origin("/", Some("")));
        assert_eq!(view("OPTIONS", "*"), Ok(TargetForm::Asterisk));
        assert_eq!(view("CONNECT", "h:443"), Ok(TargetForm::Authority("h:443")));
        let absolute = |scheme, authority, path, query| Ok(TargetForm::Absolute { scheme, authority, path, query });
        assert_eq!(view("GET", "HTTP://H.x:80/p?q"), absolute("HTTP", "H.x:80", "/p", Some("q")));
        assert_eq!(view("GET", "https://[::1]?q"), absolute("https", "[::1]", "", Some("q")));
        assert_eq!(view("OPTIONS", "http://h"), absolute("http", "h", "", None));
    }

    #[test]
    fn refused() {
        let bad = [
            "*",
            "a",
            "?x",
            "h:443",
            "http:///p",
            "http://u@h/",
            "http://h:x/",
            "ftp://h/",
            "/#f",
            "/%zz",
            "/%4",
            "/\u{e9}",
            "/a\"",
            "http://",
        ];
        for target in bad {
            assert_eq!(view("GET", target), Err(Kind::Target), "{target}");
        }
        for target in ["/x", "h", "h:", "h:x", "h:0", "h:65536", "*", "http://h:1/"] {
            assert_eq!(view("CONNECT", target), Err(Kind::Target), "{target}");
        }
        assert_eq!(view("OPTIONS", "*/x"), Err(Kind::Target));
    }
}
