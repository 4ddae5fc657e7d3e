//! What does a connection do with its turn where there is no event loop?
//!
//! It is parked: nothing is handled here. It reads heads, refuses, drains and lingers, and goes to a worker as soon as there is
//! something to be said, or its application has called.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use cherrystone_core::Event;

use super::driver::{Driver, Next, UNREAD};
use super::progress::ROUNDS;
use super::served::{Read, Served};

impl Driver {
    /// Moves a parked connection on as far as that is possible without a worker.
    pub(super) fn park(&mut self, served: &mut Served) -> io::Result<Next> {
        if served.due {
            return Ok(Next::Worker);
        }
        if served.ongoing.is_some() {
            return self.await_call(served);
        }
        if self.slot(served.key).readable && self.is_overdue(served) {
            self.take_in(served)?;
        }
        for _ in 0..ROUNDS {
            if let Some(next) = self.parked_round(served)? {
                return Ok(next);
            }
        }
        Ok(Next::Again)
    }

    /// One event of the protocol.
    fn parked_round(&mut self, served: &mut Served) -> io::Result<Option<Next>> {
        let around = Rc::clone(&self.around);
        let env = around.env();
        let link = &mut served.link;
        match link.conn.poll(&env, &mut link.rx) {
            Ok(Event::Request(head)) => {
                head.copy_into(&mut served.head);
                served.intake.clear();
                match link.conn.admit() {
                    Ok(()) => {
                        served.due = true;
                        return Ok(Some(Next::Worker));
                    }
                    Err(violation) => link.conn.refuse(&env, violation, &mut link.tx),
                }
            }
            Ok(Event::NeedInput) => {
                if self.resumes(served)? {
                    return Ok(None);
                }
                if !served.write()? {
                    return Ok(Some(Next::Worker));
                }
                if !self.slot(served.key).readable {
                    return Ok(Some(Next::Wait));
                }
                self.take_in(served)?;
            }
            Ok(Event::Shutdown) => {
                if link.is_handshaking() {
                    return Ok(Some(Next::Drop(false)));
                }
                link.farewell();
                served.ending = true;
                if !served.write()? {
                    return Ok(Some(Next::Worker));
                }
            }
            Ok(Event::Closed) => return Ok(Some(Next::Drop(false))),
            Ok(_) => return Ok(Some(Next::Worker)),
            Err(violation) => link.conn.refuse(&env, violation, &mut link.tx),
        }
        Ok(None)
    }

    /// Looks whether an answer under way has something for a worker to do.
    fn await_call(&mut self, served: &mut Served) -> io::Result<Next> {
        let key = served.key;
        if self.slot(key).woken {
            return Ok(Next::Worker);
        }
        let reads = served.ongoing.as_ref().is_some_and(|ongoing| ongoing.reads_input());
        if reads && self.resumes(served)? {
            return Ok(Next::Worker);
        }
        let has_room = !served.link.rx.is_closed() && served.link.rx.unread().len() < UNREAD;
        if reads && has_room && self.slot(key).readable && self.take_in(served)? != Read::Nothing {
            return Ok(Next::Worker);
        }
        if reads && self.is_overdue(served) {
            return Ok(Next::Worker);
        }
        let has_left = self.slot(key).ended && served.wire.borrow().is_reset();
        Ok(if has_left { Next::Drop(false) } else { Next::Wait })
    }

    /// Whether a wait of this connection is over as far as is known.
    pub(super) fn is_overdue(&self, served: &Served) -> bool {
        served.link.conn.patience(self.around.env().now) == Some(Duration::ZERO)
    }
}
