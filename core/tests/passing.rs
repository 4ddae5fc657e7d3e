//! Content that a backend hands to the socket itself, past the output of the link: where it goes on, and that it never says more or
//! less than was announced.

mod memory;

use core::task::Waker;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;

use cherrystone_core::gateway::{
    Advance, Answered, ChunkOut, Content, Dialogue, Done, Exchange, Failure, Gateway, Intake, Ongoing, Payload, Port,
    Progress, Source, Talk, Turn, Upgrade, answer,
};
use cherrystone_core::{AnswerProgress, Event, Head, RecvBuf, SendBuf, Size, Status};
use cherrystone_oracles::records::Records;

use self::memory::{Memory, peer};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n";

/// What goes on after the handler of the first of two requests.
fn ongoing(memory: &mut Memory, stream: &[u8], gateway: impl Gateway) -> Option<Ongoing> {
    let head = memory.hear(stream);
    match answer(&gateway, head.head(), memory, &mut Intake::default(), &peer()) {
        Answered::Ongoing(ongoing) => Some(ongoing),
        Answered::Complete => None,
        other => panic!("{other:?}"),
    }
}

fn octets(len: usize) -> Vec<u8> {
    (0..len).map(|at| b'a' + (at % 26) as u8).collect()
}

fn payload(make: impl Fn() -> Payload + Send + Sync + 'static) -> impl Gateway {
    move |_: Head<'_>, exchange: Exchange<'_>| exchange.respond(Status::OK, &[], make())
}

fn advance(memory: &mut Memory, ongoing: &mut Ongoing, mark: usize) -> Advance {
    let (link, env) = memory.parts();
    ongoing.advance(link, &env, mark, Waker::noop())
}

fn passed(memory: &mut Memory, ongoing: &mut Ongoing, n: usize) -> Advance {
    let (link, env) = memory.parts();
    link.passed(&env, n, 0).unwrap();
    ongoing.passed(n, link, &env)
}

/// Whether the second request comes now.
fn goes_on(memory: &mut Memory) -> bool {
    let (link, env) = memory.parts();
    loop {
        match link.conn.poll(&env, &mut link.rx) {
            Ok(Event::End(_)) => {}
            Ok(Event::Request(head)) => return head.path() == "/next",
            _ => return false,
        }
    }
}

#[test]
fn octets_pass_and_are_copied_in_turn() {
    let all = octets(40_000);
    let mut memory = Memory::new(None);
    let content = all.clone();
    let mut ongoing = ongoing(&mut memory, GET, payload(move || content.clone().into())).unwrap();
    assert_eq!(format!("{ongoing:?}"), "Ongoing(Octets)");
    let head = memory.link.tx.unsent().to_vec();
    memory.link.tx.advance(usize::MAX);
    let mut said = Vec::new();
    for n in [1, 9_999, 10_000] {
        let Some(Content::Octets(rest)) = ongoing.content(&memory.link) else { panic!("{ongoing:?}") };
        assert_eq!(rest, &all[said.len()..]);
        said.extend_from_slice(&rest[..n]);
        assert_eq!(passed(&mut memory, &mut ongoing, n), Advance::Room);
        // What is copied begins where passing ended, and the other way round.
        assert_eq!(advance(&mut memory, &mut ongoing, 100), Advance::Room);
        said.extend_from_slice(memory.link.tx.unsent());
        memory.link.tx.advance(usize::MAX);
    }
    assert_eq!(said, all[..20_300]);
    assert_eq!(passed(&mut memory, &mut ongoing, 19_700), Advance::Finished);
    assert!(head.ends_with(b"Content-Length: 40000\r\n\r\n") && memory.link.tx.is_empty());
    assert_eq!(memory.link.take_traffic().sent, 1 + 9_999 + 10_000 + 19_700);
    assert!(goes_on(&mut memory));
}

#[test]
fn what_passes_beyond_the_announced_length_cuts_the_answer() {
    let mut memory = Memory::new(None);
    let mut ongoing = ongoing(&mut memory, GET, payload(|| octets(20_000).into())).unwrap();
    assert_eq!(passed(&mut memory, &mut ongoing, 20_001), Advance::Finished);
    let answer = memory.link.conn.answer().unwrap();
    assert_eq!((answer.progress, answer.content), (AnswerProgress::Cut, 0));
    assert!(!goes_on(&mut memory));
}

#[test]
fn a_file_that_the_kernel_refuses_half_way_goes_on_through_the_output() {
    let path = std::env::temp_dir().join(format!("cherrystone-passing-{}", std::process::id()));
    File::create(&path).unwrap().write_all(&octets(50_000)).unwrap();
    let kept = path.clone();
    let gateway = payload(move || Payload::File(File::open(&kept).unwrap(), 100..40_100));
    let mut memory = Memory::new(None);
    let mut ongoing = ongoing(&mut memory, GET, gateway).unwrap();
    assert_eq!(
        (format!("{ongoing:?}"), ongoing.needs_waker(), ongoing.reads_input()),
        ("Ongoing(File)".into(), false, false)
    );
    memory.link.tx.advance(usize::MAX);
    let mut said = Vec::new();
    let Some(Content::File(file, range)) = ongoing.content(&memory.link) else { panic!("{ongoing:?}") };
    assert_eq!(range, 100..40_100);
    said.resize(15_000, 0);
    file.read_exact_at(&mut said, range.start).unwrap();
    assert_eq!(passed(&mut memory, &mut ongoing, 15_000), Advance::Room);
    assert!(matches!(ongoing.content(&memory.link), Some(Content::File(_, range)) if range == (15_100..40_100)));
    ongoing.refuse_file();
    assert!(ongoing.content(&memory.link).is_none());
    assert_eq!(advance(&mut memory, &mut ongoing, usize::MAX), Advance::Finished);
    said.extend_from_slice(memory.link.tx.unsent());
    assert_eq!(said, octets(50_000)[100..40_100]);
    assert!(goes_on(&mut memory));
    fs::remove_file(path).unwrap();
}

/// Everything that has no content of known length.
struct Various;

impl Source for Various {
    fn next(&mut self, _: &mut ChunkOut<'_>, _: &Waker) -> Result<Progress, Failure> {
        Ok(Progress::Later)
    }
}

impl Upgrade for Various {
    fn ready(&mut self, _: &mut RecvBuf, _: &mut SendBuf, _: &Waker) -> Result<Progress, Failure> {
        Ok(Progress::Later)
    }
}

impl Dialogue for Various {
    fn turn(&mut self, talk: &mut Talk<'_>, _: &Waker) -> Result<Turn, Failure> {
        assert!(format!("{talk:?}").starts_with("Talk"));
        let turns = [Turn::End(Vec::new()), Turn::Upgrade(Box::new(Self)), Turn::Later];
        assert_eq!(format!("{turns:?}"), "[End, Upgrade, Later]");
        let [.., later] = turns;
        Ok(later)
    }
}

#[test]
fn nothing_else_passes() {
    let upgrade = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    type Answers = fn(Exchange<'_>) -> Result<Done, Failure>;
    let cases: [(&str, Answers, Advance); 4] = [
        ("Source", |exchange| exchange.respond(Status::OK, &[], Payload::Chunks(Box::new(Various))), Advance::Waker),
        ("Deferred", |exchange| Ok(exchange.defer().1), Advance::Finished),
        ("Dialogue", |exchange| Ok(exchange.converse(Box::new(Various))), Advance::Waker),
        ("Upgrade", |exchange| exchange.upgrade(&[("Upgrade", b"x")], Box::new(Various)), Advance::Input),
    ];
    for (name, answers, waits) in cases {
        let mut memory = Memory::new(None);
        let gateway = move |_: Head<'_>, exchange: Exchange<'_>| answers(exchange);
        let mut ongoing = ongoing(&mut memory, upgrade, gateway).unwrap();
        assert_eq!((format!("{ongoing:?}"), ongoing.needs_waker()), (format!("Ongoing({name})"), true));
        assert!(ongoing.content(&memory.link).is_none(), "{name}");
        ongoing.refuse_file();
        assert_eq!(advance(&mut memory, &mut ongoing, 1 << 16), waits, "{name}");
        assert_eq!(ongoing.reads_input(), waits == Advance::Input, "{name}");
    }
}

#[test]
fn nothing_passes_by_a_stage() {
    let mut secured = Memory::new(Some(Box::new(Records::default())));
    let ongoing = ongoing(&mut secured, GET, payload(|| octets(20_000).into())).unwrap();
    assert!(ongoing.content(&secured.link).is_none());
}

#[test]
fn a_port_that_passes_nothing_says_the_same() {
    let all = octets(40_000);
    let content = all.clone();
    let gateway = move |_: Head<'_>, exchange: Exchange<'_>| {
        let mut writer = exchange.start_response(Status::OK, &[], Size::Exact(40_000))?;
        writer.write_all(&content)?;
        writer.finish()
    };
    let mut memory = Memory::new(None);
    assert!(ongoing(&mut memory, GET, gateway).is_none());
    assert!(memory.link.tx.unsent().ends_with(&[b"\r\n\r\n", &all[..]].concat()));
    assert!(goes_on(&mut memory));
}
