//! How does a script become a run?
//!
//! The [`World`] has the clock, the network, the visitors and the server, and lets one thing happen after the other until nothing is
//! left to happen.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cherrystone_core::gateway::Intake;
use cherrystone_core::{Config, Date, HeadBuf, Link, Pace, Stage};

use super::Report;
use super::agenda::{Agenda, Due, MS};
use super::dice::Dice;
use super::driver::{Driver, Fault};
use super::gateway::{Application, Notes, Put};
use super::guest::Guest;
use super::script::{Passage, Script};
use super::served::{Around, Served};
use super::verdict;
use super::wire::Wire;
use crate::records::Records;

/// Things that may happen in one run; more is a run that does not come to rest.
const MOST: u64 = 200_000;
/// How long the server waits for its visitors once it stops, in milliseconds.
const STOP_PATIENCE: u64 = 1_000;

/// The rules that the server goes by.
pub(super) fn rules() -> Config {
    let mut config = Config::default();
    let limits = &mut config.limits;
    (limits.head, limits.target, limits.body, limits.drain) = (1_024, 256, 5_000, 2_000);
    (limits.trailers, limits.chunk_line, limits.chunk_overhead) = (256, 64, 256);
    let times = &mut config.timeouts;
    times.idle = Duration::from_millis(2_000);
    times.head = Duration::from_millis(1_000);
    times.body = Pace { grace: Duration::from_millis(1_500), rate: 100 };
    times.send = Pace { grace: Duration::from_millis(1_200), rate: 100 };
    times.linger = Duration::from_millis(800);
    config
}

pub(super) struct World {
    agenda: Agenda,
    around: Rc<Around>,
    driver: Driver,
    guests: Vec<Guest>,
    wires: Vec<Option<Rc<RefCell<Wire>>>>,
    alarms: Vec<Option<Put>>,
}

impl World {
    pub(super) fn new(script: &Script, fault: Fault) -> Self {
        let notes: Arc<Mutex<Notes>> = Arc::default();
        let app = Arc::new(Application { dispatch: script.server.dispatch, notes: Arc::clone(&notes) });
        let around = Rc::new(Around {
            config: rules(),
            date: Date::from_unix(0),
            now: Cell::new(0),
            notes,
            fault,
            stopping: Cell::new(false),
            queued: Cell::new(0),
            idle: Cell::new(script.server.workers as usize),
        });
        let mut agenda = Agenda::new(Dice::new(script.luck));
        let guests: Vec<_> =
            script.visitors.iter().enumerate().map(|(key, plan)| Guest::new(key, plan.clone())).collect();
        for guest in &guests {
            agenda.at(guest.plan.joins * MS, Due::Act(guest.key));
        }
        if let Some(stops) = script.server.stops {
            agenda.at(stops * MS, Due::Stop);
        }
        let driver = Driver::new(&script.server, Rc::clone(&around), app, guests.len());
        Self { agenda, around, driver, wires: guests.iter().map(|_| None).collect(), guests, alarms: Vec::new() }
    }

    /// Lets everything happen, and judges it.
    pub(super) fn run(mut self, script: &Script) -> Result<Report, String> {
        let mut steps = 0;
        while let Some(time) = self.agenda.next_time() {
            if let Some(late) = self.driver.overdue(time) {
                return Err(late);
            }
            let Some(due) = self.agenda.next() else { break };
            self.around.now.set(self.agenda.now());
            self.around.notes.lock().expect("no panic holds it").now = self.agenda.now() / MS;
            self.happen(due);
            self.settle();
            if let Some(failure) = self.driver.failure.take() {
                return Err(failure);
            }
            steps += 1;
            if steps > MOST {
                return Err("the run does not come to rest".into());
            }
        }
        if let Some(key) = self.driver.slots.iter().position(Option::is_some) {
            return Err(format!("visitor {key} is never let go"));
        }
        if !self.driver.queue.is_empty() || !self.driver.crew.is_idle() {
            return Err("a job is never done".into());
        }
        let notes = self.around.notes.lock().expect("no panic holds it");
        let mut report = Report { steps, ..Report::default() };
        for (guest, wire) in self.guests.iter().zip(&self.wires) {
            if let Some(wire) = wire {
                let is_turned_away = self.driver.turned_away.contains(&guest.key);
                let case = verdict::Case { script, guest, wire: &wire.borrow(), notes: &notes, is_turned_away };
                case.judge(&mut report).map_err(|why| format!("visitor {}: {why}", guest.key))?;
            }
        }
        Ok(report)
    }

    fn happen(&mut self, due: Due) {
        let agenda = &mut self.agenda;
        match due {
            Due::Act(key) => {
                if self.wires[key].is_none() && !self.join(key) {
                    return;
                }
                self.with(key, Guest::act);
            }
            Due::Transmit(key) => self.with(key, Guest::transmit),
            Due::Take(key) => self.with(key, Guest::tick),
            Due::Deliver(key, octets) => self.with(key, |guest, wire, agenda| {
                if !wire.destroyed {
                    guest.deliver(&octets, wire, agenda);
                }
            }),
            Due::DeliverEnd(key) => self.with(key, |guest, wire, agenda| {
                if !wire.destroyed {
                    guest.deliver_end(wire, agenda);
                }
            }),
            Due::DeliverReset(key) => self.guests[key].deliver_reset(),
            Due::Arrive(key, octets) => {
                self.with(key, |_, wire, agenda| wire.arrive(&octets, agenda));
                self.driver.readable(key, false, &mut self.agenda);
            }
            Due::ArriveEnd(key) => {
                self.with(key, |_, wire, agenda| wire.arrive_end(agenda.now()));
                self.driver.readable(key, true, &mut self.agenda);
            }
            Due::ArriveReset(key) => {
                self.with(key, |_, wire, agenda| wire.arrive_reset(agenda.now()));
                self.driver.readable(key, true, &mut self.agenda);
            }
            Due::Room(key) | Due::Turn(key) => self.driver.turn(key, agenda),
            Due::Timer(key, at) => self.driver.timer(key, at, agenda),
            Due::Work => self.driver.work(agenda),
            Due::Resume(key) => self.driver.resume(key, agenda),
            Due::Expire(key, until) => self.driver.expire(key, until, agenda),
            Due::Alarm(at) => self.alarms[at].take().into_iter().for_each(Put::done),
            Due::Stop => {
                agenda.at(agenda.now() + STOP_PATIENCE * MS, Due::Cut);
                self.driver.stop(agenda);
            }
            Due::Cut => self.driver.cut(agenda),
        }
    }

    /// Connects a visitor, unless nobody is let in any more.
    fn join(&mut self, key: usize) -> bool {
        if self.around.stopping.get() {
            return false;
        }
        let plan = &self.guests[key].plan;
        let wire = Wire::new(key, plan.latency, plan.window, self.agenda.now());
        let wire = Rc::new(RefCell::new(wire));
        self.wires[key] = Some(Rc::clone(&wire));
        let stage: Option<Box<dyn Stage>> = match plan.passage {
            Passage::Plain => None,
            Passage::Sealed => Some(Box::new(Records::default())),
        };
        let served = Served {
            key,
            link: Link::new(&self.around.env(), stage),
            wire,
            around: Rc::clone(&self.around),
            head: HeadBuf::default(),
            intake: Intake::default(),
            due: false,
            ongoing: None,
            ending: false,
            queued_at: 0,
        };
        self.driver.welcome(Box::new(served), &mut self.agenda);
        true
    }

    fn with(&mut self, key: usize, call: impl FnOnce(&mut Guest, &mut Wire, &mut Agenda)) {
        if let Some(wire) = &self.wires[key] {
            call(&mut self.guests[key], &mut wire.borrow_mut(), &mut self.agenda);
        }
    }

    /// Puts on the agenda what follows from what happened.
    fn settle(&mut self) {
        self.driver.answer_bells(&mut self.agenda);
        let alarms = std::mem::take(&mut self.around.notes.lock().expect("no panic holds it").alarms);
        for alarm in alarms {
            self.agenda.at(self.agenda.now() + alarm.after * MS, Due::Alarm(self.alarms.len()));
            self.alarms.push(Some(alarm.what));
        }
        for (key, wire) in self.wires.iter().enumerate() {
            let Some(wire) = wire else { continue };
            let mut wire = wire.borrow_mut();
            wire.carry(&mut self.agenda);
            if let Some(at) = wire.resumes_at(self.agenda.now()) {
                self.agenda.at(at, Due::Transmit(key));
            }
        }
    }
}
