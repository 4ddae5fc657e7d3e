//! How is a gateway driven by a loop around `poll(2)`?
//!
//! One thread, a table of connections, and the readiness call that every Unix has had for decades; `epoll`, `kqueue` or the loop of a
//! game or a GUI take its place without a change elsewhere.
//!
//! ```text
//! cargo run -p cherrystone-embedding --example poll -- 127.0.0.1:8070
//! ```
//!
//! 1. The loop sleeps until a socket is ready, a waker is called, or the earliest deadline of all connections.
//! 2. A connection waits for input only when its output is written: a client that does not read is not read from.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use cherrystone_conformance::testbed::{Testbed, limits};
use cherrystone_core::Config;
use cherrystone_core::gateway::{Endpoint, Gateway, Mode, Peer, PeerAddress};
use cherrystone_embedding::{Clock, Next, Session};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Connections at a time; the others wait in the kernel's backlog.
const CLIENTS: usize = 1024;
/// Turns that a connection may take before others get theirs.
const ROUNDS: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8070".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(listen(&listener, &Testbed::new(Mode::Inline))?)
}

/// Serves whoever connects, on this thread.
pub(crate) fn listen(listener: &TcpListener, gateway: &dyn Gateway) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let endpoint = Arc::new(Endpoint::new(PeerAddress::Ip(listener.local_addr()?), "localhost"));
    let (config, mut clock) = (limits(), Clock::default());
    let (bell, waker) = Bell::new()?;
    let mut clients: Vec<Client> = Vec::new();
    loop {
        clock.tick();
        // Each connection moves as far as it can; those that are over are dropped here.
        clients.retain_mut(|client| client.go_on(gateway, &config, &clock, &waker).unwrap_or(false));

        let patience = clients.iter().filter_map(|client| client.session.patience(clock.now())).min();
        let patience = patience.and_then(|patience| Timespec::try_from(patience + Duration::from_millis(1)).ok());
        let mut fds = vec![PollFd::new(&bell, PollFlags::IN)];
        if clients.len() < CLIENTS {
            fds.push(PollFd::new(listener, PollFlags::IN));
        }
        let first = fds.len();
        fds.extend(clients.iter().map(|client| PollFd::from_borrowed_fd(client.stream.as_fd(), client.interest())));
        match poll(&mut fds, patience.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let seen: Vec<PollFlags> = fds[first..].iter().map(PollFd::revents).collect();
        drop(fds);
        for (client, seen) in clients.iter_mut().zip(seen) {
            client.is_ready |= !seen.is_empty();
            client.is_gone |= seen.intersects(PollFlags::ERR | PollFlags::HUP);
        }
        bell.silence();
        clock.tick();
        while clients.len() < CLIENTS {
            match listener.accept() {
                Ok((stream, address)) => {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let peer = Peer::new(PeerAddress::Ip(address), Arc::clone(&endpoint));
                    let session = Session::new(&clock.env(&config), peer, None);
                    clients.push(Client {
                        stream,
                        session,
                        next: Next::Read,
                        is_ready: true,
                        is_gone: false,
                        is_blocked: false,
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The client has gone already, or descriptors are short: the next turn tries again.
                Err(_) => break,
            }
        }
    }
}

/// One connection.
struct Client {
    stream: TcpStream,
    session: Session,
    /// What the last turn asked for.
    next: Next,
    /// Whether the socket may have something.
    is_ready: bool,
    /// Whether both sides of the socket are closed.
    is_gone: bool,
    /// Whether the socket takes no more output now.
    is_blocked: bool,
}

impl Client {
    /// What `poll(2)` is to watch for; errors are always reported.
    fn interest(&self) -> PollFlags {
        match self.next {
            Next::Read if !self.is_blocked => PollFlags::IN,
            Next::Wait if !self.is_blocked => PollFlags::empty(),
            // Output is in the way, or there is something left to do: at once, if the socket takes output.
            _ => PollFlags::OUT,
        }
    }

    /// Moves on without waiting; says whether the connection goes on.
    fn go_on(&mut self, gateway: &dyn Gateway, config: &Config, clock: &Clock, waker: &Waker) -> io::Result<bool> {
        for _ in 0..ROUNDS {
            self.is_blocked = !self.write(config, clock)?;
            if self.is_blocked {
                return Ok(true); // what was said is in the way of everything else
            }
            match self.next {
                Next::Read if std::mem::take(&mut self.is_ready) => match self.stream.read(self.session.room()) {
                    Ok(0) => self.session.receive_end(),
                    Ok(n) => {
                        self.session.received(n);
                        self.is_ready = true;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                },
                Next::Read | Next::Write => {}
                Next::Wait if self.is_gone => return Ok(false),
                Next::Wait => {}
                Next::End => self.stream.shutdown(Shutdown::Write)?,
                Next::Close => return Ok(false),
                Next::Reset => {
                    rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))?;
                    return Ok(false);
                }
            }
            self.next = self.session.turn(gateway, &clock.env(config), waker);
            if self.next == Next::Wait || self.next == Next::Read && !self.is_ready {
                self.is_blocked = !self.write(config, clock)?;
                return Ok(true);
            }
        }
        Ok(true) // others get their turn; `poll(2)` reports at once what is left
    }

    /// Writes what the socket takes; says whether that is everything.
    fn write(&mut self, config: &Config, clock: &Clock) -> io::Result<bool> {
        while !self.session.outgoing().is_empty() {
            let n = match self.stream.write(self.session.outgoing()) {
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            if self.session.sent(&clock.env(config), n).is_err() {
                rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))?;
                return Err(ErrorKind::TimedOut.into());
            }
            if n == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What wakes the loop when an answer comes from another thread: a pair of sockets, one of which it watches.
struct Bell(UnixStream);

struct Rope(UnixStream);

impl Bell {
    fn new() -> io::Result<(Self, Waker)> {
        let (bell, rope) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rope.set_nonblocking(true)?;
        Ok((Self(bell), Waker::from(Arc::new(Rope(rope)))))
    }

    fn silence(&self) {
        while matches!((&self.0).read(&mut [0; 64]), Ok(1..)) {}
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Wake for Rope {
    fn wake(self: Arc<Self>) {
        // A rope that is full of pulls has been pulled enough.
        let _ = (&self.0).write(&[1]);
    }
}
