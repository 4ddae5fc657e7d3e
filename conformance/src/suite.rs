//! How do many cases run against one server?
//!
//! 1. Results come in the order of the cases, whatever the number of jobs.
//! 2. Slow cases start first, so that they do not prolong the run.
//! 3. A server that dies makes the rest untested, with the cases that ran then; it is not charged with each of them.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::case::{Case, Fixture, Patience, Transport};
use crate::catalog::Catalog;
use crate::channel::Connect;
use crate::control::{Presence, Survey};
use crate::glob;
use crate::judge::{Outcome, Outlook, Setting, Transcript, Verdict, judge_ways};
use crate::requirement::Level;

/// Which cases to play.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only those that match one of these patterns; all when empty.
    pub filter: Vec<String>,
    /// None that matches one of these patterns.
    pub skip: Vec<String>,
    /// Only those of these levels; all when empty.
    pub levels: Vec<Level>,
}

impl Selection {
    /// The selected cases, in the order of the catalog.
    pub fn cases<'c>(&self, catalog: &'c Catalog) -> Vec<&'c Case> {
        let any = |patterns: &[String], case: &Case| patterns.iter().any(|pattern| glob::matches(pattern, &case.id));
        let wanted = |case: &&Case| {
            (self.filter.is_empty() || any(&self.filter, case))
                && !any(&self.skip, case)
                && (self.levels.is_empty() || self.levels.contains(&case.level))
        };
        catalog.cases().iter().filter(wanted).collect()
    }
}

/// All fixtures that some of `cases` need.
pub fn needed(cases: &[&Case]) -> BTreeSet<Fixture> {
    cases.iter().flat_map(|case| case.fixtures.iter().copied()).collect()
}

/// The outcomes of a run, in the order of its cases.
#[derive(Debug, Clone)]
pub struct Run {
    /// One for each case.
    pub outcomes: Vec<Outcome>,
    /// Why the run could not be completed.
    pub lost: Option<String>,
}

/// Plays `cases`, several at a time, and calls `observe` with the number of each case that is done, and its outcome.
pub fn run(
    cases: &[&Case],
    setting: &Setting,
    survey: &Survey,
    connect: &dyn Connect,
    observe: &(dyn Fn(usize, &Outcome) + Sync),
) -> Run {
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by_key(|&n| (cases[n].patience != Patience::Slow, n));
    let next = AtomicUsize::new(0);
    let shared = Mutex::new(Shared { outcomes: vec![None; cases.len()], running: BTreeSet::new(), lost: None });
    let work = || {
        while let Some(&n) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let case = cases[n];
            let outcome = match blocked(case, setting, survey).or_else(|| lock(&shared).lost.clone()) {
                Some(reason) => untested(reason),
                None => {
                    lock(&shared).running.insert(n);
                    let outcome = persistent(case, setting, connect, &shared, cases);
                    lock(&shared).running.remove(&n);
                    outcome
                }
            };
            observe(n, &outcome);
            lock(&shared).outcomes[n] = Some(outcome);
        }
    };
    thread::scope(|scope| {
        for _ in 1..jobs(survey.jobs, cases.len()) {
            scope.spawn(work);
        }
        work();
    });
    let shared = shared.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let outcomes =
        shared.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| untested("not reached".to_owned())));
    Run { outcomes: outcomes.collect(), lost: shared.lost }
}

struct Shared {
    outcomes: Vec<Option<Outcome>>,
    running: BTreeSet<usize>,
    lost: Option<String>,
}

/// A panic in a worker thread is a defect of ours; the data behind the lock stays whole.
fn lock<'s>(shared: &'s Mutex<Shared>) -> std::sync::MutexGuard<'s, Shared> {
    shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn jobs(wanted: NonZeroUsize, cases: usize) -> usize {
    wanted.get().min(cases.max(1))
}

/// Why the case cannot be played against this server.
fn blocked(case: &Case, setting: &Setting, survey: &Survey) -> Option<String> {
    match case.only.filter(|only| *only != setting.transport) {
        Some(Transport::Clear) => return Some("it makes sense in clear text only".to_owned()),
        Some(Transport::Tls) => return Some("it makes sense over TLS only".to_owned()),
        None => {}
    }
    case.fixtures.iter().find_map(|fixture| match survey.fixtures.get(fixture) {
        Some(Presence::Present) => None,
        Some(Presence::Missing(reason)) => Some(format!("the server does not offer {fixture}: {reason}")),
        None => Some(format!("the fixture {fixture} was not looked for")),
    })
}

/// Plays one case; a connection that does not come about is tried again for a while.
fn persistent(
    case: &Case,
    setting: &Setting,
    connect: &dyn Connect,
    shared: &Mutex<Shared>,
    cases: &[&Case],
) -> Outcome {
    let mut waits = [100, 400, 1000].into_iter().map(Duration::from_millis);
    loop {
        let error = match judge_ways(case, setting, setting.ways, connect) {
            Ok(outcome) => return outcome,
            Err(error) => error,
        };
        match waits.next() {
            Some(time) => thread::sleep(time),
            None => {
                let mut shared = lock(shared);
                let running: Vec<_> = shared.running.iter().map(|&n| cases[n].id.as_str()).collect();
                let reason =
                    format!("the server cannot be reached any more ({error}); running then: {}", running.join(", "));
                return untested(shared.lost.get_or_insert(reason).clone());
            }
        }
    }
}

fn untested(reason: String) -> Outcome {
    Outcome {
        verdict: Verdict::Untested(reason),
        transcript: Transcript { sent: Vec::new(), received: Vec::new(), outlook: Outlook::Open },
        took: Duration::ZERO,
    }
}
