//! How is a server started, and how does it end?
//!
//! [`start`] makes a [`Running`] server, whichever backend drives it. It ends by [`Running::stop`], from any thread, or by being
//! dropped.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cherrystone_core::gateway::Gateway;
use mio::Poll;

use crate::clock::Clock;
use crate::job::{Desk, Job};
use crate::parker::Parker;
use crate::shared::{Door, Settings, Shared};
use crate::stats::Snapshot;
use crate::workers::{self, Counts, Executor, Workers};

/// A server at work.
pub struct Running {
    shared: Arc<Shared>,
    crew: Arc<dyn Executor<Job>>,
    loops: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// How a stop went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Connections that were cut because they had not ended by the deadline.
    pub cut: u64,
    /// Handlers that were still at work then. Their threads end with them.
    pub busy: usize,
}

/// Serves on the thread-pool backend.
///
/// # Errors
/// No thread or descriptor is left.
pub fn start(doors: Vec<Door>, gateway: Arc<dyn Gateway>, settings: Settings) -> io::Result<Running> {
    let crew = crew(&settings)?;
    let shared = Shared::new(gateway, settings);
    let poll = Poll::new()?;
    let inbox = Parker::inbox(&poll)?;
    shared.subscribe(Arc::clone(&inbox));
    let desk = Arc::new(Desk { shared: Arc::clone(&shared), inbox, crew: Arc::clone(&crew) });
    let parker = Parker::new(poll, desk, doors)?;
    let thread = std::thread::Builder::new().name("cherrystone-park".into()).spawn(move || parker.run())?;
    Ok(Running::new(shared, crew, vec![thread]))
}

/// The workers that these settings ask for.
///
/// # Errors
/// The settings make no sense, or no thread is left.
pub fn crew(settings: &Settings) -> io::Result<Arc<dyn Executor<Job>>> {
    let wanted = workers::Settings {
        min: settings.min_threads,
        max: Some(settings.max_threads),
        queue: settings.queue,
        ..workers::Settings::default()
    };
    Ok(Arc::new(Workers::start(wanted, Job::run)?))
}

impl Running {
    /// A server whose loops run on these threads.
    pub fn new(shared: Arc<Shared>, crew: Arc<dyn Executor<Job>>, loops: Vec<JoinHandle<()>>) -> Self {
        Self { shared, crew, loops: Mutex::new(loops) }
    }

    /// Stops: listeners first, idle connections at once, requests under way by `within`, what is left then is cut. No thread of
    /// the server outlives it, but for handlers that do not come back. Repeating it is allowed, from any thread.
    pub fn stop(&self, within: Duration) -> Stopped {
        let deadline = Instant::now().checked_add(within);
        self.shared.stop(Clock::new().now() + within);
        let mut stopped = Stopped::default();
        let mut loops = std::mem::take(&mut *self.loops.lock().unwrap_or_else(PoisonError::into_inner));
        let is_first = !loops.is_empty();
        while loops.iter().any(|thread| !thread.is_finished()) {
            if !self.shared.is_cutting() && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                stopped.cut = self.shared.stats.snapshot().open;
                self.shared.cut();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        // A loop that panicked is as ended as any.
        loops.drain(..).for_each(|thread| drop(thread.join()));
        self.shared.cut();
        let crew = self.crew.stop(Instant::now() + Duration::from_secs(1));
        stopped.busy = crew.busy;
        if is_first {
            self.shared.conclude();
        }
        stopped
    }

    /// Cuts at once what a stop under way would wait for.
    pub fn cut(&self) {
        self.shared.stop(Clock::new().now());
        self.shared.cut();
    }

    /// The counters now.
    pub fn stats(&self) -> Snapshot {
        self.shared.stats.snapshot()
    }

    /// Threads and queue now.
    pub fn workers(&self) -> Counts {
        self.crew.counts()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}
