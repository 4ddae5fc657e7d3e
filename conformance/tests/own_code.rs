//! Does our own code pass every case, however its octets arrive?
//!
//! In memory: whole, octet by octet, at every two-way cut, and with a pause at each cut. Over sockets: on each set-up.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cherrystone::gateway::Mode;
use cherrystone_conformance::case::{Action, Case, Fixture, Transport};
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::channel::Connect;
use cherrystone_conformance::control::{Presence, Survey};
use cherrystone_conformance::in_process::{Memory, Setup, serve};
use cherrystone_conformance::judge::{Delivery, Setting, Verdict, judge};
use cherrystone_conformance::suite;
use cherrystone_conformance::target::Target;
use cherrystone_conformance::testbed::{Testbed, limits};

/// Octets up to which a case is cut everywhere; longer ones are cut at some places.
const CUT_EVERYWHERE: usize = 400;
const SOME_CUTS: usize = 40;

fn memory() -> Memory {
    Memory::new(Testbed::new(Mode::Inline), limits())
}

fn played(case: &Case) -> bool {
    case.only != Some(Transport::Tls)
}

fn octets(case: &Case, setting: &Setting) -> usize {
    let written = |action: &Action| match action {
        Action::Write(data) | Action::Trickle(data, _) => data.len(),
        _ => 0,
    };
    case.script(&setting.addressing).iter().map(written).sum()
}

/// Plays a case in each of these deliveries; what fails, if anything does.
fn failures(case: &Case, deliveries: impl Iterator<Item = Delivery>, connect: &dyn Connect) -> Vec<String> {
    let mut found = Vec::new();
    for delivery in deliveries {
        let setting = Setting { delivery, ..Setting::new("memory.example") };
        let outcome = judge(case, &setting, connect).expect("memory can always be connected to");
        match outcome.verdict {
            Verdict::Pass | Verdict::Allowed(_) => {}
            Verdict::Untested(reason) if reason.contains("reset") => {}
            Verdict::Fail(reason) | Verdict::Untested(reason) => {
                found.push(format!("{}: {delivery:?}: {reason}", case.id))
            }
        }
    }
    found
}

/// Runs `work` for every case on all processors; nothing may fail.
fn for_every_case(catalog: &Catalog, work: impl Fn(&Case) -> Vec<String> + Sync) {
    let cases: Vec<&Case> = catalog.cases().iter().filter(|case| played(case)).collect();
    assert!(cases.len() > 1000, "the catalog is nearly empty");
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, NonZeroUsize::get) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let failed = work(case);
                    found.lock().unwrap().extend(failed);
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "{} failures, the first:\n{}", found.len(), found[..found.len().min(20)].join("\n"));
}

#[test]
fn in_memory_whole_and_octet_by_octet() {
    let catalog = Catalog::embedded().unwrap();
    let memory = memory();
    for_every_case(&catalog, |case| {
        // A case with pauses of its own, delivered octet by octet, would overrun the time for its head.
        let script = case.script(&Setting::new("memory.example").addressing);
        let paused = script.iter().any(|action| matches!(action, Action::Pause(_) | Action::Trickle(..)));
        let deliveries = if paused { &[Delivery::AsWritten][..] } else { &[Delivery::AsWritten, Delivery::Octets] };
        failures(case, deliveries.iter().copied(), &memory)
    });
}

#[test]
fn in_memory_at_every_cut() {
    let catalog = Catalog::embedded().unwrap();
    let memory = memory();
    for_every_case(&catalog, |case| {
        let octets = octets(case, &Setting::new("memory.example"));
        let step = if octets <= CUT_EVERYWHERE { 1 } else { (octets / SOME_CUTS).max(1) };
        let cuts = (1..octets).step_by(step);
        let paused = cuts.clone().map(|offset| Delivery::CutAt { offset, pause: Duration::from_millis(30) });
        let cuts = cuts.map(|offset| Delivery::CutAt { offset, pause: Duration::ZERO });
        failures(case, cuts.chain(paused), &memory)
    });
}

#[test]
fn over_sockets_on_each_set_up() {
    let catalog = Catalog::embedded().unwrap();
    let cases: Vec<&Case> = catalog.cases().iter().filter(|case| played(case)).collect();
    for setup in Setup::ALL {
        let (running, address) = serve(setup).unwrap();
        let target = Target::parse(&address.to_string()).unwrap();
        let survey = Survey {
            server: None,
            fixtures: Fixture::ALL.iter().map(|fixture| (*fixture, Presence::Present)).collect::<BTreeMap<_, _>>(),
            jobs: NonZeroUsize::new(16).unwrap(),
        };
        let run = suite::run(&cases, &Setting::new(target.authority()), &survey, &target, &|_, _| {});
        let failed: Vec<_> = cases
            .iter()
            .zip(&run.outcomes)
            .filter(|(_, outcome)| !matches!(outcome.verdict, Verdict::Pass | Verdict::Allowed(_)))
            .map(|(case, outcome)| format!("{}: {:?}", case.id, outcome.verdict))
            .collect();
        assert!(failed.is_empty(), "{setup}: {}", failed.join("\n"));
        drop(running);
    }
}
