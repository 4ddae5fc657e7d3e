//! Which name below the root does a request ask for?
//!
//! A path is cut at its slashes first and decoded afterwards, once: an encoded slash is part of a name and can never
//! make a new segment.
//!
//! Invariants:
//! 1. A [`Target`] names something below the root or the root itself: no `..`, no leading slash, no NUL.
//! 2. One file has one path: empty segments, `.` and `..` are refused, not cleaned up, so no rule that was written for
//!    a path in front of this server is passed by another spelling with more slashes in it.

use super::DotFiles;

/// A validated path, relative to the root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Decoded segments joined by slashes; empty for the root itself.
    pub(super) path: Vec<u8>,
    /// How the path ends, which decides between a file, a directory and a redirection.
    pub(super) ending: Ending,
}

/// How a path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With a name.
    Name,
    /// With a slash: only a directory will do.
    Slash,
}

/// Why a path names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is no path, or its percent-encoding is broken.
    Malformed,
    /// Nothing that is served can have this name.
    Absent,
}

impl Target {
    /// Reads a path as it was received.
    pub(super) fn parse(raw: &[u8], dot_files: DotFiles) -> Result<Self, Refusal> {
        if raw.is_empty() {
            return Ok(Self { path: Vec::new(), ending: Ending::Name });
        }
        let raw = raw.strip_prefix(b"/").ok_or(Refusal::Malformed)?;
        let (names, ending) = match raw.strip_suffix(b"/") {
            Some(names) => (names, Ending::Slash),
            None if raw.is_empty() => return Ok(Self { path: Vec::new(), ending: Ending::Slash }),
            None => (raw, Ending::Name),
        };
        let mut path = Vec::with_capacity(names.len());
        let mut verdict = Ok(());
        for segment in names.split(|&b| b == b'/') {
            let name = decode(segment).ok_or(Refusal::Malformed)?;
            if !is_served(&name, path.is_empty(), dot_files) {
                verdict = Err(Refusal::Absent);
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
        }
        verdict.map(|()| Self { path, ending })
    }

    /// The last name of the path; empty for the root.
    pub(super) fn name(&self) -> &[u8] {
        last_segment(&self.path)
    }

    /// The path of an entry of this directory.
    pub(super) fn child(&self, name: &str) -> Vec<u8> {
        let mut path = self.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        path
    }
}

/// Whether a name can be one of a served file; the first name of a path may be `.well-known` (RFC 8615).
pub(super) fn is_served(name: &[u8], first: bool, dot_files: DotFiles) -> bool {
    let possible = !matches!(name, b"" | b"." | b"..") && !name.iter().any(|b| matches!(b, 0 | b'/' | b'\\'));
    let hidden = dot_files == DotFiles::Hide && name.starts_with(b".") && !(first && name == b".well-known");
    possible && !hidden
}

/// What follows the last slash.
pub(super) fn last_segment(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or_default()
}

/// Appends a name as a path segment that is safe in a URI, in HTML and in a field value (RFC 3986, 2.3).
pub(super) fn encode(name: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &b in name {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(b);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
        }
    }
}

/// Decodes one segment; `None` when a percent sign is not followed by two hexadecimal digits.
pub(super) fn decode(segment: &[u8]) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(segment.len());
    let mut rest = segment.iter();
    while let Some(&b) = rest.next() {
        name.push(if b == b'%' { hex(*rest.next()?)? << 4 | hex(*rest.next()?)? } else { b });
    }
    Some(name)
}

fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Result<(String, Ending), Refusal> {
        let target = Target::parse(raw.as_bytes(), DotFiles::Hide)?;
        Ok((String::from_utf8_lossy(&target.path).into_owned(), target.ending))
    }

    #[test]
    fn plain_paths() {
        for (raw, path, ending) in [
            ("", "", Ending::Name),
            ("/", "", Ending::Slash),
            ("/a", "a", Ending::Name),
            ("/a/", "a", Ending::Slash),
            ("/a/b.txt", "a/b.txt", Ending::Name),
            ("/a%20b/c%2Bd", "a b/c+d", Ending::Name),
            ("/%C3%A4", "ä", Ending::Name),
            ("/a..b", "a..b", Ending::Name),
            ("/.well-known/acme", ".well-known/acme", Ending::Name),
        ] {
            assert_eq!(parse(raw), Ok((path.into(), ending)), "{raw}");
        }
    }

    #[test]
    fn hostile_paths_name_nothing() {
        for raw in [
            "/..",
            "/../etc/passwd",
            "/a/../../etc/passwd",
            "/%2e%2e/x",
            "/%2E%2e",
            "/.%2e/x",
            "/%2e./x",
            "/a/..",
            "/a/../b",
            "/./a",
            "/%2e/a",
            "//etc/passwd",
            "/a//b",
            "/a//",
            "///",
            "/%2fetc%2fpasswd",
            "/a%2Fb",
            "/..%2f..%2fetc",
            "/a%00",
            "/a%00.txt",
            "/%00",
            "/a\\b",
            "/..\\..\\x",
            "/%5c..%5cx",
            "/\\evil",
            "/.git/config",
            "/a/.env",
            "/%2egit",
            "/a/.well-known/x",
            "/...",
        ] {
            assert_eq!(parse(raw), Err(Refusal::Absent), "{raw}");
        }
    }

    #[test]
    fn broken_paths_are_malformed() {
        for raw in ["a", "*", "http://x/", "/%", "/%4", "/%zz", "/%+1", "/a%", "/../%", "/%%41"] {
            assert_eq!(parse(raw), Err(Refusal::Malformed), "{raw}");
        }
    }

    #[test]
    fn decoding_happens_once() {
        assert_eq!(parse("/%252e%252e/x"), Ok(("%2e%2e/x".into(), Ending::Name)));
        assert_eq!(parse("/a%252Fb"), Ok(("a%2Fb".into(), Ending::Name)));
    }

    #[test]
    fn dot_files_are_served_when_asked_for_but_dot_segments_never() {
        let serve = |raw: &str| Target::parse(raw.as_bytes(), DotFiles::Serve).map(|t| t.path);
        assert_eq!(serve("/.git/config"), Ok(b".git/config".to_vec()));
        assert_eq!(serve("/..."), Ok(b"...".to_vec()));
        assert_eq!(serve("/../x"), Err(Refusal::Absent));
        assert_eq!(serve("/%2e"), Err(Refusal::Absent));
    }

    #[test]
    fn encoding_leaves_nothing_that_means_something() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = Vec::new();
        encode(&all, &mut text);
        assert!(text.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(b)));
        assert_eq!(decode(&text), Some(all));
    }

    #[test]
    fn children_and_names() {
        let root = Target::parse(b"/", DotFiles::Hide).unwrap();
        assert_eq!((root.name(), root.child("i.html")), (&b""[..], b"i.html".to_vec()));
        let deep = Target::parse(b"/a/b/", DotFiles::Hide).unwrap();
        assert_eq!((deep.name(), deep.child("i.html")), (&b"b"[..], b"a/b/i.html".to_vec()));
    }
}
