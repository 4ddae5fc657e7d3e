//! Clients that speak no TLS, or break it: by chance, out of date, or on purpose.

use std::io::Write;
use std::sync::Arc;

use cherrystone::{StageError, Tls};
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ServerConfig, ServerConnection};

use crate::authority::{Authority, der};
use crate::talk::{Talk, client, plain, secured};

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn octets(&mut self, most: usize) -> Vec<u8> {
        (0..self.roll(most + 1)).map(|_| self.roll(256) as u8).collect()
    }
}

fn parts() -> (Authority, Tls) {
    let authority = Authority::new("the authority");
    let tls = Tls::builder(authority.issue(&["localhost"]).identity()).build().unwrap();
    (authority, tls)
}

fn hello(config: ClientConfig) -> Vec<u8> {
    let mut octets = Vec::new();
    client(config, "localhost").write_tls(&mut octets).unwrap();
    octets
}

/// A record with a header that fits, or says what it is told to say.
fn record(kind: u8, version: [u8; 2], length: usize, payload: &[u8]) -> Vec<u8> {
    let length = (length as u16).to_be_bytes();
    [&[kind, version[0], version[1], length[0], length[1]], payload].concat()
}

/// Has these octets come, whole and cut, and checks what holds for all that is no conversation: it fails, once, at a bounded
/// price, no request is seen, and the cuts change nothing.
fn refused(tls: &Tls, octets: &[u8]) -> Talk {
    let [whole, cut] = [usize::MAX, 1].map(|cut| {
        let (talk, server) = plain(Some(tls), octets, &[cut]);
        assert_eq!(talk.log, ["end"], "{octets:02x?}");
        assert!(talk.failure.is_some() && talk.most_received == 0, "{octets:02x?}");
        assert!(talk.wire.len() < 8 << 10 && server.link.rx.is_empty(), "{octets:02x?}");
        talk
    });
    assert_eq!(whole.failure, cut.failure, "{octets:02x?}");
    assert_eq!(whole.wire.first(), cut.wire.first(), "{octets:02x?}");
    whole
}

#[test]
fn hellos_that_were_damaged() {
    let (authority, tls) = parts();
    let hellos = [&TLS12, &TLS13].map(|version| hello(authority.client_with(None, &[version])));
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..400 {
        let mut octets = hellos[dice.roll(2)].clone();
        match dice.roll(4) {
            0 => octets.truncate(dice.roll(octets.len() - 1) + 1),
            1 => {
                let at = dice.roll(octets.len());
                octets.splice(at..at, dice.octets(20));
            }
            2 => {
                let at = dice.roll(octets.len());
                octets.drain(at..(at + 1 + dice.roll(20)).min(octets.len()));
            }
            _ => {}
        }
        for _ in 0..dice.roll(4) {
            let at = dice.roll(octets.len().max(1));
            if let Some(octet) = octets.get_mut(at) {
                *octet = dice.roll(256) as u8;
            }
        }
        // Whatever it is, the client ends without having finished the handshake.
        if !octets.is_empty() {
            refused(&tls, &octets);
        }
    }
}

#[test]
fn records_of_chance() {
    let (authority, tls) = parts();
    let good = hello(authority.client());
    let mut dice = Dice(42);
    for n in 0..400 {
        let mut octets = if n % 2 == 0 { Vec::new() } else { good.clone() };
        for _ in 0..=dice.roll(4) {
            let payload = dice.octets(300);
            let kind = [20, 21, 22, 23, 24, dice.roll(256) as u8][dice.roll(6)];
            let version = [[3, 1], [3, 3], [3, 4], [dice.roll(256) as u8, 0]][dice.roll(4)];
            let length = [payload.len(), payload.len(), 0, dice.roll(1 << 16)][dice.roll(4)];
            octets.extend(record(kind, version, length, &payload));
        }
        // A method and a space would make it plain HTTP.
        if !octets[0].is_ascii_graphic() {
            refused(&tls, &octets);
        }
    }
}

#[test]
fn openings_of_other_times_and_other_protocols() {
    let (authority, tls) = parts();
    let good = hello(authority.client());
    // SSL 2 with SSL 3 and TLS 1.0 offered inside, as clients of about 2005 began.
    let sslv2 = [&[0x80, 0x1c, 1, 3, 1, 0, 3, 0, 0, 0, 16, 0, 0, 0x0a][..], &[7; 16]].concat();
    // SSL 3.0 and TLS 1.1 alone.
    let old = |version: u8| {
        let mut body = vec![3, version];
        body.extend([7; 32]);
        body.extend([0, 0, 4, 0, 0x2f, 0, 0x35, 1, 0]);
        record(22, [3, version], body.len() + 4, &[&[1, 0, 0, body.len() as u8][..], &body].concat())
    };
    let heartbeat = record(24, [3, 2], 3, &[1, 0x40, 0]);
    for octets in [
        sslv2,
        old(0),
        old(1),
        old(2),
        // Heartbleed's question, before and within a handshake.
        heartbeat.clone(),
        [&good[..], &heartbeat].concat(),
        // Too long for a record, and said so at once.
        record(22, [3, 1], 0xffff, &[1]),
        // Data and a change of keys before there are any.
        record(23, [3, 3], 100, &[0; 100]),
        record(20, [3, 3], 1, &[1]),
        // A server's part.
        record(22, [3, 3], 4, &[14, 0, 0, 0]),
        b"\0\0\0\x2f\xffSMB".to_vec(),
        b"\x03\0\0\x13\x0e\xe0\0\0".to_vec(),
    ] {
        let talk = refused(&tls, &octets);
        assert_eq!(talk.failure, Some(StageError::Failed), "{octets:02x?}");
        // A fatal alert is all there is; behind a server's hello it is encrypted.
        let is_alert = talk.wire.len() == 7 && talk.wire[..6] == [21, 3, 3, 0, 2, 2];
        assert_eq!(is_alert, !octets.starts_with(&good), "{octets:02x?} {:02x?}", talk.wire);
    }
}

#[test]
fn empty_records_do_not_keep_a_handshake_going() {
    let (authority, tls) = parts();
    let good = hello(authority.client());
    let floods = [
        record(22, [3, 3], 0, &[]).repeat(5000),
        record(20, [3, 3], 1, &[1]).repeat(5000),
        record(21, [3, 3], 2, &[1, 90]).repeat(5000),
    ];
    for flood in floods {
        for octets in [flood.clone(), [&good[..], &flood].concat()] {
            let talk = refused(&tls, &octets);
            assert_eq!(talk.failure, Some(StageError::Failed), "{:02x?}", &flood[..8]);
        }
    }
}

#[test]
fn early_data_is_not_taken() {
    const EARLY: &[u8] = b"GET /early HTTP/1.1\r\nHost: h\r\n\r\n";
    let (authority, tls) = parts();
    let leaf = authority.issue(&["localhost"]);
    let mut config = authority.client_with(None, &[&TLS13]);
    config.resumption = Resumption::in_memory_sessions(8);
    config.enable_early_data = true;
    // Our own tickets invite none.
    for _ in 0..2 {
        let mut peer = client(config.clone(), "localhost");
        assert!(peer.early_data().is_none());
        secured(&tls, &mut peer, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", &[usize::MAX]);
    }
    // Those of another server do.
    config.resumption = Resumption::in_memory_sessions(8);
    let mut eager = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der(&leaf.certificate)], leaf.private_key())
        .unwrap();
    eager.max_early_data_size = 1000;
    let (mut peer, mut other) = (client(config.clone(), "localhost"), ServerConnection::new(Arc::new(eager)).unwrap());
    for _ in 0..4 {
        let (mut there, mut back) = (Vec::new(), Vec::new());
        while peer.wants_write() {
            peer.write_tls(&mut there).unwrap();
        }
        let mut there = &there[..];
        while !there.is_empty() {
            other.read_tls(&mut there).unwrap();
            other.process_new_packets().unwrap();
        }
        while other.wants_write() {
            other.write_tls(&mut back).unwrap();
        }
        let mut back = &back[..];
        while !back.is_empty() {
            peer.read_tls(&mut back).unwrap();
            peer.process_new_packets().unwrap();
        }
    }
    let mut peer = client(config, "localhost");
    peer.early_data().expect("the other server's ticket allows it").write_all(EARLY).unwrap();
    let (talk, _) = secured(&tls, &mut peer, b"GET /late HTTP/1.1\r\nHost: h\r\n\r\n", &[usize::MAX]);
    assert!(!talk.log.iter().any(|line| line.contains("/early")), "{:?}", talk.log);
    assert!(!peer.is_early_data_accepted());
}
