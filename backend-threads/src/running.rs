//! How is a server started, and how does it end?
//!
//! [`start`] makes a [`Running`] server, whichever backend drives it. It ends by [`Running::stop`], from any thread, or by being
//! dropped.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cherrystone_core::gateway::Gateway;

use crate::clock::Clock;
use crate::job::Job;
use crate::parker::Parker;
use crate::shared::{Door, Settings, Shared};
use crate::stats::Snapshot;
use crate::workers::{self, Counts, Executor, Workers};

/// A server at work.
pub struct Running {
    shared: Arc<Shared>,
    crew: Arc<dyn Executor<Job>>,
    end: Mutex<End>,
}

/// How far the end is. The lock is held for the whole of a stop, so that others wait for it.
struct End {
    loops: Vec<JoinHandle<()>>,
    stopped: Option<Stopped>,
}

/// How long threads may take to notice that everything was cut.
const AFTER_CUT: Duration = Duration::from_secs(1);

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("shared", &self.shared).finish_non_exhaustive()
    }
}

/// How a stop went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Connections that were cut because what was under way had not ended by the deadline.
    pub cut: u64,
    /// Handlers that were still at work a second later. Their threads end with them.
    pub busy: usize,
}

/// Serves on the thread-pool backend.
///
/// # Errors
/// No thread or descriptor is left.
pub fn start(doors: Vec<Door>, gateway: Arc<dyn Gateway>, settings: Settings) -> io::Result<Running> {
    start_on(crew(&settings)?, doors, gateway, settings)
}

/// The same with workers of somebody else.
///
/// # Errors
/// No thread or descriptor is left.
pub fn start_on(
    crew: Arc<dyn Executor<Job>>,
    doors: Vec<Door>,
    gateway: Arc<dyn Gateway>,
    settings: Settings,
) -> io::Result<Running> {
    let shared = Shared::new(gateway, settings);
    let parker = Parker::new(doors, Arc::clone(&shared), Arc::clone(&crew))?;
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
        delay: settings.growth_delay,
        ..workers::Settings::default()
    };
    Ok(Arc::new(Workers::start(wanted, Job::run)?))
}

impl Running {
    /// A server whose loops run on these threads.
    pub fn new(shared: Arc<Shared>, crew: Arc<dyn Executor<Job>>, loops: Vec<JoinHandle<()>>) -> Self {
        Self { shared, crew, end: Mutex::new(End { loops, stopped: None }) }
    }

    /// Stops: listeners first, idle connections at once, requests under way by `within`, what is left then is cut. No thread of
    /// the server outlives it, but for handlers that do not come back. Repeating it is allowed, from any thread: every call
    /// returns when the server has ended, with the same figures, and the nearest deadline counts.
    ///
    /// Called by a handler it does not wait for the thread that this handler runs on.
    pub fn stop(&self, within: Duration) -> Stopped {
        self.shared.stop(Clock::new().now() + within);
        let me = std::thread::current().id();
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stopped) = end.stopped {
            return stopped;
        }
        let mut stuck = 0;
        for thread in end.loops.drain(..).filter(|thread| thread.thread().id() != me) {
            if self.await_end(&thread) {
                // A loop that panicked is as ended as any.
                drop(thread.join());
            } else {
                stuck += 1;
            }
        }
        self.shared.cut();
        let crew = self.crew.stop(Instant::now() + AFTER_CUT);
        let stopped = Stopped { cut: self.stats().cut, busy: crew.busy + stuck };
        drop(crew);
        self.shared.discard_notes();
        self.shared.conclude();
        end.stopped = Some(stopped);
        stopped
    }

    /// Waits for a loop to end, which sees to the deadline by itself; says whether it did. A handler that never comes back can
    /// keep it.
    fn await_end(&self, thread: &JoinHandle<()>) -> bool {
        while !thread.is_finished() {
            if Clock::new().now() >= self.shared.cut_at() + AFTER_CUT {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// Asks for a stop and does not wait for it; the loops keep to its deadline by themselves.
    pub fn request_stop(&self, within: Duration) {
        self.shared.stop(Clock::new().now() + within);
    }

    /// Ends listening, and lets every connection have one more answer, when it asks: a stop to come will find fewer of them.
    pub fn leave(&self) {
        self.shared.leave();
    }

    /// Cuts at once what a stop under way would wait for.
    pub fn cut(&self) {
        self.request_stop(Duration::ZERO);
    }

    /// The counters now.
    pub fn stats(&self) -> Snapshot {
        self.shared.stats.snapshot()
    }

    /// Starts up to `n` workers more, not beyond the largest number, and says how many. They leave again when they stay idle.
    pub fn grow(&self, n: usize) -> usize {
        self.crew.grow(n)
    }

    /// Sends up to `n` workers away, not below the smallest number, and says how many; busy ones leave when they have nothing to do.
    pub fn shrink(&self, n: usize) -> usize {
        self.crew.shrink(n)
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
