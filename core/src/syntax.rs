//! Which bytes may stand where?
//!
//! The byte classes of RFC 9110 and RFC 3986 as one table, and the small readers that everything else is built from.
//! All of them want the bytes that the grammar names; none skips what it does not know.
//!
//! Invariants:
//! 1. Numbers are read digit by digit: ASCII digits only, no sign, no space, no overflow.

const TOKEN: u8 = 1;
const VALUE: u8 = 2;
/// May stand in a request target.
pub(crate) const TARGET: u8 = 4;
const HOST: u8 = 8;
const QUOTED: u8 = 16;
/// Is no `%`.
pub(crate) const UNESCAPED: u8 = 32;
/// Is no `?`.
pub(crate) const UNASKED: u8 = 64;

/// One byte of class flags for each octet.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        let mut flags = 0;
        if b.is_ascii_alphanumeric() || is_one_of(b, b"!#$%&'*+-.^_`|~") {
            flags |= TOKEN;
        }
        if b == b'\t' || (b >= b' ' && b != 0x7f) {
            flags |= VALUE;
            if b != b'"' && b != b'\\' {
                flags |= QUOTED;
            }
        }
        // pchar, "/" and "?" (RFC 3986, 3.3 and 3.4), and what browsers send raw in a query though the grammar forbids it.
        if b.is_ascii_alphanumeric() || is_one_of(b, b"-._~!$&'()*+,;=:@/?%|{}[]^`") {
            flags |= TARGET;
        }
        // reg-name (RFC 3986, 3.2.2) less the comma, which is how some join two Host fields.
        if b.is_ascii_alphanumeric() || is_one_of(b, b"-._~!$&'()*+;=%") {
            flags |= HOST;
        }
        if b != b'%' {
            flags |= UNESCAPED;
        }
        if b != b'?' {
            flags |= UNASKED;
        }
        table[i] = flags;
        i += 1;
    }
    table
}

/// The value of each octet as a hexadecimal digit, 255 for what is none.
static DIGITS: [u8; 256] = digits();

const fn digits() -> [u8; 256] {
    let mut table = [u8::MAX; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit] as usize] = digit as u8;
        table[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
}

const fn is_one_of(b: u8, set: &[u8]) -> bool {
    let mut i = 0;
    while i < set.len() {
        if set[i] == b {
            return true;
        }
        i += 1;
    }
    false
}

/// The classes that all of these octets are in, found with one look at each.
#[inline]
pub(crate) fn common(bytes: &[u8]) -> u8 {
    let add = |common, &b: &u8| common & CLASSES[usize::from(b)];
    // By eight, there is a third less to do.
    let (eights, rest) = bytes.as_chunks::<8>();
    let common = eights.iter().fold(u8::MAX, |common, eight| eight.iter().fold(common, add));
    rest.iter().fold(common, add)
}

fn all(bytes: &[u8], class: u8) -> bool {
    common(bytes) & class != 0
}

/// Whether `bytes`, which have no control characters, are this name of letters, digits and hyphens, whatever their case.
#[inline]
pub(crate) fn is_name<const N: usize>(bytes: &[u8], name: &[u8; N]) -> bool {
    // Nearly all write a name as the standards do. This bit makes letters small; beside them it changes control characters alone into
    // something that names have.
    bytes.len() == N && (bytes == name || bytes.iter().zip(name).all(|(&b, &n)| b | 0x20 == n | 0x20))
}

/// A `tchar`.
pub(crate) fn is_tchar(b: u8) -> bool {
    CLASSES[usize::from(b)] & TOKEN != 0
}

/// One or more `tchar` (RFC 9110, 5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, TOKEN)
}

/// Field value octets: HTAB, SP, visible ASCII and obs-text (RFC 9110, 5.5).
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    all(bytes, VALUE)
}

/// Octets between the quotes of a quoted string, less backslash.
pub(crate) fn is_quoted(b: u8) -> bool {
    CLASSES[usize::from(b)] & QUOTED != 0
}

/// A field value octet.
pub(crate) fn is_value_octet(b: u8) -> bool {
    CLASSES[usize::from(b)] & VALUE != 0
}

/// The value of a hexadecimal digit.
#[inline]
pub(crate) fn hex(b: u8) -> Option<u8> {
    let digit = DIGITS[usize::from(b)];
    (digit < 16).then_some(digit)
}

/// `bytes` without SP and HTAB at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The members of a comma-separated list, trimmed, the empty ones left out (RFC 9110, 5.6.1.2).
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(trim).filter(|member| !member.is_empty())
}

/// A decimal number of at most 19 digits that are not leading zeros; `None` for anything else.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0, |value: u64, &b| {
        let digit = b.checked_sub(b'0').filter(|&digit| digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Whether every `%` is followed by two hexadecimal digits.
pub(crate) fn percents_are_pairs(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(b'%', rest) {
        match rest[at + 1..] {
            [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest = &rest[at + 3..],
            _ => return false,
        }
    }
    true
}

/// `uri-host [ ":" port ]` (RFC 9110, 7.2; RFC 3986, 3.2.2): a name, an IPv4 address or a bracketed IPv6 one.
#[inline]
pub(crate) fn is_authority(bytes: &[u8]) -> bool {
    if let [.., b'0'..=b'9' | b':'] = bytes { is_host_and_port(bytes) } else { is_host(bytes) }
}

// Apart, so that what a plain name needs stays short where it is inlined.
#[inline(never)]
fn is_host_and_port(bytes: &[u8]) -> bool {
    // The port is looked for from the end, where its few digits are.
    match bytes.iter().rposition(|octet| !octet.is_ascii_digit()) {
        Some(at) if bytes[at] == b':' => is_host(&bytes[..at]) && is_port(&bytes[at + 1..]),
        _ => is_host(bytes),
    }
}

#[inline]
fn is_host(bytes: &[u8]) -> bool {
    // Nearly all hosts are a plain name.
    let is_plain = common(bytes) & (HOST | UNESCAPED) == HOST | UNESCAPED;
    !bytes.is_empty() && (is_plain || is_odd_host(bytes))
}

/// Whether these digits, which may be none, are at most those of the last port.
#[inline]
fn is_port(digits: &[u8]) -> bool {
    match digits.len() {
        0..5 => true,
        5 => digits <= b"65535",
        _ => decimal(digits).is_some_and(|port| port <= 65_535),
    }
}

#[cold]
fn is_odd_host(host: &[u8]) -> bool {
    match host {
        [b'[', literal @ .., b']'] => is_ip_literal(literal),
        _ => common(host) & HOST != 0 && percents_are_pairs(host),
    }
}

/// What stands in brackets: an IPv6 address, or `v` HEX `.` and a name for addresses to come.
fn is_ip_literal(bytes: &[u8]) -> bool {
    match bytes {
        [b'v' | b'V', rest @ ..] => memchr::memchr(b'.', rest).is_some_and(|dot| {
            let (version, name) = (&rest[..dot], &rest[dot + 1..]);
            !version.is_empty()
                && version.iter().all(u8::is_ascii_hexdigit)
                && !name.is_empty()
                && name.iter().all(|&b| b == b':' || (b != b'%' && CLASSES[usize::from(b)] & HOST != 0))
        }),
        _ => core::str::from_utf8(bytes).is_ok_and(|text| text.parse::<core::net::Ipv6Addr>().is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The classes once more, by what the grammars leave out of the visible octets (RFC 5234, B.1) instead of by what they list.
    fn by_exclusion(b: u8) -> u8 {
        let visible_but = |delimiters: &[u8]| b.is_ascii_graphic() && !delimiters.contains(&b);
        let obs_text = b >= 0x80;
        let classes = [
            // RFC 9110, 5.6.2: no delimiters.
            (TOKEN, visible_but(br#""(),/:;<=>?@[\]{}"#)),
            (VALUE, b == b' ' || b == b'\t' || visible_but(b"") || obs_text),
            (QUOTED, b == b' ' || b == b'\t' || visible_but(br#""\"#) || obs_text),
            // RFC 3986: no `#`, which ends the query, and what RFC 2396, 2.4.3 called delims and unwise, less what browsers send.
            (TARGET, visible_but(br##"#"<>\"##)),
            // RFC 3986, 2.2: no gen-delims, no comma, and nothing that is in no URI.
            (HOST, visible_but(br##":/?#[]@,"<>\^`{|}"##)),
            (UNESCAPED, b != 0x25),
            (UNASKED, b != 0x3f),
        ];
        classes.iter().filter(|(_, is_in)| *is_in).fold(0, |flags, (class, _)| flags | class)
    }

    #[test]
    fn the_tables_say_what_the_grammars_say() {
        // What the compiler made of the tables' definitions, and what they come to here.
        for (classes, digits) in [(&CLASSES, &DIGITS), (&classes(), &digits())] {
            for b in 0..=u8::MAX {
                let at = usize::from(b);
                assert_eq!(classes[at], by_exclusion(b), "the classes of {:?}", char::from(b));
                let digit = char::from(b).to_digit(16).map_or(u8::MAX, |digit| digit as u8);
                assert_eq!(digits[at], digit, "the digit {:?}", char::from(b));
            }
        }
    }

    #[test]
    fn numbers_are_digits_only() {
        assert_eq!(decimal(b"010"), Some(10));
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in ["", "+1", "-1", " 1", "1 ", "1_0", "0x1", "18446744073709551616", "1e3", "\u{ff15}"] {
            assert_eq!(decimal(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn names_are_compared_without_case() {
        assert!(
            is_name(b"hOsT", b"host")
                && is_name(b"Keep-Alive", b"keep-alive")
                && is_name(b"100-Continue", b"100-continue")
        );
        for (bytes, name) in
            [(&b"hosts"[..], b"host"), (b"hos", b"host"), (b"", b"host"), (b"host", b"hose"), (b"h\xefst", b"host")]
        {
            assert!(!is_name(bytes, name), "{}", bytes.escape_ascii());
        }
        // For each octet that a field may have, the comparison is that of the standard library.
        for b in (0..=u8::MAX).filter(|&b| CLASSES[usize::from(b)] & VALUE != 0 && b != b'\t') {
            for name in *b"-0123456789abcdefghijklmnopqrstuvwxyz" {
                assert_eq!(is_name(&[b], &[name]), b.eq_ignore_ascii_case(&name), "{b} {name}");
            }
        }
    }

    #[test]
    fn authorities() {
        for good in ["a", "a.b.", "a:80", "a:", "127.0.0.1:1", "[::1]", "[::1]:65535", "[v1.x:y]", "a_b", "%41"] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for good in ["a1", "a:65535", "a:00080", "1", "a%41:8080", "[::1]:", "a:000000000000000000000"] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ":",
            ":80",
            "a b",
            "a/b",
            "u@a",
            "a:b",
            "a:1:2",
            "a::1",
            "a:-1",
            "a:1a",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]1",
            "[::1]:65536",
            "a:65536",
            "a:99999",
            "a:065536",
            "%4:80",
            "%4",
            "a,b",
            "[]",
            "[v.x]",
            "[::1%eth0]",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn lists_skip_empty_members() {
        let found: alloc::vec::Vec<_> = members(b" , a ,,\tb,").collect();
        assert_eq!(found, [b"a", b"b"]);
    }
}
