//! What observers are told, on both backends.

mod common;

use std::io::Write;
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use cherrystone::gateway::{
    Dialogue, Done, Exchange, Failure, Inline, Payload, Peer, Piece, Progress, Talk, Turn, Upgrade,
};
use cherrystone::{
    Backend, ErrorBody, Head, Observer, Record, RecvBuf, SendBuf, Server, Size, Status, Violation, ViolationKind,
};

use common::{BACKENDS, connect, eventually, get, read_all, serve};

/// What was told, in words.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits for as many notes, and gives them.
    fn wait(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} notes, there are {:?}", self.all()), || self.all().len() >= count);
        // None may follow.
        std::thread::sleep(Duration::from_millis(30));
        self.all()
    }
}

impl Observer for Notes {
    fn answered(&self, record: &Record<'_>) {
        let asked = record.head.map_or("-".to_owned(), |head| format!("{} {}", head.method(), head.target()));
        let status = record.status.map_or(0, Status::code);
        let cut = if record.is_cut { " cut" } else { "" };
        assert!(record.took < Duration::from_secs(60));
        self.note(format!("{asked} {status} {}{cut}", record.content));
    }
}

/// A protocol that is over at once.
struct Short;

impl Upgrade for Short {
    fn ready(&mut self, _: &mut RecvBuf, _: &mut SendBuf, _: &Waker) -> Result<Progress, Failure> {
        Ok(Progress::End)
    }
}

fn application(head: Head<'_>, mut exchange: Exchange<'_>) -> Result<Done, Failure> {
    match head.path() {
        "/push" => {
            let mut out = exchange.start_response(Status::OK, &[], Size::Unknown)?;
            out.write_all(&[b'x'; 1000])?;
            out.write_all(&[b'x'; 234])?;
            out.finish()
        }
        "/big" => exchange.respond(Status::OK, &[], vec![b'x'; 40 << 20]),
        "/more" => exchange.respond(Status::OK, &[], vec![b'x'; 100_000]),
        "/later" => {
            let (deferred, done) = exchange.defer();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(30));
                deferred.respond(Status::ACCEPTED, &[], "later");
            });
            Ok(done)
        }
        "/dropped" => Ok(exchange.defer().1),
        "/fail" => Err(Failure::application("on purpose")),
        "/panic" => panic!("on purpose"),
        "/echo" => {
            let mut content = Vec::new();
            std::io::copy(&mut exchange.body(), &mut content)?;
            exchange.respond(Status::OK, &[], content)
        }
        "/forgiving" => {
            let read = std::io::copy(&mut exchange.body(), &mut std::io::sink());
            assert!(read.is_err());
            exchange.respond(Status::OK, &[], "never mind")
        }
        "/switch" => {
            let fields = [("Upgrade", &b"echo"[..])];
            exchange.upgrade(&fields, Box::new(Short))
        }
        _ => exchange.respond(Status::OK, &[], Payload::Static(b"hello")),
    }
}

fn each(test: impl Fn(&str, Server, Notes)) {
    for (backend, inline) in [(Backend::Threads, false), (Backend::Mio, false), (Backend::Mio, true)] {
        let server = if inline { Server::new(Inline(application)) } else { Server::new(application) };
        let notes = Notes::default();
        test(&format!("{backend:?}, inline: {inline}"), server.backend(backend).observer(notes.clone()), notes);
    }
}

#[test]
fn each_answer_is_told_once() {
    each(|how, server, notes| {
        let (running, address) = serve(server);
        let mut client = connect(address);
        for (path, status) in [("/", 200), ("/push", 200), ("/more", 200), ("/later", 202), ("/a?b", 200)] {
            assert_eq!(get(&mut client, path).0, status, "{how}: {path}");
        }
        client.write_all(b"HEAD /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        read_all(&mut client);
        for path in ["/fail", "/panic", "/dropped"] {
            assert_eq!(get(&mut connect(address), path).0, 500, "{how}: {path}");
        }
        let told = notes.wait(9);
        let failed = "the server failed to answer this request\n".len();
        let expected = [
            "GET / 200 5".to_owned(),
            "GET /push 200 1234".into(),
            "GET /more 200 100000".into(),
            "GET /later 202 5".into(),
            "GET /a?b 200 5".into(),
            "HEAD /x 200 0".into(),
            format!("GET /fail 500 {failed}"),
            format!("GET /panic 500 {failed}"),
            format!("GET /dropped 500 {failed}"),
        ];
        assert_eq!(told, expected, "{how}");
        running.stop(Duration::from_secs(2));
        assert_eq!(notes.all().len(), 9, "{how}");
    });
}

#[test]
fn pipelined_requests_are_told_in_order() {
    each(|how, server, notes| {
        let (running, address) = serve(server);
        let mut client = connect(address);
        let mut requests = String::new();
        for i in 0..50 {
            requests += &format!("POST /echo?{i} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
        }
        requests += "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        client.write_all(requests.as_bytes()).unwrap();
        read_all(&mut client);
        let told = notes.wait(51);
        let mut expected: Vec<_> = (0..50).map(|i| format!("POST /echo?{i} 200 3")).collect();
        expected.push("GET /last 200 5".into());
        assert_eq!(told, expected, "{how}");
        running.stop(Duration::ZERO);
    });
}

#[test]
fn violations_are_told_with_and_without_a_head() {
    each(|how, server, notes| {
        let (running, address) = serve(server);
        for (request, status) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], 400),
            (b"\x16\x03\x01", 400),
            (b"GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505),
            (b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
            (b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999999\r\n\r\n", 413),
        ] {
            let mut client = connect(address);
            client.write_all(request).unwrap();
            let answer = read_all(&mut client);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{how}: {answer}");
        }
        let told = notes.wait(5);
        let told: Vec<_> = told.iter().map(|note| note.rsplit_once(' ').unwrap().0).collect();
        assert_eq!(told, ["- 400", "- 400", "- 505", "POST /echo 400", "POST /echo 413"], "{how}");
        let stats = running.stats();
        assert_eq!(stats.violations, 5, "{how}: {stats:?}");
        for (kind, count) in [
            (ViolationKind::HostMissing, 1),
            (ViolationKind::NotHttp, 1),
            (ViolationKind::Version, 1),
            (ViolationKind::ChunkSize, 1),
            (ViolationKind::BodyTooLarge, 1),
            (ViolationKind::BareLf, 0),
        ] {
            assert_eq!(stats.violations_by_kind.of(kind), count, "{how}: {kind:?}");
        }
        running.stop(Duration::ZERO);
    });
}

#[test]
fn a_client_that_leaves_makes_a_cut() {
    each(|how, server, notes| {
        let (running, address) = serve(server);
        let mut client = connect(address);
        client.write_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        std::io::Read::read_exact(&mut client, &mut [0; 1000]).unwrap();
        drop(client);
        let told = notes.wait(1);
        let [told] = &told[..] else { panic!("{how}: {told:?}") };
        assert!(told.starts_with("GET /big 200 ") && told.ends_with(" cut"), "{how}: {told}");
        running.stop(Duration::ZERO);
    });
}

/// Answers violations in its own words, and keeps what it saw.
struct Words(Notes);

impl Observer for Words {
    fn violated(&self, violation: Violation, unread: &[u8], peer: &Peer) -> Option<ErrorBody> {
        let seen = String::from_utf8_lossy(unread);
        assert!(peer.address.to_string().starts_with("127.0.0.1:"));
        self.0.note(format!("{} {} {}", violation.kind.name(), violation.offset, &seen[..seen.len().min(8)]));
        Some(ErrorBody { content_type: "application/json".into(), content: b"{\"error\":true}".to_vec() })
    }

    fn answered(&self, record: &Record<'_>) {
        self.0.note(format!("{}", record.content));
        panic!("an observer that panics costs nothing but itself");
    }
}

#[test]
fn an_observer_may_have_its_own_words() {
    for backend in BACKENDS {
        let notes = Notes::default();
        let (running, address) = serve(Server::new(application).backend(backend).observer(Words(notes.clone())));
        let mut client = connect(address);
        client.write_all(b"GET / HTTP/1.1\r\nHost : h\r\n\r\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let answer = read_all(&mut client);
        let (head, content) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{backend:?}: {head}");
        for line in ["Content-Type: application/json", "Content-Length: 14", "Connection: close"] {
            assert!(head.lines().any(|found| found == line), "{backend:?}: {head}");
        }
        assert_eq!(content, "{\"error\":true}", "{backend:?}");
        assert_eq!(notes.wait(2), ["FieldName 0 GET / HT", "14"], "{backend:?}");
        assert_eq!(get(&mut connect(address), "/").0, 200, "{backend:?}");
        running.stop(Duration::ZERO);
    }
}

#[test]
fn octets_and_timeouts_are_counted() {
    for backend in BACKENDS {
        let mut config = cherrystone::Config::default();
        config.timeouts.head = Duration::from_millis(200);
        config.timeouts.idle = Duration::from_millis(200);
        config.timeouts.linger = Duration::from_millis(200);
        let (running, address) = serve(Server::new(application).backend(backend).config(config));
        let mut idle = connect(address);
        let (_, octets) = get(&mut idle, "/");
        let mut slow = connect(address);
        slow.write_all(b"GET /").unwrap();
        assert!(read_all(&mut slow).starts_with("HTTP/1.1 408 "), "{backend:?}");
        let silent = connect(address);
        eventually("all timeouts", || {
            let stats = running.stats();
            stats.idle_timeouts == 1 && stats.head_timeouts == 2 && stats.linger_timeouts == 1 && stats.open == 0
        });
        let stats = running.stats();
        let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n".len();
        assert_eq!(stats.received, (request + "GET /".len()) as u64, "{backend:?}");
        assert!(stats.sent > octets as u64, "{backend:?}: {stats:?}");
        assert_eq!(stats.stalled, 0, "{backend:?}");
        drop((idle, slow, silent));
        running.stop(Duration::ZERO);
    }
}

#[test]
fn what_a_handler_forgives_is_a_violation() {
    for backend in BACKENDS {
        let (notes, seen) = (Notes::default(), Notes::default());
        let server = Server::new(application).backend(backend).observer(notes.clone()).observer(Words(seen.clone()));
        let (running, address) = serve(server);
        let mut client = connect(address);
        client.write_all(b"POST /forgiving HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n").unwrap();
        assert!(read_all(&mut client).starts_with("HTTP/1.1 200 "), "{backend:?}");
        assert_eq!(notes.wait(1), ["POST /forgiving 200 10"], "{backend:?}");
        assert!(seen.wait(2)[0].starts_with("ChunkSize "), "{backend:?}: {:?}", seen.all());
        assert_eq!(running.stats().violations_by_kind.of(ViolationKind::ChunkSize), 1, "{backend:?}");
        running.stop(Duration::ZERO);
    }
}

/// Hears the content to its end, and may forgive that there is none.
struct Hears {
    forgives: bool,
}

impl Dialogue for Hears {
    fn turn(&mut self, talk: &mut Talk<'_>, _: &Waker) -> Result<Turn, Failure> {
        loop {
            match talk.read() {
                Ok(Piece::Data(_)) => {}
                Ok(Piece::Later) => return Ok(Turn::Later),
                Ok(Piece::End(_)) => break,
                Err(failure) if self.forgives && matches!(failure, Failure::Violation(_)) => break,
                Err(failure) => return Err(failure),
            }
        }
        talk.respond(Status::NO_CONTENT, &[], Size::Empty)?;
        Ok(Turn::End(Vec::new()))
    }
}

#[test]
fn a_violation_in_a_dialogue_is_one_too() {
    for (backend, forgives) in BACKENDS.into_iter().flat_map(|backend| [(backend, false), (backend, true)]) {
        let notes = Notes::default();
        let gateway = move |_: Head<'_>, exchange: Exchange<'_>| Ok(exchange.converse(Box::new(Hears { forgives })));
        let (running, address) = serve(Server::new(gateway).backend(backend).observer(Words(notes.clone())));
        let mut client = connect(address);
        client.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n").unwrap();
        std::thread::sleep(Duration::from_millis(30));
        client.write_all(b"axx").unwrap();
        let answer = read_all(&mut client);
        let (start, end, content) =
            if forgives { ("HTTP/1.1 204 ", "\r\n\r\n", "0") } else { ("HTTP/1.1 400 ", "{\"error\":true}", "14") };
        assert!(answer.starts_with(start) && answer.ends_with(end), "{backend:?}: {answer}");
        let told = notes.wait(2);
        assert!(told.len() == 2 && told[0].starts_with("ChunkEnd ") && told[1] == content, "{backend:?}: {told:?}");
        assert_eq!(running.stats().violations_by_kind.of(ViolationKind::ChunkEnd), 1, "{backend:?}");
        running.stop(Duration::ZERO);
    }
}

#[test]
fn a_switch_of_protocols_is_an_answer() {
    for backend in BACKENDS {
        let notes = Notes::default();
        let (running, address) = serve(Server::new(application).backend(backend).observer(notes.clone()));
        let mut client = connect(address);
        client.write_all(b"GET /switch HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").unwrap();
        assert!(read_all(&mut client).starts_with("HTTP/1.1 101 "), "{backend:?}");
        assert_eq!(notes.wait(1), ["GET /switch 101 0"], "{backend:?}");
        running.stop(Duration::ZERO);
    }
}

#[test]
fn refusals_are_counted_by_cause() {
    for backend in BACKENDS {
        let notes = Notes::default();
        let (entered, inside) = std::sync::mpsc::sync_channel(8);
        let (leave, held) = std::sync::mpsc::channel::<()>();
        let held = Mutex::new(held);
        let slow = move |_: Head<'_>, exchange: Exchange<'_>| {
            let _ = entered.send(());
            let _ = held.lock().unwrap().recv();
            exchange.respond(Status::OK, &[], "late")
        };
        let mut settings = cherrystone::Settings::default();
        (settings.min_threads, settings.max_threads, settings.queue, settings.max_connections) = (1, 1, 0, 2);
        let server = Server::new(slow).backend(backend).settings(settings).observer(notes.clone());
        let (running, address) = serve(server);
        let mut first = connect(address);
        first.write_all(b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        inside.recv_timeout(Duration::from_secs(20)).unwrap();
        let mut second = connect(address);
        second.write_all(b"GET /second HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        eventually("the second request is refused", || running.stats().refused == 1);
        assert!(notes.wait(1)[0].starts_with("GET /second 503 "), "{backend:?}: {:?}", notes.all());
        let mut third = connect(address);
        assert!(read_all(&mut third).starts_with("HTTP/1.1 503 "), "{backend:?}");
        let stats = running.stats();
        assert_eq!((stats.refused, stats.turned_away), (2, 1), "{backend:?}");
        drop(leave);
        running.stop(Duration::from_secs(5));
        assert_eq!(notes.all()[1..], ["GET /first 200 4"], "{backend:?}");
    }
}

#[test]
fn a_slow_client_is_counted_by_what_it_was_slow_at() {
    for backend in BACKENDS {
        let notes = Notes::default();
        let mut config = cherrystone::Config::default();
        config.timeouts.body.grace = Duration::from_millis(200);
        config.timeouts.send.grace = Duration::from_millis(200);
        let server = Server::new(application).backend(backend).config(config).observer(notes.clone());
        let (running, address) = serve(server);
        let mut dribbler = connect(address);
        dribbler.write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx").unwrap();
        assert!(read_all(&mut dribbler).starts_with("HTTP/1.1 408 "), "{backend:?}");
        let mut sleeper = connect(address);
        sleeper.write_all(b"GET /big HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        eventually("both", || (running.stats().body_timeouts, running.stats().stalled) == (1, 1));
        let told = notes.wait(2);
        assert!(told[0].starts_with("POST /echo 408 "), "{backend:?}: {told:?}");
        assert!(told[1].starts_with("GET /big 200 ") && told[1].ends_with(" cut"), "{backend:?}: {told:?}");
        running.stop(Duration::ZERO);
    }
}
