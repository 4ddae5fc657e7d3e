//! What wakes a loop, and whose turn is it?
//!
//! A [`Reactor`] waits for sockets, notes and deadlines, and [`turn`] gives each connection that may have something to do its turn.
//! What a connection does with it is up to the [`Driver`] that has the reactor: the parker of the thread backend, or an event loop.
//!
//! Invariants:
//! 1. A connection is in exactly one place: here, or with one worker.
//! 2. The loop never blocks but in the poller, and sleeps there until the next deadline when there is nothing to do.
//! 3. The work of one turn is bounded, so that no connection starves the others.
//! 4. What an application does here, panics included, costs its own connection at most.
//! 5. A loop that was held up takes that time from nobody: what began to wait meanwhile begins anew.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use cherrystone_core::Pool;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::client::{Client, Request, Written};
use crate::clock::Clock;
use crate::doors::Doors;
use crate::guard::guarded;
use crate::inbox::{Inbox, Note};
use crate::job::{Desk, Job, Task};
use crate::shared::{Door, FAILED_LINGER, LAST_LINGER, Shared};
use crate::slots::{Slot, Slots};
use crate::stats::Count;
use crate::timers::GRAIN;
use crate::workers::Executor;

const INBOX: Token = Token(0);
const DOORS: usize = 1;
/// Tokens of connections begin here.
const CLIENTS: usize = 1 << 16;
/// How long a loop may be busy before the waits that began in the meantime begin anew; what is shorter is no matter to them.
const HELD_UP: Duration = Duration::from_millis(100);

/// What each loop has, whatever it does with connections.
pub struct Reactor {
    poll: Poll,
    events: Events,
    /// What its jobs have in common.
    pub desk: Arc<Desk>,
    doors: Doors,
    /// Its connections.
    pub slots: Slots,
    /// The time, as it was when this turn began.
    pub clock: Clock,
    /// Storage of buffers.
    pub pool: Pool,
    /// Storage of requests that were answered; in boxes, since it travels in them.
    #[allow(clippy::vec_box)]
    pub requests: Vec<Box<Request>>,
    stopping: bool,
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("connections", &self.slots.len()).finish_non_exhaustive()
    }
}

/// What a loop does with its connections.
pub trait Driver {
    /// What it has to know of sockets.
    const INTEREST: Interest;

    /// The reactor that it has.
    fn reactor(&mut self) -> &mut Reactor;

    /// Moves a connection on as far as that is possible without waiting.
    ///
    /// # Errors
    /// The connection is lost, or too slow.
    fn advance(&mut self, key: usize, client: &mut Client) -> io::Result<Next>;

    /// What a worker is to do with this connection.
    fn task(&mut self, key: usize) -> Task;

    /// Takes note that a worker has given a connection back.
    fn returned(slot: &mut Slot);

    /// Gives a newcomer back that is to stay here.
    fn place(&mut self, newcomer: Box<Client>) -> Option<Box<Client>> {
        Some(newcomer)
    }
}

/// Where a connection goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It waits for its socket, its application or its deadline.
    Wait,
    /// It has more to do when others had their turn.
    Again,
    /// To a worker.
    Worker,
    /// Nowhere: it is over.
    Drop,
}

/// Waits for something to do, at most `timeout`, and does it. Says whether the loop is to go on: not after the server has stopped.
pub fn turn<D: Driver>(driver: &mut D, timeout: Option<Duration>) -> bool {
    let reactor = driver.reactor();
    reactor.catch_up();
    let mut events = std::mem::replace(&mut reactor.events, Events::with_capacity(0));
    let timeout = [reactor.sleep(), timeout].into_iter().flatten().min();
    // An interrupted wait, or one that failed, is a spurious wake-up.
    if reactor.poll.poll(&mut events, timeout).is_err() {
        events.clear();
    }
    reactor.clock.tick();
    for key in reactor.slots.take_unfinished() {
        drive(driver, key);
    }
    for event in &events {
        let (token, reactor) = (event.token().0, driver.reactor());
        if let Some(key) = token.checked_sub(CLIENTS) {
            reactor.slots.note(key, event);
            drive(driver, key);
        } else {
            reactor.doors.note(token);
        }
    }
    driver.reactor().events = events;
    // Who is here already goes before newcomers.
    read_notes(driver);
    accept(driver);
    let reactor = driver.reactor();
    for key in reactor.slots.take_due(reactor.clock.now()) {
        drive(driver, key);
    }
    if driver.reactor().desk.shared.is_leaving() {
        leave(driver);
    }
    let reactor = driver.reactor();
    let is_over = reactor.stopping && (reactor.slots.is_empty() || reactor.desk.shared.is_cutting());
    if is_over {
        reactor.cut();
    }
    !is_over
}

fn read_notes<D: Driver>(driver: &mut D) {
    let inbox = Arc::clone(&driver.reactor().desk.inbox);
    inbox.silence();
    while let Some(note) = inbox.take() {
        let reactor = driver.reactor();
        match note {
            Note::Welcome(client) => welcome(driver, client),
            Note::Back(key, mut client) => {
                reactor.requests.extend(client.take_request());
                D::returned(reactor.slots.put(key, client));
                drive(driver, key);
            }
            Note::Gone(key) => {
                if reactor.desk.shared.is_cutting() {
                    reactor.desk.shared.stats.add(Count::Cut);
                }
                reactor.remove(key);
            }
            Note::Wake(key) => {
                if let Some(slot) = reactor.slots.find(key) {
                    slot.woken = true;
                    drive(driver, key);
                }
            }
        }
    }
}

fn accept<D: Driver>(driver: &mut D) {
    let mut fresh = Vec::new();
    let Reactor { doors, desk, clock, .. } = driver.reactor();
    doors.accept(&desk.shared, clock, |client| fresh.push(client));
    fresh.into_iter().for_each(|client| {
        if let Some(client) = driver.place(client) {
            welcome(driver, client);
        }
    });
}

fn welcome<D: Driver>(driver: &mut D, client: Box<Client>) {
    let reactor = driver.reactor();
    let fd = client.stream.as_fd().as_raw_fd();
    let key = reactor.slots.insert(client);
    reactor.desk.inbox.set_load(reactor.slots.len());
    if reactor.poll.registry().register(&mut SourceFd(&fd), Token(CLIENTS + key), D::INTEREST).is_err() {
        reactor.remove(key);
        return;
    }
    drive(driver, key);
}

/// Gives a connection its turn.
fn drive<D: Driver>(driver: &mut D, key: usize) {
    let Some(mut client) = driver.reactor().slots.take(key) else { return };
    let mut next = attempt(driver, key, &mut client);
    let Reactor { desk, clock, stopping, .. } = driver.reactor();
    let last_moment = client.last_moment(&desk.shared, clock.now());
    if *stopping && last_moment.is_none() && next == Next::Wait {
        // A request that had come is on its way by now; another one is not to follow.
        let end = clock.now() + LAST_LINGER;
        client.link.conn.retire();
        client.link.conn.hasten(end);
        next = attempt(driver, key, &mut client);
        client.link.conn.hasten(end);
    }
    let reactor = driver.reactor();
    client.count_traffic(&reactor.desk.shared);
    match next {
        Next::Wait => {
            client.link.rest(&mut reactor.pool);
            let deadline = last_moment.or_else(|| client.link.conn.deadline().map(|deadline| deadline.at));
            reactor.slots.put_until(key, client, deadline);
        }
        Next::Again => reactor.slots.put_unfinished(key, client),
        Next::Worker => submit(driver, key, client),
        Next::Drop => {
            reactor.slots.put(key, client);
            reactor.remove(key);
        }
    }
}

/// Lets a connection advance, and survives that.
fn attempt<D: Driver>(driver: &mut D, key: usize, client: &mut Client) -> Next {
    let mut outcome = guarded(|| driver.advance(key, client));
    if client.note_failure(&driver.reactor().desk.shared) {
        if matches!(outcome, Some(Err(_))) {
            outcome = guarded(|| driver.advance(key, client));
        }
        client.link.conn.hasten(driver.reactor().clock.now() + FAILED_LINGER);
    }
    let Reactor { desk, clock, .. } = driver.reactor();
    let shared = &desk.shared;
    match outcome {
        Some(Ok(next)) => next,
        Some(Err(error)) => {
            client.fail(&error, &clock.env(&shared.settings.config));
            Next::Drop
        }
        None => {
            shared.stats.add(Count::Panics);
            client.give_up(shared, &clock.env(&shared.settings.config));
            Next::Again
        }
    }
}

fn submit<D: Driver>(driver: &mut D, key: usize, client: Box<Client>) {
    let task = driver.task(key);
    let Reactor { desk, slots, clock, .. } = driver.reactor();
    let job = Job { desk: Arc::clone(desk), token: key, client, task };
    let Err(rejected) = desk.crew.try_submit(job) else { return };
    let mut client = rejected.into_job().client;
    if !client.has_request() {
        // Nothing new: an answer that goes on, or its last octets. It is not given up for others; its turn comes later.
        slots[key].woken = true;
        slots.put_until(key, client, Some(clock.now() + GRAIN));
        return;
    }
    let env = clock.env(&desk.shared.settings.config);
    client.overloaded(&desk.shared, &env);
    match client.write(&env) {
        Ok(Written::All) => slots.put_unfinished(key, client),
        Ok(Written::Blocked) if D::INTEREST.is_writable() => slots.put_unfinished(key, client),
        // Whoever does not even take these octets is dropped.
        Ok(Written::Blocked) | Err(_) => {
            slots.put(key, client);
            driver.reactor().remove(key);
        }
    }
}

/// Ends listening, with those who have come so far, and sees to a stop.
#[cold]
fn leave<D: Driver>(driver: &mut D) {
    let Reactor { doors, desk, clock, .. } = driver.reactor();
    let mut fresh = Vec::new();
    doors.close(&desk.shared, clock, |client| fresh.push(client));
    fresh.into_iter().for_each(|client| welcome(driver, client));
    let Reactor { desk, clock, slots, stopping, .. } = driver.reactor();
    if !desk.shared.is_stopping() {
        return;
    }
    if clock.now() >= desk.shared.cut_at() {
        desk.shared.cut();
    }
    if std::mem::replace(stopping, true) {
        return;
    }
    // Every connection that is here learns of it.
    for key in slots.keys() {
        if let Some(slot) = driver.reactor().slots.find(key) {
            slot.readable = true;
            drive(driver, key);
        }
    }
}

impl Reactor {
    /// A reactor over these doors, with nobody inside.
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
            doors,
            slots: Slots::default(),
            clock: Clock::new(),
            pool: Pool::default(),
            requests: Vec::new(),
            stopping: false,
        })
    }

    /// Looks at the clock, and excuses who seems to have waited while the loop was busy.
    fn catch_up(&mut self) {
        let seen = self.clock.now();
        if self.clock.tick() > seen + HELD_UP {
            self.slots.excuse(seen, &self.clock.env(&self.desk.shared.settings.config));
        }
    }

    /// How long the loop may sleep.
    fn sleep(&self) -> Option<Duration> {
        if self.slots.has_unfinished() {
            return Some(Duration::ZERO);
        }
        let now = self.clock.now();
        let due = self.doors.due(&self.desk.shared, now);
        let cut = self.stopping.then(|| self.desk.shared.cut_at());
        let wake_at = [self.slots.next_deadline(), due, cut].into_iter().flatten().min()?;
        Some(wake_at.since(now))
    }

    fn remove(&mut self, key: usize) {
        if let Some(client) = self.slots.remove(key) {
            client.finish(&self.desk.shared);
        }
        self.desk.inbox.set_load(self.slots.len());
        self.desk.shared.stats.sub(Count::Open);
    }

    /// Drops the connections that are left.
    fn cut(&mut self) {
        let shared = &self.desk.shared;
        let env = self.clock.env(&shared.settings.config);
        for client in self.slots.drain() {
            if client.is_none_or(|client| client.cut(shared, &env)) {
                shared.stats.add(Count::Cut);
            }
            shared.stats.sub(Count::Open);
        }
    }
}
