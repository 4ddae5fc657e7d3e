//! What does a worker do that stays with a connection until it is idle?
//!
//! It serves one request after the other, with waiting, as the workers of a server without an event loop do, and gives the connection
//! back when that waits for something that needs no worker, or when a job waits for this one.

use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use cherrystone_core::gateway::{Advance, Peer, Port};
use cherrystone_core::{Event, StageError};
use corosensei::Yielder;

use super::agenda::MS;
use super::driver::{Bell, Fault, MARK};
use super::gateway::Application;
use super::served::{BlockingPort, Passed, Read, Resumed, Served, Side, Wait};

/// How long a worker that nobody needs waits for the next request of a connection.
pub(super) const STAY: u64 = 5 * MS;

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It waits for something that needs no worker.
    Park,
    /// It goes on when others had their turn.
    Requeue,
    /// It is over; with a reset if there is no hope for what is unsent.
    Drop(bool),
}

/// A worker with a connection.
pub(super) struct Serving<'s> {
    pub(super) served: &'s mut Served,
    pub(super) yielder: &'s Yielder<Resumed, Wait>,
    pub(super) app: &'s Application,
    pub(super) peer: &'s Peer,
    pub(super) rung: &'s Arc<Mutex<Vec<usize>>>,
}

impl Serving<'_> {
    /// Serves the connection until it waits for something that needs no worker, or a job waits for this one.
    pub(super) fn serve(mut self) -> Fate {
        loop {
            match self.step() {
                Ok(None) => {}
                Ok(Some(fate)) => return fate,
                Err(error) if error.get_ref().is_some_and(|error| error.is::<StageError>()) => return Fate::Park,
                Err(error) => {
                    let hopeless = error.kind() == io::ErrorKind::TimedOut;
                    if !hopeless {
                        let _ = self.served.write();
                    }
                    return Fate::Drop(hopeless);
                }
            }
            if self.served.around.queued.get() > 0 {
                return Fate::Requeue;
            }
        }
    }

    fn port(&mut self) -> BlockingPort<'_> {
        BlockingPort { served: self.served, yielder: self.yielder }
    }

    /// One request, or one wait.
    fn step(&mut self) -> io::Result<Option<Fate>> {
        if self.served.ending {
            self.port().drain()?;
            return Ok(Some(Fate::Park));
        }
        if self.served.due {
            // What earlier answers left is no business of a handler that may take its time.
            self.served.write()?;
            let yielder = self.yielder;
            self.served.handle(self.app, self.peer, |served, handle| handle(&mut BlockingPort { served, yielder }));
            if self.served.around.stopping.get() {
                self.served.link.conn.retire();
            }
        }
        if let Some(fate) = self.pull()? {
            return Ok(Some(fate));
        }
        let Served { link, around, head, intake, due, .. } = &mut *self.served;
        let env = around.env();
        match link.conn.poll(&env, &mut link.rx) {
            Ok(Event::Request(request)) => {
                request.copy_into(head);
                intake.clear();
                match link.conn.admit() {
                    Ok(()) => *due = true,
                    Err(violation) => link.conn.refuse(&env, violation, &mut link.tx),
                }
            }
            Ok(Event::NeedInput) => {
                if link.resume().map_err(io::Error::other)? {
                    return Ok(None);
                }
                return self.await_request();
            }
            Ok(Event::Shutdown) => {
                if link.is_handshaking() {
                    return Ok(Some(Fate::Drop(false)));
                }
                link.farewell();
                self.served.ending = true;
            }
            Ok(Event::Closed) => return Ok(Some(Fate::Drop(false))),
            Ok(Event::NeedResponse | Event::NeedContinue | Event::Upgraded) => {
                link.conn.abort(&env, &mut link.tx);
                link.conn.end_upgrade();
            }
            Ok(Event::Data(_) | Event::End(_)) => {}
            Err(violation) => link.conn.refuse(&env, violation, &mut link.tx),
        }
        Ok(None)
    }

    /// Waits for the next request, if nobody else needs a worker, and not for long.
    fn await_request(&mut self) -> io::Result<Option<Fate>> {
        let around = Rc::clone(&self.served.around);
        self.port().drain()?;
        let stays = self.served.link.conn.is_idle() && around.idle.get() > 0 && !around.stopping.get();
        if !stays {
            return Ok(Some(Fate::Park));
        }
        if self.served.read()? == Read::Nothing {
            let until = around.now.get() + STAY;
            let deadline = self.served.link.conn.deadline().map(|deadline| deadline.at.as_nanos());
            let until = if around.fault == Fault::StaysOn { deadline } else { Some(until) };
            self.port().suspend(Wait { side: Side::Idle, until })?;
            if self.served.read()? == Read::Nothing {
                return Ok(Some(Fate::Park));
            }
        }
        Ok(None)
    }

    /// Goes on with an answer whose handler has returned.
    fn pull(&mut self) -> io::Result<Option<Fate>> {
        while self.served.ongoing.is_some() {
            if self.served.around.stopping.get() {
                self.served.link.conn.retire();
            }
            let advance = match self.served.pass()? {
                None => self.advance(),
                Some(Passed::Finished) => Advance::Finished,
                Some(Passed::More) => Advance::Room,
                Some(Passed::Blocked) => {
                    self.port().wait(Side::Sending)?;
                    Advance::Room
                }
            };
            match advance {
                Advance::Finished => self.served.ongoing = None,
                Advance::Room => {
                    self.port().drain()?;
                    // However fast a client takes a long answer, others get their turn.
                    if self.served.around.queued.get() > 0 {
                        return Ok(Some(Fate::Requeue));
                    }
                }
                Advance::Waker | Advance::Input => {
                    self.port().drain()?;
                    return Ok(Some(Fate::Park));
                }
            }
        }
        Ok(None)
    }

    fn advance(&mut self) -> Advance {
        let key = self.served.key;
        let waker = Waker::from(Arc::new(Bell { key, rung: Arc::clone(self.rung) }));
        let Served { link, around, ongoing, .. } = &mut *self.served;
        let Some(more) = ongoing else { return Advance::Finished };
        let advance = more.advance(link, &around.env(), MARK, &waker);
        if advance == Advance::Waker && around.fault == Fault::LostWake {
            self.rung.lock().expect("no panic holds it").retain(|rung| *rung != key);
        }
        advance
    }
}
