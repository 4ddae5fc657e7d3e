//! What does a server ask of whoever runs its jobs?

use std::fmt;
use std::time::Instant;

/// Runs jobs on threads that may block. An embedder that has such threads implements it over them; the type of the job
/// says how one is run.
pub trait Executor<J>: Send + Sync {
    /// Takes a job, without ever waiting: the caller is a loop that others depend on.
    ///
    /// # Errors
    /// The job comes back when it cannot be taken now, or ever again.
    fn try_submit(&self, job: J) -> Result<(), Rejected<J>>;

    /// Takes a job back from the thread that runs it and that has time for another now: it goes behind those that wait, whether the
    /// queue is full or not, for this thread takes one of them. A job that makes room for others is not refused for that.
    ///
    /// By default the same as [`try_submit`](Self::try_submit), which a full queue refuses; then the job goes on where it is.
    ///
    /// # Errors
    /// The job comes back, and goes on where it is.
    fn requeue(&self, job: J) -> Result<(), Rejected<J>> {
        self.try_submit(job)
    }

    /// Whether a job waits for a thread. A job that could go on for long asks this now and then, and makes room; so it has
    /// to be cheap.
    fn waiting(&self) -> bool;

    /// Whether a job that came now would have a thread at once. A job that has nothing to do but wait for a while asks this
    /// first. By default: whether a thread is idle.
    fn has_room(&self) -> bool {
        self.counts().idle > 0
    }

    /// Makes up to `n` threads more, within its bounds, and says how many. By default none: it has the threads that it has.
    fn grow(&self, n: usize) -> usize {
        let _ = n;
        0
    }

    /// Lets up to `n` threads end, within its bounds, and says how many. By default none.
    fn shrink(&self, n: usize) -> usize {
        let _ = n;
        0
    }

    /// Takes no more jobs, runs those that were taken until `deadline`, and hands back those that did not start. Repeating
    /// it is allowed, from any thread.
    fn stop(&self, deadline: Instant) -> Stopped<J>;

    /// What is known about threads and queue.
    fn counts(&self) -> Counts {
        Counts::default()
    }
}

/// A job that was not taken.
pub enum Rejected<J> {
    /// All workers are busy and the queue is full: a later attempt may succeed.
    Full(J),
    /// The executor was stopped.
    Stopped(J),
}

impl<J> Rejected<J> {
    /// The job.
    pub fn into_job(self) -> J {
        match self {
            Self::Full(job) | Self::Stopped(job) => job,
        }
    }
}

impl<J> fmt::Debug for Rejected<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full",
            Self::Stopped(_) => "Stopped",
        })
    }
}

/// How a stop ended.
#[must_use = "the jobs that did not start may have somebody waiting for an answer"]
pub struct Stopped<J> {
    /// Jobs that were taken and never started, in their order. A repeated stop has them only once.
    pub unstarted: Vec<J>,
    /// Workers that had not come back from their job by the deadline. A thread cannot be killed: these end with their job.
    pub busy: usize,
}

impl<J> Stopped<J> {
    /// Whether every job has run and every worker ended.
    pub fn is_clean(&self) -> bool {
        self.unstarted.is_empty() && self.busy == 0
    }
}

impl<J> fmt::Debug for Stopped<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopped").field("unstarted", &self.unstarted.len()).field("busy", &self.busy).finish()
    }
}

/// Figures of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Workers, idle and busy.
    pub threads: usize,
    /// Workers without a job, and that no queued job is meant for.
    pub idle: usize,
    /// Jobs that no idle worker is there for.
    pub queued: usize,
    /// Jobs that ended in a panic since the start.
    pub panics: u64,
}
