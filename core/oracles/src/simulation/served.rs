//! What does the simulated server hold of a connection, and how does a handler wait?
//!
//! [`Served`] is the link and what is under way, as in a real backend. A handler on a worker runs in a coroutine; its
//! [`BlockingPort`] suspends that where a thread would block.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use cherrystone_core::gateway::{Advance, Answered, Content, Gateway, Intake, Ongoing, Peer, Port, answer};
use cherrystone_core::{Cause, Config, Date, Env, HeadBuf, Instant, Link};
use corosensei::Yielder;

use super::agenda::MS;
use super::driver::Fault;
use super::gateway::Notes;
use super::wire::Wire;

/// Room for a read.
pub(super) const READ: usize = 512;
/// Output above which a pushing handler on a worker waits.
const HIGH_WATER: usize = 2 << 10;
/// Output above which a pushing handler on the loop fails.
const INLINE_HIGH_WATER: usize = 8 << 10;

/// How long a handler waits whose own deadline is not the next one.
const LOOK_UP: u64 = 200 * MS;

/// The surroundings of all connections.
#[derive(Debug)]
pub(super) struct Around {
    pub(super) config: Config,
    pub(super) date: Date,
    pub(super) now: Cell<u64>,
    pub(super) notes: Arc<Mutex<Notes>>,
    pub(super) fault: Fault,
    /// Whether the server was told to stop.
    pub(super) stopping: Cell<bool>,
    /// Jobs that wait for a worker.
    pub(super) queued: Cell<usize>,
    /// Workers that have no job.
    pub(super) idle: Cell<usize>,
}

impl Around {
    pub(super) fn env(&self) -> Env<'_> {
        Env { config: &self.config, now: Instant::from_nanos(self.now.get()), date: Some(&self.date) }
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) key: usize,
    pub(super) link: Link,
    pub(super) wire: Rc<RefCell<Wire>>,
    pub(super) around: Rc<Around>,
    pub(super) head: HeadBuf,
    pub(super) intake: Intake,
    /// Whether a request waits for its handler, or for its content before that.
    pub(super) due: bool,
    pub(super) ongoing: Option<Ongoing>,
    /// Whether our side ends once everything is sent.
    pub(super) ending: bool,
    /// When it was put into the queue.
    pub(super) queued_at: u64,
}

/// Runs the handler over a port.
pub(super) type Handle<'h> = dyn FnMut(&mut dyn Port) + 'h;

/// What passing content on came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// The socket may take more.
    More,
    /// The socket takes no more now.
    Blocked,
    /// The answer is complete, or was given up.
    Finished,
}

/// What a read came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// Octets, and perhaps more behind them.
    Some,
    /// Octets, and no more for now.
    Last,
    Nothing,
    End,
}

impl Served {
    /// Has the request that is due answered through a port that `over` makes of this connection.
    pub(super) fn handle(&mut self, gateway: &dyn Gateway, peer: &Peer, over: impl FnOnce(&mut Self, &mut Handle<'_>)) {
        self.due = false;
        let head = std::mem::take(&mut self.head);
        let mut intake = std::mem::take(&mut self.intake);
        let mut answered = Answered::Complete;
        over(self, &mut |port| answered = answer(gateway, head.head(), port, &mut intake, peer));
        if let Answered::Ongoing(ongoing) = answered {
            self.ongoing = Some(ongoing);
        }
        (self.head, self.intake) = (head, intake);
    }

    /// Reads once.
    pub(super) fn read(&mut self) -> io::Result<Read> {
        let room = self.link.spare(READ);
        let size = room.len();
        match self.wire.borrow_mut().recv(room) {
            Ok(0) => {
                self.link.close().map_err(io::Error::other)?;
                Ok(Read::End)
            }
            Ok(n) => {
                self.link.received(n).map_err(io::Error::other)?;
                Ok(if n == size { Read::Some } else { Read::Last })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Read::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Hands the socket content that is in memory, behind what is queued; `None` if there is none that can pass.
    pub(super) fn pass(&mut self) -> io::Result<Option<Passed>> {
        let Some(Content::Octets(_)) = self.ongoing.as_ref().and_then(|more| more.content(&self.link)) else {
            return Ok(None);
        };
        if !self.write()? {
            return Ok(Some(Passed::Blocked));
        }
        let env = self.around.env();
        let Some(more) = &mut self.ongoing else { return Ok(None) };
        let Some(Content::Octets(octets)) = more.content(&self.link) else { return Ok(None) };
        let (n, left) = match self.wire.borrow_mut().send(octets, self.around.now.get()) {
            Ok(n) => (n, octets.len() - n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (0, octets.len()),
            Err(error) => return Err(error),
        };
        if self.around.fault != Fault::SilentStall {
            self.link.passed(&env, n, left).map_err(stalled)?;
        }
        if n > 0 && more.passed(n, &mut self.link, &env) == Advance::Finished {
            return Ok(Some(Passed::Finished));
        }
        Ok(Some(if left > 0 { Passed::Blocked } else { Passed::More }))
    }

    /// Writes what the socket takes, and says whether that was everything.
    pub(super) fn write(&mut self) -> io::Result<bool> {
        loop {
            let out = self.link.outgoing().map_err(io::Error::other)?;
            if out.is_empty() {
                if std::mem::take(&mut self.ending) {
                    self.wire.borrow_mut().shutdown();
                }
                return Ok(true);
            }
            let sent = self.wire.borrow_mut().send(out, self.around.now.get());
            match sent {
                Ok(n) => self.link.sent(&self.around.env(), n).map_err(stalled)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.around.fault != Fault::SilentStall {
                        self.link.sent(&self.around.env(), 0).map_err(stalled)?;
                    }
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn stalled(stalled: cherrystone_core::Stalled) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, stalled)
}

/// What a handler on a worker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) side: Side,
    /// When it waits no longer.
    pub(super) until: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Receiving,
    Sending,
    /// The next request of a connection that is idle.
    Idle,
    /// It has something else to do.
    Nobody,
}

/// How the wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resumed {
    /// Look again.
    News,
    /// The server is given up.
    Abandoned,
}

/// A port that waits.
pub(super) struct BlockingPort<'p> {
    pub(super) served: &'p mut Served,
    pub(super) yielder: &'p Yielder<Resumed, Wait>,
}

impl BlockingPort<'_> {
    pub(super) fn wait(&mut self, side: Side) -> io::Result<()> {
        let deadline = self.served.link.conn.deadline();
        let ours = deadline.filter(|deadline| (deadline.cause == Cause::Send) == (side == Side::Sending));
        // Behind the deadline of the other side, ours may come first later on.
        let until = match (deadline, ours) {
            (None, _) => None,
            (Some(_), None) => Some(self.served.around.now.get() + LOOK_UP),
            (_, Some(ours)) => Some(ours.at.as_nanos()),
        };
        self.suspend(Wait { side, until })
    }

    /// Waits until there is news, or so long.
    pub(super) fn suspend(&mut self, wait: Wait) -> io::Result<()> {
        match self.yielder.suspend(wait) {
            Resumed::News => Ok(()),
            Resumed::Abandoned => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl Port for BlockingPort<'_> {
    fn parts(&mut self) -> (&mut Link, Env<'_>) {
        if self.served.around.stopping.get() {
            self.served.link.conn.retire();
        }
        (&mut self.served.link, self.served.around.env())
    }

    fn fill(&mut self) -> io::Result<()> {
        self.drain()?;
        if self.served.read()? == Read::Nothing {
            self.wait(Side::Receiving)?;
            self.served.read()?;
        }
        Ok(())
    }

    fn drain(&mut self) -> io::Result<()> {
        while !self.served.write()? {
            self.wait(Side::Sending)?;
        }
        Ok(())
    }

    fn high_water(&self) -> usize {
        HIGH_WATER
    }

    fn is_gone(&mut self) -> bool {
        let nap = std::mem::take(&mut self.served.around.notes.lock().expect("no panic holds it").nap);
        let until = Some(self.served.around.now.get() + nap * MS);
        nap > 0 && self.suspend(Wait { side: Side::Nobody, until }).is_err() || self.served.wire.borrow().is_reset()
    }
}

/// A port that never waits.
pub(super) struct InlinePort<'p>(pub(super) &'p mut Served);

impl Port for InlinePort<'_> {
    fn parts(&mut self) -> (&mut Link, Env<'_>) {
        (&mut self.0.link, self.0.around.env())
    }

    fn fill(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn drain(&mut self) -> io::Result<()> {
        if !self.0.write()? && self.0.link.pending() > INLINE_HIGH_WATER {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }

    fn high_water(&self) -> usize {
        INLINE_HIGH_WATER
    }

    fn is_gone(&mut self) -> bool {
        self.0.wire.borrow().is_reset()
    }
}
