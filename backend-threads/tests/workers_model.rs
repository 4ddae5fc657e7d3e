//! The worker pool under a scheduler that tries thousands of orders of events.
//!
//! The pool's own source is compiled here over `shuttle`'s locks and threads. A wait with a deadline ends early at random,
//! so that idle expiry and the end of a stop happen at every possible moment. A wake-up that gets lost is a deadlock, which
//! the scheduler reports along with a schedule to replay it.

mod model;

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Executor, Rejected, Settings, Workers};
use shuttle::sync::mpsc::{Receiver, channel};
use shuttle::sync::{Barrier, Mutex};
use shuttle::thread;

/// Schedules per scenario and scheduler: all scenarios together take some seconds in a debug build.
const SCHEDULES: usize = 1500;

fn explore(scenario: fn()) {
    shuttle::check_random(scenario, SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, 3);
}

fn settings(min: usize, max: usize, queue: usize) -> Settings {
    let mut settings = Settings::default();
    (settings.min, settings.max, settings.queue) = (min, Some(max), queue);
    settings
}

/// A pool whose jobs report their number.
fn pool(settings: Settings) -> (Arc<Workers<u32>>, Receiver<u32>) {
    let (done, results) = channel();
    let done = Mutex::new(done);
    let workers = Workers::start(settings, move |n| done.lock().unwrap().send(n).unwrap()).unwrap();
    (Arc::new(workers), results)
}

fn in_bounds(workers: &Workers<u32>, min: usize, max: usize) {
    let counts = workers.counts();
    assert!((min..=max).contains(&counts.threads), "{counts:?}");
    assert!(counts.idle <= counts.threads, "{counts:?}");
}

/// Stops until nobody is busy, and gives the jobs that came back.
fn stop(workers: &Workers<u32>) -> Vec<u32> {
    let mut back = Vec::new();
    loop {
        let stopped = workers.stop(Instant::now() + Duration::from_secs(1));
        back.extend(stopped.unstarted);
        if stopped.busy == 0 {
            assert_eq!((workers.idle(), workers.queued(), workers.waiting()), (0, 0, false));
            return back;
        }
        thread::yield_now();
    }
}

/// Submits until each job is taken.
fn submit_all(workers: &Workers<u32>, jobs: std::ops::Range<u32>) {
    for job in jobs {
        let mut job = job;
        while let Err(rejected) = workers.try_submit(job) {
            assert!(matches!(rejected, Rejected::Full(_)));
            job = rejected.into_job();
            thread::yield_now();
        }
    }
}

#[test]
fn every_job_runs_once_while_the_pool_grows_and_shrinks() {
    explore(|| {
        let (workers, results) = pool(settings(1, 3, 1));
        let submitters: Vec<_> = [0..2, 10..12]
            .into_iter()
            .map(|jobs| {
                let workers = Arc::clone(&workers);
                thread::spawn(move || submit_all(&workers, jobs))
            })
            .collect();
        workers.shrink(2);
        in_bounds(&workers, 1, 3);
        workers.grow(1);
        in_bounds(&workers, 1, 3);
        workers.shrink(5);
        in_bounds(&workers, 1, 3);
        // No stop yet, which would wake a worker that somebody forgot to wake.
        let mut ran: Vec<u32> = (0..4).map(|_| results.recv().unwrap()).collect();
        ran.sort_unstable();
        assert_eq!(ran, [0, 1, 10, 11]);
        for submitter in submitters {
            submitter.join().unwrap();
        }
        in_bounds(&workers, 1, 3);
        assert!(stop(&workers).is_empty());
    });
}

#[test]
fn a_pool_that_takes_its_time_loses_no_job_and_keeps_its_bounds() {
    explore(|| {
        let mut settings = settings(1, 3, 4);
        settings.delay = Duration::from_millis(5);
        // The first two jobs go on together: without growth they would never end.
        let together = Barrier::new(2);
        let (done, results) = channel();
        let done = Mutex::new(done);
        let work = move |n: u32| {
            if n < 2 {
                together.wait();
            }
            done.lock().unwrap().send(n).unwrap();
        };
        let workers = Arc::new(Workers::start(settings, work).unwrap());
        let other = Arc::clone(&workers);
        let submitter = thread::spawn(move || submit_all(&other, 0..2));
        submit_all(&workers, 2..4);
        workers.shrink(2);
        in_bounds(&workers, 1, 3);
        submitter.join().unwrap();
        let mut ran: Vec<u32> = (0..4).map(|_| results.recv().unwrap()).collect();
        ran.sort_unstable();
        assert_eq!(ran, [0, 1, 2, 3]);
        in_bounds(&workers, 1, 3);
        assert!(stop(&workers).is_empty());
    });
}

#[test]
fn without_a_queue_a_job_finds_an_idle_worker_or_comes_back() {
    explore(|| {
        let (workers, results) = pool(settings(1, 2, 0));
        let other = Arc::clone(&workers);
        let submitter = thread::spawn(move || submit_all(&other, 0..2));
        submit_all(&workers, 2..4);
        submitter.join().unwrap();
        assert_eq!(workers.queued(), 0);
        let mut ran: Vec<u32> = (0..4).map(|_| results.recv().unwrap()).collect();
        ran.sort_unstable();
        assert_eq!(ran, [0, 1, 2, 3]);
        assert!(stop(&workers).is_empty());
    });
}

#[test]
fn jobs_that_wait_for_each_other_run_side_by_side() {
    explore(|| {
        // Without a queue a job that was taken has a worker, whatever happens to the size of the pool.
        let together = Barrier::new(2);
        let (done, results) = channel();
        let done = Mutex::new(done);
        let work = move |n: u32| {
            together.wait();
            done.lock().unwrap().send(n).unwrap();
        };
        let workers = Arc::new(Workers::start(settings(1, 2, 0), work).unwrap());
        workers.grow(1);
        // The interesting schedules begin with two workers asleep.
        for _ in 0..4 {
            thread::yield_now();
        }
        let other = Arc::clone(&workers);
        let shrinker = thread::spawn(move || other.shrink(1));
        submit_all(&workers, 0..2);
        shrinker.join().unwrap();
        for _ in 0..2 {
            results.recv().unwrap();
        }
        assert!(stop(&workers).is_empty());
    });
}

#[test]
fn a_stop_loses_no_job() {
    explore(|| {
        let (workers, results) = pool(settings(1, 2, 2));
        let other = Arc::clone(&workers);
        let submitter =
            thread::spawn(move || (0..4).filter(|job| other.try_submit(*job).is_ok()).collect::<Vec<u32>>());
        let other = Arc::clone(&workers);
        let stopper = thread::spawn(move || stop(&other));
        let mut back = stop(&workers);
        back.extend(stopper.join().unwrap());
        let taken = submitter.join().unwrap();
        assert!(matches!(workers.try_submit(9), Err(Rejected::Stopped(9))));
        assert_eq!((workers.grow(1), workers.shrink(1), workers.threads()), (0, 0, 0));
        drop(workers);
        let mut seen: Vec<u32> = results.iter().chain(back).collect();
        seen.sort_unstable();
        assert_eq!(seen, taken);
    });
}

#[test]
fn two_that_shrink_at_once_leave_the_minimum() {
    explore(|| {
        let (workers, results) = pool(settings(2, 4, 1));
        workers.grow(2);
        let shrinkers: Vec<_> = (0..2)
            .map(|_| {
                let workers = Arc::clone(&workers);
                thread::spawn(move || {
                    workers.shrink(2);
                    in_bounds(&workers, 2, 4);
                })
            })
            .collect();
        submit_all(&workers, 0..2);
        for shrinker in shrinkers {
            shrinker.join().unwrap();
        }
        in_bounds(&workers, 2, 4);
        submit_all(&workers, 2..3);
        for _ in 0..3 {
            results.recv().unwrap();
        }
        assert!(stop(&workers).is_empty());
    });
}

#[test]
fn a_job_that_makes_room_runs_again_or_comes_back() {
    explore(|| {
        let own: Arc<Mutex<Option<Arc<Workers<u32>>>>> = Arc::default();
        let (done, results) = channel();
        let (handle, done) = (Arc::clone(&own), Mutex::new(done));
        // Each job makes room once before it is done.
        let work = move |n: u32| {
            let workers = handle.lock().unwrap().clone().unwrap();
            let rejected = if n < 10 { Executor::requeue(&*workers, n + 10).err() } else { Some(Rejected::Full(n)) };
            if let Some(rejected) = rejected {
                done.lock().unwrap().send(rejected.into_job() % 10).unwrap();
            }
        };
        let workers = Arc::new(Workers::start(settings(1, 2, 1), work).unwrap());
        *own.lock().unwrap() = Some(Arc::clone(&workers));
        let taken: Vec<u32> = (0..2).filter(|job| workers.try_submit(*job).is_ok()).collect();
        let other = Arc::clone(&workers);
        let stopper = thread::spawn(move || stop(&other));
        let mut seen: Vec<u32> = stop(&workers).into_iter().map(|job| job % 10).collect();
        seen.extend(stopper.join().unwrap().into_iter().map(|job| job % 10));
        seen.extend((seen.len()..taken.len()).map(|_| results.recv().unwrap()));
        seen.sort_unstable();
        assert_eq!(seen, taken);
        own.lock().unwrap().take();
    });
}

#[test]
fn a_job_can_stop_its_own_pool() {
    explore(|| {
        let own: Arc<Mutex<Option<Arc<Workers<u32>>>>> = Arc::default();
        let (done, results) = channel();
        let (handle, done) = (Arc::clone(&own), Mutex::new(done));
        let work = move |n: u32| {
            let workers = handle.lock().unwrap().take();
            let back = workers.map_or(Vec::new(), |workers| workers.stop(Instant::now()).unstarted);
            let done = done.lock().unwrap();
            done.send(n).unwrap();
            back.into_iter().for_each(|job| done.send(job).unwrap());
        };
        let workers = Arc::new(Workers::start(settings(1, 2, 2), work).unwrap());
        *own.lock().unwrap() = Some(Arc::clone(&workers));
        let taken: Vec<u32> = (0..3).filter(|job| workers.try_submit(*job).is_ok()).collect();
        let mut seen: Vec<u32> = taken.iter().map(|_| results.recv().unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, taken);
        assert!(stop(&workers).is_empty());
    });
}
