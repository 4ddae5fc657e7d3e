//! Which application does a path belong to?
//!
//! [`Prefixes`] maps path prefixes to anything, as a server with several applications needs it: the longest prefix
//! wins, and what it matched becomes the `SCRIPT_NAME`, what is left the `PATH_INFO` (RFC 3875, 4.1.13 and 4.1.5).
//!
//! ```
//! use cherrystone::dispatch::Prefixes;
//!
//! let apps = Prefixes::new([("/", "site"), ("/blog", "blog"), ("/blog/admin", "admin")])?;
//! assert_eq!(apps.find(b"/blog/admin/users"), Some((&"admin", &b"/blog/admin"[..], &b"/users"[..])));
//! assert_eq!(apps.find(b"/blog"), Some((&"blog", &b"/blog"[..], &b""[..])));
//! assert_eq!(apps.find(b"/blogger"), Some((&"site", &b""[..], &b"/blogger"[..])));
//! # Ok::<(), cherrystone::dispatch::PrefixError>(())
//! ```
//!
//! Invariants:
//! 1. `SCRIPT_NAME` followed by `PATH_INFO` is the path. The first never ends with a slash; the second is empty or
//!    begins with one.
//! 2. A prefix matches at a slash or at the end, octet by octet: case counts, and nothing is decoded. Give raw paths
//!    with prefixes in the form that clients send, or decoded paths with decoded prefixes.

/// A table of path prefixes.
#[derive(Clone, Debug)]
pub struct Prefixes<T> {
    /// Without their last slash, the longest first.
    entries: Vec<(Vec<u8>, T)>,
}

/// A prefix that no path could match, or that is ambiguous.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrefixError {
    /// It does not begin with a slash.
    #[error("the prefix {0:?} has to begin with a slash, or to be empty")]
    Relative(String),
    /// It has a query or a fragment, or octets that no path has.
    #[error("the prefix {0:?} has characters that no path has")]
    Invalid(String),
    /// It is there already; a slash at the end makes no difference.
    #[error("the prefix {0:?} is given twice")]
    Repeated(String),
}

impl<T> Prefixes<T> {
    /// A table of these prefixes. Both `"/"` and `""` match every path; a slash at the end of a prefix is no part of it.
    ///
    /// # Errors
    /// The first prefix that is no path, or that is given twice.
    pub fn new<P: Into<String>>(entries: impl IntoIterator<Item = (P, T)>) -> Result<Self, PrefixError> {
        let mut table = Self { entries: Vec::new() };
        for (prefix, value) in entries {
            table.insert(prefix.into(), value)?;
        }
        Ok(table)
    }

    /// The value for a path with its `SCRIPT_NAME` and `PATH_INFO`; `None` is a 404.
    pub fn find<'p>(&self, path: &'p [u8]) -> Option<(&T, &'p [u8], &'p [u8])> {
        self.entries.iter().find_map(|(prefix, value)| {
            let rest = path.strip_prefix(prefix.as_slice())?;
            (rest.is_empty() || rest.starts_with(b"/")).then(|| (value, &path[..prefix.len()], rest))
        })
    }

    /// All prefixes in the order in which they are tried, and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries.iter().map(|(prefix, value)| (str::from_utf8(prefix).unwrap_or_default(), value))
    }

    fn insert(&mut self, prefix: String, value: T) -> Result<(), PrefixError> {
        let key = prefix.trim_end_matches('/').as_bytes();
        if !prefix.is_empty() && !prefix.starts_with('/') {
            return Err(PrefixError::Relative(prefix));
        }
        if key.iter().any(|b| matches!(b, b'?' | b'#') || b.is_ascii_control()) {
            return Err(PrefixError::Invalid(prefix));
        }
        if self.entries.iter().any(|(known, _)| known == key) {
            return Err(PrefixError::Repeated(prefix));
        }
        let at = self.entries.partition_point(|(known, _)| known.len() >= key.len());
        self.entries.insert(at, (key.to_vec(), value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'t>(table: &'t Prefixes<&str>, path: &'t str) -> Option<(&'t str, &'t str, &'t str)> {
        let (value, script_name, path_info) = table.find(path.as_bytes())?;
        assert_eq!([script_name, path_info].concat(), path.as_bytes());
        Some((value, str::from_utf8(script_name).unwrap(), str::from_utf8(path_info).unwrap()))
    }

    #[test]
    fn the_longest_prefix_wins_whatever_the_order() {
        let orders = [
            [("/a", "a"), ("/a/b", "ab"), ("/", "root"), ("/a/b/c/", "abc")],
            [("/a/b/c/", "abc"), ("/a/b", "ab"), ("/a", "a"), ("/", "root")],
            [("/", "root"), ("/a", "a"), ("/a/b/c/", "abc"), ("/a/b", "ab")],
        ];
        for order in orders {
            let table = Prefixes::new(order).unwrap();
            for (path, expected) in [
                ("/", ("root", "", "/")),
                ("/x", ("root", "", "/x")),
                ("/a", ("a", "/a", "")),
                ("/a/", ("a", "/a", "/")),
                ("/a/x", ("a", "/a", "/x")),
                ("/a/b", ("ab", "/a/b", "")),
                ("/a/b/c", ("abc", "/a/b/c", "")),
                ("/a/b/c/d", ("abc", "/a/b/c", "/d")),
                ("/a/b/cd", ("ab", "/a/b", "/cd")),
                ("/a//b", ("a", "/a", "//b")),
                ("//a", ("root", "", "//a")),
                ("/ab", ("root", "", "/ab")),
                ("/A", ("root", "", "/A")),
                ("/%61", ("root", "", "/%61")),
                ("", ("root", "", "")),
            ] {
                assert_eq!(find(&table, path), Some(expected), "{path}");
            }
        }
    }

    #[test]
    fn without_a_root_some_paths_have_no_application() {
        let table = Prefixes::new([("/a", "a")]).unwrap();
        for path in ["/", "", "/ab", "/b", "a", "*", "//a"] {
            assert_eq!(find(&table, path), None, "{path}");
        }
        assert_eq!(Prefixes::<()>::new::<&str>([]).unwrap().find(b"/"), None);
    }

    #[test]
    fn what_is_no_path_belongs_to_nobody() {
        let table = Prefixes::new([("", "root")]).unwrap();
        for path in ["*", "example.com:80", "x/y"] {
            assert_eq!(find(&table, path), None, "{path}");
        }
    }

    #[test]
    fn bad_prefixes_are_refused() {
        let refuse = |prefixes: &[&str]| Prefixes::new(prefixes.iter().map(|&p| (p, ()))).unwrap_err();
        assert_eq!(refuse(&["a"]), PrefixError::Relative("a".into()));
        assert_eq!(refuse(&["/a?b"]), PrefixError::Invalid("/a?b".into()));
        assert_eq!(refuse(&["/a\r\n"]), PrefixError::Invalid("/a\r\n".into()));
        assert_eq!(refuse(&["/a", "/a/"]), PrefixError::Repeated("/a/".into()));
        assert_eq!(refuse(&["/", ""]), PrefixError::Repeated("".into()));
    }

    #[test]
    fn the_order_can_be_seen() {
        let table = Prefixes::new([("/", 1), ("/long/er", 2), ("/long", 3)]).unwrap();
        assert_eq!(table.iter().collect::<Vec<_>>(), [("/long/er", &2), ("/long", &3), ("", &1)]);
    }
}
