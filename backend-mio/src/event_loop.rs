//! What wakes the loop, and whose turn is it?
//!
//! [`EventLoop`] waits for sockets, notes and deadlines, and gives each connection that may have something to do its turn. What a
//! connection does with its turn is in `progress`.
//!
//! Invariants:
//! 1. A connection is in exactly one place: here, or with one worker.
//! 2. The loop never blocks but in the poller, and sleeps there until the next deadline when there is nothing to do.
//! 3. The work of one turn is bounded, so that no connection starves the others.
//! 4. What an application does here, panics included, costs its own connection at most.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use cherrystone_core::Pool;
use cherrystone_threads::workers::Executor;
use cherrystone_threads::{
    Armed, Client, Clock, ConnectionWaker, Count, Desk, Door, Doors, FAILED_LINGER, Inbox, Job, LAST_LINGER, Note,
    Request, Shared, Task, Timers, Written, guarded, system_instant,
};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

const INBOX: Token = Token(0);
const DOORS: usize = 1;
/// Tokens of connections begin here.
const CLIENTS: usize = 1 << 16;

/// One event loop. A program that has a main loop of its own may turn it by hand.
pub struct EventLoop {
    poll: Poll,
    events: Events,
    pub(crate) desk: Arc<Desk>,
    pub(crate) neighbours: Vec<Arc<Desk>>,
    doors: Doors,
    pub(crate) slots: Slab<Slot>,
    timers: Timers,
    pub(crate) clock: Clock,
    pub(crate) pool: Pool,
    /// Storage of requests that were answered; in boxes, since it travels in them.
    #[allow(clippy::vec_box)]
    pub(crate) requests: Vec<Box<Request>>,
    /// Requests that were handled here and are not counted yet.
    pub(crate) handled: u64,
    /// Connections whose turn ended before they were done.
    unfinished: Vec<usize>,
    expired: Vec<(usize, Armed)>,
    pub(crate) stopping: bool,
    /// Whether its end is the end of the server.
    pub(crate) alone: bool,
}

impl std::fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLoop").field("connections", &self.slots.len()).finish_non_exhaustive()
    }
}

/// A connection, or the place that is kept for it while a worker has it.
pub(crate) struct Slot {
    pub(crate) client: Option<Box<Client>>,
    armed: Armed,
    /// Whether the socket may have something; only a read that finds nothing more clears it.
    pub(crate) readable: bool,
    /// Whether the peer is known to have ended its side, so that even a short read is not the last.
    pub(crate) ended: bool,
    /// Whether its application has something to say.
    pub(crate) woken: bool,
    /// Whether its application has nothing to say before it is woken.
    pub(crate) waits: bool,
    /// Whether it is among the unfinished.
    listed: bool,
    pub(crate) waker: Option<Arc<ConnectionWaker>>,
}

/// Where a connection goes next.
pub(crate) enum Next {
    /// It waits for its socket, its application or its deadline.
    Wait,
    /// It has more to do when others had their turn.
    Again,
    Worker,
    Drop,
}

impl EventLoop {
    /// A loop over these doors. Requests that may block go to `crew`.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new(doors: Vec<Door>, shared: Arc<Shared>, crew: Arc<dyn Executor<Job>>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let inbox = Inbox::new(poll.registry(), INBOX)?;
        shared.subscribe(Arc::clone(&inbox));
        let doors = Doors::new(doors, poll.registry(), DOORS)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            desk: Arc::new(Desk { shared, inbox, crew }),
            neighbours: Vec::new(),
            doors,
            slots: Slab::new(),
            timers: Timers::default(),
            clock: Clock::new(),
            pool: Pool::default(),
            requests: Vec::new(),
            handled: 0,
            unfinished: Vec::new(),
            expired: Vec::new(),
            stopping: false,
            alone: false,
        })
    }

    /// Runs until the server has stopped.
    pub fn run(&mut self) {
        while self.turn(None) {}
    }

    /// Waits for something to do, at most `timeout`, and does it. Says whether the loop is to go on: not after the server has
    /// stopped.
    pub fn turn(&mut self, timeout: Option<Duration>) -> bool {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let timeout = [self.sleep(), timeout].into_iter().flatten().min();
        // An interrupted wait, or one that failed, is a spurious wake-up.
        if self.poll.poll(&mut events, timeout).is_err() {
            events.clear();
        }
        self.clock.tick();
        for key in std::mem::take(&mut self.unfinished) {
            if let Some(slot) = self.slots.get_mut(key) {
                slot.listed = false;
                self.drive(key);
            }
        }
        for event in &events {
            let token = event.token().0;
            let Some(key) = token.checked_sub(CLIENTS) else {
                self.doors.note(token);
                continue;
            };
            if let Some(slot) = self.slots.get_mut(key) {
                slot.readable |= event.is_readable() || event.is_error();
                slot.ended |= event.is_read_closed() || event.is_error();
                self.drive(key);
            }
        }
        self.events = events;
        // Who is here already goes before newcomers.
        self.read_notes();
        self.accept();
        self.look_at_timers();
        if self.desk.shared.is_leaving() {
            self.close_doors();
        }
        if self.desk.shared.is_stopping() {
            self.stop();
        }
        let over = self.stopping && (self.slots.is_empty() || self.desk.shared.is_cutting());
        if over {
            self.cut();
            if std::mem::take(&mut self.alone) {
                self.desk.shared.conclude();
            }
        }
        !over
    }

    /// How long the loop may sleep.
    fn sleep(&self) -> Option<Duration> {
        if !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = self.doors.due(&self.desk.shared, self.clock.now());
        let cut = self.stopping.then(|| self.desk.shared.cut_at());
        let wake_at = [self.timers.next(), due, cut].into_iter().flatten().min()?;
        Some(system_instant(wake_at).saturating_duration_since(std::time::Instant::now()))
    }

    fn accept(&mut self) {
        let mut fresh = Vec::new();
        self.doors.accept(&self.desk.shared, &mut self.clock, |client| fresh.push(client));
        fresh.into_iter().for_each(|client| self.place(client));
    }

    pub(crate) fn welcome(&mut self, client: Box<Client>) {
        let fd = client.stream.as_fd().as_raw_fd();
        let key = self.slots.insert(Slot {
            client: Some(client),
            armed: Armed::NOT,
            readable: true,
            ended: false,
            woken: false,
            waits: false,
            listed: false,
            waker: None,
        });
        self.desk.inbox.set_load(self.slots.len());
        let interest = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut SourceFd(&fd), Token(CLIENTS + key), interest).is_err() {
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
                    self.store(client.take_request());
                    self.slots[key].client = Some(client);
                    self.slots[key].woken = true;
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
        self.desk.inbox.set_load(self.slots.len());
        self.desk.shared.stats.sub(Count::Open);
    }

    /// Gives a connection its turn.
    fn drive(&mut self, key: usize) {
        let Some(mut client) = self.slots.get_mut(key).and_then(|slot| slot.client.take()) else { return };
        let mut next = self.attempt(key, &mut client);
        let last_moment = client.last_moment(&self.desk.shared, self.clock.now());
        if self.stopping && last_moment.is_none() && matches!(next, Next::Wait) {
            // A request that had come is on its way by now; another one is not to follow.
            client.link.conn.retire();
            client.link.conn.hasten(self.clock.now() + LAST_LINGER);
            next = self.attempt(key, &mut client);
            client.link.conn.hasten(self.clock.now() + LAST_LINGER);
        }
        self.count_requests();
        client.count_traffic(&self.desk.shared);
        match next {
            Next::Wait => {
                client.link.rest(&mut self.pool);
                let deadline = last_moment.or_else(|| client.link.conn.deadline().map(|deadline| deadline.at));
                let slot = &mut self.slots[key];
                self.timers.set(key, deadline, &mut slot.armed);
                slot.client = Some(client);
            }
            Next::Again => {
                self.slots[key].client = Some(client);
                self.come_back(key);
            }
            Next::Worker => self.submit(key, client),
            Next::Drop => {
                self.slots[key].client = Some(client);
                self.remove(key);
            }
        }
    }

    /// Lets a connection progress, and survives that.
    fn attempt(&mut self, key: usize, client: &mut Client) -> Next {
        let mut outcome = guarded(|| self.progress(key, client));
        if client.note_failure(&self.desk.shared) {
            if matches!(outcome, Some(Err(_))) {
                outcome = guarded(|| self.progress(key, client));
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

    /// Lets a connection have another turn when the others have had theirs.
    fn come_back(&mut self, key: usize) {
        if !std::mem::replace(&mut self.slots[key].listed, true) {
            self.unfinished.push(key);
        }
    }

    fn submit(&mut self, key: usize, client: Box<Client>) {
        let job = Job { desk: Arc::clone(&self.desk), token: key, client, task: Task::Answer };
        let Err(rejected) = self.desk.crew.try_submit(job) else { return };
        let mut client = rejected.into_job().client;
        let env = self.clock.env(&self.desk.shared.settings.config);
        client.overloaded(&self.desk.shared, &env);
        let written = client.write(&env);
        self.slots[key].client = Some(client);
        match written {
            Ok(Written::All | Written::Blocked) => self.come_back(key),
            Err(_) => self.remove(key),
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

    /// Lets every connection that is here know of the stop, and sees to its deadline.
    fn stop(&mut self) {
        if self.clock.now() >= self.desk.shared.cut_at() {
            self.desk.shared.cut();
        }
        if std::mem::replace(&mut self.stopping, true) {
            return;
        }
        let keys: Vec<usize> = self.slots.iter().map(|(key, _)| key).collect();
        for key in keys {
            if let Some(slot) = self.slots.get_mut(key) {
                slot.readable = true;
                self.drive(key);
            }
        }
    }

    /// Drops the connections that are left.
    fn cut(&mut self) {
        let shared = &self.desk.shared;
        for slot in self.slots.drain() {
            let is_cut = slot.client.is_none_or(|client| client.cut(shared, &self.clock.env(&shared.settings.config)));
            if is_cut {
                shared.stats.add(Count::Cut);
            }
            shared.stats.sub(Count::Open);
        }
    }
}
