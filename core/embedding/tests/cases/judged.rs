//! Which cases does an example fail?

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use cherrystone_conformance::case::{Action, Addressing, Case, Fixture, Transport};
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::channel::Connect;
use cherrystone_conformance::control::{Presence, Survey};
use cherrystone_conformance::judge::{Setting, Timing, Verdict};
use cherrystone_conformance::suite;

/// How often a case that failed is tried alone.
const RETRIES: usize = 3;
/// What a channel of the suite cannot do, so that a case is not to be played over it.
const IMPOSSIBLE: &str = "is not possible over this kind of connection";

/// Plays every case that makes sense over this transport, and panics with those that fail.
pub(crate) fn judge(name: &str, authority: &str, transport: Transport, connect: &dyn Connect) {
    let catalog = Catalog::embedded().unwrap();
    let cases: Vec<_> = catalog.cases().iter().filter(|case| case.only.is_none_or(|only| only == transport)).collect();
    judge_these(name, authority, transport, connect, &cases, 1200);
}

/// Plays each `nth` of the cases of at most so many octets, for what is slow by nature.
pub(crate) fn judge_small(name: &str, authority: &str, connect: &dyn Connect, octets: usize, nth: usize) {
    let catalog = Catalog::embedded().unwrap();
    let addressing = Addressing::new(authority);
    let is_small = |case: &&Case| {
        let written = case.script(&addressing).into_iter().map(|action| match action {
            Action::Write(octets) | Action::Trickle(octets, _) => octets.len(),
            _ => 0,
        });
        written.sum::<usize>() <= octets && case.only != Some(Transport::Tls)
    };
    let cases: Vec<_> = catalog.cases().iter().filter(is_small).step_by(nth).collect();
    judge_these(name, authority, Transport::Clear, connect, &cases, 1200 / nth);
}

/// Plays these cases, of which at least `least` have to pass.
fn judge_these(
    name: &str,
    authority: &str,
    transport: Transport,
    connect: &dyn Connect,
    cases: &[&Case],
    least: usize,
) {
    let setting = Setting { transport, ..Setting::new(authority) };
    let first = play(cases, &setting, connect, 16);
    let count = |wanted: fn(&Verdict) -> bool| first.iter().filter(|(_, verdict)| wanted(verdict)).count();
    let passed = count(|verdict| matches!(verdict, Verdict::Pass | Verdict::Allowed(_)));
    let impossible = count(|verdict| matches!(verdict, Verdict::Untested(why) if why.contains(IMPOSSIBLE)));
    // What fails beside others is played again alone, with more patience: a machine that is busy with other things makes timers
    // late, and no fault of an example goes away by that.
    let mut failed: Vec<_> = first.into_iter().filter(|(_, verdict)| is_bad(verdict)).collect();
    let suspects = failed.len();
    let patient = Setting { timing: Timing::with_answer(Duration::from_secs(5)), ..setting };
    for _ in 0..RETRIES {
        let again: Vec<_> = failed.iter().map(|(case, _)| *case).collect();
        failed = play(&again, &patient, connect, 1);
        failed.retain(|(_, verdict)| is_bad(verdict));
    }
    let failed: Vec<_> = failed.into_iter().map(|(case, verdict)| format!("{}: {verdict}", case.id)).collect();
    println!("{name}: {passed} of {} pass, {impossible} are not possible, {} tried again", cases.len(), suspects);
    assert!(failed.is_empty(), "{name}: {} failures:\n{}", failed.len(), failed.join("\n"));
    assert!(passed + suspects >= least, "{name}: hardly a case was played");
}

fn is_bad(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Pass | Verdict::Allowed(_) => false,
        Verdict::Untested(why) => !why.contains(IMPOSSIBLE),
        Verdict::Fail(_) => true,
    }
}

fn play<'c>(cases: &[&'c Case], setting: &Setting, connect: &dyn Connect, jobs: usize) -> Vec<(&'c Case, Verdict)> {
    let survey = Survey {
        server: None,
        fixtures: Fixture::ALL.iter().map(|fixture| (*fixture, Presence::Present)).collect::<BTreeMap<_, _>>(),
        jobs: NonZeroUsize::new(jobs).unwrap(),
    };
    let run = suite::run(cases, setting, &survey, connect, &|_, _| {});
    cases.iter().copied().zip(run.outcomes.into_iter().map(|outcome| outcome.verdict)).collect()
}
