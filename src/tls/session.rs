//! How do records become octets, and octets records?
//!
//! A [`Session`] is one connection of rustls as a [`Stage`]. It owns no socket and knows no time.
//!
//! Invariants:
//! 1. Nothing of the protocol flows before the handshake is complete and the facts of the peer are known.
//! 2. All that has been decrypted is in `rx`: nothing waits in the session for octets that never come.
//! 3. A call brings at least one record if there is one, and no more once `rx` holds [`FULL`].
//! 4. Each octet is moved a bounded number of times, however it arrives.

use std::io::{self, BufRead, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::{CipherSuite, ProtocolVersion, ServerConnection};

use super::chooser::Chooser;
use super::plain::{self, Opening, PlainHttp, Redirect};
use super::{InForce, certificate};
use crate::{PeerFacts, RecvBuf, SendBuf, Stage, StageError};

/// Unread octets at which a call decrypts no more.
const FULL: usize = 64 << 10;
/// Unsent octets at which nothing more is sealed.
const MARK: usize = 128 << 10;
/// Unsent octets below which sealing goes on. What is unsent may have to be moved for each record that is added, so there
/// must be little of it whenever a lot is added.
const LOW: usize = 16 << 10;
/// The most that one record carries.
const RECORD: usize = 16 << 10;

/// What the library reads at once.
const STEP: usize = 4 << 10;

/// The server's side of one TLS connection.
pub(super) struct Session {
    state: State,
    facts: Option<PeerFacts>,
}

enum State {
    /// Nothing has come that decides whether this is TLS.
    Fresh(InForce),
    /// It is not, but a request that gets a redirect.
    Plain(Box<Redirect>),
    Begun(Box<ServerConnection>, Arc<Chooser>),
    /// We have said goodbye: what comes is not looked at any more, since nothing could be said about it.
    Over,
}

impl Session {
    pub(super) fn new(in_force: InForce) -> Self {
        Self { state: State::Fresh(in_force), facts: None }
    }

    /// Finds out what the client speaks.
    fn begin(&mut self, wire: &RecvBuf, out: &mut SendBuf) -> Result<(), StageError> {
        let State::Fresh(in_force) = &self.state else { return Ok(()) };
        self.state = match (plain::judge(wire.unread()), in_force.plain_http) {
            (Opening::Undecided, _) if wire.is_closed() && !wire.is_empty() => return Err(StageError::WrongProtocol),
            (Opening::Undecided, _) => return Ok(()),
            (Opening::Http, PlainHttp::Refuse) => {
                out.put(plain::HINT);
                return Err(StageError::WrongProtocol);
            }
            (Opening::Http, PlainHttp::Redirect) => State::Plain(Box::new(Redirect::new())),
            (Opening::Tls, _) => {
                let connection = ServerConnection::new(Arc::clone(&in_force.config)).map_err(|_| StageError::Failed)?;
                State::Begun(Box::new(connection), Arc::clone(&in_force.chooser))
            }
        };
        Ok(())
    }
}

impl Stage for Session {
    fn open(&mut self, wire: &mut RecvBuf, rx: &mut RecvBuf, out: &mut SendBuf) -> Result<(), StageError> {
        self.begin(wire, out)?;
        match &mut self.state {
            State::Fresh(_) => {
                if wire.is_closed() {
                    rx.close();
                }
                Ok(())
            }
            State::Plain(redirect) => {
                if redirect.go_on(wire, out) {
                    return Err(StageError::WrongProtocol);
                }
                Ok(())
            }
            State::Over => {
                wire.consume(usize::MAX);
                if wire.is_closed() {
                    rx.close();
                }
                Ok(())
            }
            State::Begun(connection, chooser) => {
                let opened = open(connection, chooser, &mut self.facts, wire, rx);
                flush(connection, out)?;
                opened
            }
        }
    }

    fn seal(&mut self, tx: &mut SendBuf, out: &mut SendBuf) -> Result<(), StageError> {
        let State::Begun(connection, _) = &mut self.state else { return Ok(()) };
        if self.facts.is_none() {
            return Ok(());
        }
        if out.len() >= LOW {
            return Ok(());
        }
        while !tx.is_empty() && out.len() < MARK {
            let record = &tx.unsent()[..tx.len().min(RECORD)];
            let n = connection.writer().write(record).map_err(|_| StageError::Failed)?;
            tx.advance(n);
            flush(connection, out)?;
            if n == 0 {
                return Err(StageError::Failed);
            }
        }
        Ok(())
    }

    fn close(&mut self, out: &mut SendBuf) {
        if let State::Begun(connection, _) = &mut self.state
            && self.facts.is_some()
        {
            connection.send_close_notify();
            // Nothing follows that could notice a failure, and writing to memory has none.
            let _ = flush(connection, out);
            self.state = State::Over;
        }
    }

    fn is_handshaking(&self) -> bool {
        self.facts.is_none()
    }

    fn facts(&self) -> Option<&PeerFacts> {
        self.facts.as_ref()
    }
}

fn open(
    connection: &mut ServerConnection,
    chooser: &Chooser,
    facts: &mut Option<PeerFacts>,
    wire: &mut RecvBuf,
    rx: &mut RecvBuf,
) -> Result<(), StageError> {
    let (before, waiting) = (rx.unread().len(), wire.unread().len());
    while !wire.is_empty() && (rx.unread().len() < FULL || rx.unread().len() == before) {
        let n = connection.read_tls(&mut wire.unread()).map_err(|_| StageError::Failed)?;
        if n == 0 {
            // The peer has said goodbye: what follows is not for us. Nothing else has this outcome, but if it had, the
            // peer's octets must not vanish unnoticed.
            wire.consume(usize::MAX);
            if !rx.is_closed() {
                return Err(StageError::Failed);
            }
            break;
        }
        wire.consume(n);
        let state = connection.process_new_packets().map_err(|error| failed(&error))?;
        if facts.is_none() && !connection.is_handshaking() {
            *facts = Some(learn(connection, chooser)?);
        }
        let mut left = state.plaintext_bytes_to_read();
        while left > 0 {
            let mut reader = connection.reader();
            let chunk = reader.fill_buf().map_err(|_| StageError::Failed)?;
            let n = chunk.len();
            if n == 0 {
                break;
            }
            rx.push(chunk);
            reader.consume(n);
            left = left.saturating_sub(n);
        }
        if state.peer_has_closed() {
            rx.close();
        }
    }
    if wire.is_empty() && waiting > STEP {
        // The library's buffer has grown, and shrinks only when it is about to be read into: an idle client is to keep one
        // step of it and not a record. An error is what the empty hand is for, and says nothing.
        let _ = connection.read_tls(&mut EmptyHand);
    }
    if wire.is_closed() && wire.is_empty() {
        if facts.is_none() {
            return Err(StageError::Truncated);
        }
        // Requests say how long they are, so an end without a goodbye cuts nothing off unnoticed.
        rx.close();
    }
    Ok(())
}

/// Says in the log what the library found: the error itself has no room for it.
fn failed(error: &rustls::Error) -> StageError {
    #[cfg(feature = "tracing")]
    tracing::trace!(%error, "the TLS library gave up");
    #[cfg(not(feature = "tracing"))]
    let _ = error;
    StageError::Failed
}

/// What the handshake has brought to light.
fn learn(connection: &ServerConnection, chooser: &Chooser) -> Result<PeerFacts, StageError> {
    let mut facts = PeerFacts::default();
    facts.protocol = connection.protocol_version().map(version_name).unwrap_or_default();
    facts.cipher = connection.negotiated_cipher_suite().map(|suite| cipher_name(suite.suite())).unwrap_or_default();
    facts.server_name = connection.server_name().map(str::to_owned);
    facts.server = Some(Arc::clone(&chooser.choose(connection.server_name()).facts));
    facts.alpn = connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    if let Some(client) = connection.peer_certificates().and_then(<[_]>::first) {
        facts.client = Some(certificate::read(client).map_err(|_| StageError::Failed)?);
    }
    Ok(facts)
}

fn version_name(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLSv1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The IANA name. The library marks the suites of TLS 1.3 in a way of its own.
fn cipher_name(suite: CipherSuite) -> String {
    let name = suite.as_str().map_or_else(|| format!("{suite:?}"), str::to_owned);
    name.strip_prefix("TLS13_").map_or(name.clone(), |rest| format!("TLS_{rest}"))
}

/// Moves finished records to `out`.
fn flush(connection: &mut ServerConnection, out: &mut SendBuf) -> Result<(), StageError> {
    while connection.wants_write() {
        connection.write_tls(&mut Sink(out)).map_err(|_| StageError::Failed)?;
    }
    Ok(())
}

/// Has nothing to read, without being at its end.
struct EmptyHand;

impl Read for EmptyHand {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

struct Sink<'o>(&'o mut SendBuf);

impl Write for Sink<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.put(octets);
        Ok(octets.len())
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        pieces.iter().for_each(|piece| self.0.put(piece));
        Ok(pieces.iter().map(|piece| piece.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
