//! What can stand in for workers where no thread is to be started?

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::{Executor, Rejected, Stopped};

/// Nobody: every job is refused, as by workers that are all busy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl<J> Executor<J> for Nobody {
    fn try_submit(&self, job: J) -> Result<(), Rejected<J>> {
        Err(Rejected::Full(job))
    }

    fn waiting(&self) -> bool {
        false
    }

    fn stop(&self, _: Instant) -> Stopped<J> {
        Stopped { unstarted: Vec::new(), busy: 0 }
    }
}

/// The thread that submits: each job runs at once, and holds up whatever that thread does beside.
pub struct Submitter<F>(
    /// Runs a job.
    pub F,
);

impl<F> fmt::Debug for Submitter<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Submitter")
    }
}

impl<J, F: Fn(J) + Send + Sync> Executor<J> for Submitter<F> {
    fn try_submit(&self, job: J) -> Result<(), Rejected<J>> {
        // A panic costs the one job here, too.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| (self.0)(job))) {
            let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
        }
        Ok(())
    }

    fn waiting(&self) -> bool {
        false
    }

    fn stop(&self, _: Instant) -> Stopped<J> {
        Stopped { unstarted: Vec::new(), busy: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn nobody_takes_nothing() {
        assert!(matches!(Nobody.try_submit(7), Err(Rejected::Full(7))));
        assert!(Executor::<u8>::stop(&Nobody, Instant::now()).is_clean());
        assert!(!Executor::<u8>::has_room(&Nobody));
    }

    #[test]
    fn the_submitter_runs_jobs_itself_and_outlives_their_panics() {
        thread_local!(static SUM: Cell<u32> = const { Cell::new(0) });
        let here = Submitter(|n: u32| {
            assert!(n < 10, "as asked");
            SUM.set(SUM.get() + n);
        });
        for n in [3, 10, 4] {
            here.try_submit(n).unwrap();
        }
        assert_eq!(SUM.get(), 7);
    }
}
