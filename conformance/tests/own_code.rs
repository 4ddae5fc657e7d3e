//! Does our own code pass every case, however its octets arrive?
//!
//! In memory: whole, octet by octet, at every two-way cut, and with a pause at each cut. Over sockets: on each set-up.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use cherrystone::gateway::Mode;
use cherrystone_conformance::case::{Case, Fixture, Transport};
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::channel::Connect;
use cherrystone_conformance::control::{Presence, Survey};
use cherrystone_conformance::in_process::{Memory, Setup, serve};
use cherrystone_conformance::judge::{Setting, Verdict, Ways};
use cherrystone_conformance::suite;
use cherrystone_conformance::target::Target;
use cherrystone_conformance::testbed::{Testbed, limits};

fn played(case: &Case) -> bool {
    case.only != Some(Transport::Tls)
}

/// What fails over this connection, in these ways.
fn failures(cases: &[&Case], setting: &Setting, connect: &dyn Connect) -> Vec<String> {
    assert!(cases.len() > 1000, "the catalog is nearly empty");
    let survey = Survey {
        server: None,
        fixtures: Fixture::ALL.iter().map(|fixture| (*fixture, Presence::Present)).collect::<BTreeMap<_, _>>(),
        jobs: NonZeroUsize::new(16).unwrap(),
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
        .map(|(case, outcome)| format!("{}: {}", case.id, outcome.verdict))
        .collect()
}

#[test]
fn in_memory_at_every_cut() {
    let catalog = Catalog::embedded().unwrap();
    let cases: Vec<&Case> = catalog.cases().iter().filter(|case| played(case)).collect();
    let memory = Memory::new(Testbed::new(Mode::Inline), limits());
    let setting = Setting { ways: Ways::Every, ..Setting::new("memory.example") };
    let failed = failures(&cases, &setting, &memory);
    assert!(failed.is_empty(), "{} failures:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn over_sockets_on_each_set_up() {
    let catalog = Catalog::embedded().unwrap();
    let cases: Vec<&Case> = catalog.cases().iter().filter(|case| played(case)).collect();
    for setup in Setup::ALL {
        let (running, address) = serve(setup).unwrap();
        let target = Target::parse(&address.to_string()).unwrap();
        let failed = failures(&cases, &Setting::new(target.authority()), &target);
        assert!(failed.is_empty(), "{setup}: {}", failed.join("\n"));
        drop(running);
    }
}
