//! What is an event loop, and what does it leave to workers?
//!
//! [`EventLoop`] is a [`reactor`](cherrystone_threads::reactor) that does on its own thread whatever does not block, writing included, and
//! gives a worker nothing but the request to answer. What a connection does with its turn is in `progress`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cherrystone_threads::reactor::{Driver, Next, Reactor, turn};
use cherrystone_threads::workers::Executor;
use cherrystone_threads::{Client, Desk, Door, Job, Shared, Slot, Task};
use mio::Interest;

/// One event loop. A program that has a main loop of its own may turn it by hand.
#[derive(Debug)]
pub struct EventLoop {
    pub(crate) reactor: Reactor,
    pub(crate) neighbours: Vec<Arc<Desk>>,
    /// Requests that were handled here and are not counted yet.
    pub(crate) handled: u64,
    /// Whether its end is the end of the server.
    pub(crate) alone: bool,
}

impl EventLoop {
    /// A loop over these doors. Requests that may block go to `crew`.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new(doors: Vec<Door>, shared: Arc<Shared>, crew: Arc<dyn Executor<Job>>) -> io::Result<Self> {
        let reactor = Reactor::new(doors, shared, crew)?;
        Ok(Self { reactor, neighbours: Vec::new(), handled: 0, alone: false })
    }

    /// Runs until the server has stopped.
    pub fn run(&mut self) {
        while self.turn(None) {}
    }

    /// Waits for something to do, at most `timeout`, and does it. Says whether the loop is to go on: not after the server has
    /// stopped.
    pub fn turn(&mut self, timeout: Option<Duration>) -> bool {
        let goes_on = turn(self, timeout);
        if !goes_on && std::mem::take(&mut self.alone) {
            self.reactor.desk.shared.conclude();
        }
        goes_on
    }
}

impl Driver for EventLoop {
    const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE);

    #[inline]
    fn reactor(&mut self) -> &mut Reactor {
        &mut self.reactor
    }

    #[inline]
    fn advance(&mut self, key: usize, client: &mut Client) -> io::Result<Next> {
        let next = self.progress(key, client);
        self.count_requests();
        next
    }

    fn task(&mut self, _: usize) -> Task {
        Task::Answer
    }

    fn returned(slot: &mut Slot) {
        slot.woken = true;
    }

    fn place(&mut self, newcomer: Box<Client>) -> Option<Box<Client>> {
        self.pass_on(newcomer)
    }
}
