//! Where do connections wait that need no worker?
//!
//! In the [`Parker`]: one thread that accepts, and holds every connection that is idle, whose head is incomplete, that lingers, or
//! that waits for its application. It reads without waiting, and hands a connection to a worker when a request is complete or
//! there is something to be said.
//!
//! Invariants:
//! 1. A connection is in exactly one place: here, or with one worker.
//! 2. A connection costs no worker before its first head is complete, nor while it is idle.
//! 3. With nothing to do the thread sleeps until the next deadline.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use cherrystone_core::{Event, Pool};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::client::{Client, Read, Request, Written};
use crate::clock::{Clock, system_instant};
use crate::doors::Doors;
use crate::inbox::{ConnectionWaker, Note};
use crate::job::{Desk, Job, Task};
use crate::shared::{Door, FAILED_LINGER, LAST_LINGER};
use crate::stats::Count;
use crate::timers::{Armed, Timers};
use crate::{Inbox, Shared};

const INBOX: Token = Token(0);
const DOORS: usize = 1;
/// Tokens of connections begin here.
const CLIENTS: usize = 1 << 16;

/// The thread that holds what waits.
pub(crate) struct Parker {
    poll: Poll,
    desk: Arc<Desk>,
    doors: Doors,
    slots: Slab<Slot>,
    timers: Timers,
    clock: Clock,
    pool: Pool,
    /// Storage of requests that were answered; in boxes, since it travels in them.
    #[allow(clippy::vec_box)]
    requests: Vec<Box<Request>>,
    expired: Vec<usize>,
    stopping: bool,
}

/// A connection, or the place that is kept for it while a worker has it.
struct Slot {
    client: Option<Box<Client>>,
    armed: Armed,
    /// Whether the socket may have something; only a read that finds nothing clears it.
    readable: bool,
    /// Whether the peer is known to have ended its side, so that even a short read is not the last.
    ended: bool,
    waker: Option<Arc<ConnectionWaker>>,
    woken: bool,
}

/// Where a connection goes next.
enum Next {
    Stay,
    Worker,
    Drop,
}

impl Parker {
    pub(crate) fn new(poll: Poll, desk: Arc<Desk>, doors: Vec<Door>) -> io::Result<Self> {
        let doors = Doors::new(doors, poll.registry(), DOORS)?;
        Ok(Self {
            poll,
            desk,
            doors,
            slots: Slab::new(),
            timers: Timers::default(),
            clock: Clock::new(),
            pool: Pool::default(),
            requests: Vec::new(),
            expired: Vec::new(),
            stopping: false,
        })
    }

    /// The inbox of a parker that is to be made over this poller.
    pub(crate) fn inbox(poll: &Poll) -> io::Result<Arc<Inbox>> {
        Inbox::new(poll.registry(), INBOX)
    }

    /// Runs until the server has stopped.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        while !(self.stopping && (self.slots.is_empty() || self.shared().is_cutting())) {
            self.turn(&mut events);
        }
        for slot in self.slots.drain() {
            if let Some(client) = slot.client {
                client.finish(&self.desk.shared);
            }
        }
    }

    fn shared(&self) -> &Shared {
        &self.desk.shared
    }

    fn turn(&mut self, events: &mut Events) {
        let due = self.doors.due(&self.desk.shared, self.clock.now());
        let wake_at = [self.timers.next(), due].into_iter().flatten().min();
        let timeout = wake_at.map(|at| system_instant(at).saturating_duration_since(std::time::Instant::now()));
        // An interrupted wait, or one that failed, is a spurious wake-up.
        if self.poll.poll(events, timeout).is_err() {
            events.clear();
        }
        self.clock.tick();
        for event in &*events {
            let token = event.token().0;
            if let Some(key) = token.checked_sub(CLIENTS) {
                if let Some(slot) = self.slots.get_mut(key) {
                    slot.readable = true;
                    slot.ended |= event.is_read_closed() || event.is_error();
                    self.drive(key);
                }
            } else {
                self.doors.note(token);
            }
        }
        self.accept();
        self.read_notes();
        let mut expired = std::mem::take(&mut self.expired);
        self.timers.expired(self.clock.now(), &mut expired);
        for key in expired.drain(..) {
            if let Some(slot) = self.slots.get_mut(key) {
                slot.armed = Armed::NOT;
                self.drive(key);
            }
        }
        self.expired = expired;
        if self.shared().is_stopping() && !self.stopping {
            self.stop();
        }
    }

    fn accept(&mut self) {
        let mut fresh = Vec::new();
        self.doors.accept(&self.desk.shared, &self.clock, |client| fresh.push(client));
        fresh.into_iter().for_each(|client| self.welcome(client));
    }

    fn welcome(&mut self, client: Box<Client>) {
        let fd = client.stream.as_fd().as_raw_fd();
        let key = self.slots.insert(Slot {
            client: Some(client),
            armed: Armed::NOT,
            readable: true,
            ended: false,
            waker: None,
            woken: false,
        });
        if self.poll.registry().register(&mut SourceFd(&fd), Token(CLIENTS + key), Interest::READABLE).is_err() {
            self.remove(key);
            return;
        }
        self.drive(key);
    }

    fn read_notes(&mut self) {
        self.desk.inbox.silence();
        while let Some(note) = self.desk.clone().inbox.take() {
            match note {
                Note::Welcome(client) => self.welcome(client),
                Note::Back(key, mut client) => {
                    self.requests.extend(client.take_request());
                    if self.stopping {
                        client.link.conn.retire();
                    }
                    self.slots[key].client = Some(client);
                    self.slots[key].readable = true;
                    self.drive(key);
                }
                Note::Gone(key) => self.remove(key),
                Note::Wake(key) => {
                    if let Some(slot) = self.slots.get_mut(key) {
                        slot.woken = true;
                        self.drive(key);
                    }
                }
            }
        }
    }

    fn remove(&mut self, key: usize) {
        if let Some(client) = self.slots.remove(key).client {
            client.finish(&self.desk.shared);
        }
        self.desk.shared.stats.sub(Count::Open);
    }

    /// Moves a connection on as far as that is possible without waiting.
    fn drive(&mut self, key: usize) {
        let slot = &mut self.slots[key];
        let Some(mut client) = slot.client.take() else { return };
        let mut next = self.advance(key, &mut client);
        if client.note_failure(&self.desk.shared) {
            if next.is_err() {
                next = self.advance(key, &mut client);
            }
            client.link.conn.hasten(self.clock.now() + FAILED_LINGER);
        }
        let next = match next {
            Ok(next) => next,
            Err(_) => {
                // What is outgoing, an alert perhaps, is worth one try.
                let _ = client.write(&self.clock.env(&self.desk.shared.settings.config));
                Next::Drop
            }
        };
        client.count_traffic(&self.desk.shared);
        match next {
            Next::Stay => {
                if self.stopping {
                    // A worker may have said the last answer, so that nobody here saw the linger time begin.
                    client.link.conn.hasten(self.clock.now() + LAST_LINGER);
                }
                client.link.rest(&mut self.pool);
                let slot = &mut self.slots[key];
                let deadline = client.link.conn.deadline().map(|deadline| deadline.at);
                self.timers.set(key, deadline, &mut slot.armed);
                slot.client = Some(client);
            }
            Next::Worker => self.submit(key, client),
            Next::Drop => {
                self.slots[key].client = Some(client);
                self.remove(key);
            }
        }
    }

    fn submit(&mut self, key: usize, client: Box<Client>) {
        let slot = &mut self.slots[key];
        slot.woken = false;
        let waker = (client.ongoing.is_some() || client.has_request()).then(|| {
            let waker = slot.waker.get_or_insert_with(|| ConnectionWaker::new(Arc::clone(&self.desk.inbox), key));
            waker.rearm();
            Arc::clone(waker)
        });
        let job = Job { desk: Arc::clone(&self.desk), token: key, client, task: Task::Serve(waker) };
        let Err(rejected) = self.desk.crew.try_submit(job) else { return };
        let mut client = rejected.into_job().client;
        let env = self.clock.env(&self.desk.shared.settings.config);
        client.overloaded(&self.desk.shared, &env);
        // Whoever does not even take these octets is dropped.
        let written = client.write(&env);
        self.slots[key].client = Some(client);
        match written {
            Ok(Written::All) => self.drive(key),
            _ => self.remove(key),
        }
    }

    fn advance(&mut self, key: usize, client: &mut Client) -> io::Result<Next> {
        let slot = &mut self.slots[key];
        let shared = &self.desk.shared;
        if let Some(ongoing) = &client.ongoing {
            let wanted = slot.woken || slot.ended || (ongoing.is_upgrade() && slot.readable);
            if slot.ended && !ongoing.is_upgrade() && !slot.woken {
                return Ok(if has_left(client) { Next::Drop } else { Next::Stay });
            }
            return Ok(if wanted { self.read_upgrade(key, client)? } else { Next::Stay });
        }
        client.link.wake(&mut self.pool);
        loop {
            let env = self.clock.env(&shared.settings.config);
            let Client { link, request, .. } = client;
            match link.conn.poll(&env, &mut link.rx) {
                Ok(Event::Request(head)) => {
                    let mut storage = self.requests.pop().unwrap_or_default();
                    storage.begin(head);
                    let admitted = storage.admit(link, shared, &env);
                    *request = Some(storage);
                    match admitted {
                        Ok(()) => return Ok(Next::Worker),
                        Err(violation) => client.refuse(shared, &env, violation),
                    }
                    self.requests.extend(client.take_request());
                }
                Ok(Event::NeedInput) => {
                    if link.resume().map_err(io::Error::other)? {
                        continue;
                    }
                    if link.pending() > 0 && client.write(&env)? == Written::Blocked {
                        return Ok(Next::Worker);
                    }
                    if !slot.readable {
                        return Ok(Next::Stay);
                    }
                    slot.readable = match client.read()? {
                        Read::Some => true,
                        Read::Last => slot.ended,
                        Read::Nothing | Read::End => false,
                    };
                }
                Ok(Event::Shutdown) => {
                    // Nothing was said that a close could destroy.
                    if link.is_handshaking() {
                        return Ok(Next::Drop);
                    }
                    client.end();
                    if client.write(&env)? == Written::Blocked {
                        return Ok(Next::Worker);
                    }
                    if self.stopping {
                        client.link.conn.poll(&env, &mut client.link.rx).ok();
                        client.link.conn.hasten(env.now + LAST_LINGER);
                    }
                }
                Ok(Event::Closed) => return Ok(Next::Drop),
                Ok(_) => return Ok(Next::Worker),
                Err(violation) => client.refuse(shared, &env, violation),
            }
        }
    }

    /// Brings an upgraded connection what has come, before a worker sees it.
    fn read_upgrade(&mut self, key: usize, client: &mut Client) -> io::Result<Next> {
        let slot = &mut self.slots[key];
        if slot.readable && client.ongoing.as_ref().is_some_and(|ongoing| ongoing.is_upgrade()) {
            slot.readable = match client.read()? {
                Read::Some => true,
                Read::Last => slot.ended,
                Read::Nothing if !slot.woken && !slot.ended => {
                    slot.readable = false;
                    return Ok(Next::Stay);
                }
                Read::Nothing | Read::End => false,
            };
            slot.ended = false;
        }
        Ok(Next::Worker)
    }

    /// Ends listening, and lets every connection that is here know.
    fn stop(&mut self) {
        self.stopping = true;
        let mut fresh = Vec::new();
        self.doors.close(&self.desk.shared, &self.clock, |client| fresh.push(client));
        fresh.into_iter().for_each(|client| self.welcome(client));
        let keys: Vec<usize> = self.slots.iter().map(|(key, _)| key).collect();
        for key in keys {
            if let Some(client) = &mut self.slots[key].client {
                client.link.conn.retire();
                client.link.conn.hasten(self.clock.now() + LAST_LINGER);
                self.slots[key].readable = true;
                self.drive(key);
            }
        }
    }
}

/// Whether nothing that is sent to the peer can arrive.
fn has_left(client: &Client) -> bool {
    client.stream.peer_state() == crate::sockets::PeerState::Gone
}
