//! Does whatever implements [`Executor`] serve in place of the pool, and the pool as one?

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use cherrystone_threads::workers::{Counts, Executor, Rejected, Settings, Stopped, Workers};

type Job = Box<dyn FnOnce() + Send>;

#[test]
fn an_embedder_can_bring_an_executor() {
    /// Runs every job where it is submitted.
    struct Inline;
    impl Executor<Job> for Inline {
        fn try_submit(&self, job: Job) -> Result<(), Rejected<Job>> {
            job();
            Ok(())
        }
        fn waiting(&self) -> bool {
            false
        }
        fn stop(&self, _deadline: Instant) -> Stopped<Job> {
            Stopped { unstarted: Vec::new(), busy: 0 }
        }
    }
    let mut settings = Settings::default();
    (settings.name, settings.min, settings.max, settings.queue) = ("executor".into(), 1, Some(1), 1);
    let pool = Workers::start(settings, |job: Job| job()).unwrap();
    let executors: [Arc<dyn Executor<Job>>; 2] = [Arc::new(Inline), Arc::new(pool)];
    for executor in executors {
        let (done, results) = channel();
        executor.try_submit(Box::new(move || done.send(()).unwrap())).unwrap();
        results.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(executor.stop(Instant::now() + Duration::from_secs(10)).is_clean());
        assert!(!executor.waiting());
        assert_eq!(executor.counts(), Counts::default());
    }
}
