//! What do all threads of a server have in common?
//!
//! [`Shared`]: the gateway, the [`Settings`], the [`Stats`], and how far the server is from its end. Threads wait in their own
//! loops and are told through their [`Inbox`](crate::Inbox).

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cherrystone_core::gateway::{Endpoint, Gateway};
use cherrystone_core::{Config, Instant, Stage};

use crate::guard::guarded;
use crate::inbox::Inbox;
use crate::observer::{Observer, tell};
use crate::sockets::{Listener, Networks};
use crate::stats::Stats;

/// Makes a stage for each connection of a secured door.
pub type Stages = Arc<dyn Fn() -> Box<dyn Stage> + Send + Sync>;

/// A listener and what its clients are to be given.
#[derive(Clone)]
pub struct Door {
    /// Where they come in.
    pub listener: Arc<Listener>,
    /// How they see the server.
    pub endpoint: Arc<Endpoint>,
    /// What stands between them and the protocol.
    pub stages: Option<Stages>,
    /// The proxies that all of them have to come from, with a header of the PROXY protocol.
    pub proxies: Option<Arc<Networks>>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// How a server is driven.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The rules of the protocol.
    pub config: Config,
    /// Worker threads that are always there; default 10.
    pub min_threads: usize,
    /// Worker threads at most; default 100.
    pub max_threads: usize,
    /// How long a request may wait before another worker is started for it, if there may be one; default 0. Workers that cannot run
    /// at the same time, such as those of an interpreter with one lock, are better not more than needed.
    pub growth_delay: Duration,
    /// Requests that may wait for a worker; default 1,024. Beyond it: 503.
    pub queue: usize,
    /// Connections at most; default 10,000. Beyond it: 503, and beyond a quarter more the kernel's backlog.
    pub max_connections: usize,
    /// Event loops; default 1.
    pub loops: usize,
    /// Content that is collected for an inline handler, in octets; default 64 KiB. A request with more goes to a worker.
    pub inline_body: usize,
    /// Who is told what happens; default nobody.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            config: Config::default(),
            min_threads: 10,
            max_threads: 100,
            growth_delay: Duration::ZERO,
            queue: 1024,
            max_connections: 10_000,
            loops: 1,
            inline_body: 64 << 10,
            observer: None,
        }
    }
}

/// What the threads of one server share.
pub struct Shared {
    /// The application.
    pub gateway: Arc<dyn Gateway>,
    /// The settings in force.
    pub settings: Settings,
    /// Counters.
    pub stats: Stats,
    /// Whether the observer is told of answers.
    pub(crate) wants_answers: bool,
    phase: AtomicU8,
    /// When what is still under way is cut, in nanoseconds of the clock.
    cut_at: AtomicU64,
    inboxes: Mutex<Vec<Arc<Inbox>>>,
    /// Loops that have run out of something that accepting needs.
    short_loops: AtomicUsize,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

const SERVING: u8 = 0;
const LEAVING: u8 = 1;
const STOPPING: u8 = 2;
const CUTTING: u8 = 3;

/// How long a connection whose stage failed may go on listening, so that no reset destroys what it was told.
pub(crate) const FAILED_LINGER: Duration = Duration::from_secs(2);

/// How long after its connecting, or after its last answer, a client of a stopping server may still ask.
pub(crate) const LAST_MOMENT: Duration = Duration::from_millis(200);

/// How long a connection that is closed by a stopping server may go on listening.
pub(crate) const LAST_LINGER: Duration = Duration::from_millis(300);

impl Shared {
    /// A server that has just begun to serve.
    pub fn new(gateway: Arc<dyn Gateway>, settings: Settings) -> Arc<Self> {
        let wants_answers = settings.observer.as_ref().is_some_and(|observer| observer.wants_answers());
        Arc::new(Self {
            gateway,
            settings,
            wants_answers,
            stats: Stats::default(),
            phase: AtomicU8::new(SERVING),
            cut_at: AtomicU64::new(u64::MAX),
            inboxes: Mutex::default(),
            short_loops: AtomicUsize::new(0),
        })
    }

    /// Lets a thread be told of stops.
    pub fn subscribe(&self, inbox: Arc<Inbox>) {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner).push(inbox);
    }

    /// Whether no connection is taken any more, and each gets one more answer at most.
    #[inline]
    pub fn is_leaving(&self) -> bool {
        self.phase.load(Ordering::Acquire) >= LEAVING
    }

    /// Whether the server is to end: no new connections, no further request on those there are.
    #[inline]
    pub fn is_stopping(&self) -> bool {
        self.phase.load(Ordering::Acquire) >= STOPPING
    }

    /// Whether everything under way is to be cut.
    #[inline]
    pub fn is_cutting(&self) -> bool {
        self.phase.load(Ordering::Acquire) == CUTTING
    }

    /// Takes no new connections, and gives each of the others one more answer at most, when it asks.
    pub fn leave(&self) {
        self.enter(LEAVING);
    }

    /// Ends serving: what is under way may take until `cut_at`, which the loops see to. Repeated, it can only bring the end nearer.
    pub fn stop(&self, cut_at: Instant) {
        self.cut_at.fetch_min(cut_at.as_nanos(), Ordering::AcqRel);
        self.enter(STOPPING);
    }

    /// Cuts what is under way.
    pub fn cut(&self) {
        self.enter(CUTTING);
    }

    /// Takes note that a loop cannot accept, or that it can again; the observer learns of the first and of the last one.
    pub(crate) fn begin_shortage(&self, why: &std::io::Error) {
        if self.short_loops.fetch_add(1, Ordering::AcqRel) == 0 {
            tell(self, |observer| observer.accepting_paused(why));
        }
    }

    pub(crate) fn end_shortage(&self) {
        if self.short_loops.fetch_sub(1, Ordering::AcqRel) == 1 {
            tell(self, |observer| observer.accepting_resumed());
        }
    }

    /// Lets the observer know that nothing follows. Whoever ends the last loop calls it.
    pub fn conclude(&self) {
        tell(self, |observer| observer.stopped());
    }

    /// When a stopping server cuts what is under way.
    pub fn cut_at(&self) -> Instant {
        Instant::from_nanos(self.cut_at.load(Ordering::Acquire))
    }

    /// Drops what workers sent to loops that have ended, so that no client hangs on to a server that is no more.
    pub(crate) fn discard_notes(&self) {
        for inbox in self.inboxes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            while let Some(note) = inbox.take() {
                guarded(|| drop(note));
            }
        }
    }

    fn enter(&self, phase: u8) {
        self.phase.fetch_max(phase, Ordering::AcqRel);
        for inbox in self.inboxes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            inbox.ring();
        }
    }
}
