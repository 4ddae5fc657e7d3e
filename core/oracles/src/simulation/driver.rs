//! How does the simulated server drive its connections?
//!
//! As the real ones do: a loop with edge-triggered readiness, timers in grains, wakers that leave a note, a bounded queue and workers.
//! The loop handles requests too, or it parks connections for workers that stay with them. The gateway code is that of production. One
//! [`Fault`] can be planted, to see that the simulation finds it.
//!
//! Invariants:
//! 1. A connection is in one place: at rest here, in the queue, or with a worker.
//! 2. After its turn a connection waits for something that is going to be noticed.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Wake;
use std::time::Duration;

use cherrystone_core::gateway::{Endpoint, Peer, PeerAddress};
use cherrystone_core::{Instant, Pool};

use super::agenda::{Agenda, Due, MS};
use super::gateway::Application;
use super::script::{Dispatch, Server};
use super::served::{Around, Served};
use super::serving::STAY;
use super::workers::Crew;

/// How far a deadline may be overstepped.
pub(super) const GRAIN: u64 = 32 * MS;
/// Output at which nothing more is said before some is taken.
pub(super) const MARK: usize = 4 << 10;
/// Content that is collected for a handler on the loop.
pub(super) const INLINE_BODY: u64 = 1 << 10;
/// What an upgraded protocol may leave unread.
pub(super) const UNREAD: usize = 4 << 10;
/// How long a closing connection is listened to once the server stops.
const LAST_LINGER: Duration = Duration::from_millis(300);
/// How long one is listened to whose stage has failed.
const FAILED_LINGER: Duration = Duration::from_millis(400);

/// A fault planted in the driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// None.
    #[default]
    None,
    /// A wake-up that comes while the application is being asked is forgotten.
    LostWake,
    /// A timer that is set already is not brought forward.
    TimerKept,
    /// That the client takes nothing is not reported.
    SilentStall,
    /// `Shutdown` is taken for `Closed`: the socket is dropped while the client may still send.
    AbruptClose,
    /// A connection that a worker gives back waits for its socket before it goes on.
    UnwokenReturn,
    /// The end of input that came together with the last octets is not remembered.
    StaleReadiness,
    /// What the stage has left of what came is forgotten until more comes.
    Unresumed,
    /// The stage does not say goodbye.
    Unannounced,
    /// A worker that serves stays with an idle connection as long as that may be idle.
    StaysOn,
}

pub(super) struct Driver {
    pub(super) around: Rc<Around>,
    pub(super) app: Arc<Application>,
    pub(super) peer: Peer,
    /// By the number of the visitor.
    pub(super) slots: Vec<Option<Slot>>,
    pub(super) queue: VecDeque<Box<Served>>,
    queue_bound: usize,
    /// Whether workers stay with a connection.
    pub(super) serves: bool,
    pub(super) crew: Crew,
    /// Storage of buffers that nobody uses.
    pool: Pool,
    pub(super) rung: Arc<Mutex<Vec<usize>>>,
    /// Those who were told that the server is too busy.
    pub(super) turned_away: BTreeSet<usize>,
    /// The first thing that was wrong.
    pub(super) failure: Option<String>,
}

/// A connection, or its place while it is in the queue or with a worker.
pub(super) struct Slot {
    pub(super) served: Option<Box<Served>>,
    armed: Option<u64>,
    pub(super) readable: bool,
    pub(super) ended: bool,
    pub(super) woken: bool,
    pub(super) waits: bool,
}

pub(super) enum Next {
    Wait,
    Again,
    Worker,
    /// With a reset if there is no hope for what is unsent.
    Drop(bool),
}

pub(super) struct Bell {
    pub(super) key: usize,
    pub(super) rung: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.lock().expect("no panic holds it").push(self.key);
    }
}

impl Driver {
    pub(super) fn new(server: &Server, around: Rc<Around>, app: Arc<Application>, visitors: usize) -> Self {
        let endpoint = Endpoint::new(PeerAddress::Unix(None), "simulated");
        Self {
            around,
            app,
            peer: Peer::new(PeerAddress::Unix(None), Arc::new(endpoint)),
            slots: (0..visitors).map(|_| None).collect(),
            queue: VecDeque::new(),
            queue_bound: server.queue as usize,
            serves: server.dispatch == Dispatch::Serve,
            crew: Crew::new(server.workers as usize),
            pool: Pool::default(),
            rung: Arc::default(),
            turned_away: BTreeSet::new(),
            failure: None,
        }
    }

    /// A client has connected.
    pub(super) fn welcome(&mut self, served: Box<Served>, agenda: &mut Agenda) {
        let key = served.key;
        let served = Some(served);
        self.slots[key] = Some(Slot { served, armed: None, readable: true, ended: false, woken: false, waits: false });
        self.turn(key, agenda);
    }

    /// The socket has something to read: octets or, if `ended`, the end of them.
    pub(super) fn readable(&mut self, key: usize, ended: bool, agenda: &mut Agenda) {
        if let Some(slot) = &mut self.slots[key] {
            slot.readable = true;
            slot.ended |= ended && self.around.fault != Fault::StaleReadiness;
            self.turn(key, agenda);
        }
    }

    /// A timer has fired.
    pub(super) fn timer(&mut self, key: usize, at: u64, agenda: &mut Agenda) {
        if let Some(slot) = &mut self.slots[key]
            && slot.armed == Some(at)
        {
            slot.armed = None;
            slot.readable = true;
            self.turn(key, agenda);
        }
    }

    /// Looks which applications have called.
    pub(super) fn answer_bells(&mut self, agenda: &mut Agenda) {
        for key in std::mem::take(&mut *self.rung.lock().expect("no panic holds it")) {
            if let Some(slot) = &mut self.slots[key] {
                slot.woken = true;
                served_touched(slot, agenda.now());
                agenda.at(agenda.now(), Due::Turn(key));
            }
        }
    }

    /// A worker gives a connection back.
    pub(super) fn take_back(&mut self, served: Box<Served>, agenda: &mut Agenda) {
        let key = served.key;
        let Some(slot) = &mut self.slots[key] else { return };
        slot.served = Some(served);
        slot.woken |= !self.serves;
        slot.readable |= self.serves;
        served_touched(slot, agenda.now());
        if self.around.stopping.get() {
            slot.readable = true;
        }
        if self.around.fault != Fault::UnwokenReturn {
            self.turn(key, agenda);
        }
    }

    /// The server is to stop.
    pub(super) fn stop(&mut self, agenda: &mut Agenda) {
        self.around.stopping.set(true);
        for key in 0..self.slots.len() {
            self.readable(key, false, agenda);
        }
    }

    /// The patience with those who are left is over.
    pub(super) fn cut(&mut self, agenda: &mut Agenda) {
        self.crew.abandon();
        for served in self.queue.drain(..).chain(self.crew.returned()) {
            let key = served.key;
            if let Some(slot) = &mut self.slots[key] {
                slot.served = Some(served);
            }
        }
        for key in 0..self.slots.len() {
            let Some(mut served) = self.slots[key].as_mut().and_then(|slot| slot.served.take()) else { continue };
            let env = self.around.env();
            if !served.link.conn.is_idle() {
                served.link.conn.abort(&env, &mut served.link.tx);
                let _ = served.write();
            }
            self.remove(*served, false, agenda);
        }
    }

    /// What is overdue at this time, if anything is.
    pub(super) fn overdue(&self, now: u64) -> Option<String> {
        if let Some(first) = self.queue.front()
            && now > first.queued_at + STAY + 4 * MS
            && let Some(key) = self.crew.stays_with()
        {
            return Some(format!(
                "visitor {} waits for a worker, which waits for visitor {key}, who asks nothing",
                first.key
            ));
        }
        self.slots.iter().flatten().filter_map(|slot| slot.served.as_ref()).find_map(|served| {
            let deadline = served.link.conn.deadline()?;
            let late = now.checked_sub(deadline.at.as_nanos().saturating_add(GRAIN)).filter(|late| *late > 0)?;
            Some(format!("visitor {}: {:?} is {} ms beyond its grain", served.key, deadline.cause, late / MS))
        })
    }

    /// Gives a connection its turn.
    pub(super) fn turn(&mut self, key: usize, agenda: &mut Agenda) {
        let Some(mut served) = self.slots[key].as_mut().and_then(|slot| slot.served.take()) else {
            return self.crew.nudge(key, agenda);
        };
        served.link.wake(&mut self.pool);
        let mut next = self.attempt(&mut served);
        if self.around.stopping.get() && matches!(next, Next::Wait) {
            let last = Instant::from_nanos(agenda.now()) + LAST_LINGER;
            served.link.conn.retire();
            served.link.conn.hasten(last);
            next = self.attempt(&mut served);
            served.link.conn.hasten(last);
        }
        self.weigh(&served);
        let Some(slot) = &mut self.slots[key] else { return };
        match next {
            Next::Wait => {
                served.link.rest(&mut self.pool);
                if let Some(deadline) = served.link.conn.deadline() {
                    let at = (deadline.at.as_nanos() / GRAIN).saturating_add(1).saturating_mul(GRAIN);
                    let later = match slot.armed {
                        None => true,
                        Some(armed) => at < armed && self.around.fault != Fault::TimerKept,
                    };
                    if later {
                        slot.armed = Some(at);
                        agenda.at(at, Due::Timer(key, at));
                    }
                }
                slot.served = Some(served);
            }
            Next::Again => {
                slot.served = Some(served);
                agenda.at(agenda.now(), Due::Turn(key));
            }
            Next::Worker => self.submit(served, agenda),
            Next::Drop(hopeless) => self.remove(*served, hopeless, agenda),
        }
    }

    fn submit(&mut self, mut served: Box<Served>, agenda: &mut Agenda) {
        let key = served.key;
        if self.serves {
            self.slot(key).woken = false;
        }
        if self.queue.len() < self.queue_bound {
            return self.enqueue(served, agenda);
        }
        if !served.due {
            // An answer that goes on, or its last octets: its turn comes later.
            let slot = self.slot(key);
            slot.woken = true;
            slot.served = Some(served);
            return agenda.at(agenda.now() + GRAIN, Due::Turn(key));
        }
        self.turned_away.insert(key);
        served.due = false;
        let env = self.around.env();
        served.link.conn.overloaded(&env, &mut served.link.tx);
        if let Some(slot) = &mut self.slots[key] {
            slot.served = Some(served);
            agenda.at(agenda.now(), Due::Turn(key));
        }
    }

    /// Puts a job behind those that wait.
    pub(super) fn enqueue(&mut self, mut served: Box<Served>, agenda: &mut Agenda) {
        served.queued_at = agenda.now();
        self.queue.push_back(served);
        self.count_jobs();
        agenda.soon(2 * MS, Due::Work);
    }

    pub(super) fn remove(&mut self, served: Served, hopeless: bool, agenda: &mut Agenda) {
        let Served { key, link, wire, ongoing, .. } = served;
        drop(ongoing);
        wire.borrow_mut().drop_socket(hopeless || link.conn.is_cut(), agenda);
        self.slots[key] = None;
    }

    /// Memory that grows without bound shows after any turn.
    fn weigh(&mut self, served: &Served) {
        let limits = &self.around.config.limits;
        let unread = (limits.head.max(limits.trailers) as usize).max(UNREAD) + 8 * super::served::READ;
        let weights = [
            ("unread input", served.link.rx.unread().len(), unread),
            ("storage for input", served.link.rx.capacity(), 2 * unread),
            ("unsent output", served.link.pending(), MARK + (if served.link.is_secured() { 25 } else { 17 } << 10)),
            ("collected content", served.intake.len(), INLINE_BODY as usize + 8 * super::served::READ),
        ];
        for (what, weight, bound) in weights {
            if weight > bound {
                let key = served.key;
                self.failure.get_or_insert(format!("visitor {key}: {weight} octets of {what}, {bound} are the bound"));
            }
        }
    }

    pub(super) fn slot(&mut self, key: usize) -> &mut Slot {
        self.slots[key].as_mut().expect("a connection that has its turn has a slot")
    }

    fn advance(&mut self, served: &mut Served) -> io::Result<Next> {
        if self.serves { self.park(served) } else { self.progress(served) }
    }

    fn attempt(&mut self, served: &mut Served) -> Next {
        let mut outcome = self.advance(served);
        if served.link.take_failure().is_some() {
            // What is under way can no longer be answered.
            (served.due, served.ongoing) = (false, None);
            if outcome.is_err() {
                outcome = self.advance(served);
            }
            served.link.conn.hasten(self.around.env().now + FAILED_LINGER);
        }
        outcome.unwrap_or_else(|error| {
            let hopeless = error.kind() == io::ErrorKind::TimedOut;
            if !hopeless {
                let _ = served.write();
            }
            Next::Drop(hopeless)
        })
    }
}

/// Its application has done something for a connection.
fn served_touched(slot: &Slot, now: u64) {
    if let Some(served) = &slot.served {
        served.wire.borrow_mut().touched_at = now;
    }
}
