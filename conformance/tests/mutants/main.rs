//! Does the suite find a fault that somebody planted?
//!
//! The server is our own, in memory. In front of it stands a mutant: a connection that changes requests or answers on their way, so
//! that the server seems to have one fault. Each must be found by the cases that are named with it; without a fault nothing is found.

mod answers;
mod connections;
mod proxy;
mod requests;

use std::num::NonZeroUsize;

use cherrystone::gateway::Mode;
use cherrystone_conformance::case::{Case, Fixture, Transport};
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::control::{Presence, Survey};
use cherrystone_conformance::in_process::Memory;
use cherrystone_conformance::judge::{Setting, Verdict, judge};
use cherrystone_conformance::suite;
use cherrystone_conformance::testbed::{Testbed, limits};

use crate::proxy::{Fault, Proxy};

/// One fault, and the cases that find it.
struct Mutant {
    name: &'static str,
    fault: fn() -> Box<dyn Fault>,
    found_by: &'static [&'static str],
}

/// Nothing is changed.
struct Nothing;
impl Fault for Nothing {}

fn memory() -> Memory {
    Memory::new(Testbed::new(Mode::Inline), limits())
}

#[test]
fn without_a_fault_nothing_is_found() {
    let catalog = Catalog::embedded().unwrap();
    let cases: Vec<&Case> = catalog.cases().iter().filter(|case| case.only != Some(Transport::Tls)).collect();
    let memory = memory();
    let proxy = Proxy { server: &memory, fault: || Box::new(Nothing) };
    let survey = Survey {
        server: None,
        fixtures: Fixture::ALL.iter().map(|fixture| (*fixture, Presence::Present)).collect(),
        jobs: NonZeroUsize::new(4).unwrap(),
    };
    let run = suite::run(&cases, &Setting::new("memory.example"), &survey, &proxy, &|_, _| {});
    let failed: Vec<_> = cases
        .iter()
        .zip(&run.outcomes)
        .filter(|(_, outcome)| matches!(outcome.verdict, Verdict::Fail(_)))
        .map(|(case, outcome)| format!("{}: {}", case.id, outcome.verdict))
        .collect();
    assert_eq!(run.lost, None);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn each_fault_is_found_by_name() {
    let catalog = Catalog::embedded().unwrap();
    let (memory, setting) = (memory(), Setting::new("memory.example"));
    let mutants: Vec<Mutant> =
        [requests::mutants(), answers::mutants(), connections::mutants()].into_iter().flatten().collect();
    assert!(mutants.len() >= 30, "{} mutants", mutants.len());
    let mut missed = Vec::new();
    for mutant in &mutants {
        assert!(!mutant.found_by.is_empty(), "{}", mutant.name);
        let proxy = Proxy { server: &memory, fault: mutant.fault };
        for id in mutant.found_by {
            let case = catalog.case(id).unwrap_or_else(|| panic!("no case {id}"));
            let sound = judge(case, &setting, &memory).unwrap().verdict;
            assert!(matches!(sound, Verdict::Pass | Verdict::Allowed(_)), "{id} without the fault: {sound}");
            let verdict = judge(case, &setting, &proxy).unwrap().verdict;
            if !matches!(verdict, Verdict::Fail(_)) {
                missed.push(format!("{}: {id} says {verdict}", mutant.name));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
