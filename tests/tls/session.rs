//! The stage by itself, call by call, and peers that ask for more than their share.

use std::io::Write;

use cherrystone::tls::{ClientAuth, Identity, Pem};
use cherrystone::{RecvBuf, SendBuf, Stage, StageError, Tls};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, Error, HandshakeKind};

use crate::authority::{Authority, der};
use crate::talk::{client, secured};

/// A stage with its four buffers.
struct Side {
    stage: Box<dyn Stage>,
    wire: RecvBuf,
    rx: RecvBuf,
    tx: SendBuf,
    out: SendBuf,
}

impl Side {
    fn new(tls: &Tls) -> Self {
        let (wire, rx, tx, out) = Default::default();
        Self { stage: tls.stage(), wire, rx, tx, out }
    }

    fn open(&mut self) -> Result<(), StageError> {
        self.stage.open(&mut self.wire, &mut self.rx, &mut self.out)
    }

    fn seal(&mut self) {
        self.stage.seal(&mut self.tx, &mut self.out).unwrap();
    }

    /// What is to be sent, sent.
    fn take(&mut self) -> Vec<u8> {
        let out = self.out.unsent().to_vec();
        self.out.advance(out.len());
        out
    }

    /// Carries octets both ways until neither side has any.
    fn settle(&mut self, peer: &mut ClientConnection) {
        loop {
            self.wire.push(&written(peer));
            let moved = !self.wire.is_empty();
            self.open().unwrap();
            let out = self.take();
            read(peer, &out).unwrap();
            if !moved && out.is_empty() {
                break;
            }
        }
    }
}

fn written(peer: &mut ClientConnection) -> Vec<u8> {
    let mut octets = Vec::new();
    while peer.wants_write() {
        peer.write_tls(&mut octets).unwrap();
    }
    octets
}

fn read(peer: &mut ClientConnection, mut octets: &[u8]) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    while !octets.is_empty() {
        peer.read_tls(&mut octets).unwrap();
        let mut left = peer.process_new_packets()?.plaintext_bytes_to_read();
        while left > 0 {
            left -= std::io::copy(&mut std::io::Read::take(peer.reader(), left as u64), &mut text).unwrap() as usize;
        }
    }
    Ok(text)
}

fn site() -> (Authority, Tls) {
    let authority = Authority::new("the authority");
    let tls = Tls::builder(authority.issue(&["localhost"]).identity()).build().unwrap();
    (authority, tls)
}

/// A session past its handshake.
fn session(authority: &Authority, tls: &Tls) -> (Side, ClientConnection) {
    let (mut side, mut peer) = (Side::new(tls), client(authority.client_with(None, &[&TLS13]), "localhost"));
    side.settle(&mut peer);
    assert!(side.stage.facts().is_some() && !side.stage.is_handshaking() && !peer.is_handshaking());
    (side, peer)
}

/// A handshake message spread over records of one octet each.
fn crumble(message: &[u8]) -> Vec<u8> {
    message.iter().flat_map(|octet| [22, 3, 1, 0, 1, *octet]).collect()
}

#[test]
fn a_hello_may_come_in_records_of_one_octet() {
    let (authority, tls) = site();
    for cuts in [1, 6, 7, usize::MAX] {
        let (mut side, mut peer) = (Side::new(&tls), client(authority.client(), "localhost"));
        let hello = written(&mut peer);
        for octets in crumble(&hello[5..]).chunks(cuts) {
            side.wire.push(octets);
            side.open().unwrap();
        }
        let answer = side.take();
        read(&mut peer, &answer).unwrap();
        side.settle(&mut peer);
        assert!(!peer.is_handshaking() && side.stage.facts().is_some());
    }
}

#[test]
fn a_hello_without_end_is_cut_off() {
    let (_, tls) = site();
    for (length, cut) in [([0, 0xff, 0xff], 1000), ([0, 0xff, 0xff], 70_000), ([1, 0, 0], 1000), ([0xff; 3], 1000)] {
        let message = [&[1][..], &length, &[0; 70_000]].concat();
        let mut side = Side::new(&tls);
        let failure = crumble(&message).chunks(cut).find_map(|octets| {
            side.wire.push(octets);
            let opened = side.open();
            // What is kept, the session keeps.
            assert!(opened.is_err() || side.wire.is_empty());
            opened.err()
        });
        assert_eq!(failure, Some(StageError::Failed), "{length:?}");
        assert!(side.rx.is_empty() && side.out.len() <= 7);
    }
}

#[test]
fn what_nobody_consumes_is_not_decrypted() {
    const ALL: usize = 1 << 20;
    let (authority, tls) = site();
    let (mut side, mut peer) = session(&authority, &tls);
    peer.set_buffer_limit(None);
    let text: Vec<u8> = (0..ALL).map(|n| (n % 251) as u8).collect();
    peer.writer().write_all(&text).unwrap();
    side.wire.push(&written(&mut peer));
    side.wire.close();
    let (mut received, mut calls) = (Vec::new(), 0);
    while !side.rx.is_closed() {
        side.open().unwrap();
        calls += 1;
        assert!(side.rx.unread().len() <= (64 << 10) + (20 << 10), "{}", side.rx.unread().len());
        // Full, it still takes one step, so that a head of any size can come together, and no more.
        let (before, left) = (side.rx.unread().len(), side.wire.unread().len());
        if before >= 64 << 10 && received.is_empty() {
            side.open().unwrap();
            assert!(side.rx.unread().len() - before <= 20 << 10 && left - side.wire.unread().len() <= 20 << 10);
        }
        received.extend_from_slice(side.rx.unread());
        side.rx.consume(usize::MAX);
    }
    assert!(received == text && calls <= ALL / (64 << 10) + 2, "{calls}");
}

#[test]
fn a_slow_reader_gets_full_records_from_bounded_memory() {
    let (authority, tls) = site();
    let (mut side, mut peer) = session(&authority, &tls);
    side.tx.put(&vec![b'x'; 1 << 20]);
    let (mut wire, mut most) = (Vec::new(), 0);
    loop {
        side.seal();
        most = most.max(side.out.len());
        if side.out.is_empty() {
            break;
        }
        let n = side.out.len().min(5000);
        wire.extend_from_slice(&side.out.unsent()[..n]);
        side.out.advance(n);
    }
    assert!(side.tx.is_empty() && most <= (128 << 10) + (17 << 10), "{most}");
    // 16 KiB, the kind, and the tag, behind five octets that say so.
    assert_eq!(wire.len(), 64 * ((16 << 10) + 1 + 16 + 5));
    assert_eq!(read(&mut peer, &wire).unwrap().len(), 1 << 20);
}

#[test]
fn those_who_change_keys_all_the_time_are_sent_away() {
    let (authority, tls) = site();
    let (mut side, mut peer) = session(&authority, &tls);
    let failure = (0..1000).find_map(|_| {
        peer.refresh_traffic_keys().unwrap();
        side.wire.push(&written(&mut peer));
        side.open().err()
    });
    assert_eq!(failure, Some(StageError::Failed));
    assert!(side.out.len() < 1000, "{}", side.out.len());
}

#[test]
fn what_follows_a_goodbye_is_ignored_and_the_answer_still_goes_out() {
    let (authority, tls) = site();
    let (mut side, mut peer) = session(&authority, &tls);
    peer.writer().write_all(b"the request").unwrap();
    peer.send_close_notify();
    side.wire.push(&written(&mut peer));
    side.wire.push(&[b'?'; 50_000]);
    side.open().unwrap();
    assert!(side.rx.unread() == b"the request" && side.rx.is_closed() && side.wire.is_empty());
    side.tx.put(&[b'a'; 40_000]);
    side.seal();
    side.stage.close(&mut side.out);
    let first = side.out.len();
    side.stage.close(&mut side.out);
    assert_eq!(side.out.len(), first);
    let out = side.take();
    assert_eq!(read(&mut peer, &out).unwrap(), [b'a'; 40_000]);
    assert!(peer.process_new_packets().unwrap().peer_has_closed());
}

#[test]
fn what_comes_after_our_own_goodbye_is_not_looked_at() {
    let (authority, tls) = site();
    let (mut side, mut peer) = session(&authority, &tls);
    side.settle(&mut peer);
    side.stage.close(&mut side.out);
    let goodbye = side.take();
    read(&mut peer, &goodbye).unwrap();
    // A record that nobody can read, which the library would answer with a second alert.
    side.wire.push(b"\x17\x03\x03\0\x14twenty octets of junk");
    assert_eq!(side.open(), Ok(()));
    assert!(side.take().is_empty() && side.wire.is_empty() && side.rx.is_empty());
    side.stage.close(&mut side.out);
    assert!(side.take().is_empty(), "a goodbye is said once");
    side.wire.close();
    assert_eq!(side.open(), Ok(()));
    assert!(side.rx.is_closed());
}

#[test]
fn an_alert_of_the_peer_ends_the_session() {
    let (_, tls) = site();
    let stranger = Authority::new("another authority");
    let (mut side, mut peer) = (Side::new(&tls), client(stranger.client(), "localhost"));
    side.wire.push(&written(&mut peer));
    side.open().unwrap();
    let out = side.take();
    assert!(matches!(read(&mut peer, &out), Err(Error::InvalidCertificate(_))));
    side.wire.push(&written(&mut peer));
    assert_eq!(side.open(), Err(StageError::Failed));
    assert!(side.stage.facts().is_none());
}

#[test]
fn a_session_keeps_the_certificate_that_it_began_with() {
    let authority = Authority::new("the authority");
    let [old, new, other] = [&["localhost"], &["localhost"], &["other.test"]].map(|names| authority.issue(names));
    let directory = tempfile::tempdir().unwrap();
    let [certificate, key] = ["www.pem", "www.key"].map(|name| directory.path().join(name));
    std::fs::write(&certificate, &old.certificate).unwrap();
    std::fs::write(&key, &old.key).unwrap();
    let tls = Tls::builder(Identity::files(&certificate, &key)).also(other.identity()).build().unwrap();

    let (mut settled, mut settled_peer) = session(&authority, &tls);
    let (mut accepted, mut accepted_peer) = (Side::new(&tls), client(authority.client(), "localhost"));
    let (mut begun, mut begun_peer) = (Side::new(&tls), client(authority.client(), "localhost"));
    begun.wire.push(&written(&mut begun_peer));
    begun.open().unwrap();

    std::fs::write(&certificate, &new.certificate).unwrap();
    std::fs::write(&key, &new.key).unwrap();
    tls.reload().unwrap();

    let out = begun.take();
    read(&mut begun_peer, &out).unwrap();
    for (side, peer) in
        [(&mut settled, &mut settled_peer), (&mut begun, &mut begun_peer), (&mut accepted, &mut accepted_peer)]
    {
        side.settle(peer);
        assert_eq!(peer.peer_certificates().unwrap()[0], der(&old.certificate));
        assert_eq!(side.stage.facts().unwrap().server.as_ref().unwrap().der, &*der(&old.certificate));
        side.tx.put(b"still here");
        side.seal();
        let out = side.take();
        assert_eq!(read(peer, &out).unwrap(), b"still here");
    }
    let (fresh, _) = session(&authority, &tls);
    assert_eq!(fresh.stage.facts().unwrap().server.as_ref().unwrap().der, &*der(&new.certificate));
    let (_, server) = secured(&tls, &mut client(authority.client(), "other.test"), b"", &[usize::MAX]);
    assert_eq!(server.link.facts().unwrap().server.as_ref().unwrap().der, &*der(&other.certificate));
}

#[test]
fn a_client_without_a_name_sees_the_default_certificate() {
    let authority = Authority::new("the authority");
    let [home, shop] = [&["127.0.0.1", "home.test"][..], &["shop.test"]].map(|names| authority.issue(names));
    let tls = Tls::builder(home.identity()).also(shop.identity()).build().unwrap();
    let config = std::sync::Arc::new(authority.client());
    let mut peer = ClientConnection::new(config, ServerName::try_from("127.0.0.1").unwrap()).unwrap();
    let mut side = Side::new(&tls);
    side.settle(&mut peer);
    assert_eq!(peer.peer_certificates().unwrap()[0], der(&home.certificate));
    let facts = side.stage.facts().unwrap();
    assert_eq!((facts.server_name.as_deref(), facts.alpn.as_deref()), (None, None));
}

#[test]
fn a_resumed_session_knows_its_client() {
    let authority = Authority::new("the authority");
    let leaf = authority.issue(&["client.test"]);
    let roots = Pem::text(authority.certificate.as_str());
    let tls = Tls::builder(authority.issue(&["localhost"]).identity()).clients(ClientAuth::Required(roots));
    let tls = tls.build().unwrap();
    for version in [&TLS12, &TLS13] {
        let mut config = authority.client_with(Some(&leaf), &[version]);
        config.resumption = Resumption::in_memory_sessions(8);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (mut side, mut peer) = (Side::new(&tls), client(config.clone(), "localhost"));
            side.settle(&mut peer);
            assert_eq!(peer.handshake_kind(), Some(kind));
            let facts = side.stage.facts().unwrap();
            assert_eq!(facts.client.as_ref().unwrap().der, &*der(&leaf.certificate));
            assert!(facts.server.is_some());
        }
    }
}
