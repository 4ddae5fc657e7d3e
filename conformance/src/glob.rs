//! Which cases does a pattern on the command line mean?
//!
//! ```
//! use cherrystone_conformance::glob::matches;
//!
//! assert!(matches("chunked-*/size-?*", "chunked-invalid/size-plus"));
//! assert!(matches("host", "host/missing"));      // a bare word is a whole group
//! assert!(!matches("host", "hosts/missing"));
//! ```
//!
//! 1. `*` stands for any run of characters, the slash included, `?` for one character.
//! 2. The time is at most the product of both lengths, whatever the pattern.

/// Whether `pattern` means the case `id`.
pub fn matches(pattern: &str, id: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        if pattern == id {
            return true;
        }
        return id.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('/'));
    }
    wildcard(pattern.as_bytes(), id.as_bytes())
}

fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to resume when the part after the last star does not fit: let that star take one more octet.
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after, taken)) = star else { return false };
                star = Some((after, taken + 1));
                p = after;
                t = taken + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_give_back_what_they_took_too_much() {
        assert!(wildcard(b"a*bc*d", b"abxbcbcxd"));
        assert!(!wildcard(b"a*bc*d", b"abxbcbcx"));
        assert!(wildcard(b"**", b""));
        assert!(!wildcard(b"?", b""));
    }

    #[test]
    fn a_group_may_be_nested() {
        assert!(matches("fields/names", "fields/names/empty"));
        assert!(matches("fields", "fields/names/empty"));
        assert!(matches("fields/*", "fields/names/empty"));
    }
}
