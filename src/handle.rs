//! How is a server reached from other threads, before, while and after it runs?
//!
//! Through a [`Handle`].

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use cherrystone_threads::{Clock, Running, Shared, Snapshot, Stopped, workers};

/// The way to a server from other threads.
#[derive(Clone, Default)]
pub struct Handle {
    shared: Arc<(Mutex<State>, Condvar)>,
}

/// How far a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// It has not begun to serve.
    Starting,
    /// It takes requests.
    Serving,
    /// It is to stop, or has stopped.
    Draining,
}

#[derive(Default)]
struct State {
    /// Not to be kept alive by its handles, since dropping it is a way to end it.
    running: Weak<Running>,
    /// The same for a server that is turned by hand.
    turned: Weak<Shared>,
    /// Whether it has begun to serve.
    begun: bool,
    /// Whether it takes no more connections.
    leaving: bool,
    /// How long requests under way may take, once a stop was asked for.
    stop: Option<Duration>,
    interrupt: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl State {
    /// The nearest end counts.
    fn bring_nearer(&mut self, within: Duration) {
        self.stop = Some(self.stop.map_or(within, |stop| stop.min(within)));
    }

    fn upgrade(&self) -> (Option<Arc<Running>>, Option<Arc<Shared>>) {
        (self.running.upgrade(), self.turned.upgrade())
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// Ends the server, and returns when it has ended: listeners at once, idle connections too, requests under way within that time.
    /// A server that does not run yet will not.
    pub fn stop(&self, within: Duration) -> Stopped {
        let running = self.ask(|state| state.bring_nearer(within));
        running.map_or_else(Stopped::default, |running| running.stop(within))
    }

    /// Asks the server to end, and returns at once; for signal handlers.
    pub fn request_stop(&self, within: Duration) {
        self.ask(|state| state.bring_nearer(within));
    }

    /// Ends listening, and lets every connection have one more answer, which says that it is the last. A gentle way to hand over to
    /// another process that listens at the same addresses: clients that are busy come to know before they lose anything. Follow
    /// with a stop.
    pub fn leave(&self) {
        self.ask(|state| state.leaving = true);
    }

    /// How far the server is.
    pub fn phase(&self) -> Phase {
        let state = self.state();
        if state.leaving || state.stop.is_some() {
            Phase::Draining
        } else if state.begun {
            Phase::Serving
        } else {
            Phase::Starting
        }
    }

    /// Threads and queue now; `None` if the server does not run.
    pub fn workers(&self) -> Option<workers::Counts> {
        self.upgrade().0.map(|running| running.workers())
    }

    /// Cuts what a stop under way still waits for.
    pub fn cut(&self) {
        let (running, turned) = self.upgrade();
        if let Some(running) = running {
            running.cut();
        }
        if let Some(turned) = turned {
            turned.cut();
        }
    }

    /// Ends the server at once and makes [`Server::run`](crate::Server::run) return this error.
    pub fn interrupt(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) {
        self.ask(|state| {
            state.interrupt.get_or_insert(error.into());
            state.stop = Some(Duration::ZERO);
        });
    }

    /// The counters now; `None` if the server does not run.
    pub fn stats(&self) -> Option<Snapshot> {
        let (running, turned) = self.upgrade();
        running.map(|running| running.stats()).or_else(|| turned.map(|turned| turned.stats.snapshot()))
    }

    /// Lets the server run until a stop is asked for, and ends it then.
    pub fn wait_until_stopped(&self, running: &Running) -> Stopped {
        let within = self.wait();
        let stopped = running.stop(within);
        self.state().running = Weak::new();
        stopped
    }

    /// Waits for a stop to be asked for.
    fn wait(&self) -> Duration {
        let mut state = self.state();
        loop {
            if let Some(within) = state.stop {
                return within;
            }
            state = self.shared.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that the server has begun to serve, and lets it know of what was asked for before.
    pub(crate) fn begin(&self, running: &Arc<Running>) {
        self.ask(|state| (state.running, state.begun) = (Arc::downgrade(running), true));
    }

    /// The same for a server that is turned by hand.
    pub(crate) fn begin_turning(&self, turned: &Arc<Shared>) {
        self.ask(|state| (state.turned, state.begun) = (Arc::downgrade(turned), true));
    }

    /// The error that it was interrupted with.
    pub(crate) fn take_interrupt(&self) -> Option<Box<dyn std::error::Error + Send + Sync>> {
        self.state().interrupt.take()
    }

    /// Notes what is asked for, and lets the server and whoever waits for its end know of all that was.
    fn ask(&self, what: impl FnOnce(&mut State)) -> Option<Arc<Running>> {
        let (leaving, stop, (running, turned)) = {
            let mut state = self.state();
            what(&mut state);
            (state.leaving, state.stop, state.upgrade())
        };
        self.shared.1.notify_all();
        if let Some(running) = &running {
            if leaving {
                running.leave();
            }
            if let Some(within) = stop {
                running.request_stop(within);
            }
        }
        if let Some(turned) = turned {
            if leaving {
                turned.leave();
            }
            if let Some(within) = stop {
                turned.stop(Clock::look() + within);
            }
        }
        running
    }

    /// Whichever there is; the lock is free again, for the last reference may end the server.
    fn upgrade(&self) -> (Option<Arc<Running>>, Option<Arc<Shared>>) {
        self.state().upgrade()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a move of one value, so a poisoned lock holds nothing half done.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
