//! What the tests of our own code share.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use cherrystone_conformance::case::{Case, Fixture, Transport};
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::channel::Connect;
use cherrystone_conformance::control::{Presence, Survey};
use cherrystone_conformance::judge::{Setting, Verdict};
use cherrystone_conformance::suite;

/// The cases that make sense in clear text.
pub(crate) fn cases(catalog: &Catalog) -> Vec<&Case> {
    let cases: Vec<_> = catalog.cases().iter().filter(|case| case.only != Some(Transport::Tls)).collect();
    assert!(cases.len() > 1000, "the catalog is nearly empty");
    cases
}

/// What fails over this connection. What fails beside others is played once more alone: a machine that is busy with other things
/// makes a timer late, and no fault of the server goes away by that.
pub(crate) fn failures(cases: &[&Case], setting: &Setting, connect: &dyn Connect) -> Vec<String> {
    let suspects: Vec<_> = play(cases, setting, connect, 16).into_iter().map(|(case, _)| case).collect();
    let failed = play(&suspects, setting, connect, 1);
    failed.into_iter().map(|(case, why)| format!("{}: {why}", case.id)).collect()
}

fn play<'c>(cases: &[&'c Case], setting: &Setting, connect: &dyn Connect, jobs: usize) -> Vec<(&'c Case, String)> {
    let survey = Survey {
        server: None,
        fixtures: Fixture::ALL.iter().map(|fixture| (*fixture, Presence::Present)).collect::<BTreeMap<_, _>>(),
        jobs: NonZeroUsize::new(jobs).unwrap(),
    };
    let run = suite::run(cases, setting, &survey, connect, &|_, _| {});
    let outcomes = cases.iter().zip(&run.outcomes);
    outcomes
        .filter(|(_, outcome)| match &outcome.verdict {
            Verdict::Pass | Verdict::Allowed(_) => false,
            // In memory there is nothing to reset.
            Verdict::Untested(reason) => !reason.contains("a reset is not possible"),
            Verdict::Fail(_) => true,
        })
        .map(|(case, outcome)| (*case, outcome.verdict.to_string()))
        .collect()
}
