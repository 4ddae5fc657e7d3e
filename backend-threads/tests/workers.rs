//! The worker pool on real threads: its size over time, overload, panics, and every way to stop.

use std::collections::HashSet;
use std::fs;
use std::panic::panic_any;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use cherrystone_threads::workers::{Counts, Executor, Rejected, Settings, Workers};

type Job = Box<dyn FnOnce() + Send>;

fn settings(name: &str, min: usize, max: usize, queue: usize) -> Settings {
    let mut settings = Settings::default();
    (settings.name, settings.min, settings.max, settings.queue) = (name.into(), min, Some(max), queue);
    settings
}

fn start(settings: Settings) -> Workers<Job> {
    Workers::start(settings, |job: Job| job()).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = soon();
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Occupies `n` workers until the sender is dropped.
fn occupy(workers: &Workers<Job>, n: usize) -> Sender<()> {
    let (hold, held) = channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let running = Arc::new(Barrier::new(n + 1));
    for _ in 0..n {
        let (held, running) = (Arc::clone(&held), Arc::clone(&running));
        workers
            .try_submit(Box::new(move || {
                running.wait();
                let _ = held.lock().unwrap().recv();
            }))
            .unwrap();
    }
    running.wait();
    hold
}

/// Waits until `n` threads of this name have found their sleep, twice in a row: a thread also sleeps on a lock.
fn asleep(name: &str, n: usize) {
    let sleeping = || {
        let found = threads(name);
        found.len() == n && found.iter().all(|thread| thread.state.starts_with('S'))
    };
    until("asleep", || {
        let once = sleeping();
        thread::sleep(Duration::from_millis(5));
        once && sleeping()
    });
}

/// Waits until no thread of this name is left: the system may list one for an instant after it was joined.
fn gone(name: &str) {
    until("gone", || threads(name).is_empty());
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Thread {
    id: String,
    state: String,
    /// How often it went to sleep.
    sleeps: String,
}

/// The threads of this process whose name begins so.
fn threads(name: &str) -> Vec<Thread> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        // A thread may end while we look.
        let Ok(comm) = fs::read_to_string(task.path().join("comm")) else { continue };
        let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
        if comm.starts_with(name) {
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_default().trim().to_owned()
            };
            let (state, sleeps) = (field("State:"), field("voluntary_ctxt_switches:"));
            found.push(Thread { id: task.file_name().into_string().unwrap(), state, sleeps });
        }
    }
    found.sort();
    found
}

#[test]
fn a_burst_grows_the_pool_and_quiet_shrinks_it_never_below_the_minimum() {
    let mut settings = settings("burst", 2, 20, 100);
    settings.idle = Duration::from_millis(20);
    let workers = start(settings);
    for _ in 0..20 {
        let hold = occupy(&workers, 20);
        assert_eq!((workers.threads(), workers.idle()), (20, 0));
        let (done, results) = channel();
        for _ in 0..20 {
            let done = done.clone();
            workers.try_submit(Box::new(move || done.send(()).unwrap())).unwrap();
        }
        assert_eq!((workers.queued(), workers.waiting(), workers.threads()), (20, true, 20));
        drop(hold);
        drop(done);
        assert_eq!(results.iter().count(), 20);
        until("quiet", || workers.threads() == 2);
        thread::sleep(Duration::from_millis(30));
        assert_eq!(workers.threads(), 2);
    }
    until("only the minimum is left", || threads("burst").len() == 2);
    let (done, results) = channel();
    workers.try_submit(Box::new(move || done.send(()).unwrap())).unwrap();
    results.recv_timeout(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_pool_that_takes_its_time_grows_for_jobs_that_are_stuck_alone() {
    let mut settings = settings("delay", 1, 8, 100);
    (settings.delay, settings.idle) = (Duration::from_millis(500), Duration::from_millis(20));
    let workers = start(settings);
    // Each job is short: however many come, one worker is enough, and one watches.
    let (done, results) = channel();
    let mut on = HashSet::new();
    for _ in 0..60 {
        for _ in 0..20 {
            let done = done.clone();
            workers.try_submit(Box::new(move || done.send(thread::current().id()).unwrap())).unwrap();
        }
        on.extend((0..20).map(|_| results.recv().unwrap()));
        assert!(workers.threads() <= 2);
    }
    assert_eq!(on.len(), 1);
    until("nobody watches any more", || workers.counts().threads == 1 && threads("delay").len() == 1);
    // These wait for each other: the last can only be running when all of them have a worker.
    drop(occupy(&workers, 8));
    until("quiet", || workers.threads() == 1);
}

#[test]
fn a_full_pool_refuses_at_once() {
    let workers = start(settings("full", 1, 1, 1));
    let hold = occupy(&workers, 1);
    workers.try_submit(Box::new(|| {})).unwrap();
    let start = Instant::now();
    for _ in 0..10 {
        assert!(matches!(workers.try_submit(Box::new(|| {})), Err(Rejected::Full(_))));
    }
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(workers.counts().queued, 1);
    drop(hold);
    until("idle", || workers.idle() == 1);
    workers.try_submit(Box::new(|| {})).unwrap();
}

#[test]
fn a_job_that_makes_room_goes_behind_a_full_queue() {
    let workers = Arc::new(start(settings("requeue", 1, 1, 1)));
    let (order, ran) = channel();
    let report = |name: &'static str| -> Job {
        let order = order.clone();
        Box::new(move || order.send(name).unwrap())
    };
    let hold = occupy(&workers, 1);
    workers.try_submit(report("waiting")).unwrap();
    assert!(matches!(workers.try_submit(report("too much")), Err(Rejected::Full(_))));
    Executor::requeue(&*workers, report("again")).unwrap();
    assert_eq!(workers.queued(), 2);
    drop(hold);
    assert_eq!([ran.recv().unwrap(), ran.recv().unwrap()], ["waiting", "again"]);
    assert!(workers.stop(soon()).is_clean());
    assert!(matches!(Executor::requeue(&*workers, report("late")), Err(Rejected::Stopped(_))));
}

#[test]
fn without_a_queue_only_an_idle_worker_takes_a_job() {
    let workers = start(settings("noqueue", 1, 2, 0));
    let first = occupy(&workers, 1);
    let second = occupy(&workers, 1);
    assert!(matches!(workers.try_submit(Box::new(|| {})), Err(Rejected::Full(_))));
    assert_eq!((workers.threads(), workers.queued(), workers.waiting()), (2, 0, false));
    drop(first);
    until("one is idle", || workers.idle() == 1);
    workers.try_submit(Box::new(|| {})).unwrap();
    drop(second);
}

#[test]
fn grow_and_shrink_keep_within_the_bounds() {
    let workers = start(settings("bounds", 2, 5, 10));
    assert_eq!((workers.shrink(1), workers.grow(2), workers.threads()), (0, 2, 4));
    assert_eq!((workers.grow(10), workers.threads()), (1, 5));
    asleep("bounds", 5);
    let hold = occupy(&workers, 4);
    // One is idle and leaves now, the second one after its job.
    assert_eq!((workers.shrink(2), workers.threads(), workers.idle()), (2, 3, 0));
    assert_eq!((workers.shrink(9), workers.threads()), (1, 2));
    assert_eq!((workers.shrink(9), workers.threads()), (0, 2));
    // Growing first keeps those who were to leave.
    assert_eq!((workers.grow(1), workers.threads()), (1, 3));
    drop(hold);
    until("three are left", || threads("bounds").len() == 3);
    assert_eq!(workers.threads(), 3);
}

#[test]
fn a_panic_costs_one_job() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a payload that panics when it is dropped");
        }
    }
    let workers = start(settings("panics", 2, 2, 100));
    for n in 0..10 {
        workers.try_submit(Box::new(move || if n % 2 == 0 { panic_any(Bomb) } else { panic!("a job") })).unwrap();
    }
    until("all ran", || workers.panics() == 10);
    assert_eq!((workers.threads(), threads("panics").len()), (2, 2));
    let (done, results) = channel();
    workers.try_submit(Box::new(move || done.send(()).unwrap())).unwrap();
    results.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(workers.stop(soon()).is_clean());
}

#[test]
fn the_worker_that_slept_last_gets_the_next_job() {
    let workers = start(settings("lifo", 4, 4, 10));
    let ids: HashSet<ThreadId> = (0..50)
        .map(|_| {
            asleep("lifo", 4);
            let (done, results) = channel();
            workers.try_submit(Box::new(move || done.send(thread::current().id()).unwrap())).unwrap();
            results.recv().unwrap()
        })
        .collect();
    assert_eq!(ids.len(), 1);
}

#[test]
fn threads_are_named_and_idle_ones_do_not_wake_up() {
    let workers = start(settings("sleepy", 3, 8, 10));
    asleep("sleepy-", 3);
    let before = threads("sleepy-");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(threads("sleepy-"), before);
    drop(workers);
    gone("sleepy-");
}

#[test]
fn a_stop_waits_for_jobs_that_were_taken_and_leaves_no_thread() {
    let workers = Arc::new(start(settings("drain", 2, 2, 10)));
    let (done, results) = channel();
    for n in 0..6 {
        let done = done.clone();
        workers
            .try_submit(Box::new(move || {
                thread::sleep(Duration::from_millis(20));
                done.send(n).unwrap();
            }))
            .unwrap();
    }
    let stoppers: Vec<_> = (0..3)
        .map(|_| {
            let workers = Arc::clone(&workers);
            thread::spawn(move || workers.stop(soon()).is_clean())
        })
        .collect();
    assert!(stoppers.into_iter().all(|stopper| stopper.join().unwrap()));
    drop(done);
    assert_eq!(results.iter().count(), 6);
    gone("drain");
    assert!(matches!(workers.try_submit(Box::new(|| {})), Err(Rejected::Stopped(_))));
    assert_eq!(workers.counts(), Counts::default());
}

#[test]
fn at_the_deadline_a_stop_gives_up_and_gives_back() {
    let workers = start(settings("giveup", 1, 1, 10));
    let hold = occupy(&workers, 1);
    workers.try_submit(Box::new(|| {})).unwrap();
    workers.try_submit(Box::new(|| {})).unwrap();
    let begin = Instant::now();
    let stopped = workers.stop(begin + Duration::from_millis(50));
    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert_eq!((stopped.unstarted.len(), stopped.busy, stopped.is_clean()), (2, 1, false));
    let again = workers.stop(Instant::now());
    assert_eq!((again.unstarted.len(), again.busy), (0, 1));
    drop(hold);
    assert!(workers.stop(soon()).is_clean());
    gone("giveup");
}

#[test]
fn dropping_stops_with_patience_but_not_twice() {
    let (done, results): (_, Receiver<()>) = channel();
    let workers = start(settings("patient", 1, 1, 10));
    workers
        .try_submit(Box::new(move || {
            thread::sleep(Duration::from_millis(50));
            done.send(()).unwrap();
        }))
        .unwrap();
    drop(workers);
    results.try_recv().unwrap();
    gone("patient");

    let workers = start(settings("impatient", 1, 1, 10));
    let hold = occupy(&workers, 1);
    assert_eq!(workers.stop(Instant::now()).busy, 1);
    let begin = Instant::now();
    drop(workers);
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    drop(hold);
}

#[test]
fn a_job_may_hold_and_stop_its_own_pool() {
    let workers = Arc::new(start(settings("selfstop", 2, 2, 10)));
    let (done, results) = channel();
    let own = Arc::clone(&workers);
    workers
        .try_submit(Box::new(move || {
            let clean = own.stop(soon()).is_clean();
            drop(own);
            done.send(clean).unwrap();
        }))
        .unwrap();
    drop(workers);
    assert!(results.recv_timeout(Duration::from_secs(5)).unwrap());
    gone("selfstop");
}

#[test]
fn pools_come_and_go_without_a_trace() {
    for _ in 0..100 {
        let workers = start(settings("mayfly", 2, 4, 4));
        let (done, results) = channel();
        workers.try_submit(Box::new(move || done.send(()).unwrap())).unwrap();
        results.recv().unwrap();
        let begin = Instant::now();
        assert!(workers.stop(soon()).is_clean());
        assert!(begin.elapsed() < Duration::from_secs(1));
    }
    gone("mayfly");
}

#[test]
fn an_immense_patience_overflows_nothing() {
    let mut settings = settings("immense", 1, 2, 1);
    (settings.idle, settings.stop) = (Duration::MAX, Duration::MAX);
    let workers = start(settings);
    workers.grow(1);
    asleep("immense", 2);
    drop(workers);
    gone("immense");
}

#[test]
fn settings_without_sense_are_refused() {
    let error = Workers::start(settings("none", 0, 1, 1), |_: ()| {}).err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("at least one worker"));
}
