//! What does a worker do with a connection?
//!
//! A [`Job`] is one connection on a worker. In the manner of the thread backend the worker serves it as long as that holds nobody up,
//! with waiting; for an event loop it runs the handler alone and gives the connection back.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cherrystone_core::Event;
use cherrystone_core::gateway::{Advance, Mode, Port};

use crate::client::{Client, Written, is_stage_failure};
use crate::clock::Clock;
use crate::guard::guarded;
use crate::inbox::{ConnectionWaker, Inbox, Note};
use crate::passing::Passed;
use crate::port::BlockingPort;
use crate::shared::Shared;
use crate::stats::Count;
use crate::workers::Executor;

/// How long a worker that others do not need waits for the next request of a connection before it parks it.
const STAY: Duration = Duration::from_millis(5);
/// Octets of output at which a payload waits for the client.
const MARK: usize = 64 << 10;

/// What the jobs of one loop have in common.
pub struct Desk {
    /// The server.
    pub shared: Arc<Shared>,
    /// The way back to the loop.
    pub inbox: Arc<Inbox>,
    /// Who runs jobs.
    pub crew: Arc<dyn Executor<Job>>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// A connection on its way through a worker.
#[derive(Debug)]
pub struct Job {
    /// The loop that it comes from.
    pub desk: Arc<Desk>,
    /// What the loop calls the connection.
    pub token: usize,
    /// The connection.
    pub client: Box<Client>,
    /// What to do with it.
    pub task: Task,
}

/// What a worker is to do.
#[derive(Debug)]
pub enum Task {
    /// Serve the connection, with waiting, until it is idle; its ongoing answers are woken by this waker.
    Serve(Arc<ConnectionWaker>),
    /// Answer the request that is due, and nothing else.
    Answer,
}

/// What becomes of the connection.
enum Fate {
    Park,
    Requeue,
    Drop,
}

thread_local! {
    static CLOCK: RefCell<Clock> = RefCell::new(Clock::new());
}

impl Job {
    /// Does what is to be done; for the threads of an [`Executor`].
    pub fn run(self) {
        CLOCK.with_borrow_mut(|clock| {
            clock.tick();
            let mut job = Some(self);
            while let Some(again) = job {
                job = again.turn(clock);
            }
        });
    }

    /// Does what is to be done, and gives the job back if that goes on here.
    fn turn(mut self, clock: &mut Clock) -> Option<Self> {
        let fate = match &self.task {
            Task::Answer => {
                self.answer(clock);
                Fate::Park
            }
            Task::Serve(_) => self.serve(clock),
        };
        self.client.count_traffic(&self.desk.shared);
        match fate {
            Fate::Park => self.back(),
            Fate::Requeue => return self.requeue(),
            Fate::Drop => self.leave(),
        }
        None
    }

    fn back(self) {
        // A loop that has ended takes nothing back.
        if self.desk.shared.is_cutting() {
            return self.leave();
        }
        self.desk.inbox.send(Note::Back(self.token, self.client));
    }

    /// Lets other jobs go first. With a crew that does not take it, an answer under way waits in the loop, which never gives one up;
    /// anything else goes on here, since the loop might have to refuse the next request.
    fn requeue(self) -> Option<Self> {
        let (crew, inbox, token) = (Arc::clone(&self.desk.crew), Arc::clone(&self.desk.inbox), self.token);
        let job = crew.requeue(self).err()?.into_job();
        if job.client.ongoing.is_none() {
            return Some(job);
        }
        job.back();
        inbox.send(Note::Wake(token));
        None
    }

    fn leave(mut self) {
        self.client.note_failure(&self.desk.shared);
        self.client.finish(&self.desk.shared);
        self.desk.inbox.send(Note::Gone(self.token));
    }

    /// Runs the handler.
    fn answer(&mut self, clock: &mut Clock) {
        let Client { link, stream, peer, request, ongoing, .. } = &mut *self.client;
        let Some(request) = request else { return };
        let shared = &self.desk.shared;
        shared.stats.add(Count::Requests);
        let mut port = BlockingPort::new(link, stream, clock, shared).to(peer);
        let answered = request.answer(&mut port, peer);
        *ongoing = request.conclude(answered, shared, peer);
        clock.tick();
        self.client.observe(shared);
        if self.desk.shared.is_stopping() {
            self.client.link.conn.retire();
        }
    }

    /// Serves the connection until it waits for something that needs no worker, or a job waits for this one.
    fn serve(&mut self, clock: &mut Clock) -> Fate {
        loop {
            match guarded(|| self.step(clock)) {
                Some(Ok(None)) => {}
                Some(Ok(Some(fate))) => return fate,
                Some(Err(error)) if is_stage_failure(&error) => return Fate::Park,
                Some(Err(error)) => {
                    self.client.fail(&error, &clock.env(&self.desk.shared.settings.config));
                    return Fate::Drop;
                }
                None => {
                    let shared = &self.desk.shared;
                    shared.stats.add(Count::Panics);
                    self.client.give_up(shared, &clock.env(&shared.settings.config));
                }
            }
            if self.desk.crew.waiting() {
                return Fate::Requeue;
            }
        }
    }

    /// One request, or one wait.
    fn step(&mut self, clock: &mut Clock) -> io::Result<Option<Fate>> {
        if self.client.is_ending() {
            return self.end(clock).map(Some);
        }
        if self.client.has_request() {
            self.say_before(clock)?;
            self.answer(clock);
        }
        if let Some(fate) = self.pull(clock)? {
            return Ok(Some(fate));
        }
        let desk = Arc::clone(&self.desk);
        let Client { link, stream, request, patient, .. } = &mut *self.client;
        let env = clock.env(&desk.shared.settings.config);
        match link.conn.poll(&env, &mut link.rx) {
            Ok(Event::Request(head)) => {
                let request = request.get_or_insert_default();
                request.begin(head);
                if let Err(violation) = request.admit(link, &desk.shared, &env) {
                    self.client.refuse(&desk.shared, &env, violation);
                }
            }
            Ok(Event::NeedInput) => {
                if link.resume().map_err(io::Error::other)? {
                    return Ok(None);
                }
                let is_idle = link.conn.is_idle();
                let mut port = BlockingPort::new(link, stream, clock, &desk.shared);
                port.drain()?;
                // Asked only now: a slow client may have taken a while.
                if !(is_idle && desk.crew.has_room() && !desk.shared.is_leaving()) {
                    return Ok(Some(Fate::Park));
                }
                if !std::mem::replace(patient, true) {
                    stream.set_patience(STAY)?;
                }
                if !port.receive_soon()? {
                    return Ok(Some(Fate::Park));
                }
            }
            Ok(Event::Shutdown) => {
                if link.is_handshaking() {
                    return Ok(Some(Fate::Drop));
                }
                self.client.end();
                return self.end(clock).map(Some);
            }
            Ok(Event::Closed) => return Ok(Some(Fate::Drop)),
            Ok(Event::NeedResponse | Event::NeedContinue | Event::Upgraded) => {
                // A request that nothing answers any more: its handler gave an answer up half-way.
                link.conn.abort(&env, &mut link.tx);
                link.conn.end_upgrade();
                self.client.observe(&desk.shared);
            }
            Ok(Event::Data(_) | Event::End(_)) => {}
            Err(violation) => self.client.refuse(&desk.shared, &env, violation),
        }
        Ok(None)
    }

    /// Says the last, and ends our side; the loop then listens on.
    fn end(&mut self, clock: &mut Clock) -> io::Result<Fate> {
        let shared = &self.desk.shared;
        if self.client.write(&clock.env(&shared.settings.config))? == Written::Blocked {
            let Client { link, stream, .. } = &mut *self.client;
            BlockingPort::new(link, stream, clock, shared).drain()?;
            self.client.write(&clock.env(&shared.settings.config))?;
        }
        Ok(Fate::Park)
    }

    /// Says what earlier answers left, before a handler that may take its time: it is no business of theirs.
    fn say_before(&mut self, clock: &Clock) -> io::Result<()> {
        let shared = &self.desk.shared;
        let Client { link, request, .. } = &*self.client;
        if link.pending() > 0
            && let Some(request) = request
            && shared.gateway.mode(request.head.head()) == Mode::Blocking
        {
            self.client.write(&clock.env(&shared.settings.config))?;
        }
        Ok(())
    }

    /// Goes on with an answer whose handler has returned.
    fn pull(&mut self, clock: &mut Clock) -> io::Result<Option<Fate>> {
        let Task::Serve(waker) = &self.task else { return Ok(None) };
        let shared = &self.desk.shared;
        while self.client.ongoing.is_some() {
            if shared.is_leaving() {
                self.client.link.conn.retire();
            }
            let passed = self.client.pass(&clock.env(&shared.settings.config))?;
            let Client { link, stream, ongoing, .. } = &mut *self.client;
            let Some(more) = ongoing else { break };
            let advance = match passed {
                None => {
                    let config = &shared.settings.config;
                    let advanced = more.try_advance(link, &clock.env(config), MARK, &waker.waker());
                    // The application may have taken its time.
                    clock.tick();
                    match advanced {
                        Ok(advance) => advance,
                        Err(violation) => {
                            *ongoing = None;
                            self.client.refuse(shared, &clock.env(config), violation);
                            break;
                        }
                    }
                }
                Some(Passed::Finished) => Advance::Finished,
                Some(Passed::More) => Advance::Room,
                Some(Passed::Blocked) => {
                    BlockingPort::new(link, stream, clock, shared).await_room()?;
                    Advance::Room
                }
            };
            match advance {
                Advance::Finished => {
                    self.client.conclude(shared);
                    break;
                }
                Advance::Room => {
                    BlockingPort::new(link, stream, clock, shared).drain()?;
                    // However fast a client takes a long answer, others get their turn.
                    if self.desk.crew.waiting() {
                        return Ok(Some(Fate::Requeue));
                    }
                }
                Advance::Waker | Advance::Input => {
                    BlockingPort::new(link, stream, clock, shared).drain()?;
                    return Ok(Some(Fate::Park));
                }
            }
        }
        Ok(None)
    }
}
