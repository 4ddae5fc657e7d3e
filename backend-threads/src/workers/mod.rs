//! Who runs what may block?
//!
//! [`Workers`]: named threads that take jobs from a bounded queue. The pool grows while jobs find nobody idle, at once or when
//! they have waited for a while, and shrinks when workers stay idle. Whoever has threads already implements [`Executor`] instead;
//! whoever wants none has [`Nobody`] and the [`Submitter`].
//!
//! ```
//! use std::sync::mpsc;
//! use std::time::{Duration, Instant};
//! use cherrystone_threads::workers::{Settings, Workers};
//!
//! let (answers, received) = mpsc::channel();
//! let workers = Workers::start(Settings::default(), move |n: u32| answers.send(n * n).unwrap())?;
//! workers.try_submit(7).unwrap();
//! assert_eq!(received.recv_timeout(Duration::from_secs(5))?, 49);
//! assert!(workers.stop(Instant::now() + Duration::from_secs(5)).is_clean());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants:
//! 1. A submitter never waits for a worker: a job is taken, or comes back at once.
//! 2. A job that was taken runs exactly once, or is handed back by `stop`.
//! 3. A job wakes at most one worker, the one that fell asleep last, whose caches are warm; it wakes none when nobody sleeps.
//!    A worker that just became free may be quicker, so that bursts of short jobs wake few.
//! 4. Between start and stop the number of threads is never below `min` nor above `max`: workers that were told to leave
//!    no longer count as there, so that nobody is sent away twice.
//! 5. A panic costs the one job. A worker outlives it.
//! 6. An idle pool of `min` threads does not wake up at all.
//!
//! The order of events that these rest on is explored by `tests/workers_model.rs`.

mod executor;
mod growth;
mod none;
mod pool;
mod settings;
mod slot;
mod state;
mod sync;

pub use executor::{Counts, Executor, Rejected, Stopped};
pub use none::{Nobody, Submitter};
pub use pool::Workers;
pub use settings::{Settings, SettingsError};
