//! What does a signal bring about, and what is the service manager told?
//!
//! | signal | what happens |
//! | --- | --- |
//! | SIGTERM, SIGINT | a graceful stop; a second one cuts what is left |
//! | SIGHUP | the access log is opened anew, certificates are read again; without both, and without a service manager, the end |
//! | SIGUSR2 | a new process takes this one's place ([`replace`]) |
//! | SIGXFSZ | nothing: the write to a file that may not grow fails, and says so |
//!
//! A [`manager`] of services that wants to know is told of readiness, reloads, stops, and a new main process.
//!
//! Invariants:
//! 1. One thread hears signals, and goes on hearing them: what takes time is done beside it.
//! 2. Nothing depends on not being process 1, but a replacement: the end of process 1 is the end of its container.

use std::io;
#[cfg(feature = "tls")]
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2, SIGXFSZ};
use signal_hook::iterator::Signals;

use super::manager::{self, tell};
use super::replace::{self, Role};
use crate::access_log::AccessLog;
use crate::sockets::Listener;
use crate::{Handle, Running};

/// How long clients of a replaced process may take until they ask again and so learn that their connection ends.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// What signals act on.
pub(super) struct Duties {
    /// The server.
    pub(super) handle: Handle,
    /// How long a stop may take.
    pub(super) within: Duration,
    /// The access log, if it can be opened anew.
    pub(super) log: Option<AccessLog>,
    /// The certificates.
    #[cfg(feature = "tls")]
    pub(super) tls: Option<crate::Tls>,
    /// The program's file, as it was named when this process started.
    pub(super) program: io::Result<PathBuf>,
    /// Everything that a successor takes over.
    pub(super) listeners: Vec<(Role, Listener)>,
    /// The server of the metrics.
    pub(super) metrics: Option<Arc<Running>>,
}

/// Takes care of signals from now on.
///
/// # Errors
/// No thread is left, or no signal can be heard.
pub(super) fn listen(duties: Duties) -> io::Result<()> {
    // A log that may not grow is no reason to end: the write fails, and says so.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGUSR2, SIGXFSZ])?;
    #[cfg(feature = "tls")]
    let has_files = duties.log.is_some() || duties.tls.is_some();
    #[cfg(not(feature = "tls"))]
    let has_files = duties.log.is_some();
    // Without anything to read it is what a terminal says at its end; a service manager asks for a reload, whether there is something or not.
    if has_files || manager::listens() {
        signals.add_signal(SIGHUP)?;
    }
    let duties = Arc::new(duties);
    std::thread::Builder::new().name("cherrystone-sig".into()).spawn(move || {
        let replacing = Arc::new(AtomicBool::new(false));
        let mut stopping = false;
        for signal in signals.forever() {
            match signal {
                SIGXFSZ => {}
                SIGHUP => duties.reload(),
                SIGUSR2 if stopping || replacing.swap(true, Ordering::AcqRel) => {}
                SIGUSR2 => {
                    let (duties, replacing) = (Arc::clone(&duties), Arc::clone(&replacing));
                    let thread = std::thread::Builder::new().name("cherrystone-new".into());
                    // Without a thread everything stays as it is, and the next signal may have more luck.
                    let _ = thread.spawn(move || duties.be_replaced(&replacing));
                }
                _ if stopping => duties.handle.cut(),
                _ => {
                    tracing::info!("stopping");
                    tell(&[NotifyState::Stopping]);
                    stopping = true;
                    duties.handle.request_stop(duties.within);
                }
            }
        }
    })?;
    Ok(())
}

impl Duties {
    fn reload(&self) {
        let now = NotifyState::monotonic_usec_now();
        tell(&[NotifyState::Reloading].into_iter().chain(now).collect::<Vec<_>>());
        if let Some(log) = &self.log {
            log.reopen();
        }
        #[cfg(feature = "tls")]
        match self.tls.as_ref().map(crate::Tls::reload) {
            None => {}
            Some(Ok(())) => tracing::info!("certificates read again"),
            // Whoever has closed standard error does not want to know.
            Some(Err(error)) => drop(writeln!(io::stderr(), "the certificates stay as they were: {error}")),
        }
        tell(&[NotifyState::Ready]);
    }

    fn be_replaced(&self, replacing: &AtomicBool) {
        let successor = match &self.program {
            _ if std::process::id() == 1 => {
                Err(io::Error::other("process 1 cannot be replaced: its end is that of the container"))
            }
            Ok(program) => replace::succeed(program, &self.listeners),
            Err(error) => Err(io::Error::new(error.kind(), format!("the program's file is not known: {error}"))),
        };
        match successor {
            Ok(process) => {
                tracing::info!(process, "replaced; leaving");
                tell(&[NotifyState::MainPid(process)]);
                self.leave();
            }
            Err(error) => {
                tracing::error!(%error, "not replaced, so this process goes on");
                replacing.store(false, Ordering::Release);
            }
        }
    }

    /// Lets clients come to know, then stops.
    fn leave(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.request_stop(Duration::from_secs(1));
        }
        self.handle.leave();
        let until = Instant::now() + LAST_ANSWERS.min(self.within);
        while Instant::now() < until && self.handle.stats().is_some_and(|stats| stats.open > 0) {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.handle.request_stop(self.within);
    }
}
