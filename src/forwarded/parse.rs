//! What do the fields of proxies say, and whose word counts?
//!
//! Pure: fields in, an [`Origin`] out.

use std::net::{IpAddr, SocketAddr};

use cherrystone_core::Head;
use cherrystone_core::gateway::Peer;

use super::{Fields, Trust};

/// How a request was made, as far as trusted proxies tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// The client, if it has an address.
    pub(super) client: Option<SocketAddr>,
    /// Whether it came over TLS.
    pub(super) secured: Option<bool>,
    /// The host that it asked for; not yet known to be one.
    pub(super) host: Option<Vec<u8>>,
}

/// A trusted proxy says something that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// One hop: what a proxy says about who asked it.
#[derive(Clone, Debug, Default)]
struct Hop {
    node: Node,
    proto: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Node {
    Ip(IpAddr, u16),
    /// `unknown`, or a name that means something to the proxy alone.
    #[default]
    Hidden,
}

/// What the fields tell; `None` if the peer is not to be believed, or tells nothing.
pub(super) fn resolve(head: Head<'_>, peer: &Peer, trust: &Trust) -> Result<Option<Origin>, Malformed> {
    let proxy = peer.via.as_ref().map_or(&peer.address, |via| &via.proxy);
    if !trust.networks.contains_peer(proxy) {
        return Ok(None);
    }
    // The PROXY protocol has named the client already, unless that is the next proxy.
    let is_known = peer.via.is_some() && !trust.networks.contains_peer(&peer.address);
    match trust.fields {
        Fields::Forwarded => forwarded(head, trust, is_known),
        Fields::XForwarded => x_forwarded(head, trust, is_known),
    }
}

/// RFC 7239: hops from the client's on, each with everything about it.
fn forwarded(head: Head<'_>, trust: &Trust, is_known: bool) -> Result<Option<Origin>, Malformed> {
    let mut hops: Vec<&[u8]> = Vec::new();
    for line in head.fields().get_all("Forwarded") {
        split(line, b',', &mut hops)?;
    }
    // An empty member of a list is none (RFC 9110, 5.6.1).
    hops.retain(|hop| !hop.is_empty());
    let found = match hops.last() {
        Some(last) if is_known => Some(Hop { node: Node::Hidden, ..hop(last)? }),
        _ => client(&hops, trust, hop)?.map(|(_, hop)| hop),
    };
    let Some(hop) = found else { return Ok(None) };
    origin(hop.node, hop.proto.as_deref(), hop.host.as_deref()).map(Some)
}

/// A field for each thing, each a list with one member for a hop, or with one member for all of them.
fn x_forwarded(head: Head<'_>, trust: &Trust, is_known: bool) -> Result<Option<Origin>, Malformed> {
    let list = |name: &str| -> Vec<&[u8]> {
        head.fields()
            .get_all(name)
            .flat_map(|line| line.split(|octet| *octet == b','))
            .map(<[u8]>::trim_ascii)
            .collect()
    };
    let nodes = if is_known { Vec::new() } else { list("X-Forwarded-For") };
    let found = client(&nodes, trust, |element| Ok(Hop { node: node(element)?, ..Hop::default() }))?;
    let (at, node) = found.map_or((0, Node::Hidden), |(at, hop)| (at, hop.node));
    let of_the_client = |members: Vec<&[u8]>| match members.len() {
        0 => Ok(None),
        1 => Ok(Some(members[0].to_vec())),
        n if n == nodes.len() => Ok(Some(members[at].to_vec())),
        _ => Err(Malformed),
    };
    let proto = of_the_client(list("X-Forwarded-Proto"))?;
    let host = of_the_client(list("X-Forwarded-Host"))?;
    if nodes.is_empty() && proto.is_none() && host.is_none() {
        return Ok(None);
    }
    origin(node, proto.as_deref(), host.as_deref()).map(Some)
}

/// The client among the hops: the last address that is not a trusted proxy's. What is in front of it may be its own invention, and is not
/// even looked at.
fn client<'h>(
    hops: &[&'h [u8]],
    trust: &Trust,
    read: impl Fn(&'h [u8]) -> Result<Hop, Malformed>,
) -> Result<Option<(usize, Hop)>, Malformed> {
    let mut found = None;
    for (at, element) in hops.iter().enumerate().rev() {
        let hop = read(element)?;
        let is_proxy = matches!(hop.node, Node::Ip(address, _) if trust.networks.contains(address));
        found = Some((at, hop));
        if !is_proxy {
            break;
        }
    }
    Ok(found)
}

fn origin(node: Node, proto: Option<&[u8]>, host: Option<&[u8]>) -> Result<Origin, Malformed> {
    let secured = match proto {
        None => None,
        Some(proto) if proto.eq_ignore_ascii_case(b"https") => Some(true),
        Some(proto) if proto.eq_ignore_ascii_case(b"http") => Some(false),
        Some(_) => return Err(Malformed),
    };
    let client = match node {
        Node::Ip(address, port) => Some(SocketAddr::new(address, port)),
        Node::Hidden => None,
    };
    match host {
        Some(b"") => Err(Malformed),
        host => Ok(Origin { client, secured, host: host.map(<[u8]>::to_vec) }),
    }
}

/// `for=192.0.2.1;proto=https;host="example.com:8443"`
fn hop(element: &[u8]) -> Result<Hop, Malformed> {
    let mut hop = Hop::default();
    let mut pairs = Vec::new();
    split(element, b';', &mut pairs)?;
    let mut names: Vec<Vec<u8>> = Vec::new();
    for pair in pairs.into_iter().filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|octet| *octet == b'=').ok_or(Malformed)?;
        let (name, value) = (pair[..at].to_ascii_lowercase(), unquoted(&pair[at + 1..])?);
        match &name[..] {
            b"for" => hop.node = node(&value)?,
            b"proto" => hop.proto = Some(value),
            b"host" => hop.host = Some(value),
            _ => {}
        }
        names.push(name);
    }
    // A parameter is there once (RFC 7239, 4). Sorted, since nobody bounds their number but the limit of the head.
    names.sort_unstable();
    if names.windows(2).all(|pair| pair[0] != pair[1]) { Ok(hop) } else { Err(Malformed) }
}

/// Members between separators that are not within quotes.
fn split<'l>(line: &'l [u8], separator: u8, members: &mut Vec<&'l [u8]>) -> Result<(), Malformed> {
    let (mut from, mut quoted, mut escaped) = (0, false, false);
    for (at, octet) in line.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            octet if *octet == separator && !quoted => {
                members.push(line[from..at].trim_ascii());
                from = at + 1;
            }
            _ => {}
        }
    }
    members.push(line[from..].trim_ascii());
    if quoted { Err(Malformed) } else { Ok(()) }
}

/// A token, or the content of a quoted string.
fn unquoted(value: &[u8]) -> Result<Vec<u8>, Malformed> {
    let is_token = |octet: &u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet);
    let Some(inner) = value.strip_prefix(b"\"") else {
        // A bare address with a port is what several proxies send, though its colon asks for quotes.
        let is_plain = !value.is_empty() && value.iter().all(|octet| is_token(octet) || *octet == b':');
        return if is_plain { Ok(value.to_vec()) } else { Err(Malformed) };
    };
    let inner = inner.strip_suffix(b"\"").ok_or(Malformed)?;
    let mut content = Vec::new();
    let mut octets = inner.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'\\' => content.push(*octets.next().ok_or(Malformed)?),
            b'"' => return Err(Malformed),
            octet => content.push(*octet),
        }
    }
    Ok(content)
}

/// An address, with a port or without: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`, `unknown`, `_name`, `_name:_port`.
fn node(text: &[u8]) -> Result<Node, Malformed> {
    let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
    let is_name = |name: &str| name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._-".contains(&octet));
    let is_obfuscated = |text: &str| text.strip_prefix('_').is_some_and(|name| !name.is_empty() && is_name(name));
    let is_hidden = |text: &str| text.eq_ignore_ascii_case("unknown") || is_obfuscated(text);
    let is_port = |text: &str| (1..=5).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit());
    // A port may be a name, too, and a name may have a port (RFC 7239, 6).
    let text = match text.rsplit_once(':') {
        Some((name, port)) if is_obfuscated(port) || is_hidden(name) && is_port(port) => name,
        _ => text,
    };
    if is_hidden(text) {
        return Ok(Node::Hidden);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Node::Ip(address.to_canonical(), 0));
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(address) = bare.and_then(|text| text.parse::<std::net::Ipv6Addr>().ok()) {
        return Ok(Node::Ip(IpAddr::V6(address).to_canonical(), 0));
    }
    let address: SocketAddr = text.parse().map_err(|_| Malformed)?;
    Ok(Node::Ip(address.ip().to_canonical(), address.port()))
}
