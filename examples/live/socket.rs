//! How does a WebSocket take over a connection without holding a thread?
//!
//! The framing is `tungstenite`'s, over memory: an [`Upgrade`] gives it what has arrived, and sends what it has written. Between messages the
//! connection is parked like any idle one.

use std::io::{self, Read, Write};
use std::task::Waker;

use cherrystone::gateway::{Done, Exchange, Failure, Progress, Upgrade};
use cherrystone::{Head, RecvBuf, SendBuf, Status};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket, handshake::derive_accept_key};

/// The largest message that is taken, in octets.
const LARGEST: usize = 64 << 10;

/// Switches to a WebSocket that echoes, or says why not.
pub(crate) fn accept(head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
    let is_offered = head.upgrade().any(|protocol| protocol.eq_ignore_ascii_case("websocket"));
    let version = head.fields().get("Sec-WebSocket-Version");
    let (Some(key), true, Some(b"13")) = (head.fields().get("Sec-WebSocket-Key"), is_offered, version) else {
        let fields = [("Upgrade", &b"websocket"[..]), ("Sec-WebSocket-Version", b"13")];
        return exchange.respond(Status::UPGRADE_REQUIRED, &fields, "this is a WebSocket\n");
    };
    let accepted = derive_accept_key(key);
    let fields = [("Upgrade", &b"websocket"[..]), ("Sec-WebSocket-Accept", accepted.as_bytes())];
    exchange.upgrade(&fields, Box::new(Echo::new()))
}

/// A WebSocket that sends back what it receives.
struct Echo {
    socket: WebSocket<Wires>,
}

impl Echo {
    fn new() -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(1 << 10)
            .write_buffer_size(0)
            .max_message_size(Some(LARGEST))
            .max_frame_size(Some(LARGEST));
        Self { socket: WebSocket::from_raw_socket(Wires::default(), Role::Server, Some(config)) }
    }

    /// Answers every message that is there. Says whether the conversation goes on.
    fn converse(&mut self) -> Result<bool, Failure> {
        loop {
            match self.socket.read() {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                    self.socket.send(message).map_err(Failure::application)?
                }
                // Pings and closing are answered by the library.
                Ok(_) => self.socket.flush().or_else(is_over).map_err(Failure::application)?,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return is_over(error).map(|()| false).map_err(Failure::application),
            }
        }
    }
}

/// An orderly end is none of the errors.
fn is_over(error: Error) -> Result<(), Error> {
    if matches!(error, Error::ConnectionClosed | Error::AlreadyClosed) { Ok(()) } else { Err(error) }
}

impl Upgrade for Echo {
    fn ready(&mut self, rx: &mut RecvBuf, tx: &mut SendBuf, _: &Waker) -> Result<Progress, Failure> {
        let wires = self.socket.get_mut();
        wires.input.extend_from_slice(rx.unread());
        rx.consume(rx.unread().len());
        wires.ended = rx.is_closed();
        let went = self.converse();
        let wires = self.socket.get_mut();
        tx.put(&wires.output);
        wires.output.clear();
        Ok(if went? && !wires.ended { Progress::More } else { Progress::End })
    }
}

/// What the library takes for its stream.
#[derive(Default)]
struct Wires {
    input: Vec<u8>,
    ended: bool,
    output: Vec<u8>,
}

impl Read for Wires {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() && !self.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = self.input.len().min(room.len());
        room[..n].copy_from_slice(&self.input[..n]);
        self.input.drain(..n);
        if self.input.is_empty() {
            // An idle socket keeps nothing.
            self.input = Vec::new();
        }
        Ok(n)
    }
}

impl Write for Wires {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
