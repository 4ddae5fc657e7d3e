//! Does another parser understand what was accepted?
//!
//! Whatever the core takes for a request, `httparse` on its own must take for the same one: method, target, fields.
//! The other direction does not hold, since the core is the stricter of the two by far.

use cherrystone_core::{Config, Connection, Env, Event, Instant, RecvBuf, Version};

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
    let lead = conn.consumed() - before - raw.len() as u64;
    assert!(lead == 0 || lead == 2 && stream.starts_with(b"\r\n"), "more than one empty line was skipped");
}
