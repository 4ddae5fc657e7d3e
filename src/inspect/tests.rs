//! Recordings, whole and cut.

use std::collections::BTreeSet;

use cherrystone_core::ViolationKind;

use super::*;

/// What is found, and the summary, with the recording in pieces of this size.
fn found(recording: &[u8], options: &Options, piece: usize, format: Format) -> (String, Summary) {
    let mut out = Vec::new();
    let (mut printer, mut inspector) = (Printer::new(&mut out, format), Inspector::new(options.clone()));
    for octets in recording.chunks(piece.max(1)) {
        inspector.push(octets, &mut |finding| printer.found(&finding));
    }
    let summary = inspector.finish(&mut |finding| printer.found(&finding));
    printer.finish(&summary).unwrap();
    (String::from_utf8(out).unwrap(), summary)
}

fn lines(recording: &[u8], options: &Options) -> Vec<serde_json::Value> {
    let (text, _) = found(recording, options, usize::MAX, Format::Json);
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

const PIPELINED: &[u8] = b"\r\nGET /a?b HTTP/1.1\r\nHost: h\r\nX: \xe4\"\r\n\r\n\
    POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nSum: 9\r\n\r\n\
    PUT /d HTTP/1.0\r\nContent-Length: 4\r\n\r\nabcdGET /never HTTP/1.1\r\n";

#[test]
fn pipelined_requests_with_their_offsets() {
    let json = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
    let found = lines(PIPELINED, &Options::default());
    let expected = [
        r#"{"type":"request","request":1,"from":2,"to":39,"method":"GET","target":"/a?b","version":"HTTP/1.1","framing":"none","length":null,"persistent":true,"expects_continue":false,"upgrade":[],"fields":[["Host","h"],["X","ä\""]]}"#,
        r#"{"type":"end","request":1,"at":39,"content":0,"trailers":[],"kept":true}"#,
        r#"{"type":"request","request":2,"from":39,"to":118,"method":"POST","target":"/c","version":"HTTP/1.1","framing":"chunked","length":null,"persistent":true,"expects_continue":true,"upgrade":[],"fields":[["Host","h"],["Transfer-Encoding","chunked"],["Expect","100-continue"]]}"#,
        r#"{"type":"content","request":2,"from":125,"to":128}"#,
        r#"{"type":"content","request":2,"from":133,"to":135}"#,
        r#"{"type":"end","request":2,"at":150,"content":5,"trailers":[["Sum","9"]],"kept":true}"#,
        r#"{"type":"request","request":3,"from":150,"to":188,"method":"PUT","target":"/d","version":"HTTP/1.0","framing":"length","length":4,"persistent":false,"expects_continue":false,"upgrade":[],"fields":[["Content-Length","4"]]}"#,
        r#"{"type":"content","request":3,"from":188,"to":192}"#,
        r#"{"type":"end","request":3,"at":192,"content":4,"trailers":[],"kept":false}"#,
        r#"{"type":"summary","requests":3,"content":9,"octets":213,"rest":{"from":192,"to":213}}"#,
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(*found, json(expected));
    }
    assert_eq!(
        (&PIPELINED[125..128], &PIPELINED[133..135], &PIPELINED[188..192]),
        (&b"abc"[..], &b"de"[..], &b"abcd"[..])
    );
}

#[test]
fn findings_do_not_depend_on_the_cuts() {
    let whole = found(PIPELINED, &Options::default(), usize::MAX, Format::Text);
    for piece in 1..PIPELINED.len() {
        assert_eq!(found(PIPELINED, &Options::default(), piece, Format::Text), whole, "pieces of {piece}");
    }
}

#[test]
fn a_recording_may_end_anywhere() {
    // Behind these octets no request is under way.
    let between = BTreeSet::from([0, 2, 39, 150, 192]);
    for end in 0..=PIPELINED.len() {
        let (text, summary) = found(&PIPELINED[..end], &Options::default(), usize::MAX, Format::Text);
        assert_eq!(summary.octets, end as u64);
        let kind = summary.violation.map(|violation| violation.kind);
        // Behind the last request nothing is looked at.
        let expected = (!between.contains(&end) && end < 192).then_some(ViolationKind::Truncated);
        assert_eq!(kind, expected, "cut at {end}: {text}");
        if kind.is_some() {
            assert!(text.contains("the request is incomplete"), "{text}");
        }
    }
}

/// A recording for each rule that can be broken without a clock.
fn broken(kind: ViolationKind) -> Option<Vec<u8>> {
    let with = |fields: &str| format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n").into_bytes();
    let chunked =
        |chunks: &str| format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").into_bytes();
    Some(match kind {
        ViolationKind::NotHttp => b"\x16\x03\x01".to_vec(),
        ViolationKind::EmptyLines => b"\r\n\r\n".to_vec(),
        ViolationKind::BareLf => b"GET / HTTP/1.1\nHost: h\r\n\r\n".to_vec(),
        ViolationKind::BareCr => b"GET / HTTP/1.1\rHost: h\r\n\r\n".to_vec(),
        ViolationKind::Nul => with("X: \0"),
        ViolationKind::RequestLine => b"GET /\r\n\r\n".to_vec(),
        ViolationKind::Method => b"GE(T / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        ViolationKind::Target => b"GET /#a HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        ViolationKind::Version => b"GET / HTTP/2.0\r\nHost: h\r\n\r\n".to_vec(),
        ViolationKind::TargetTooLong => format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000)).into_bytes(),
        ViolationKind::HeadTooLarge => with(&format!("X: {}", "a".repeat(40_000))),
        ViolationKind::TooManyFields => with(&"X: y\r\n".repeat(101)),
        ViolationKind::FieldName => with("X : y"),
        ViolationKind::FieldValue => with("X: \x01"),
        ViolationKind::HostMissing => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        ViolationKind::HostRepeated => with("Host: h"),
        ViolationKind::Host => b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_vec(),
        ViolationKind::Misdirected => b"GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        ViolationKind::ContentLength => with("Content-Length: +1"),
        ViolationKind::LengthAndEncoding => with("Content-Length: 1\r\nTransfer-Encoding: chunked"),
        ViolationKind::TransferEncoding => with("Transfer-Encoding: gzip"),
        ViolationKind::UnknownCoding => with("Transfer-Encoding: gzip, chunked"),
        ViolationKind::Expectation => with("Expect: the-spanish-inquisition"),
        ViolationKind::BodyTooLarge => with("Content-Length: 99999999999"),
        ViolationKind::ChunkSize => chunked("+1\r\n"),
        ViolationKind::ChunkExtension => chunked("1;=\r\n"),
        ViolationKind::ChunkOverhead => chunked(&format!("1;a={}\r\n", "b".repeat(5_000))),
        ViolationKind::ChunkEnd => chunked("1\r\naX\r\n"),
        ViolationKind::TrailersTooLarge => chunked(&format!("0\r\nX: {}\r\n\r\n", "a".repeat(9_000))),
        ViolationKind::Truncated => b"GET / HTTP/1.1\r\n".to_vec(),
        // Nobody is late in a recording.
        ViolationKind::HeadTimeout | ViolationKind::BodyTimeout => return None,
        other => panic!("{other:?} has no recording"),
    })
}

#[test]
fn every_rule_is_found_behind_another_request() {
    let first = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for &kind in ViolationKind::ALL {
        let Some(broken) = broken(kind) else { continue };
        let recording = [first, &broken[..]].concat();
        let options = Options::default();
        let (text, summary) = found(&recording, &options, usize::MAX, Format::Text);
        let violation = summary.violation.unwrap_or_else(|| panic!("{kind:?}: {text}"));
        assert_eq!(violation.kind, kind, "{text}");
        let (from, to) = (first.len() as u64, recording.len() as u64);
        assert!((from..=to).contains(&violation.offset), "{kind:?}: {text}");
        assert!(text.contains("violation in request 2: ") && text.contains(violation.section()), "{text}");
        assert_eq!(summary.rest.end, to);
        assert_eq!(found(&recording, &options, 1, Format::Text), (text, summary), "{kind:?} octet by octet");
    }
}

#[test]
fn what_follows_a_switch_depends_on_the_answer() {
    let upgrade = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo, other\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let connect = b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n\x16\x03\x01";
    let accepted = Options { switches: Switches::Accepted, ..Options::default() };
    let summary = |recording: &[u8], options: &Options| found(recording, options, usize::MAX, Format::Json);
    assert_eq!(summary(upgrade, &Options::default()).1.requests, 2);
    let (text, switched) = summary(upgrade, &accepted);
    assert!(text.contains(r#"{"type":"switch","request":1,"at":70,"protocol":"echo"}"#), "{text}");
    assert_eq!((switched.requests, switched.rest), (1, 70..97));
    assert_eq!(summary(connect, &Options::default()).1.violation.map(|found| found.kind), Some(ViolationKind::NotHttp));
    let (text, tunnel) = summary(connect, &accepted);
    assert!(text.contains(r#""protocol":null"#) && tunnel.violation.is_none(), "{text}");
}

#[test]
fn plaintext_of_tls_may_name_https() {
    let recording = b"GET https://h/ HTTP/1.1\r\nHost: h\r\n\r\n";
    let secured = Options { transport: Transport::Secured, ..Options::default() };
    assert_eq!(found(recording, &secured, usize::MAX, Format::Text).1.violation, None);
}

/// Sixteen mebibytes at a time, without end of memory.
struct Endless {
    head: &'static [u8],
    left: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.head.is_empty() {
            return self.head.read(buffer);
        }
        let n = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        buffer[..n].fill(b'a');
        self.left -= n as u64;
        Ok(n)
    }
}

#[test]
fn a_large_recording_is_one_line_of_content() {
    let recording =
        Endless { head: b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000000\r\n\r\n", left: 300_000_000 };
    let mut out = Vec::new();
    let mut printer = Printer::new(&mut out, Format::Text);
    let summary = inspect(recording, Options::default(), &mut |finding| printer.found(&finding)).unwrap();
    printer.finish(&summary).unwrap();
    assert_eq!((summary.content, summary.violation), (300_000_000, None));
    assert_eq!(String::from_utf8(out).unwrap().lines().count(), 7);
}

#[test]
fn lines_of_json_are_what_the_schema_says() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../docs/inspect.schema.json")).unwrap();
    let options = Options { switches: Switches::Accepted, ..Options::default() };
    let switch = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    let mut seen = BTreeSet::new();
    for recording in [PIPELINED, switch, b"GET\r\n\r\n"] {
        for line in lines(recording, &options) {
            let kind = line["type"].as_str().unwrap();
            seen.insert(kind.to_owned());
            let said: BTreeSet<_> = line.as_object().unwrap().keys().collect();
            let member = &schema["$defs"][kind];
            let known: BTreeSet<_> = member["properties"].as_object().unwrap().keys().collect();
            assert_eq!(said, known, "{kind}");
            let required: BTreeSet<_> =
                member["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            assert_eq!(required, known.iter().map(|name| name.as_str()).collect(), "{kind}");
        }
    }
    let kinds: BTreeSet<_> =
        schema["$defs"].as_object().unwrap().keys().filter(|name| *name != "fields").cloned().collect();
    assert_eq!(seen, kinds);
    let names: BTreeSet<_> = schema["$defs"]["violation"]["properties"]["kind"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    assert_eq!(names, ViolationKind::ALL.iter().map(|kind| kind.name()).collect());
}
