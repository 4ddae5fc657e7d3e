//! Does the application do over sockets what it does alone, and what only a server can show?

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use cherrystone::Backend;

use super::client::{on_each, read_until, wait_until};

/// The content of an answer of announced length.
fn content(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn routes_extractors_and_state() {
    on_each(|served| {
        let root = served.get("/");
        assert!(root.starts_with("HTTP/1.1 200 OK\r\n") && root.contains("\r\ncontent-type: text/plain"), "{root}");
        assert!(root.ends_with("Content-Length: 6\r\nConnection: close\r\n\r\nhello\n"), "{root}");
        assert_eq!(content(&served.get("/hello/moon?times=2")), "hello, moon\nhello, moon\n");
        assert!(served.get("/nowhere").starts_with("HTTP/1.1 404 "));
        let note = r#"{"text":"milk"}"#;
        let json = "POST /notes HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nConnection: close\r\n";
        let added = served.ask(format!("{json}Content-Length: {}\r\n\r\n{note}", note.len()));
        assert!(
            added.starts_with("HTTP/1.1 201 Created\r\n") && added.contains("\r\nlocation: /notes/0\r\n"),
            "{added}"
        );
        assert_eq!(content(&served.get("/notes/0")), note);
        let bad = served.ask(format!("{json}Content-Length: 2\r\n\r\n{{}}"));
        assert!(bad.starts_with("HTTP/1.1 422 "), "{bad}");
        assert!(content(&served.get("/peer")).starts_with("127.0.0.1:"));
    });
}

#[test]
fn head_has_the_length_and_no_content() {
    on_each(|served| {
        let answer = served.ask("HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert!(answer.ends_with("Content-Length: 6\r\nConnection: close\r\n\r\n"), "{answer}");
    });
}

#[test]
fn requests_may_be_pipelined() {
    on_each(|served| {
        let mut asked = "GET /hello/a HTTP/1.1\r\nHost: h\r\n\r\n".repeat(20);
        asked += "POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
        let answer = served.ask(asked);
        assert_eq!(answer.matches("hello, a\n").count(), 20, "{answer}");
        assert!(answer.ends_with("\r\n\r\nhi"), "{answer}");
    });
}

#[test]
fn content_streams_both_ways_at_once() {
    on_each(|served| {
        let mut client = served.connect();
        client.write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        client.write_all(b"3\r\none\r\n").unwrap();
        let head = read_until(&mut client, "\r\n\r\n");
        assert!(head.contains("\r\nTransfer-Encoding: chunked\r\n"), "{head}");
        assert_eq!(read_until(&mut client, "3\r\none\r\n"), "3\r\none\r\n");
        // The answer has begun, and the request goes on.
        client.write_all(b"3\r\ntwo\r\n").unwrap();
        assert_eq!(read_until(&mut client, "two\r\n"), "3\r\ntwo\r\n");
        client.write_all(b"0\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_eq!(read_until(&mut client, "0\r\n\r\n"), "0\r\n\r\n");
        assert!(read_until(&mut client, "hello\n").starts_with("HTTP/1.1 200 OK\r\n"));
    });
}

#[test]
fn large_content_passes_in_both_directions() {
    on_each(|served| {
        let octets = vec![b'y'; 5_000_000];
        let head =
            format!("POST /count HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", octets.len());
        assert_eq!(content(&served.ask([head.as_bytes(), &octets].concat())), "5000000\n");
        let chunks = format!("{:x}\r\n{}\r\n", 100_000, "z".repeat(100_000)).repeat(30);
        let head = "POST /count HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(content(&served.ask(format!("{head}{chunks}0\r\n\r\n"))), "3000000\n");
        let answer = served.ask("GET /big/4000000 HTTP/1.0\r\n\r\n");
        assert_eq!(content(&answer).len(), 4_000_000);
    });
}

#[test]
fn a_form_with_files() {
    on_each(|served| {
        let form = "--edge\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nMoon\r\n--edge\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello world\r\n--edge--\r\n";
        let head = "POST /upload HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=edge\r\n";
        let answer = served.ask(format!("{head}Content-Length: {}\r\n\r\n{form}", form.len()));
        assert_eq!(content(&answer), "title - 4\nfile a.txt 11\n");
        // Also when the form comes while the service is looking for it.
        for number in 0..200 {
            let mut client = served.connect();
            client.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).unwrap();
            std::thread::sleep(Duration::from_micros(number * 5));
            client.write_all(format!("{:x}\r\n{form}\r\n0\r\n\r\n", form.len()).as_bytes()).unwrap();
            let answer = read_until(&mut client, "a.txt 11\n");
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        }
    });
}

#[test]
fn events_come_when_they_happen() {
    on_each(|served| {
        let mut client = served.connect();
        client.write_all(b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let head = read_until(&mut client, "\r\n\r\n");
        assert!(head.contains("\r\ncontent-type: text/event-stream\r\n"), "{head}");
        let began = Instant::now();
        assert!(read_until(&mut client, "data: 1\n\n").ends_with("event: tick\ndata: 1\n\n"));
        read_until(&mut client, "data: 3\n\n");
        assert!(began.elapsed() > Duration::from_millis(150), "they came at once");
        read_until(&mut client, "0\r\n\r\n");
    });
}

#[test]
fn trailers_in_both_directions() {
    on_each(|served| {
        let answer = served.ask(
            "POST /trailers HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nSum: 9\r\n\r\n",
        );
        assert!(answer.ends_with("2\r\nhi\r\n0\r\nsum: 9\r\n\r\n"), "{answer}");
    });
}

#[test]
fn a_client_that_waits_is_told_when_the_service_reads() {
    on_each(|served| {
        let mut client = served.connect();
        let head = "HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
        client.write_all(format!("POST /count {head}").as_bytes()).unwrap();
        assert_eq!(read_until(&mut client, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(b"abcd").unwrap();
        read_until(&mut client, "4\n");
        // A service that does not read does not ask for what it would not take.
        client.write_all(format!("POST /early {head}").as_bytes()).unwrap();
        let answer = read_until(&mut client, "not read\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\r\nConnection: close\r\n"), "{answer}");
    });
}

#[test]
fn another_protocol_takes_over() {
    on_each(|served| {
        let mut client = served.connect();
        client
            .write_all(b"GET /tunnel HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly ")
            .unwrap();
        let head = read_until(&mut client, "\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
        assert_eq!(read_until(&mut client, "early "), "early ");
        // More than is buffered anywhere, while it is read only behind it.
        let octets = "0123456789".repeat(50_000);
        let mut writer = client.try_clone().unwrap();
        let sent = octets.clone();
        let sender = std::thread::spawn(move || {
            writer.write_all(sent.as_bytes()).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut echoed = String::new();
        client.read_to_string(&mut echoed).unwrap();
        sender.join().unwrap();
        assert!(echoed == octets, "{} octets of {}", echoed.len(), octets.len());
    });
}

#[test]
fn a_client_that_breaks_a_rule_is_told_which() {
    on_each(|served| {
        let answer =
            served.ask("POST /count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n+1\r\n");
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains("chunk size"), "{answer}");
    });
}

#[test]
fn a_future_whose_client_has_gone_is_dropped() {
    on_each(|served| {
        let mut clients: Vec<_> = (0..10).map(|_| served.connect()).collect();
        for client in &mut clients {
            client.write_all(b"GET /forever HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        }
        // While they wait nobody works.
        assert_eq!(content(&served.get("/given-up")), "0");
        wait_until("the workers are done", || {
            let workers = served.running.workers();
            workers.idle == workers.threads
        });
        for client in clients {
            // Closing with a linger time of zero sends a reset.
            rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
        }
        wait_until("the futures are dropped", || content(&served.get("/given-up")) == "10");
    });
}

#[test]
fn slow_clients_hold_no_thread() {
    on_each(|served| {
        let mut slow: Vec<_> = (0..100).map(|_| served.connect()).collect();
        for (number, client) in slow.iter_mut().enumerate() {
            // They upload and stop in the middle, or download and do not read. The latter hold a worker each on the thread backend,
            // whatever the gateway.
            let asked: &[u8] = match number % 2 {
                _ if served.backend == Backend::Threads => {
                    b"POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nhalf"
                }
                0 => b"POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nhalf",
                _ => b"GET /big/20000000 HTTP/1.1\r\nHost: h\r\n\r\n",
            };
            client.write_all(asked).unwrap();
        }
        // Others are served meanwhile, by fewer threads than there are slow clients.
        for _ in 0..20 {
            assert_eq!(content(&served.get("/hello/you")), "hello, you\n");
        }
        wait_until("the workers are done", || {
            let workers = served.running.workers();
            workers.idle == workers.threads
        });
    });
}

#[test]
fn a_service_that_panics_is_an_error_of_the_server() {
    on_each(|served| {
        let answer = served.get("/panic");
        assert!(answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{answer}");
        assert_eq!(content(&served.get("/")), "hello\n");
    });
}
