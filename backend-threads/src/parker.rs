//! Where do connections wait that need no worker?
//!
//! In the [`Parker`]: one thread that accepts, and holds every connection that is idle, whose head is incomplete, that lingers, or
//! that waits for its application. It hands a connection to a worker when a request is complete or there is something to be
//! said. Until then it reads without waiting, and moves the connection on as far as that goes: through heads, refusals, the drain
//! of content that nobody read, and the time to linger.
//!
//! Invariants:
//! 1. A connection costs no worker before its first head is complete, nor while it is idle.

use std::io;
use std::sync::Arc;

use cherrystone_core::Event;
use mio::Interest;

use crate::client::{Client, Read, Written};
use crate::job::{Job, Task};
use crate::reactor::{Driver, Next, Reactor, turn};
use crate::shared::{Door, Shared};
use crate::slots::Slot;
use crate::workers::Executor;

/// Steps, and so reads, that a connection may take before others get their turn.
const ROUNDS: usize = 32;

/// The thread that holds what waits.
pub(crate) struct Parker(Reactor);

impl Parker {
    pub(crate) fn new(doors: Vec<Door>, shared: Arc<Shared>, crew: Arc<dyn Executor<Job>>) -> io::Result<Self> {
        Reactor::new(doors, shared, crew).map(Self)
    }

    /// Runs until the server has stopped.
    pub(crate) fn run(mut self) {
        while turn(&mut self, None) {}
    }

    /// One event of the protocol.
    fn round(&mut self, key: usize, client: &mut Client) -> io::Result<Option<Next>> {
        let Reactor { desk, slots, clock, requests, .. } = &mut self.0;
        let shared = &desk.shared;
        let env = clock.env(&shared.settings.config);
        let Client { link, request, .. } = client;
        match link.conn.poll(&env, &mut link.rx) {
            Ok(Event::Request(head)) => {
                let mut storage = requests.pop().unwrap_or_default();
                storage.begin(head);
                let admitted = storage.admit(link, shared, &env);
                *request = Some(storage);
                match admitted {
                    Ok(()) => return Ok(Some(Next::Worker)),
                    Err(violation) => client.refuse(shared, &env, violation),
                }
                requests.extend(client.take_request());
            }
            Ok(Event::NeedInput) => {
                if link.resume().map_err(io::Error::other)? {
                    return Ok(None);
                }
                if link.pending() > 0 && client.write(&env)? == Written::Blocked {
                    return Ok(Some(Next::Worker));
                }
                if !slots[key].readable {
                    return Ok(Some(Next::Wait));
                }
                slots[key].read(client)?;
            }
            Ok(Event::Shutdown) => {
                // Nothing was said that a close could destroy.
                if link.is_handshaking() {
                    return Ok(Some(Next::Drop));
                }
                client.end();
                if client.write(&env)? == Written::Blocked {
                    return Ok(Some(Next::Worker));
                }
            }
            Ok(Event::Closed) => return Ok(Some(Next::Drop)),
            Ok(_) => return Ok(Some(Next::Worker)),
            Err(violation) => client.refuse(shared, &env, violation),
        }
        Ok(None)
    }

    /// Looks whether an answer under way, or another protocol, has something for a worker to do.
    fn await_application(&mut self, key: usize, client: &mut Client) -> io::Result<Next> {
        let Reactor { desk, slots, clock, .. } = &mut self.0;
        let slot = &mut slots[key];
        if slot.woken {
            return Ok(Next::Worker);
        }
        if client.ongoing.as_ref().is_some_and(|ongoing| ongoing.reads_input()) {
            if client.link.resume().map_err(io::Error::other)? {
                return Ok(Next::Worker);
            }
            if client.has_room() && !client.link.rx.is_closed() && slot.readable && slot.read(client)? != Read::Nothing
            {
                return Ok(Next::Worker);
            }
            if client.is_overdue(&clock.env(&desk.shared.settings.config)) {
                return Ok(Next::Worker);
            }
        }
        Ok(if slot.is_deserted(client) { Next::Drop } else { Next::Wait })
    }
}

impl Driver for Parker {
    // Whoever takes output slowly gets a worker, which waits.
    const INTEREST: Interest = Interest::READABLE;

    fn reactor(&mut self) -> &mut Reactor {
        &mut self.0
    }

    fn advance(&mut self, key: usize, client: &mut Client) -> io::Result<Next> {
        if client.has_request() {
            return Ok(Next::Worker);
        }
        if client.ongoing.is_some() {
            return self.await_application(key, client);
        }
        let Reactor { desk, slots, clock, pool, .. } = &mut self.0;
        client.link.wake(pool);
        if slots[key].readable && client.is_overdue(&clock.env(&desk.shared.settings.config)) {
            slots[key].read(client)?;
        }
        for _ in 0..ROUNDS {
            if let Some(next) = self.round(key, client)? {
                return Ok(next);
            }
        }
        Ok(Next::Again)
    }

    fn task(&mut self, key: usize) -> Task {
        let Reactor { desk, slots, .. } = &mut self.0;
        let slot = &mut slots[key];
        slot.woken = false;
        Task::Serve(Arc::clone(slot.waker(key, &desk.inbox)))
    }

    fn returned(slot: &mut Slot) {
        slot.readable = true;
    }
}
