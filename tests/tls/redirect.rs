//! Plain HTTP on a TLS port, with redirects asked for.

use cherrystone::tls::PlainHttp;
use cherrystone::{StageError, Tls};

use crate::authority::Authority;
use crate::talk::{Talk, client, plain, secured};

const CUTS: [&[usize]; 4] = [&[1], &[3], &[40, 1], &[usize::MAX]];

fn redirecting() -> (Authority, Tls) {
    let authority = Authority::new("the authority");
    let identity = authority.issue(&["localhost"]).identity();
    (authority, Tls::builder(identity).plain_http(PlainHttp::Redirect).build().unwrap())
}

fn ask(tls: &Tls, text: &[u8], cuts: &[usize]) -> (String, Talk) {
    let (talk, _) = plain(Some(tls), text, cuts);
    assert_eq!((talk.failure, &talk.log[..]), (Some(StageError::WrongProtocol), &["end".to_owned()][..]));
    (String::from_utf8(talk.answer.clone()).unwrap(), talk)
}

#[test]
fn requests_are_sent_to_the_same_place() {
    let (_, tls) = redirecting();
    for (text, place) in [
        ("GET /a?b=c HTTP/1.1\r\nHost: h.test:8443\r\n\r\n", "https://h.test:8443/a?b=c"),
        ("PROPFIND / HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", "https://[::1]:8443/"),
        ("HEAD //x HTTP/1.1\r\nHost: h\r\n\r\n", "https://h//x"),
        ("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab", "https://h/p"),
        ("GET http://a.test?q HTTP/1.1\r\nHost: b.test\r\n\r\n", "https://a.test/?q"),
        ("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", "https://h/"),
    ] {
        for cuts in CUTS {
            let (answer, _) = ask(&tls, text.as_bytes(), cuts);
            assert!(answer.starts_with("HTTP/1.1 308 Permanent Redirect\r\n"), "{answer}");
            let lines: Vec<_> = answer.lines().collect();
            assert!(lines.contains(&format!("Location: {place}").as_str()), "{answer}");
            assert!(lines.contains(&"Connection: close") && lines.contains(&"Content-Length: 0"), "{answer}");
            assert!(answer.ends_with("\r\n\r\n") && answer.matches("\r\n\r\n").count() == 1, "{answer}");
        }
    }
}

#[test]
fn what_names_no_place_is_refused() {
    let (_, tls) = redirecting();
    let endless = [&b"GET / HTTP/1.1\r\nHost: h\r\nX: "[..], &vec![b'x'; 1 << 20]].concat();
    for text in [
        &b"GET / HTTP/1.0\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\nSet-Cookie: x\r\n\r\n",
        b"GET /\rX: y HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &endless,
    ] {
        for cuts in [&[7][..], &[usize::MAX]] {
            let (answer, talk) = ask(&tls, text, cuts);
            assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("HTTPS"), "{answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
            assert!(!answer.contains("Location") && talk.most_received == 0, "{answer}");
        }
    }
}

#[test]
fn those_who_speak_tls_notice_nothing() {
    let (authority, tls) = redirecting();
    let mut peer = client(authority.client(), "localhost");
    let (talk, _) = secured(&tls, &mut peer, b"GET / HTTP/1.0\r\n\r\n", &[1]);
    assert!(talk.answer.starts_with(b"HTTP/1.1 200 "));
}
