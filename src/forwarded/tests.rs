//! Fields of proxies that tell the truth, and of those that do not.

use super::parse::{Malformed, Origin, resolve};
use super::*;

const PROXY: &str = "10.0.0.1:1";

/// What these field lines tell of a request from this peer.
fn told(fields: Fields, peer: &str, lines: &str) -> Result<Option<Origin>, Malformed> {
    let config = Config::default();
    let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
    let mut rx = RecvBuf::default();
    rx.push(format!("GET / HTTP/1.1\r\nHost: own\r\n{lines}\r\n").as_bytes());
    let Ok(Event::Request(head)) = Connection::new(&env).poll(&env, &mut rx) else { panic!("{lines}") };
    let trust = Trust::new("10.0.0.0/8,2001:db8::/32".parse().unwrap(), fields);
    let ip = |text: &str| PeerAddress::Ip(text.parse().unwrap());
    let (source, proxy) = peer.split_once(" via ").unwrap_or(("", peer));
    let mut known = Peer::new(ip(proxy), Arc::new(Endpoint::new(ip(proxy), "own")));
    if !source.is_empty() {
        known.spoken_for(ip(source), ip(proxy));
    }
    resolve(head, &known, &trust)
}

fn origin(client: &str, secured: Option<bool>, host: Option<&str>) -> Result<Option<Origin>, Malformed> {
    let client = (!client.is_empty()).then(|| client.parse().unwrap());
    Ok(Some(Origin { client, secured, host: host.map(Into::into) }))
}

fn x(lines: &str) -> Result<Option<Origin>, Malformed> {
    told(Fields::XForwarded, PROXY, lines)
}

fn rfc(lines: &str) -> Result<Option<Origin>, Malformed> {
    told(Fields::Forwarded, PROXY, lines)
}

#[test]
fn the_client_is_the_last_one_that_is_no_proxy() {
    for (list, client) in [
        ("192.0.2.1", "192.0.2.1:0"),
        ("198.51.100.9, 192.0.2.1", "192.0.2.1:0"),
        ("192.0.2.1, 10.3.3.3,10.2.2.2", "192.0.2.1:0"),
        ("1.1.1.1, 192.0.2.1, 10.3.3.3, 2001:db8::7", "192.0.2.1:0"),
        ("10.3.3.3, 10.2.2.2", "10.3.3.3:0"),
        ("forged \"<nonsense>, 192.0.2.1", "192.0.2.1:0"),
        ("192.0.2.1:4711", "192.0.2.1:4711"),
        ("2001:db9::1", "[2001:db9::1]:0"),
        ("[2001:db9::1]:4711", "[2001:db9::1]:4711"),
        ("::ffff:192.0.2.1, ::ffff:10.0.0.9", "192.0.2.1:0"),
        ("192.0.2.1, unknown", ""),
    ] {
        assert_eq!(x(&format!("X-Forwarded-For: {list}\r\n")), origin(client, None, None), "{list}");
    }
    // Lines of one name are one list.
    let lines = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.1, 10.3.3.3\r\n";
    assert_eq!(x(lines), origin("192.0.2.1:0", None, None));
}

#[test]
fn nobody_else_is_believed_and_no_other_fields() {
    let lines = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nForwarded: for=192.0.2.2\r\n";
    assert_eq!(told(Fields::XForwarded, "192.0.2.99:1", lines), Ok(None));
    assert_eq!(told(Fields::Forwarded, "192.0.2.99:1", lines), Ok(None));
    assert_eq!(x(lines), origin("192.0.2.1:0", Some(true), None));
    assert_eq!(rfc(lines), origin("192.0.2.2:0", None, None));
    assert_eq!((x("Forwarded: for=192.0.2.2\r\n"), rfc("X-Forwarded-For: 192.0.2.1\r\n")), (Ok(None), Ok(None)));
    assert_eq!(x(""), Ok(None));
}

#[test]
fn a_client_that_the_proxy_protocol_names_is_the_client() {
    let lines = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6;proto=https\r\n";
    for fields in [Fields::Forwarded, Fields::XForwarded] {
        assert_eq!(told(fields, "192.0.2.1:5 via 10.0.0.1:1", lines), origin("", Some(true), None));
        assert_eq!(told(fields, "10.0.0.9:5 via 10.0.0.1:1", lines), origin("6.6.6.6:0", Some(true), None));
        assert_eq!(told(fields, "10.0.0.9:5 via 192.0.2.1:1", lines), Ok(None));
    }
}

#[test]
fn scheme_and_host_are_of_the_clients_hop() {
    let lines = "X-Forwarded-For: 1.1.1.1, 192.0.2.1, 10.9.9.9\r\nX-Forwarded-Proto: http, https, http\r\nX-Forwarded-Host: a, b:8443, c\r\n";
    assert_eq!(x(lines), origin("192.0.2.1:0", Some(true), Some("b:8443")));
    assert_eq!(x("X-Forwarded-Proto: HTTPS\r\n"), origin("", Some(true), None));
    let lines = "Forwarded: for=1.1.1.1;proto=http;host=a, For=\"192.0.2.1:47\";Proto=https;by=_x;Host=\"b:8443\"\r\nForwarded: for=10.9.9.9;proto=http\r\n";
    assert_eq!(rfc(lines), origin("192.0.2.1:47", Some(true), Some("b:8443")));
    assert_eq!(rfc("Forwarded: for=\"[2001:db9::1]\", for=10.9.9.9\r\n"), origin("[2001:db9::1]:0", None, None));
    assert_eq!(rfc("Forwarded: for=\"_a\\.b\";proto=https\r\n"), origin("", Some(true), None));
    assert_eq!(rfc("Forwarded: for=1.1.1.1, for=unknown\r\n"), origin("", None, None));
    assert_eq!(rfc("Forwarded: for=192.0.2.1,, \r\nForwarded:\r\n"), origin("192.0.2.1:0", None, None));
    assert_eq!(rfc("Forwarded: \r\n"), Ok(None));
    for (node, client) in [
        ("192.0.2.1:_p", "192.0.2.1:0"),
        ("[2001:db9::1]:_p", "[2001:db9::1]:0"),
        ("unknown:99", ""),
        ("_a:_p", ""),
        ("_a:65535", ""),
    ] {
        assert_eq!(rfc(&format!("Forwarded: for=\"{node}\"\r\n")), origin(client, None, None), "{node}");
    }
}

#[test]
fn what_makes_no_sense_is_malformed() {
    for lines in [
        "X-Forwarded-For: \r\n",
        "X-Forwarded-For: 192.0.2.1,\r\n",
        "X-Forwarded-For: example.com\r\n",
        "X-Forwarded-For: 192.0.2.01\r\n",
        "X-Forwarded-For: 192.0.2.1:99999\r\n",
        "X-Forwarded-For: 192.0.2.1 10.0.0.1\r\n",
        "X-Forwarded-For: \u{e4}\r\n",
        "X-Forwarded-Proto: wss\r\n",
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https, http\r\n",
        "X-Forwarded-Host: \r\n",
    ] {
        assert_eq!(x(lines), Err(Malformed), "{lines}");
    }
    for value in [
        "for",
        "for=",
        "for=\"192.0.2.1",
        "for=a.b",
        "for=192.0.2.1;for=192.0.2.2",
        "for=192.0.2.1;proto=",
        "proto=ftp",
        "for=1.1.1.1 ;x y",
        "for=\"1.1.1.1\"x",
        "for=192.0.2.1;host=\"\"",
        "for=2001:db9::1]",
        "for=192.0.2.1;=x;y",
        "for=\"_a:\"",
        "for=\"_a:123456\"",
        "for=\"192.0.2.1:_\"",
        "for=\"2001:db9::_p\"",
    ] {
        assert_eq!(rfc(&format!("Forwarded: {value}\r\n")), Err(Malformed), "{value}");
    }
}

#[test]
fn long_lists_take_no_longer_than_their_octets() {
    let lines = format!("X-Forwarded-For: {}192.0.2.1\r\n", "10.1.1.1,".repeat(3_000));
    assert_eq!(x(&lines), origin("192.0.2.1:0", None, None));
    let parameters: String = (0..3_000).map(|n| format!(";p{n}=1")).collect();
    assert_eq!(rfc(&format!("Forwarded: for=192.0.2.1{parameters}\r\n")), origin("192.0.2.1:0", None, None));
    assert_eq!(rfc(&format!("Forwarded: for=192.0.2.1{parameters};P7=2\r\n")), Err(Malformed));
}
