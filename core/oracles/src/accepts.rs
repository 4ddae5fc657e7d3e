//! Does another parser understand what was accepted?
//!
//! Whatever the core takes for a request, `httparse` on its own must take for the same one: method, target, fields.
//! The other direction does not hold, since the core is the stricter of the two by far. How the content is delimited is read from the
//! fields once more: what two parsers could take for different lengths must not be accepted at all.

use cherrystone_core::{Config, Connection, Env, Event, Framing, Head, Instant, RecvBuf, Version};

/// Gives a stream to both, head by head, as long as the core accepts.
///
/// # Panics
/// If `httparse` refuses or reads differently what the core accepts.
pub fn check(stream: &[u8], config: &Config) {
    let env = Env { config, now: Instant::from_nanos(0), date: None };
    let (mut conn, mut rx) = (Connection::new(&env), RecvBuf::default());
    rx.push(stream);
    let before = conn.consumed();
    let Ok(Event::Request(head)) = conn.poll(&env, &mut rx) else { return };
    let raw = head.raw().to_vec();
    let mut room = vec![httparse::EMPTY_HEADER; 4096];
    let mut parsed = httparse::Request::new(&mut room);
    // It knows no minor version above 1.
    let mut known = raw.clone();
    let line = known.windows(2).position(|pair| pair == b"\r\n").expect("a head has lines");
    assert!(known[line - 3..line].starts_with(b"1."), "a version that is not ours: {}", raw.escape_ascii());
    if known[line - 1] != b'0' {
        known[line - 1] = b'1';
    }
    match parsed.parse(&known) {
        Ok(httparse::Status::Complete(len)) => assert_eq!(len, raw.len(), "{}", raw.escape_ascii()),
        other => panic!("{other:?} for {}", raw.escape_ascii()),
    }
    assert_eq!(parsed.method, Some(head.method()));
    assert_eq!(parsed.path, Some(head.target()));
    assert_eq!(parsed.version == Some(0), head.version() == Version::Http10);
    let fields: Vec<_> = parsed.headers.iter().map(|field| (field.name, field.value)).collect();
    assert_eq!(fields, head.fields().iter().collect::<Vec<_>>(), "{}", raw.escape_ascii());
    let hosts = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count();
    assert!(hosts == 1 || hosts == 0 && head.version() == Version::Http10);
    check_framing(&head, &fields);
    let lead = conn.consumed() - before - raw.len() as u64;
    assert!(lead == 0 || lead == 2 && stream.starts_with(b"\r\n"), "more than one empty line was skipped");
}

/// Reads the framing, and whether the client stays, from the fields (RFC 9112, 6.3 and 9.3).
fn check_framing(head: &Head<'_>, fields: &[(&str, &[u8])]) {
    let values = |wanted: &str| -> Vec<String> {
        let of_name = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let members = of_name.flat_map(|(_, value)| value.split(|octet| *octet == b','));
        members.map(|member| String::from_utf8_lossy(member).trim_matches([' ', '\t']).to_ascii_lowercase()).collect()
    };
    let (lengths, codings) = (values("Content-Length"), values("Transfer-Encoding"));
    let number = |text: &String| {
        let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse::<u64>().ok().filter(|_| digits)
    };
    let numbers: Vec<_> = lengths.iter().map(number).collect();
    let named: Vec<_> = codings.iter().filter(|coding| !coding.is_empty()).collect();
    let fits = match head.framing() {
        Framing::None => lengths.is_empty() && codings.is_empty(),
        Framing::Length(octets) => {
            !numbers.is_empty() && codings.is_empty() && numbers.iter().all(|number| *number == Some(octets))
        }
        Framing::Chunked => lengths.is_empty() && named == ["chunked"] && head.version() == Version::Http11,
    };
    let options = values("Connection");
    let asks = |option: &str| options.iter().any(|known| known == option);
    let keeps = !asks("close") && (head.version() == Version::Http11 || asks("keep-alive"));
    assert_eq!(head.is_persistent(), keeps, "{}", head.raw().escape_ascii());
    assert!(fits, "{:?} is not what {} says", head.framing(), head.raw().escape_ascii());
}
