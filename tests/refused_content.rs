//! Content that an answer refused, by beginning before 100 (Continue), cannot be read, and does not look like an empty one.

mod common;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use cherrystone::gateway::{Dialogue, Done, Exchange, Failure, Piece, Talk, Turn};
use cherrystone::{Head, Server, Size, Status};

use common::{BACKENDS, connect, read_all, serve};

const EXPECTING: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";

/// Answers first and asks for the content then.
struct Hasty {
    has_begun: bool,
}

impl Dialogue for Hasty {
    fn turn(&mut self, talk: &mut Talk<'_>, _: &Waker) -> Result<Turn, Failure> {
        if !std::mem::replace(&mut self.has_begun, true) {
            talk.respond(Status::OK, &[], Size::Unknown)?;
            talk.write(b"early")?;
        }
        match talk.read()? {
            Piece::Data(_) => Ok(Turn::Later),
            Piece::End(_) => Ok(Turn::End(Vec::new())),
            Piece::Later => Ok(Turn::Later),
        }
    }
}

#[test]
fn the_answer_of_a_handler_that_reads_too_late_is_cut() {
    let read = Arc::new(Mutex::new(Vec::new()));
    for backend in BACKENDS {
        for sends_all_the_same in [false, true] {
            let seen = Arc::clone(&read);
            let application = move |_: Head<'_>, exchange: Exchange<'_>| -> Result<Done, Failure> {
                let mut out = exchange.start_response(Status::OK, &[], Size::Unknown)?;
                out.write_all(b"early")?;
                let mut content = Vec::new();
                let twice = [(); 2].map(|()| out.body().read_to_end(&mut content).map_err(|error| error.to_string()));
                seen.lock().unwrap().extend(twice.clone());
                twice[0].as_ref().map_err(|error| Failure::application(error.clone()))?;
                out.finish()
            };
            let (running, address) = serve(Server::new(application).backend(backend));
            let mut client = connect(address);
            client.write_all(EXPECTING).unwrap();
            if sends_all_the_same {
                client.write_all(b"abc").unwrap();
            }
            expect_cut(&mut client);
            running.stop(Duration::ZERO);
            let read = std::mem::take(&mut *read.lock().unwrap());
            assert!(read.len() == 2 && read.iter().all(|read| read.as_ref().is_err_and(|why| why.contains("refused"))));
        }
    }
}

#[test]
fn the_answer_of_a_dialogue_that_reads_too_late_is_cut() {
    for backend in BACKENDS {
        let application = |_: Head<'_>, exchange: Exchange<'_>| -> Result<Done, Failure> {
            Ok(exchange.converse(Box::new(Hasty { has_begun: false })))
        };
        let (running, address) = serve(Server::new(application).backend(backend));
        let mut client = connect(address);
        client.write_all(EXPECTING).unwrap();
        expect_cut(&mut client);
        running.stop(Duration::ZERO);
    }
}

/// An answer comes that was begun and not ended.
fn expect_cut(client: &mut std::net::TcpStream) {
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while let Ok(n @ 1..) = client.read(&mut piece) {
        answer.extend_from_slice(&piece[..n]);
    }
    let answer = String::from_utf8_lossy(&answer);
    assert!(!answer.contains("100 Continue") && !answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[test]
fn content_that_was_asked_for_is_read_behind_the_begin_of_the_answer() {
    for backend in BACKENDS {
        let application = |_: Head<'_>, mut exchange: Exchange<'_>| -> Result<Done, Failure> {
            let mut first = [0; 1];
            exchange.body().read_exact(&mut first)?;
            let mut out = exchange.start_response(Status::OK, &[], Size::Unknown)?;
            out.write_all(&first)?;
            let mut rest = Vec::new();
            out.body().read_to_end(&mut rest)?;
            out.write_all(&rest)?;
            out.finish()
        };
        let (running, address) = serve(Server::new(application).backend(backend));
        let mut client = connect(address);
        client.write_all(EXPECTING).unwrap();
        let mut interim = [0; 25];
        client.read_exact(&mut interim).unwrap();
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(b"abcGET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        let answers = read_all(&mut client);
        assert!(answers.contains("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"), "{backend:?}: {answers}");
        running.stop(Duration::ZERO);
    }
}
