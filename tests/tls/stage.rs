//! The stage in memory.

use std::io::Write;

use cherrystone::tls::{ClientAuth, Pem, Version};
use cherrystone::{StageError, Tls};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, Error, HandshakeKind};

use crate::authority::{Authority, Leaf, der};
use crate::talk::{Server, Talk, client, plain, secured};

const ALL: &[usize] = &[usize::MAX];
const CUTS: &[&[usize]] =
    &[&[1], &[2], &[1, 7], &[5], &[100], &[1000, 1], &[4096], &[16_389, 3], &[17, 4097, 1, 300], ALL];

fn parts() -> (Authority, Tls) {
    let authority = Authority::new("the authority");
    let tls = Tls::builder(authority.issue(&["localhost"]).identity()).build().unwrap();
    (authority, tls)
}

/// What the server puts on the wire as application data, record by record.
fn data_records(mut wire: &[u8]) -> Vec<usize> {
    let mut records = Vec::new();
    while let [kind, _, _, a, b, rest @ ..] = wire {
        let len = usize::from(u16::from_be_bytes([*a, *b]));
        if *kind == 23 {
            records.push(len);
        }
        wire = &rest[len..];
    }
    records
}

#[test]
fn cuts_change_nothing() {
    let (authority, tls) = parts();
    let texts: [&[u8]; 6] = [
        b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        b"POST /d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nshort",
        b"GET /f HTTP/1.1\r\nHost : h\r\n\r\n",
        b"GET /big/40000 HTTP/1.1\r\nHost: h\r\n\r\nGET /big/1 HTTP/1.0\r\n\r\n",
    ];
    for text in texts {
        let (expected, _) = plain(None, text, ALL);
        for cuts in CUTS {
            for version in [&TLS12, &TLS13] {
                let mut peer = client(authority.client_with(None, &[version]), "localhost");
                let (talk, _) = secured(&tls, &mut peer, text, cuts);
                assert_eq!(talk.log, expected.log, "{cuts:?}");
                assert!(talk.answer == expected.answer, "{cuts:?}");
                assert!(talk.farewell && talk.failure.is_none() && talk.refusal.is_none(), "{talk:?}");
            }
        }
    }
}

#[test]
fn requests_of_one_record_are_all_answered() {
    let (authority, tls) = parts();
    let text = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n".repeat(300);
    let (talk, _) = secured(&tls, &mut client(authority.client(), "localhost"), &text, ALL);
    assert_eq!(talk.log.iter().filter(|line| *line == "GET /x").count(), 300);
}

#[test]
fn large_contents_need_little_memory() {
    let (authority, tls) = parts();
    let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", 3 << 20);
    let text = [head.as_bytes(), &vec![b'u'; 3 << 20]].concat();
    for cuts in [ALL, &[65_536], &[1000, usize::MAX]] {
        let (talk, _) = secured(&tls, &mut client(authority.client(), "localhost"), &text, cuts);
        assert!(talk.answer.len() > 3 << 20);
        assert!(talk.most_received <= (64 << 10) + (20 << 10), "{}", talk.most_received);
        assert!(talk.most_sealed <= (128 << 10) + (17 << 10), "{}", talk.most_sealed);
    }
}

#[test]
fn records_are_filled() {
    let (authority, tls) = parts();
    let mut peer = client(authority.client_with(None, &[&TLS12]), "localhost");
    let (talk, _) = secured(&tls, &mut peer, b"GET /big/100 HTTP/1.1\r\nHost: h\r\n\r\n", ALL);
    assert_eq!(data_records(&talk.wire).len(), 1);
    let mut peer = client(authority.client_with(None, &[&TLS12]), "localhost");
    let (talk, _) = secured(&tls, &mut peer, b"GET /big/65000 HTTP/1.1\r\nHost: h\r\n\r\n", ALL);
    let records = data_records(&talk.wire);
    assert_eq!(records.len(), 4);
    assert!(records[..3].iter().all(|len| *len >= 16 << 10), "{records:?}");
}

#[test]
fn facts_of_the_session() {
    let (authority, tls) = parts();
    for (version, name, cipher) in
        [(&TLS12, "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"), (&TLS13, "TLSv1.3", "TLS_AES_256_GCM_SHA384")]
    {
        let mut config = authority.client_with(None, &[version]);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (_, server) = secured(&tls, &mut client(config, "localhost"), b"GET / HTTP/1.0\r\n\r\n", ALL);
        let facts = server.link.facts().unwrap();
        assert_eq!((facts.protocol.as_str(), facts.cipher.as_str()), (name, cipher));
        assert_eq!(facts.server_name.as_deref(), Some("localhost"));
        assert_eq!(facts.alpn.as_deref(), Some("http/1.1"));
        assert_eq!(facts.client, None);
    }
}

#[test]
fn a_client_of_the_older_version_is_welcome() {
    let (authority, tls) = parts();
    let mut config = authority.client();
    config.alpn_protocols = vec![b"http/1.0".to_vec()];
    let (_, server) = secured(&tls, &mut client(config, "localhost"), b"GET / HTTP/1.0\r\n\r\n", ALL);
    assert_eq!(server.link.facts().and_then(|facts| facts.alpn.as_deref()), Some("http/1.0"));
}

#[test]
fn other_application_protocols_are_refused() {
    let (authority, tls) = parts();
    let mut config = authority.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (talk, server) = secured(&tls, &mut client(config, "localhost"), b"", ALL);
    assert_eq!(talk.refusal, Some(Error::AlertReceived(AlertDescription::NoApplicationProtocol)));
    assert_eq!((talk.failure, server.link.facts()), (Some(StageError::Failed), None));
}

#[test]
fn old_versions_are_refused() {
    let authority = Authority::new("the authority");
    let leaf = authority.issue(&["localhost"]);
    let tls = Tls::builder(leaf.identity()).min_version(Version::V1_3).build().unwrap();
    let (talk, _) = secured(&tls, &mut client(authority.client_with(None, &[&TLS12]), "localhost"), b"", ALL);
    assert_eq!(talk.refusal, Some(Error::AlertReceived(AlertDescription::ProtocolVersion)));
    let (talk, _) = secured(&tls, &mut client(authority.client(), "localhost"), b"GET / HTTP/1.0\r\n\r\n", ALL);
    assert!(talk.answer.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn the_name_chooses_the_certificate() {
    let authority = Authority::new("the authority");
    let [home, shop, all, twice] =
        [&["home.test"][..], &["shop.test", "b.shop.test"], &["*.shop.test"], &["home.test"]]
            .map(|names| authority.issue(names));
    let tls = Tls::builder(home.identity()).also(all.identity()).also(shop.identity()).also(twice.identity());
    let tls = tls.build().unwrap();
    let cases: [(&str, &Leaf); 6] = [
        ("home.test", &home),
        ("shop.test", &shop),
        ("b.shop.test", &shop),
        ("a.shop.test", &all),
        ("a.a.shop.test", &home),
        ("unknown.test", &home),
    ];
    for (name, leaf) in cases {
        let mut peer = client(authority.client(), name);
        let (_, _) = secured(&tls, &mut peer, b"", ALL);
        let expected = der(&leaf.certificate);
        assert_eq!(tls.certificate(Some(&name.to_uppercase())).der, &*expected, "{name}");
        if let Some(seen) = peer.peer_certificates() {
            assert_eq!(seen[0], expected, "{name}");
        }
    }
    assert_eq!(tls.certificate(None).der, &*der(&home.certificate));
}

#[test]
fn certificates_of_clients() {
    let authority = Authority::new("the authority");
    let good = authority.issue_with(&["client.test"], |params| {
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Smith, Jones + Co");
        params.distinguished_name.push(rcgen::DnType::CommonName, "the client");
        params.serial_number = Some(vec![0, 0xab, 1].into());
    });
    let expired = authority.issue_with(&["client.test"], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let stranger = Authority::new("another authority").issue(&["client.test"]);
    let roots = Pem::text(authority.certificate.as_str());
    let server = authority.issue(&["localhost"]);
    for (clients, is_required) in [(ClientAuth::Optional(roots.clone()), false), (ClientAuth::Required(roots), true)] {
        let tls = Tls::builder(server.identity()).clients(clients).build().unwrap();
        for version in [&TLS12, &TLS13] {
            let ask = |leaf: Option<&Leaf>| {
                let mut peer = client(authority.client_with(leaf, &[version]), "localhost");
                secured(&tls, &mut peer, b"GET / HTTP/1.0\r\n\r\n", &[50, 1000])
            };
            let (talk, server) = ask(Some(&good));
            assert!(talk.answer.starts_with(b"HTTP/1.1 200"));
            let facts = server.link.facts().unwrap().client.clone().unwrap();
            assert!(
                facts.subject.contains("CN=the client") && facts.subject.contains("O=Smith\\, Jones \\+ Co"),
                "{facts:?}"
            );
            assert!(facts.issuer.contains("CN=the authority"), "{facts:?}");
            assert_eq!((facts.serial.as_str(), facts.der), ("AB01", der(&good.certificate).to_vec()));
            assert!(facts.not_before < facts.not_after);
            for leaf in [&expired, &stranger] {
                let (talk, server) = ask(Some(leaf));
                assert!(matches!(talk.refusal, Some(Error::AlertReceived(_))), "{talk:?}");
                assert_eq!((talk.failure, talk.log), (Some(StageError::Failed), vec!["end".to_owned()]));
                assert_eq!(server.link.facts(), None);
            }
            let (talk, server) = ask(None);
            assert_eq!(talk.failure.is_some(), is_required);
            assert_eq!(server.link.facts().is_some_and(|facts| facts.client.is_none()), !is_required);
        }
    }
}

#[test]
fn sessions_are_resumed_until_a_reload() {
    let (authority, tls) = parts();
    for version in [&TLS12, &TLS13] {
        let mut config: ClientConfig = authority.client_with(None, &[version]);
        config.resumption = rustls::client::Resumption::in_memory_sessions(8);
        let kind = || {
            let mut peer = client(config.clone(), "localhost");
            let (talk, server) = secured(&tls, &mut peer, b"GET / HTTP/1.0\r\n\r\n", ALL);
            assert!(talk.answer.starts_with(b"HTTP/1.1 200"));
            assert!(server.link.facts().is_some_and(|facts| facts.server_name.as_deref() == Some("localhost")));
            peer.handshake_kind().unwrap()
        };
        assert_eq!(kind(), HandshakeKind::Full);
        assert_eq!((kind(), kind()), (HandshakeKind::Resumed, HandshakeKind::Resumed));
        tls.reload().unwrap();
        assert_eq!((kind(), kind()), (HandshakeKind::Full, HandshakeKind::Resumed));
    }
}

#[test]
fn plain_http_is_told_so() {
    let (_, tls) = parts();
    for text in [&b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"[..], b"PROPFIND /x HTTP/1.1\r\n", b"X y"] {
        for cuts in [&[1][..], &[3], ALL] {
            let (talk, mut server) = plain(Some(&tls), text, cuts);
            let answer = String::from_utf8(talk.answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("HTTPS"), "{answer}");
            assert!(
                answer.contains("\r\nContent-Type: text/plain\r\n") && answer.contains("\r\nConnection: close\r\n")
            );
            assert_eq!((talk.failure, talk.log), (Some(StageError::WrongProtocol), vec!["end".to_owned()]));
            assert_eq!(
                (server.link.take_failure(), server.link.take_failure()),
                (Some(StageError::WrongProtocol), None)
            );
        }
    }
}

#[test]
fn garbage_gets_an_alert() {
    let (_, tls) = parts();
    for text in [
        &b"\x16\x03\x01\x00\x04\x63\0\0\0"[..],
        b"\0\0\0\0\0\0\0\0\0\0",
        b"\x80\x2e\x01\x03\x01\0",
        b" GET / HTTP/1.1\r\n",
        b"\x16\xff\xff\xff\xff\xff",
    ] {
        for cuts in [&[1][..], ALL] {
            let (talk, _) = plain(Some(&tls), text, cuts);
            assert_eq!(talk.failure, Some(StageError::Failed), "{text:?}");
            assert_eq!((talk.wire.first(), talk.wire.len()), (Some(&21), 7), "{text:?} {:?}", talk.wire);
            assert_eq!(talk.log, ["end"]);
        }
    }
}

#[test]
fn ends_before_the_handshake() {
    let (authority, tls) = parts();
    let (talk, _) = plain(Some(&tls), b"", ALL);
    assert_eq!((talk.failure, talk.wire.len()), (None, 0));
    let (talk, _) = plain(Some(&tls), b"GE", ALL);
    assert_eq!((talk.failure, talk.wire.len()), (Some(StageError::WrongProtocol), 0));
    let mut hello = Vec::new();
    client(authority.client(), "localhost").write_tls(&mut hello).unwrap();
    for len in [1, 4, 6, hello.len() - 1, hello.len()] {
        let (talk, server) = plain(Some(&tls), &hello[..len], ALL);
        assert_eq!(talk.failure, Some(StageError::Truncated));
        assert!(!server.link.is_handshaking());
    }
}

#[test]
fn an_end_without_a_goodbye_cuts_no_request_off_unnoticed() {
    let (authority, tls) = parts();
    for (text, log) in [
        (&b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"[..], &["GET /", "0 octets", "end"][..]),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel", &["POST /", "Truncated", "end"]),
    ] {
        let (mut talk, mut server) = (Talk::default(), Server::new(Some(&tls)));
        let mut peer = client(authority.client(), "localhost");
        peer.writer().write_all(text).unwrap();
        loop {
            let mut octets = Vec::new();
            while peer.wants_write() {
                peer.write_tls(&mut octets).unwrap();
            }
            server.receive(&octets, &mut talk);
            let answer = server.send(usize::MAX, &mut talk);
            if octets.is_empty() && answer.is_empty() {
                break;
            }
            peer.read_tls(&mut &answer[..]).unwrap();
            peer.process_new_packets().unwrap();
        }
        server.close(&mut talk);
        assert_eq!((talk.failure, talk.log), (None, log.iter().map(ToString::to_string).collect()));
    }
}

#[test]
fn damage_inside_a_session_ends_it() {
    let (authority, tls) = parts();
    let (mut talk, mut server) = (Talk::default(), Server::new(Some(&tls)));
    let mut peer = client(authority.client(), "localhost");
    while peer.is_handshaking() || peer.wants_write() {
        let mut octets = Vec::new();
        while peer.wants_write() {
            peer.write_tls(&mut octets).unwrap();
        }
        server.receive(&octets, &mut talk);
        peer.read_tls(&mut &server.send(usize::MAX, &mut talk)[..]).unwrap();
        peer.process_new_packets().unwrap();
    }
    peer.writer().write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut octets = Vec::new();
    peer.write_tls(&mut octets).unwrap();
    *octets.last_mut().unwrap() ^= 1;
    server.receive(&octets, &mut talk);
    assert_eq!((talk.failure, &talk.log[..]), (Some(StageError::Failed), &["end".to_owned()][..]));
    let alert = server.send(usize::MAX, &mut talk);
    peer.read_tls(&mut &alert[..]).unwrap();
    assert_eq!(peer.process_new_packets().err(), Some(Error::AlertReceived(AlertDescription::BadRecordMac)));
    // What comes later is dropped.
    server.receive(b"anything", &mut talk);
    assert!(server.link.rx.is_empty() && server.send(usize::MAX, &mut talk).is_empty());
}
