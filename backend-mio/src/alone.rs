//! How does a program serve without starting a thread?
//!
//! It makes an [`EventLoop`] that is [`alone`](EventLoop::alone), and turns it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cherrystone_core::gateway::Gateway;
use cherrystone_threads::workers::{Executor, Nobody, Submitter};
use cherrystone_threads::{Clock, Door, Job, Settings, Shared};

use crate::event_loop::EventLoop;

/// What a loop without workers does about a request that may block, by what its gateway says, or because its content is too much to be
/// collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// It is answered with 503.
    Refused,
    /// Its handler runs on the loop, and holds all other connections up, also while it waits for its own client.
    OnTheLoop,
}

impl EventLoop {
    /// A loop that is the whole server, on the thread that turns it: none is ever started. Content beyond
    /// [`inline_body`](Settings::inline_body) is refused with 413, unless the gateway allows more.
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use cherrystone_core::{Head, Status, gateway::{Done, Exchange, Failure}};
    /// use cherrystone_mio::{Blocking, EventLoop};
    ///
    /// let gateway = |_: Head<'_>, exchange: Exchange<'_>| -> Result<Done, Failure> { exchange.respond(Status::OK, &[], "hello") };
    /// let mut server = EventLoop::alone(Vec::new(), Arc::new(gateway), Default::default(), Blocking::OnTheLoop)?;
    /// assert!(server.turn(Some(Duration::ZERO)));
    /// server.request_stop(Duration::from_secs(5));
    /// assert!(!server.turn(None));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn alone(
        doors: Vec<Door>,
        gateway: Arc<dyn Gateway>,
        mut settings: Settings,
        blocking: Blocking,
    ) -> io::Result<Self> {
        let limits = &mut settings.config.limits;
        limits.body = limits.body.min(settings.inline_body as u64);
        let crew: Arc<dyn Executor<Job>> = match blocking {
            Blocking::Refused => Arc::new(Nobody),
            Blocking::OnTheLoop => Arc::new(Submitter(Job::run)),
        };
        let mut event_loop = Self::new(doors, Shared::new(gateway, settings), crew)?;
        event_loop.alone = true;
        Ok(event_loop)
    }

    /// What the loop has in common with other threads, which may stop it through this.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.reactor.desk.shared
    }

    /// Asks for the end: requests under way may take until `within` from now. The loop has to be turned on until it says that it
    /// is over.
    pub fn request_stop(&self, within: Duration) {
        self.reactor.desk.shared.stop(Clock::look() + within);
    }
}
