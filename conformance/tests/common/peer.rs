//! What can a client do with a raw connection?

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::answer::{self, Answer};

/// How long a client waits before the test has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client that says and hears octets.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
    ended: bool,
}

impl Peer {
    pub fn connect(address: SocketAddr) -> Self {
        Self::from(TcpStream::connect(address).unwrap())
    }

    /// A connection whose receiving window is small, so that a server that sends meets a full one soon.
    pub fn narrow(address: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::from(TcpStream::from(socket))
    }

    /// A connection from this address; there are only so many ports for each.
    pub fn from_source(source: [u8; 4], address: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::from(TcpStream::from(socket))
    }

    pub fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).unwrap();
    }

    /// Sends what the connection takes; a server may have closed it.
    pub fn try_send(&mut self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(octets.as_ref())
    }

    /// Sends these octets over and over, as far as they are taken without anybody waiting, and says how many were.
    pub fn stuff(&mut self, octets: &[u8], most: usize) -> usize {
        self.stream.set_nonblocking(true).unwrap();
        let (mut sent, mut blocked) = (0, 0);
        while sent < most && blocked < 20 {
            match self.stream.write(&octets[sent % octets.len()..]) {
                Ok(n) => (sent, blocked) = (sent + n, 0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    blocked += 1;
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(error) => panic!("after {sent}: {error}"),
            }
        }
        self.stream.set_nonblocking(false).unwrap();
        sent
    }

    /// Ends the sending side.
    pub fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Closes with a reset.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The next final answer.
    pub fn answer(&mut self) -> Answer {
        loop {
            let answer = self.next().expect("an answer");
            if answer.status >= 200 || answer.status == 101 {
                return answer;
            }
        }
    }

    /// The next answer, an interim one too; none if the connection ended in front of one.
    pub fn next(&mut self) -> Option<Answer> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(self.unread[..end + 2].to_vec()).unwrap();
                if let Some((body, taken, is_complete)) = answer::body(&head, &self.unread[end + 4..], self.ended) {
                    self.unread.drain(..end + 4 + taken);
                    let status = head[9..12].parse().unwrap();
                    return Some(Answer { status, head, body, is_complete });
                }
            }
            if self.ended {
                assert!(self.unread.is_empty(), "half a head: {} octets", self.unread.len());
                return None;
            }
            assert!(Instant::now() < deadline, "no answer in {PATIENCE:?}: {} octets", self.unread.len());
            self.receive(PATIENCE).unwrap();
        }
    }

    /// The status of the next answer, read to the end of its head.
    pub fn head(&mut self) -> u16 {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.octets(1));
        }
        std::str::from_utf8(&head[9..12]).unwrap().parse().unwrap()
    }

    /// The next octets, whatever they are.
    pub fn octets(&mut self, n: usize) -> Vec<u8> {
        while self.unread.len() < n {
            assert!(!self.ended, "ended after {} octets", self.unread.len());
            let before = self.unread.len();
            self.receive(PATIENCE).unwrap();
            assert!(self.ended || self.unread.len() > before, "only {} octets came", self.unread.len());
        }
        self.unread.drain(..n).collect()
    }

    /// Whether something arrives, an end too, within this time.
    pub fn hears(&mut self, within: Duration) -> bool {
        let before = self.unread.len();
        self.receive(within).is_err() || self.ended || self.unread.len() > before
    }

    /// Everything up to a regular end.
    pub fn rest(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        while !self.ended {
            assert!(Instant::now() < deadline, "no end in {PATIENCE:?}");
            self.receive(PATIENCE).unwrap();
        }
        std::mem::take(&mut self.unread)
    }

    /// Reads until the connection ends in any way, and says after how long it did.
    pub fn end(&mut self) -> Duration {
        let start = Instant::now();
        while !self.ended && self.receive(PATIENCE).is_ok() {
            assert!(start.elapsed() < PATIENCE, "no end in {PATIENCE:?}");
        }
        start.elapsed()
    }

    /// How the connection ended, read to that point.
    pub fn fate(&mut self) -> io::Result<Vec<u8>> {
        while !self.ended {
            self.receive(PATIENCE)?;
        }
        Ok(std::mem::take(&mut self.unread))
    }

    fn receive(&mut self, within: Duration) -> io::Result<()> {
        let mut room = [0; 64 << 10];
        self.stream.set_read_timeout(Some(within.max(Duration::from_millis(1))))?;
        match self.stream.read(&mut room) {
            Ok(0) => self.ended = true,
            Ok(n) => self.unread.extend_from_slice(&room[..n]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl From<TcpStream> for Peer {
    fn from(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, unread: Vec::new(), ended: false }
    }
}
