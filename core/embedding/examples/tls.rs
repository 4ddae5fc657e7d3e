//! How does TLS that the embedder brings stand between the socket and the core?
//!
//! As a [`Stage`]: rustls turned into two functions, from records to octets and back. The core never knows; the loop is that of a
//! plain blocking socket. What matters is the order:
//!
//! ```text
//! read    socket -> wire -> open -> rx -> poll       a handshake answers before anything of HTTP was said,
//!                            └──────> out            so what is outgoing is written after each read
//! write   poll -> tx -> seal -> out -> socket        nothing is lost in between: `outgoing` seals until tx is empty
//! close   1. `Shutdown` was reported: `farewell`     close_notify goes behind the last record, as the last thing sealed
//!         2. write everything outgoing
//!         3. end the sending side of the socket
//!         4. read on until the client has ended, or the time to linger is over, and drop the socket
//! ```
//!
//! ```text
//! cargo run -p cherrystone-embedding --example tls -- 127.0.0.1:8443      # then: curl -k https://127.0.0.1:8443/
//! ```
//!
//! 1. A stage that fails has still something to say: its alert is written before the socket is dropped.
//! 2. An end without close_notify closes `rx` all the same: HTTP's own framing tells whether something is missing.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use cherrystone_conformance::testbed::{Testbed, limits};
use cherrystone_core::gateway::{Endpoint, Gateway, Mode, Peer, PeerAddress};
use cherrystone_core::{Config, RecvBuf, SendBuf, Stage, StageError};
use cherrystone_embedding::{Clock, Next, Session};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};

/// How long a write or a wait may block before the session is asked whether that is too long.
const LOOK_UP: Duration = Duration::from_secs(1);
/// What one record carries at most.
const RECORD: usize = 16 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8443".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on https://{}", listener.local_addr()?);
    Ok(listen(&listener, tls()?)?)
}

/// A certificate for this machine that nobody has reason to trust.
pub(crate) fn tls() -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
    Ok(Arc::new(config))
}

/// Serves whoever connects, with a thread for each.
pub(crate) fn listen(listener: &TcpListener, tls: Arc<ServerConfig>) -> io::Result<()> {
    let (gateway, config) = (Arc::new(Testbed::new(Mode::Inline)), Arc::new(limits()));
    let mut endpoint = Endpoint::new(PeerAddress::Ip(listener.local_addr()?), "localhost");
    endpoint.secured = true;
    let endpoint = Arc::new(endpoint);
    loop {
        let (stream, address) = listener.accept()?;
        let peer = Peer::new(PeerAddress::Ip(address), Arc::clone(&endpoint));
        let (gateway, config) = (Arc::clone(&gateway), Arc::clone(&config));
        let stage = Rustls(ServerConnection::new(Arc::clone(&tls)).map_err(io::Error::other)?);
        thread::Builder::new().spawn(move || drop(serve(stream, &*gateway, &config, peer, stage)))?;
    }
}

/// One connection of rustls, without a socket.
struct Rustls(ServerConnection);

impl Stage for Rustls {
    fn open(&mut self, wire: &mut RecvBuf, rx: &mut RecvBuf, out: &mut SendBuf) -> Result<(), StageError> {
        let mut opened = Ok(());
        while !wire.is_empty() && opened.is_ok() {
            let mut unread = wire.unread();
            let before = unread.len();
            let read = self.0.read_tls(&mut unread).map_err(|_| StageError::Failed)?;
            let taken = before - unread.len();
            wire.consume(if read == 0 { usize::MAX } else { taken }); // behind close_notify nothing is for us
            match self.0.process_new_packets() {
                Ok(state) => {
                    let room = rx.spare(state.plaintext_bytes_to_read());
                    let n = match self.0.reader().read(room) {
                        Ok(0) if state.peer_has_closed() => {
                            rx.close();
                            0
                        }
                        Ok(n) => n,
                        Err(_) => 0, // nothing is there now
                    };
                    rx.filled(n);
                }
                Err(_) => opened = Err(StageError::Failed), // an alert says why
            }
        }
        if wire.is_closed() {
            rx.close();
        }
        self.flush(out);
        opened
    }

    fn seal(&mut self, tx: &mut SendBuf, out: &mut SendBuf) -> Result<(), StageError> {
        while !tx.is_empty() && !self.0.is_handshaking() {
            let record = &tx.unsent()[..tx.len().min(RECORD)];
            let n = self.0.writer().write(record).map_err(|_| StageError::Failed)?;
            tx.advance(n);
            self.flush(out);
        }
        self.flush(out);
        Ok(())
    }

    fn close(&mut self, out: &mut SendBuf) {
        self.0.send_close_notify(); // once, however often it is called
        self.flush(out);
    }

    fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }
}

impl Rustls {
    /// Moves sealed records to the output.
    fn flush(&mut self, out: &mut SendBuf) {
        let mut records = Vec::new();
        while self.0.wants_write() {
            // Writing to memory does not fail.
            let _ = self.0.write_tls(&mut records);
        }
        out.put(&records);
    }
}

/// Serves one client until the connection is over.
fn serve(mut stream: TcpStream, gateway: &dyn Gateway, config: &Config, peer: Peer, stage: Rustls) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(LOOK_UP))?;
    let (mut clock, waker) = (Clock::default(), Waker::from(Arc::new(Unpark(thread::current()))));
    let mut session = Session::new(&clock.env(config), peer, Some(Box::new(stage)));
    loop {
        clock.tick();
        let next = session.turn(gateway, &clock.env(config), &waker);
        flush(&mut stream, &mut session, config, &mut clock)?;
        match next {
            Next::Read => {
                // No longer than it may take to notice that an answer has come from elsewhere.
                let patience = session.patience(clock.tick()).unwrap_or(LOOK_UP).min(LOOK_UP);
                stream.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
                match stream.read(session.room()) {
                    Ok(0) => session.receive_end(),
                    Ok(n) => session.received(n),
                    Err(error) if is_no_time(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            Next::Write => {}
            Next::Wait => thread::park_timeout(LOOK_UP),
            // The turn has said farewell, and `flush` has written it: steps 1 and 2 above. This is step 3.
            Next::End => stream.shutdown(Shutdown::Write)?,
            Next::Close => return Ok(()),
            Next::Reset => return reset(&stream),
        }
    }
}

fn flush(stream: &mut TcpStream, session: &mut Session, config: &Config, clock: &mut Clock) -> io::Result<()> {
    while !session.outgoing().is_empty() {
        let n = match stream.write(session.outgoing()) {
            Ok(n) => n,
            Err(error) if is_no_time(&error) => 0,
            Err(error) => return Err(error),
        };
        clock.tick();
        if session.sent(&clock.env(config), n).is_err() {
            return reset(stream);
        }
    }
    Ok(())
}

fn is_no_time(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Has the socket reset when it is dropped.
fn reset(stream: &TcpStream) -> io::Result<()> {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
    Err(ErrorKind::ConnectionAborted.into())
}

/// Wakes the thread that serves a client whose answer comes later.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
