//! Does the suite find faults in our own server?
//!
//! The server runs as its own program. Between it and the judge stands a [`Mutant`], which changes requests and answers
//! on their way so that the server seems to have a certain fault.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader};
use std::num::NonZeroUsize;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use cherrystone_conformance::case::Fixture;
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::channel::{Channel, Connect, Received};
use cherrystone_conformance::control::survey;
use cherrystone_conformance::judge::{Setting, Verdict, judge};
use cherrystone_conformance::suite;
use cherrystone_conformance::target::Target;

/// The test gateway as a program of its own, which ends with the value.
struct Server {
    program: Child,
    target: Target,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_cherrystone-conformance"))
            .args(["serve", "--bind", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut line = String::new();
        let out = program.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line.trim().rsplit("http://").next().expect("an address").to_owned();
        Self { program, target: Target::parse(&address).expect("an address") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

type Change = fn(&str) -> String;

/// A connection that seems to lead to a server with a fault.
struct Mutant<'t> {
    target: &'t Target,
    requests: Change,
    answers: Change,
}

impl Connect for Mutant<'_> {
    fn connect(&self) -> io::Result<Box<dyn Channel>> {
        let inner = self.target.connect()?;
        Ok(Box::new(Changed { inner, requests: self.requests, answers: self.answers, waiting: Vec::new() }))
    }
}

struct Changed {
    inner: Box<dyn Channel>,
    requests: Change,
    answers: Change,
    waiting: Vec<u8>,
}

impl Channel for Changed {
    fn send(&mut self, bytes: &[u8], wait: Duration) -> io::Result<usize> {
        let changed = apply(self.requests, bytes);
        let mut left = changed.as_slice();
        while !left.is_empty() {
            let n = self.inner.send(left, wait)?;
            left = &left[n..];
        }
        Ok(bytes.len())
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Received> {
        if self.waiting.is_empty() {
            let mut raw = vec![0; buffer.len() / 2];
            match self.inner.receive(&mut raw, wait)? {
                Received::Bytes(n) => self.waiting = apply(self.answers, &raw[..n]),
                other => return Ok(other),
            }
        }
        let n = self.waiting.len().min(buffer.len());
        if n == 0 {
            return Ok(Received::Nothing);
        }
        buffer[..n].copy_from_slice(&self.waiting[..n]);
        self.waiting.drain(..n);
        Ok(Received::Bytes(n))
    }

    fn half_close(&mut self) -> io::Result<()> {
        self.inner.half_close()
    }
}

/// Octets as text and back, each one a character.
fn apply(change: Change, bytes: &[u8]) -> Vec<u8> {
    let text: String = bytes.iter().map(|&b| char::from(b)).collect();
    change(&text).chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

fn same(text: &str) -> String {
    text.to_owned()
}

/// Without the lines that begin so, whatever the case of their letters.
fn without_lines(text: &str, begin: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.to_ascii_lowercase().starts_with(begin)).collect()
}

fn lone_lf_ends_lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

fn second_length_ignored(text: &str) -> String {
    let mut seen = false;
    let keep = |line: &&str| {
        let again = line.to_ascii_lowercase().starts_with("content-length:") && seen;
        seen |= line.to_ascii_lowercase().starts_with("content-length:");
        !again
    };
    text.split_inclusive('\n').filter(keep).collect()
}

fn coding_wins_over_length(text: &str) -> String {
    let coded = text.to_ascii_lowercase().contains("transfer-encoding: chunked");
    if coded { without_lines(text, "content-length:") } else { same(text) }
}

fn host_not_needed(text: &str) -> String {
    let has_host = text.to_ascii_lowercase().contains("\nhost");
    match text.split_once(" HTTP/1.1\r\n") {
        Some((line, rest)) if !has_host => format!("{line} HTTP/1.1\r\nHost: made.up\r\n{rest}"),
        _ => same(text),
    }
}

#[test]
fn our_own_server_has_none_of_them() {
    for backend in ["threads", "mio"] {
        let server = Server::start(&["--backend", backend]);
        let catalog = Catalog::embedded().unwrap_or_else(|e| panic!("{e}"));
        let cases: Vec<_> = catalog.cases().iter().collect();
        let setting = Setting::new(server.target.authority());
        let declared = BTreeSet::from([Fixture::Limits, Fixture::Timers]);
        let jobs = NonZeroUsize::new(16).expect("sixteen");
        let survey =
            survey(&server.target, &setting, &suite::needed(&cases), &declared, jobs).unwrap_or_else(|e| panic!("{e}"));
        let failed = Mutex::new(Vec::new());
        suite::run(&cases, &setting, &survey, &server.target, &|n, outcome| {
            if let Verdict::Fail(reason) = &outcome.verdict {
                failed.lock().expect("no panic").push(format!("{}: {reason}", cases[n].id));
            }
        });
        let failed = failed.into_inner().expect("no panic");
        assert!(failed.is_empty(), "{backend}:\n{}", failed.join("\n"));
    }
}

#[test]
fn each_mutant_is_caught_by_name() {
    let server = Server::start(&[]);
    let catalog = Catalog::embedded().unwrap_or_else(|e| panic!("{e}"));
    let setting = Setting::new(server.target.authority());
    let mutants: &[(&str, Change, Change, &str)] = &[
        ("a bare LF ends a line", lone_lf_ends_lines, same, "chunk-line-ends/lf-behind-size"),
        ("the second length is ignored", second_length_ignored, same, "content-length-lists/differ-on-two-lines"),
        ("a coding wins over a length", coding_wins_over_length, same, "two-framings/coding-first"),
        ("a Host is not needed", host_not_needed, same, "host-count/missing"),
        ("folded lines are joined", |t| t.replace("\r\n ", " "), same, "field-line/fold-refused"),
        ("white space before a colon is skipped", |t| t.replace(" :", ":"), same, "field-name/space-before-colon"),
        ("a length may have a sign", |t| t.replace(": +", ": "), same, "content-length-digits/plus"),
        ("NUL is dropped", |t| t.replace('\0', ""), same, "field-value-octets/nul-refused"),
        ("an expectation is ignored", |t| without_lines(t, "expect:"), same, "expect/content-after-pause"),
        ("close is ignored", |t| without_lines(t, "connection: close"), same, "close/close"),
        ("0x is a number's beginning", |t| t.replace("\r\n0x", "\r\n"), same, "chunk-size/prefix"),
        ("every version is 1.1", |t| t.replace("HTTP/2.0", "HTTP/1.1"), same, "version/two-zero"),
        ("answers have no Date", same, |t| without_lines(t, "date:"), "answer-fields/date"),
        ("lines of answers end in LF", same, |t| t.replace("\r\n", "\n"), "everyday-fields/conditional-get"),
        ("answers are of 1.0", same, |t| t.replace("HTTP/1.1 ", "HTTP/1.0 "), "version/answer-to-one-one"),
        (
            "errors are kind",
            same,
            |t| t.replace("HTTP/1.1 400 Bad Request", "HTTP/1.1 200 OK"),
            "host-count/missing-with-fields",
        ),
        (
            "chunks are one short",
            same,
            |t| t.replace("\r\ntwo\r\n", "\r\ntw\r\n"),
            "answer-fields/chunked-when-unknown",
        ),
    ];
    for &(fault, requests, answers, id) in mutants {
        let mutant = Mutant { target: &server.target, requests, answers };
        let case = catalog.case(id).unwrap_or_else(|| panic!("no case {id}"));
        let verdict =
            |connect: &dyn Connect| judge(case, &setting, connect).unwrap_or_else(|e| panic!("{id}: {e}")).verdict;
        assert_eq!(verdict(&server.target), Verdict::Pass, "{id} without the fault");
        assert!(matches!(verdict(&mutant), Verdict::Fail(_)), "{fault}: not found by {id}");
    }
}
