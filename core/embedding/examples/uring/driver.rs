//! How does a state machine of completions serve its clients?
//!
//! 1. Each connection has at most one receive and one send under way; the buffer of either is with the queue then, and nowhere else.
//! 2. A deadline needs no completion: the session gets a turn, and if that ends the connection, what is under way is cut short.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;

use cherrystone_core::Config;
use cherrystone_core::gateway::{Endpoint, Gateway, Peer, PeerAddress};
use cherrystone_embedding::{Clock, Next, Session};

use super::queue::{Completion, Queue, Socket};

/// Connections at a time; the others wait in the kernel's backlog.
const CLIENTS: usize = 1024;
/// Octets that one receive has room for.
const ROOM: usize = 16 << 10;

/// All connections of one queue.
pub(crate) struct Driver<'g, Q: Queue> {
    queue: Q,
    gateway: &'g dyn Gateway,
    config: Config,
    clock: Clock,
    endpoint: Arc<Endpoint>,
    waker: Waker,
    clients: Vec<Option<Client<Q::Socket>>>,
    is_accepting: bool,
}

struct Client<S> {
    socket: S,
    session: Session,
    /// What the last turn asked for.
    next: Next,
    /// Room to receive into, unless the queue has it.
    room: Option<Vec<u8>>,
    /// An empty chunk to send from, unless the queue has it.
    chunk: Option<Vec<u8>>,
}

impl<'g, Q: Queue> Driver<'g, Q> {
    pub(crate) fn new(queue: Q, gateway: &'g dyn Gateway, config: Config, here: SocketAddr) -> Self {
        let endpoint = Arc::new(Endpoint::new(PeerAddress::Ip(here), "localhost"));
        let waker = queue.waker();
        Self {
            queue,
            gateway,
            config,
            clock: Clock::default(),
            endpoint,
            waker,
            clients: Vec::new(),
            is_accepting: false,
        }
    }

    /// Serves whoever connects.
    pub(crate) fn run(mut self) -> io::Result<()> {
        loop {
            let open = self.clients.iter().flatten().count();
            if open < CLIENTS && !std::mem::replace(&mut self.is_accepting, true) {
                self.queue.accept();
            }
            let now = self.clock.tick();
            let patience = self.clients.iter().flatten().filter_map(|client| client.session.patience(now)).min();
            for completion in self.queue.wait(patience)? {
                self.clock.tick();
                self.complete(completion);
            }
            self.look_at_deadlines();
        }
    }

    fn complete(&mut self, completion: Completion<Q::Socket>) {
        match completion {
            Completion::Accepted(accepted) => {
                self.is_accepting = false;
                // The client may have gone already; that is no concern of the others.
                let Ok(socket) = accepted else { return };
                let peer = Peer::new(socket.peer(), Arc::clone(&self.endpoint));
                let session = Session::new(&self.clock.env(&self.config), peer, None);
                let (room, chunk) = (Some(vec![0; ROOM]), Some(Vec::new()));
                let client = Client { socket, session, next: Next::Read, room, chunk };
                let free = self.clients.iter().position(Option::is_none);
                let key = free.unwrap_or_else(|| {
                    self.clients.push(None);
                    self.clients.len() - 1
                });
                self.clients[key] = Some(client);
                self.go_on(key);
            }
            Completion::Received { key, result, buffer } => {
                let Some(client) = &mut self.clients[key] else { return };
                match result {
                    Ok(0) => client.session.receive_end(),
                    Ok(n) => client.session.receive(&buffer[..n]),
                    Err(_) => client.next = Next::Close,
                }
                client.room = Some(buffer);
                self.turn(key);
            }
            Completion::Sent { key, result, mut chunk } => {
                let Some(client) = &mut self.clients[key] else { return };
                let in_time = match result {
                    Ok(n) => client.session.sent(&self.clock.env(&self.config), n).is_ok(),
                    Err(_) => false,
                };
                if !in_time {
                    client.next = Next::Reset;
                }
                chunk.clear();
                client.chunk = Some(chunk);
                self.go_on(key);
            }
            Completion::Woken => {
                for key in 0..self.clients.len() {
                    if self.clients[key].is_some() {
                        self.turn(key);
                    }
                }
            }
        }
    }

    /// Gives a turn to those whose time is up.
    fn look_at_deadlines(&mut self) {
        let now = self.clock.tick();
        for key in 0..self.clients.len() {
            let Some(client) = &mut self.clients[key] else { continue };
            if client.session.patience(now).is_some_and(|patience| patience.is_zero()) {
                // Either the client is slow to send, and the turn sees that, or to take what was said.
                if client.chunk.is_none() && client.session.sent(&self.clock.env(&self.config), 0).is_err() {
                    client.next = Next::Reset;
                }
                self.turn(key);
            }
        }
    }

    fn turn(&mut self, key: usize) {
        let Some(client) = &mut self.clients[key] else { return };
        if matches!(client.next, Next::Read | Next::Wait) {
            client.next = client.session.turn(self.gateway, &self.clock.env(&self.config), &self.waker);
        }
        self.go_on(key);
    }

    /// Submits what the last turn asked for, as far as the queue has not got it already.
    fn go_on(&mut self, key: usize) {
        let Some(client) = &mut self.clients[key] else { return };
        loop {
            if !matches!(client.next, Next::Close | Next::Reset) {
                let out = client.session.outgoing();
                match client.chunk.take() {
                    None => return, // a send is under way, and comes before anything else
                    Some(mut chunk) if !out.is_empty() => {
                        chunk.extend_from_slice(out);
                        // The time of a client that does not take this runs from now.
                        if client.session.sent(&self.clock.env(&self.config), 0).is_ok() {
                            return self.queue.send(key, &client.socket, chunk);
                        }
                        client.next = Next::Reset;
                        client.chunk = Some(Vec::new());
                    }
                    chunk => client.chunk = chunk,
                }
            }
            match client.next {
                Next::Read => {
                    if let Some(room) = client.room.take() {
                        self.queue.receive(key, &client.socket, room);
                    }
                    return;
                }
                Next::Wait => return,
                Next::End => client.socket.end(),
                Next::Write => {}
                Next::Close | Next::Reset => {
                    if client.next == Next::Reset {
                        client.socket.reset();
                    }
                    if client.room.is_some() && client.chunk.is_some() {
                        self.clients[key] = None;
                    } else {
                        client.socket.cut(); // the completions bring us back here
                    }
                    return;
                }
            }
            client.next = client.session.turn(self.gateway, &self.clock.env(&self.config), &self.waker);
        }
    }
}
