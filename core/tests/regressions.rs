//! Faults that were found once and must not come back, each as the short conversation that shows it.

use cherrystone_core::{
    Cause, Config, Connection, Env, Event, Instant, Misuse, RecvBuf, SendBuf, Size, Status, Violation, ViolationKind,
};

/// A connection with its buffers and a clock that stands still.
struct Talk {
    config: Config,
    now: Instant,
    conn: Connection,
    rx: RecvBuf,
    tx: SendBuf,
}

impl Talk {
    fn new() -> Self {
        let (config, now) = (Config::default(), Instant::from_nanos(0));
        let conn = Connection::new(&Env { config: &config, now, date: None });
        Self { config, now, conn, rx: RecvBuf::default(), tx: SendBuf::default() }
    }

    fn hear(mut self, octets: &str) -> Self {
        self.rx.push(octets.as_bytes());
        self
    }

    /// Polls until there is no more content, and says what came then.
    fn poll(&mut self) -> String {
        loop {
            let polled = self.conn.poll(&Env { config: &self.config, now: self.now, date: None }, &mut self.rx);
            match polled {
                Ok(Event::Request(_) | Event::Data(_) | Event::End(_)) => {}
                Ok(event) => return format!("{event:?}"),
                Err(violation) => return violation.kind.name().into(),
            }
        }
    }

    /// Polls to the violation that must come.
    fn violation(&mut self) -> Violation {
        let env = Env { config: &self.config, now: self.now, date: None };
        loop {
            if let Err(violation) =
                self.conn.poll(&env, &mut self.rx).map(|event| assert!(!matches!(event, Event::NeedInput)))
            {
                return violation;
            }
        }
    }

    fn respond(&mut self, size: Size) {
        let env = Env { config: &self.config, now: self.now, date: None };
        self.conn.respond(&env, Status::OK, &[], size, &mut self.tx).unwrap();
    }

    fn refuse(&mut self) {
        let violation = self.violation();
        self.conn.refuse(&Env { config: &self.config, now: self.now, date: None }, violation, &mut self.tx);
    }

    fn abort(&mut self) {
        let env = Env { config: &self.config, now: self.now, date: None };
        self.conn.abort(&env, &mut self.tx);
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(self.tx.unsent()).into_owned()
    }
}

#[test]
fn an_aborted_answer_cannot_be_ended_after_all() {
    let mut talk = Talk::new().hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(talk.poll(), "NeedResponse");
    talk.respond(Size::Unknown);
    talk.conn.write(b"half", &mut talk.tx).unwrap();
    talk.abort();
    assert_eq!(talk.conn.write(b"more", &mut talk.tx), Err(Misuse::NotWriting));
    assert_eq!(talk.conn.finish(&[], &mut talk.tx), Err(Misuse::NotWriting));
    assert!(talk.said().ends_with("\r\n\r\n4\r\nhalf\r\n"), "{}", talk.said());
}

#[test]
fn an_answer_to_garbage_after_head_has_content() {
    let mut talk = Talk::new().hear("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(talk.poll(), "NeedResponse");
    talk.respond(Size::Empty);
    let mut talk = talk.hear("GET\0");
    talk.refuse();
    assert!(talk.said().ends_with("the head contains a NUL\n"), "{}", talk.said());
}

#[test]
fn an_answer_to_a_broken_head_request_has_no_content() {
    let mut talk = Talk::new().hear("HEAD / HTTP/1.1\r\nNo host: a\r\n\r\n");
    talk.refuse();
    assert!(talk.said().starts_with("HTTP/1.1 400 ") && talk.said().ends_with("\r\n\r\n"), "{}", talk.said());
}

#[test]
fn a_cr_alone_behind_a_chunk_is_found_at_the_same_place_however_it_comes() {
    let stream = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\rX";
    let whole = Talk::new().hear(stream).violation();
    let mut talk = Talk::new().hear(&stream[..stream.len() - 1]);
    assert_eq!(talk.poll(), "NeedInput");
    assert_eq!(talk.hear("X").violation(), whole);
    assert_eq!(whole.offset, stream.len() as u64 - 1);
}

#[test]
fn buffers_exchanged_under_a_head_are_no_panic() {
    let mut talk = Talk::new().hear("GET / HTTP/1.1\r\n");
    assert_eq!(talk.poll(), "NeedInput");
    talk.rx = RecvBuf::default();
    let mut talk = talk.hear("abc");
    assert_eq!(talk.poll(), "NeedInput");
    assert_eq!(talk.hear("\r\n\r\n").poll(), "FieldName");
}

#[test]
fn limits_beyond_what_is_possible_are_no_limits_that_wrap() {
    let mut talk = Talk::new();
    (talk.config.limits.head, talk.config.limits.target, talk.config.limits.trailers) = (u32::MAX, u32::MAX, u32::MAX);
    let long = "x".repeat(70_000);
    assert_eq!(talk.hear(&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")).poll(), "TargetTooLong");
    let mut talk = Talk::new();
    talk.config.limits.trailers = u32::MAX;
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    assert_eq!(talk.hear(&format!("{chunked}A: {long}\r\n\r\n")).poll(), "TrailersTooLarge");
}

#[test]
fn content_is_refused_by_an_answer_before_100_whether_it_has_come_or_not() {
    for content in ["", "hi"] {
        let mut talk = Talk::new();
        let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        talk.rx.push(&[head, content].concat().into_bytes());
        let env = Env { config: &talk.config, now: talk.now, date: None };
        assert!(matches!(talk.conn.poll(&env, &mut talk.rx), Ok(Event::Request(_))));
        talk.respond(Size::Unknown);
        assert_eq!(talk.poll(), "NeedResponse");
        talk.conn.finish(&[], &mut talk.tx).unwrap();
        assert_eq!(talk.poll(), "Shutdown");
    }
}

#[test]
fn nobody_is_late_once_the_trailers_or_a_fault_have_come() {
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (first, then) in [("0\r\nA: b\r\n", "\r\n"), ("5", "x")] {
        let mut talk = Talk::new().hear(chunked).hear(first);
        let env = Env { config: &talk.config, now: talk.now, date: None };
        assert!(matches!(talk.conn.poll(&env, &mut talk.rx), Ok(Event::Request(_))));
        talk.respond(Size::Unknown);
        assert_eq!(talk.poll(), "NeedInput");
        assert!(talk.conn.deadline().is_some());
        let mut talk = talk.hear(then);
        while talk.poll() != "NeedResponse" {}
        assert_eq!(talk.conn.deadline(), None, "{first:?}");
    }
}

#[test]
fn content_is_not_refused_once_nothing_can_be_said_of_it() {
    for ends in [false, true] {
        let mut talk = Talk::new().hear("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\n");
        talk.config.limits.drain = if ends { 0 } else { 100 };
        let env = Env { config: &talk.config, now: talk.now, date: None };
        assert!(matches!(talk.conn.poll(&env, &mut talk.rx), Ok(Event::Request(_))));
        talk.respond(Size::Empty);
        talk.conn.finish(&[], &mut talk.tx).unwrap();
        assert_eq!(talk.poll(), if ends { "Shutdown" } else { "NeedInput" });
        talk.conn.limit_body(20);
        assert_eq!(talk.conn.admit(), Ok(()));
        // It is not waited for either: the connection ends without a further word.
        assert_eq!(talk.poll(), if ends { "NeedInput" } else { "Shutdown" });
    }
}

#[test]
fn a_silent_peer_is_listened_to_for_five_seconds_and_one_that_sends_on_for_thirty() {
    let second = |n: u64| Instant::from_nanos(n * 1_000_000_000);
    for sends_on in [false, true] {
        let mut talk = Talk::new().hear("\0");
        talk.refuse();
        assert_eq!([talk.poll(), talk.poll()], ["Shutdown", "NeedInput"]);
        let mut ended = None;
        for n in 1..=40 {
            talk.now = second(n);
            if sends_on {
                talk.rx.push(b"more");
            }
            if talk.poll() == "Closed" {
                ended = Some(n);
                break;
            }
            assert!(talk.conn.deadline().is_some_and(|deadline| deadline.at > talk.now));
        }
        assert_eq!(ended, Some(if sends_on { 30 } else { 5 }));
    }
}

#[test]
fn whoever_still_takes_the_answer_is_not_idle() {
    let mut talk = Talk::new().hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    talk.poll();
    talk.respond(Size::Empty);
    let idle = talk.config.timeouts.idle.as_secs();
    let at = |secs: u64| Instant::from_nanos(secs * 1_000_000_000);
    let deadline = |talk: &Talk| talk.conn.deadline().map(|deadline| (deadline.cause, deadline.at));
    assert_eq!((talk.poll().as_str(), deadline(&talk)), ("NeedInput", Some((Cause::Idle, at(idle)))));
    let (config, mut sent) = (talk.config.clone(), 0);
    // An octet now and then is too slow in the end, but not for the idle time.
    for second in (0..=idle + 10).step_by(5) {
        talk.now = at(second);
        let env = Env { config: &config, now: talk.now, date: None };
        talk.conn.sent(&env, 50_000, 1).unwrap();
        sent += 1;
        assert_eq!(talk.poll(), "NeedInput", "after {second} s");
        assert_eq!(deadline(&talk).map(|(cause, _)| cause), Some(Cause::Send));
    }
    let env = Env { config: &config, now: talk.now, date: None };
    talk.conn.sent(&env, 1, 0).unwrap();
    assert_eq!(
        (talk.poll().as_str(), deadline(&talk)),
        ("NeedInput", Some((Cause::Idle, talk.now + config.timeouts.idle)))
    );
    talk.now = talk.now + config.timeouts.idle;
    assert_eq!((talk.poll().as_str(), talk.conn.expired(), sent > 10), ("Shutdown", Some(Cause::Idle), true));
}

#[test]
fn content_is_not_waited_for_while_the_client_takes_what_it_may_need_before() {
    let mut talk = Talk::new().hear("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
    let at = |secs: u64| Instant::from_nanos(secs * 1_000_000_000);
    let (config, grace) = (talk.config.clone(), talk.config.timeouts.body.grace.as_secs());
    let deadline = |talk: &Talk| talk.conn.deadline().map(|deadline| (deadline.cause, deadline.at));
    assert_eq!((talk.poll().as_str(), deadline(&talk)), ("NeedInput", Some((Cause::Body, at(grace)))));
    for second in (1..=2 * grace).step_by(5) {
        talk.now = at(second);
        talk.conn.sent(&Env { config: &config, now: talk.now, date: None }, 50_000, 1).unwrap();
        assert_eq!(talk.poll(), "NeedInput", "after {second} s");
        assert_eq!(deadline(&talk).map(|(cause, _)| cause), Some(Cause::Send));
    }
    let sent = talk.now;
    talk.conn.sent(&Env { config: &config, now: sent, date: None }, 1, 0).unwrap();
    // The second that was waited at first is spent, and the wait goes on without a poll.
    let ends = sent + core::time::Duration::from_secs(grace - 1);
    assert_eq!(deadline(&talk), Some((Cause::Body, ends)));
    assert_eq!((talk.poll().as_str(), deadline(&talk)), ("NeedInput", Some((Cause::Body, ends))));
    talk.now = ends;
    assert_eq!(talk.violation().kind, ViolationKind::BodyTimeout);
}

/// Files that campaigns have found; `fuzz/regressions/README.md` says what they were.
#[test]
fn files_that_campaigns_found_fail_no_more() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/regressions");
    let mut played = 0;
    for (target, run) in cherrystone_oracles::targets::ALL {
        let Ok(files) = std::fs::read_dir(folder.join(target)) else { continue };
        for file in files {
            run(&std::fs::read(file.unwrap().path()).unwrap());
            played += 1;
        }
    }
    assert!(played > 0, "no file was found in {}", folder.display());
}

#[test]
fn an_answer_is_given_in_the_words_of_the_application_or_not_at_all() {
    let mut talk = Talk::new().hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(talk.poll(), "NeedResponse");
    let env = Env { config: &talk.config, now: talk.now, date: None };
    for reason in ["Fine\r\nX: y", "\0", "a\x7f"] {
        let line = Status::OK.in_words(reason);
        assert_eq!(talk.conn.respond(&env, line, &[], Size::Empty, &mut talk.tx), Err(Misuse::Reason));
        assert!(talk.tx.unsent().is_empty());
    }
    let line = Status::new(299).unwrap().in_words(b"Tr\xe8s bien");
    talk.conn.respond(&env, line, &[], Size::Empty, &mut talk.tx).unwrap();
    assert!(talk.tx.unsent().starts_with(b"HTTP/1.1 299 Tr\xe8s bien\r\n"));
}
