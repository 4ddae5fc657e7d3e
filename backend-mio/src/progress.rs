//! What does a connection do with its turn?
//!
//! It goes round: what is under way, then the next event of the protocol, until it needs something that is not there.

use std::io;
use std::task::Waker;

use cherrystone_core::gateway::{Advance, Mode};
use cherrystone_core::{Event, Framing};
use cherrystone_threads::reactor::{Next, Reactor};
use cherrystone_threads::{Client, Count, Passed, Written};

use crate::event_loop::EventLoop;
use crate::inline;

/// Octets of output above which nothing more is said before the client takes some.
const MARK: usize = 64 << 10;
/// Rounds that a connection may go before others get their turn.
const ROUNDS: usize = 256;
/// How many of these a piece of a long answer counts as, so that there are about as many octets in a turn either way.
const PIECE: usize = 16;
/// Octets of input that it may use up in these.
const INPUT: u64 = 1 << 20;

impl EventLoop {
    /// Moves a connection on as far as that is possible without waiting.
    ///
    /// # Errors
    /// The connection is lost, or too slow.
    #[inline]
    pub(crate) fn progress(&mut self, key: usize, client: &mut Client) -> io::Result<Next> {
        client.link.wake(&mut self.reactor.pool);
        let before = client.link.conn.consumed();
        let wants_input = client.ongoing.as_ref().is_none_or(|ongoing| ongoing.reads_input());
        let is_waiting = wants_input && self.reactor.slots[key].readable;
        if is_waiting && client.is_overdue(&self.reactor.clock.env(&self.reactor.desk.shared.settings.config)) {
            self.take_in(key, client)?;
        }
        let mut rounds = 0;
        while rounds < ROUNDS {
            rounds += if client.ongoing.is_some() { PIECE } else { 1 };
            if client.link.conn.consumed() - before > INPUT {
                break;
            }
            if (client.is_ending() || client.link.tx.len() >= MARK) && self.write(client)? == Written::Blocked {
                return Ok(Next::Wait);
            }
            let next = if client.ongoing.is_some() { self.go_on(key, client)? } else { self.round(key, client)? };
            if let Some(next) = next {
                if matches!(next, Next::Worker) && client.link.pending() > 0 {
                    // What earlier answers left is no business of a handler that may take its time.
                    self.write(client)?;
                }
                return Ok(next);
            }
        }
        Ok(Next::Again)
    }

    fn write(&mut self, client: &mut Client) -> io::Result<Written> {
        // Who has an answer finds it counted.
        self.count_requests();
        client.write(&self.reactor.clock.env(&self.reactor.desk.shared.settings.config))
    }

    /// Counts what was handled here, many requests at once: other threads read the counters.
    pub(crate) fn count_requests(&mut self) {
        let handled = std::mem::take(&mut self.handled);
        if handled > 0 {
            self.reactor.desk.shared.stats.add_many(Count::Requests, handled);
        }
    }

    /// One event of the protocol.
    #[inline]
    fn round(&mut self, key: usize, client: &mut Client) -> io::Result<Option<Next>> {
        let shared = &self.reactor.desk.shared;
        let env = self.reactor.clock.env(&shared.settings.config);
        let Client { link, request, .. } = client;
        match link.conn.poll(&env, &mut link.rx) {
            Ok(Event::Request(head)) => {
                let mode = shared.gateway.mode(head);
                let framing = head.framing();
                let mut storage = self.reactor.requests.pop().unwrap_or_default();
                storage.begin(head);
                let admitted = storage.admit(link, shared, &env);
                *request = Some(storage);
                if let Err(violation) = admitted {
                    client.refuse(shared, &env, violation);
                    self.reactor.store(client.request.take());
                    return Ok(None);
                }
                return Ok(self.dispatch(client, mode, framing));
            }
            Ok(Event::Data(data)) => {
                if let Some(collecting) = request {
                    collecting.intake.collect(data);
                    if collecting.intake.len() > shared.settings.inline_body {
                        collecting.is_due = true;
                        return Ok(Some(Next::Worker));
                    }
                }
            }
            Ok(Event::End(trailers)) => {
                if let Some(collected) = request {
                    collected.intake.end(trailers);
                    self.handle(client);
                }
            }
            Ok(Event::NeedInput) => return self.read(key, client),
            Ok(Event::NeedContinue) => {
                if link.conn.proceed(&mut link.tx).is_err() {
                    link.conn.abort(&env, &mut link.tx);
                }
            }
            Ok(Event::Shutdown) => {
                // Nothing was said that a close could destroy.
                if link.is_handshaking() {
                    return Ok(Some(Next::Drop));
                }
                client.end();
                if self.write(client)? == Written::Blocked {
                    return Ok(Some(Next::Wait));
                }
            }
            Ok(Event::Closed) => return Ok(Some(Next::Drop)),
            Ok(Event::NeedResponse | Event::Upgraded) => {
                // A request that nothing answers any more: its handler gave an answer up half-way.
                link.conn.abort(&env, &mut link.tx);
                link.conn.end_upgrade();
                client.observe(shared);
            }
            Err(violation) => {
                client.refuse(shared, &env, violation);
                self.reactor.store(client.request.take());
            }
        }
        Ok(None)
    }

    /// Sends a request that is due where it is handled.
    #[inline]
    fn dispatch(&mut self, client: &mut Client, mode: Mode, framing: Framing) -> Option<Next> {
        let inline_body = self.reactor.desk.shared.settings.inline_body as u64;
        match (mode, framing) {
            (Mode::Inline, Framing::None | Framing::Length(0)) => {
                self.handle(client);
                None
            }
            (Mode::Inline, Framing::Chunked) => self.collect(client, 0),
            (Mode::Inline, Framing::Length(octets)) if octets <= inline_body => self.collect(client, octets as usize),
            (Mode::Inline | Mode::Blocking, _) => Some(Next::Worker),
        }
    }

    /// Lets the content come before the handler sees the request.
    fn collect(&mut self, client: &mut Client, announced: usize) -> Option<Next> {
        if let Some(request) = &mut client.request {
            request.is_due = false;
            request.intake.expect(announced, &mut self.reactor.pool);
        }
        None
    }

    #[inline]
    fn handle(&mut self, client: &mut Client) {
        if self.reactor.desk.shared.is_leaving() {
            client.link.conn.retire();
        }
        self.handled += 1;
        inline::handle(client, &self.reactor.clock, &self.reactor.desk.shared);
        self.reactor.store(client.take_request());
    }

    /// Needs input: says what is queued, then reads if there may be something.
    #[inline]
    fn read(&mut self, key: usize, client: &mut Client) -> io::Result<Option<Next>> {
        if client.link.resume().map_err(io::Error::other)? {
            return Ok(None);
        }
        if client.link.pending() > 0 {
            self.write(client)?;
        }
        if !self.reactor.slots[key].readable {
            return Ok(Some(Next::Wait));
        }
        self.take_in(key, client)?;
        Ok(None)
    }

    /// Reads once; content that is collected goes straight to the rest.
    #[inline]
    fn take_in(&mut self, key: usize, client: &mut Client) -> io::Result<()> {
        let Reactor { slots, clock, desk, .. } = &mut self.reactor;
        if client.request.is_some() && client.ongoing.is_none() {
            let settings = &desk.shared.settings;
            slots[key].collect(client, &clock.env(&settings.config), settings.inline_body)?;
        } else {
            slots[key].read(client)?;
        }
        Ok(())
    }

    /// Goes on with an answer whose handler has returned, or with another protocol.
    fn go_on(&mut self, key: usize, client: &mut Client) -> io::Result<Option<Next>> {
        if !self.reactor.slots[key].woken {
            return self.await_application(key, client);
        }
        if self.reactor.desk.shared.is_leaving() {
            client.link.conn.retire();
        }
        self.count_requests();
        let env = self.reactor.clock.env(&self.reactor.desk.shared.settings.config);
        match client.pass(&env)? {
            None => {}
            Some(Passed::More) => return Ok(Some(Next::Again)),
            Some(Passed::Blocked) => return Ok(Some(Next::Wait)),
            Some(Passed::Finished) => {
                self.conclude(client);
                return Ok(None);
            }
        }
        let Client { link, ongoing, .. } = client;
        let Some(more) = ongoing else { return Ok(None) };
        let slot = &mut self.reactor.slots[key];
        let waker =
            if more.needs_waker() { slot.waker(key, &self.reactor.desk.inbox).waker() } else { Waker::noop().clone() };
        match more.try_advance(link, &env, MARK, &waker) {
            Err(violation) => {
                client.ongoing = None;
                client.refuse(&self.reactor.desk.shared, &env, violation);
                self.conclude(client);
            }
            Ok(Advance::Finished) => self.conclude(client),
            Ok(Advance::Room) => {
                if self.write(client)? == Written::Blocked {
                    return Ok(Some(Next::Wait));
                }
            }
            Ok(Advance::Waker) => {
                self.reactor.slots[key].woken = false;
                return self.await_application(key, client);
            }
            Ok(Advance::Input) => {
                if client.has_room() {
                    return self.read(key, client);
                }
                self.write(client)?;
                return Ok(Some(Next::Wait));
            }
        }
        Ok(None)
    }

    /// The answer under way has come to its end.
    fn conclude(&mut self, client: &mut Client) {
        if let Some(ongoing) = &mut client.ongoing {
            ongoing.rest(&mut self.reactor.pool);
        }
        client.conclude(&self.reactor.desk.shared);
        self.reactor.store(client.take_request());
    }

    /// Says what there is while the application has no more.
    fn await_application(&mut self, key: usize, client: &mut Client) -> io::Result<Option<Next>> {
        self.write(client)?;
        Ok(Some(if self.reactor.slots[key].is_deserted(client) { Next::Drop } else { Next::Wait }))
    }
}
