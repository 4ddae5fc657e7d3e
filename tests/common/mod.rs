//! What tests over sockets need: a server, a client, and patience with an end.
#![allow(dead_code, unreachable_pub)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cherrystone::{Backend, Running, Server};

pub const BACKENDS: [Backend; 2] = [Backend::Threads, Backend::Mio];

/// Starts a server at a port of its own.
pub fn serve(server: Server) -> (Arc<Running>, SocketAddr) {
    let server = server.bind("127.0.0.1:0").unwrap();
    let address = server.addresses().find_map(|address| address.tcp()).unwrap();
    (server.start().unwrap(), address)
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client
}

/// Asks for a path; gives the status and the octets of the answer.
pub fn get(client: &mut TcpStream, path: &str) -> (u16, usize) {
    client.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut piece = vec![0; 64 << 10];
    while !is_whole(&answer) {
        let n = client.read(&mut piece).unwrap();
        assert!(n > 0, "{path}: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..n]);
    }
    (std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap(), answer.len())
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|octets| octets == b"\r\n\r\n") else { return false };
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    match length {
        Some(length) => answer.len() >= end + 4 + length.parse::<usize>().unwrap(),
        None => answer.ends_with(b"\r\n0\r\n\r\n"),
    }
}

/// Everything until the server ends the connection.
pub fn read_all(client: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// What a log was given, for whoever has a clone.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Waits until it holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let ends = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < ends, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
