//! Whose threads does a server run on, if not on its own?

use std::sync::Arc;

use cherrystone_mio::{Blocking, EventLoop};
use cherrystone_threads::Job;
use cherrystone_threads::workers::Executor;

use super::{Server, ServerError};

impl Server {
    /// Has requests that may block handled by threads of the program, in place of a pool of the server's own; what the settings say about
    /// threads and queue is then for the executor to keep.
    #[must_use]
    pub fn executor(mut self, executor: impl Executor<Job> + 'static) -> Self {
        self.crew = Some(Arc::new(executor));
        self
    }

    /// Serves on the thread that turns the event loop, and starts none. Content that is too much to be collected
    /// ([`inline_body`](cherrystone_threads::Settings::inline_body)) is refused with 413, unless the gateway allows more; what such a
    /// request meets, and one that may block, is for the caller to say. An [`executor`](Self::executor) has no part in it.
    ///
    /// The [`handle`](Self::handle) may ask for the end, from any thread. It comes as the loop is turned, and nothing but the loop waits
    /// for it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cherrystone::{Blocking, Exchange, Head, Server, Status};
    ///
    /// let server = Server::new(|_: Head<'_>, exchange: Exchange<'_>| exchange.respond(Status::OK, &[], "hello"));
    /// let server = server.bind("127.0.0.1:0")?;
    /// let handle = server.handle();
    /// let mut event_loop = server.event_loop(Blocking::OnTheLoop)?;
    /// // In the main loop of the program:
    /// assert!(event_loop.turn(Some(Duration::from_millis(1))));
    /// // Later, perhaps in the handler of a signal:
    /// handle.request_stop(Duration::from_secs(5));
    /// while event_loop.turn(None) {}
    /// # Ok::<(), cherrystone::ServerError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn event_loop(self, blocking: Blocking) -> Result<EventLoop, ServerError> {
        let (handle, gateway) = (self.handle(), Arc::clone(&self.gateway));
        let (doors, settings) = self.prepare()?;
        let event_loop = EventLoop::alone(doors, gateway, settings, blocking).map_err(ServerError::Start)?;
        handle.begin_turning(event_loop.shared());
        Ok(event_loop)
    }
}
