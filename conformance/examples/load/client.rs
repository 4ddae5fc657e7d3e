//! How does the client of the measurements ask?

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Connections from one address of this machine, so that ports suffice for many.
const PER_ADDRESS: usize = 10_000;

/// Opens so many connections.
pub(crate) fn connect(address: SocketAddr, n: usize) -> io::Result<Vec<TcpStream>> {
    (0..n).map(|i| one(address, i)).collect()
}

fn one(address: SocketAddr, i: usize) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let source = Ipv4Addr::new(127, 0, 0, 2 + u8::try_from(i / PER_ADDRESS).unwrap_or(u8::MAX));
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&address.into())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(socket.into())
}

/// A request for `/` with so many fields of `length` octets each.
pub(crate) fn request(fields: usize, length: usize) -> Vec<u8> {
    let mut request = b"GET / HTTP/1.1\r\nHost: localhost\r\n".to_vec();
    for i in 0..fields {
        let name = format!("X-Field-{i}: ");
        let filler = "v".repeat(length.saturating_sub(name.len() + 2));
        request.extend(format!("{name}{filler}\r\n").into_bytes());
    }
    request.extend(b"\r\n");
    request
}

/// Reads one answer with a length, and says how long its content was.
pub(crate) fn answer(stream: &mut TcpStream, room: &mut [u8]) -> io::Result<u64> {
    let mut have = 0;
    let end = loop {
        if let Some(end) = room[..have].windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        have += some(stream, &mut room[have..])?;
    };
    let head = String::from_utf8_lossy(&room[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: u64 = length.and_then(|length| length.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    if !head.starts_with("http/1.1 200") {
        return Err(io::Error::other(head));
    }
    let mut left = length.saturating_sub((have - end - 4) as u64);
    while left > 0 {
        left = left.saturating_sub(some(stream, room)? as u64);
    }
    Ok(length)
}

/// Has each connection ask once, all at a time, and waits for the answers.
pub(crate) fn round(streams: &mut [TcpStream], request: &[u8], room: &mut [u8]) -> io::Result<()> {
    for stream in &mut *streams {
        stream.write_all(request)?;
    }
    for stream in streams {
        answer(stream, room)?;
    }
    Ok(())
}

fn some(stream: &mut TcpStream, room: &mut [u8]) -> io::Result<usize> {
    match stream.read(room)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        n => Ok(n),
    }
}
