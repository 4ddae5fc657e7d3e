//! Where do connections wait that need no worker?
//!
//! In the [`Parker`]: one thread that accepts, and holds every connection that is idle, whose head is incomplete, that lingers, or
//! that waits for its application. It hands a connection to a worker when a request is complete or there is something to be
//! said. What a connection does with its turn here is in `turn`.
//!
//! Invariants:
//! 1. A connection is in exactly one place: here, or with one worker.
//! 2. A connection costs no worker before its first head is complete, nor while it is idle.
//! 3. With nothing to do the thread sleeps until the next deadline; with a lot to do, the work of one turn is bounded.
//! 4. What an application does here, panics included, costs its own connection at most.

mod turn;

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use cherrystone_core::Pool;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::client::{Client, Request, Written};
use crate::clock::{Clock, system_instant};
use crate::doors::Doors;
use crate::guard::guarded;
use crate::inbox::{ConnectionWaker, Note};
use crate::job::{Desk, Job, Task};
use crate::shared::{Door, FAILED_LINGER, LAST_LINGER};
use crate::stats::Count;
use crate::timers::{Armed, GRAIN, Timers};
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
    /// Connections whose turn ended before they were done.
    unfinished: Vec<usize>,
    expired: Vec<(usize, Armed)>,
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
    /// Whether the application has something to say, or a worker has to have the connection for another reason.
    woken: bool,
    /// Whether it is among the unfinished.
    listed: bool,
    waker: Arc<ConnectionWaker>,
}

/// Where a connection goes next.
enum Next {
    Stay,
    /// It has more to do when others had their turn.
    Again,
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
            unfinished: Vec::new(),
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
        let shared = Arc::clone(&self.desk.shared);
        for slot in self.slots.drain() {
            let is_cut = slot.client.is_none_or(|client| client.cut(&shared, &self.clock.env(&shared.settings.config)));
            if is_cut {
                shared.stats.add(Count::Cut);
            }
            shared.stats.sub(Count::Open);
        }
    }

    fn shared(&self) -> &Shared {
        &self.desk.shared
    }

    fn turn(&mut self, events: &mut Events) {
        // An interrupted wait, or one that failed, is a spurious wake-up.
        if self.poll.poll(events, self.sleep()).is_err() {
            events.clear();
        }
        self.clock.tick();
        for key in std::mem::take(&mut self.unfinished) {
            if let Some(slot) = self.slots.get_mut(key) {
                slot.listed = false;
                self.drive(key);
            }
        }
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
        // Who is here already goes before newcomers.
        self.read_notes();
        self.accept();
        self.look_at_timers();
        if self.shared().is_leaving() {
            self.close_doors();
        }
        if self.shared().is_stopping() {
            if !self.stopping {
                self.stop();
            }
            if self.clock.now() >= self.shared().cut_at() {
                self.shared().cut();
            }
        }
    }

    /// How long the loop may sleep.
    fn sleep(&self) -> Option<std::time::Duration> {
        if !self.unfinished.is_empty() {
            return Some(std::time::Duration::ZERO);
        }
        let due = self.doors.due(&self.desk.shared, self.clock.now());
        let cut = self.stopping.then(|| self.shared().cut_at());
        let wake_at = [self.timers.next(), due, cut].into_iter().flatten().min()?;
        Some(system_instant(wake_at).saturating_duration_since(std::time::Instant::now()))
    }

    fn accept(&mut self) {
        let mut fresh = Vec::new();
        self.doors.accept(&self.desk.shared, &mut self.clock, |client| fresh.push(client));
        fresh.into_iter().for_each(|client| self.welcome(client));
    }

    fn welcome(&mut self, client: Box<Client>) {
        let fd = client.stream.as_fd().as_raw_fd();
        let entry = self.slots.vacant_entry();
        let key = entry.key();
        entry.insert(Slot {
            client: Some(client),
            armed: Armed::NOT,
            readable: true,
            ended: false,
            woken: false,
            listed: false,
            waker: ConnectionWaker::new(Arc::clone(&self.desk.inbox), key),
        });
        if self.poll.registry().register(&mut SourceFd(&fd), Token(CLIENTS + key), Interest::READABLE).is_err() {
            self.remove(key);
            return;
        }
        self.drive(key);
    }

    fn read_notes(&mut self) {
        self.desk.inbox.silence();
        let inbox = Arc::clone(&self.desk.inbox);
        while let Some(note) = inbox.take() {
            match note {
                Note::Welcome(client) => self.welcome(client),
                Note::Back(key, mut client) => {
                    self.requests.extend(client.take_request());
                    self.slots[key].client = Some(client);
                    self.slots[key].readable = true;
                    self.drive(key);
                }
                Note::Gone(key) => {
                    if self.desk.shared.is_cutting() {
                        self.desk.shared.stats.add(Count::Cut);
                    }
                    self.remove(key);
                }
                Note::Wake(key) => {
                    if let Some(slot) = self.slots.get_mut(key) {
                        slot.woken = true;
                        self.drive(key);
                    }
                }
            }
        }
    }

    fn look_at_timers(&mut self) {
        let mut expired = std::mem::take(&mut self.expired);
        self.timers.expired(self.clock.now(), &mut expired);
        for (key, entry) in expired.drain(..) {
            let Some(slot) = self.slots.get_mut(key) else { continue };
            if slot.armed.fires(entry) {
                // Its event may be yet to come.
                slot.readable = true;
                self.drive(key);
            }
        }
        self.expired = expired;
    }

    fn remove(&mut self, key: usize) {
        if let Some(client) = self.slots.remove(key).client {
            client.finish(&self.desk.shared);
        }
        self.desk.shared.stats.sub(Count::Open);
    }

    /// Gives a connection its turn.
    fn drive(&mut self, key: usize) {
        let Some(mut client) = self.slots.get_mut(key).and_then(|slot| slot.client.take()) else { return };
        let mut next = self.attempt(key, &mut client);
        let last_moment = client.last_moment(&self.desk.shared, self.clock.now());
        if self.stopping && last_moment.is_none() && matches!(next, Next::Stay) {
            // A request that had come is on its way by now; another one is not to follow.
            client.link.conn.retire();
            client.link.conn.hasten(self.clock.now() + LAST_LINGER);
            next = self.attempt(key, &mut client);
            client.link.conn.hasten(self.clock.now() + LAST_LINGER);
        }
        client.count_traffic(&self.desk.shared);
        match next {
            Next::Stay => {
                if self.stopping {
                    // A worker may have said the last answer, so that nobody here saw the linger time begin.
                    client.link.conn.hasten(self.clock.now() + LAST_LINGER);
                }
                client.link.rest(&mut self.pool);
                let deadline = last_moment.or_else(|| client.link.conn.deadline().map(|deadline| deadline.at));
                let slot = &mut self.slots[key];
                self.timers.set(key, deadline, &mut slot.armed);
                slot.client = Some(client);
            }
            Next::Again => {
                let slot = &mut self.slots[key];
                slot.client = Some(client);
                if !std::mem::replace(&mut slot.listed, true) {
                    self.unfinished.push(key);
                }
            }
            Next::Worker => self.submit(key, client),
            Next::Drop => {
                self.slots[key].client = Some(client);
                self.remove(key);
            }
        }
    }

    /// Lets a connection advance, and survives that.
    fn attempt(&mut self, key: usize, client: &mut Client) -> Next {
        let mut outcome = guarded(|| self.advance(key, client));
        if client.note_failure(&self.desk.shared) {
            if matches!(outcome, Some(Err(_))) {
                outcome = guarded(|| self.advance(key, client));
            }
            client.link.conn.hasten(self.clock.now() + FAILED_LINGER);
        }
        let shared = &self.desk.shared;
        match outcome {
            Some(Ok(next)) => next,
            Some(Err(error)) => {
                client.fail(&error, &self.clock.env(&shared.settings.config));
                Next::Drop
            }
            None => {
                shared.stats.add(Count::Panics);
                client.give_up(shared, &self.clock.env(&shared.settings.config));
                Next::Again
            }
        }
    }

    fn submit(&mut self, key: usize, client: Box<Client>) {
        let slot = &mut self.slots[key];
        slot.woken = false;
        slot.waker.rearm();
        let task = Task::Serve(Arc::clone(&slot.waker));
        let job = Job { desk: Arc::clone(&self.desk), token: key, client, task };
        let Err(rejected) = self.desk.crew.try_submit(job) else { return };
        let mut client = rejected.into_job().client;
        if !client.has_request() {
            // Nothing new: an answer that goes on, or its last octets. It is not given up for others; its turn comes later.
            slot.woken = true;
            slot.client = Some(client);
            self.timers.set(key, Some(self.clock.now() + GRAIN), &mut slot.armed);
            return;
        }
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

    /// Ends listening, with those who have come so far.
    fn close_doors(&mut self) {
        if self.doors.are_closed() {
            return;
        }
        let mut fresh = Vec::new();
        self.doors.close(&self.desk.shared, &mut self.clock, |client| fresh.push(client));
        fresh.into_iter().for_each(|client| self.welcome(client));
    }

    /// Lets every connection that is here know of the stop.
    fn stop(&mut self) {
        self.stopping = true;
        let keys: Vec<usize> = self.slots.iter().map(|(key, _)| key).collect();
        for key in keys {
            if let Some(slot) = self.slots.get_mut(key) {
                slot.readable = true;
                self.drive(key);
            }
        }
    }
}
