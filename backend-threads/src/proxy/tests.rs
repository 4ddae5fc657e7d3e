//! Headers whole, cut and broken.

use super::*;
use cherrystone_core::gateway::PeerAddress;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n";

fn binary(command: u8, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut octets = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    octets.extend([command, kind]);
    octets.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
    octets.extend(content);
    octets
}

fn v4(parameters: &[u8]) -> Vec<u8> {
    [&[192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x67, 0, 80], parameters].concat()
}

fn client(source: &str, destination: &str) -> Header {
    let ip = |text: &str| PeerAddress::Ip(text.parse().unwrap());
    Header::Client { source: ip(source), destination: ip(destination) }
}

/// Plays octets in pieces that end at `cuts`; gives the header, and what is left for the protocol behind.
fn play(octets: &[u8], cuts: &[usize]) -> Result<Option<(Header, Vec<u8>)>, ProxyError> {
    let mut preface = Preface::default();
    let mut from = 0;
    for end in cuts.iter().copied().chain([octets.len()]) {
        let piece = &octets[from..end];
        let taken = preface.take(piece).inspect_err(|error| assert_eq!(preface.failure, Some(*error)))?;
        if let Some(header) = taken.header {
            return Ok(Some((header, [&piece[taken.octets..], &octets[end..]].concat())));
        }
        assert_eq!(taken.octets, piece.len(), "what is not the header's comes with it");
        from = end;
    }
    Ok(None)
}

/// The verdict about octets, which is the same at every cut, octet by octet too.
fn verdict(octets: &[u8]) -> Result<Option<Header>, ProxyError> {
    let whole = play(octets, &[]);
    for cut in 0..octets.len() {
        assert_eq!(play(octets, &[cut]), whole, "cut at {cut}");
    }
    assert_eq!(play(octets, &(1..octets.len()).collect::<Vec<_>>()), whole);
    whole.map(|found| {
        found.map(|(header, rest)| {
            assert!(REQUEST.starts_with(&rest) && (rest.is_empty() || rest == REQUEST), "{rest:?}");
            header
        })
    })
}

fn said(header: &[u8]) -> Header {
    assert_eq!(verdict(&header[..header.len() - 1]), Ok(None), "an octet is missing");
    verdict(&[header, REQUEST].concat()).unwrap().unwrap()
}

#[test]
fn lines() {
    assert_eq!(said(b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 80\r\n"), client("192.0.2.1:4711", "198.51.100.2:80"));
    assert_eq!(
        said(b"PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n"),
        client("[2001:db8::1]:65535", "[2001:db8::2]:0")
    );
    assert_eq!(said(b"PROXY UNKNOWN\r\n"), Header::Local);
    assert_eq!(said(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), Header::Local);
    let longest = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 91], b"\r\n"].concat();
    assert_eq!((longest.len(), said(&longest)), (107, Header::Local));
}

#[test]
fn lines_that_are_none() {
    for bad in [
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 80 1\r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.2 4711 80\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 80 \r\n",
        "PROXY TCP4 192.0.2.01 198.51.100.2 4711 80\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.2 4711 80\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 4711 80\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.2 4711 80\r\n",
        "PROXY TCP6 [::1] ::1 4711 80\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 4711 80\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 65536 80\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 +4711 80\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 04711 80\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 80\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 4711 80\rx",
        "PROXY TCP4 192.0.2.1 198.51.100.\u{b2} 4711 80\r\n",
    ] {
        assert_eq!(verdict(bad.as_bytes()), Err(ProxyError::Malformed), "{bad}");
    }
    for unknown in ["PROXY \r\n", "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n"] {
        assert_eq!(verdict(unknown.as_bytes()), Err(ProxyError::Unsupported), "{unknown}");
    }
    let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 92], b"\r\n"].concat();
    assert_eq!(verdict(&endless), Err(ProxyError::Malformed));
}

#[test]
fn binary_headers() {
    assert_eq!(said(&binary(0x21, 0x11, &v4(b""))), client("192.0.2.1:4711", "198.51.100.2:80"));
    assert_eq!(said(&binary(0x21, 0x11, &v4(&[7; 300]))), client("192.0.2.1:4711", "198.51.100.2:80"));
    let mapped = [&[0; 10][..], &[255, 255, 192, 0, 2, 1], &[0; 15], &[1], &[0, 5, 0, 6]].concat();
    assert_eq!(said(&binary(0x21, 0x21, &mapped)), client("192.0.2.1:5", "[::1]:6"));
    let mut paths = [0; 216];
    paths[..8].copy_from_slice(b"/run/a\0b");
    let unix = |path: Option<&str>| PeerAddress::Unix(path.map(Into::into));
    assert_eq!(
        said(&binary(0x21, 0x31, &paths)),
        Header::Client { source: unix(Some("/run/a")), destination: unix(None) }
    );
    for local in
        [binary(0x20, 0x00, b""), binary(0x20, 0x11, &v4(b"tlv")), binary(0x20, 0xff, b"x"), binary(0x21, 0, b"")]
    {
        assert_eq!(said(&local), Header::Local);
    }
}

#[test]
fn binary_headers_that_are_none() {
    for (command, kind) in
        [(0x11, 0x11), (0x22, 0x11), (0x31, 0x11), (0x21, 0x12), (0x21, 0x10), (0x21, 0x41), (0x21, 0x01)]
    {
        assert_eq!(verdict(&binary(command, kind, &[0; 216])), Err(ProxyError::Unsupported), "{command:x} {kind:x}");
    }
    for (kind, size) in [(0x11, 11), (0x21, 35), (0x31, 215)] {
        assert_eq!(verdict(&binary(0x21, kind, &vec![0; size])), Err(ProxyError::Malformed), "{kind:x}");
    }
}

#[test]
fn the_longest_header_is_passed_over_without_being_held() {
    let octets = binary(0x21, 0x11, &v4(&[0; 65_535 - 12]));
    let mut preface = Preface::default();
    for piece in octets.chunks(1_000) {
        let taken = preface.take(piece).unwrap();
        assert_eq!(taken.octets, piece.len());
        assert!(preface.octets.capacity() <= 2 * ENOUGH, "{}", preface.octets.capacity());
        assert_eq!(taken.header.is_some(), piece.len() < 1_000);
    }
}

#[test]
fn what_is_no_header_is_known_at_the_octet_that_tells() {
    for (octets, wrong) in
        [(REQUEST, 1), (b"\x16\x03\x01", 1), (b"PROXZ", 5), (b"PUT / ", 2), (b"\r\n\r\nGET", 5), (b"\n", 1)]
    {
        assert_eq!(play(&octets[..wrong - 1], &[]), Ok(None));
        assert_eq!(verdict(&octets[..wrong]), Err(ProxyError::Missing), "{octets:?}");
    }
}

#[test]
fn an_end_within_a_header_is_a_fault_and_one_before_is_none() {
    assert_eq!(Preface::default().end(), Ok(()));
    let mut preface = Preface::default();
    preface.take(b"PROXY TC").unwrap();
    assert_eq!((preface.end(), preface.failure), (Err(ProxyError::Truncated), Some(ProxyError::Truncated)));
}
