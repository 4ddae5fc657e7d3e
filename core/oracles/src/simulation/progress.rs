//! What does a connection do with its turn?
//!
//! It goes round, as on the real event loop: what is under way, then the next event of the protocol, until it needs something that is
//! not there.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use cherrystone_core::gateway::{Advance, Gateway, Mode};
use cherrystone_core::{Event, Framing};

use super::driver::{Bell, Driver, Fault, INLINE_BODY, MARK, Next, Slot, UNREAD};
use super::served::{InlinePort, Passed, Read, Served};

/// Rounds in one turn.
pub(super) const ROUNDS: usize = 24;

impl Driver {
    /// Moves a connection on as far as that is possible without waiting.
    pub(super) fn progress(&mut self, served: &mut Served) -> io::Result<Next> {
        let reads = served.ongoing.as_ref().is_none_or(|ongoing| ongoing.reads_input());
        if reads && self.slot(served.key).readable && self.is_overdue(served) {
            self.take_in(served)?;
        }
        for _ in 0..ROUNDS {
            if (served.ending || served.link.tx.len() >= MARK) && !served.write()? {
                return Ok(Next::Wait);
            }
            let next = if served.ongoing.is_some() { self.go_on(served)? } else { self.round(served)? };
            if let Some(next) = next {
                if matches!(next, Next::Worker) {
                    served.write()?;
                }
                return Ok(next);
            }
        }
        Ok(Next::Again)
    }

    /// One event of the protocol.
    fn round(&mut self, served: &mut Served) -> io::Result<Option<Next>> {
        let around = Rc::clone(&self.around);
        let env = around.env();
        let link = &mut served.link;
        match link.conn.poll(&env, &mut link.rx) {
            Ok(Event::Request(head)) => {
                head.copy_into(&mut served.head);
                served.intake.clear();
                let (mode, framing) = (self.app.mode(head), head.framing());
                if let Err(violation) = link.conn.admit() {
                    link.conn.refuse(&env, violation, &mut link.tx);
                    return Ok(None);
                }
                served.due = true;
                match (mode, framing) {
                    (Mode::Inline, Framing::None | Framing::Length(0)) => self.handle(served),
                    (Mode::Inline, Framing::Chunked) => {}
                    (Mode::Inline, Framing::Length(octets)) if octets <= INLINE_BODY => {}
                    _ => return Ok(Some(Next::Worker)),
                }
            }
            Ok(Event::Data(data)) => {
                if served.due {
                    served.intake.collect(data);
                    if served.intake.len() as u64 > INLINE_BODY {
                        return Ok(Some(Next::Worker));
                    }
                }
            }
            Ok(Event::End(trailers)) => {
                if served.due {
                    served.intake.end(trailers);
                    self.handle(served);
                }
            }
            Ok(Event::NeedInput) => return self.read(served),
            Ok(Event::NeedContinue) => {
                if link.conn.proceed(&mut link.tx).is_err() {
                    link.conn.abort(&env, &mut link.tx);
                }
            }
            Ok(Event::Shutdown) if around.fault == Fault::AbruptClose => {
                served.write()?;
                return Ok(Some(Next::Drop(false)));
            }
            Ok(Event::Shutdown) => {
                // Nothing was said that a close could destroy.
                if link.is_handshaking() {
                    return Ok(Some(Next::Drop(false)));
                }
                if around.fault != Fault::Unannounced {
                    link.farewell();
                }
                served.ending = true;
                if !served.write()? {
                    return Ok(Some(Next::Wait));
                }
            }
            Ok(Event::Closed) => return Ok(Some(Next::Drop(false))),
            Ok(Event::NeedResponse | Event::Upgraded) => {
                link.conn.abort(&env, &mut link.tx);
                link.conn.end_upgrade();
            }
            Err(violation) => {
                served.due = false;
                link.conn.refuse(&env, violation, &mut link.tx);
            }
        }
        Ok(None)
    }

    fn handle(&mut self, served: &mut Served) {
        if self.around.stopping.get() {
            served.link.conn.retire();
        }
        served.handle(&*self.app, &self.peer, |served, handle| handle(&mut InlinePort(served)));
    }

    fn read(&mut self, served: &mut Served) -> io::Result<Option<Next>> {
        if self.resumes(served)? {
            return Ok(None);
        }
        served.write()?;
        if !self.slot(served.key).readable {
            return Ok(Some(Next::Wait));
        }
        self.take_in(served)?;
        Ok(None)
    }

    /// Whether the stage had something that had come before.
    pub(super) fn resumes(&self, served: &mut Served) -> io::Result<bool> {
        Ok(self.around.fault != Fault::Unresumed && served.link.resume().map_err(io::Error::other)?)
    }

    pub(super) fn take_in(&mut self, served: &mut Served) -> io::Result<Read> {
        let slot = self.slot(served.key);
        let read = served.read()?;
        slot.readable = match read {
            Read::Some => true,
            Read::Last => slot.ended,
            Read::Nothing | Read::End => false,
        };
        Ok(read)
    }

    /// Goes on with an answer whose handler has returned.
    fn go_on(&mut self, served: &mut Served) -> io::Result<Option<Next>> {
        let key = served.key;
        let slot = self.slot(key);
        if slot.waits && !slot.woken {
            return Self::await_application(slot, served).map(Some);
        }
        match served.pass()? {
            None => {}
            Some(Passed::More) => return Ok(Some(Next::Again)),
            Some(Passed::Blocked) => return Ok(Some(Next::Wait)),
            Some(Passed::Finished) => {
                served.ongoing = None;
                return Ok(None);
            }
        }
        (slot.woken, slot.waits) = (false, false);
        let Some(more) = &mut served.ongoing else { return Ok(None) };
        if self.around.stopping.get() {
            served.link.conn.retire();
        }
        let waker = Waker::from(Arc::new(Bell { key, rung: Arc::clone(&self.rung) }));
        match more.advance(&mut served.link, &self.around.env(), MARK, &waker) {
            Advance::Finished => served.ongoing = None,
            Advance::Room => {
                if !served.write()? {
                    return Ok(Some(Next::Wait));
                }
            }
            Advance::Waker => {
                if self.around.fault == Fault::LostWake {
                    self.rung.lock().expect("no panic holds it").retain(|rung| *rung != key);
                }
                let slot = self.slot(key);
                slot.waits = true;
                return Self::await_application(slot, served).map(Some);
            }
            Advance::Input if served.link.rx.unread().len() < UNREAD => return self.read(served),
            Advance::Input => {
                served.write()?;
                return Ok(Some(Next::Wait));
            }
        }
        Ok(None)
    }

    fn await_application(slot: &Slot, served: &mut Served) -> io::Result<Next> {
        served.write()?;
        Ok(if slot.ended && served.wire.borrow().is_reset() { Next::Drop(false) } else { Next::Wait })
    }
}
