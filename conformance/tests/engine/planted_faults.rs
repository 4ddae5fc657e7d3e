//! Is each planted fault found, by the case that is there for it?

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use crate::toy::{self, Fault};
use cherrystone_conformance::case::Fixture;
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::control::{Obstacle, Survey, survey};
use cherrystone_conformance::judge::{Delivery, Setting, Timing, Verdict};
use cherrystone_conformance::suite;
use cherrystone_conformance::target::Target;

fn catalog() -> Catalog {
    Catalog::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")).unwrap_or_else(|e| panic!("{e}"))
}

fn setting(target: &Target) -> Setting {
    let mut setting = Setting::new(target.authority());
    setting.timing = Timing::with_answer(Duration::from_millis(600));
    setting
}

fn look(target: &Target) -> Result<Survey, Obstacle> {
    let jobs = NonZeroUsize::new(4).expect("four");
    let catalog = catalog();
    let cases: Vec<_> = catalog.cases().iter().collect();
    survey(target, &setting(target), &suite::needed(&cases), &BTreeSet::new(), jobs)
}

fn verdicts(fault: Fault, delivery: Delivery) -> BTreeMap<String, Verdict> {
    let target = Target::parse(&toy::serve(fault).to_string()).expect("an address");
    let survey = look(&target).unwrap_or_else(|e| panic!("{fault:?}: {e}"));
    let catalog = catalog();
    let cases: Vec<_> = catalog.cases().iter().collect();
    let run = suite::run(&cases, &Setting { delivery, ..setting(&target) }, &survey, &target, &|_, _| {});
    cases.iter().map(|case| case.id.clone()).zip(run.outcomes.into_iter().map(|outcome| outcome.verdict)).collect()
}

fn failed(fault: Fault) -> BTreeMap<String, String> {
    let reason = |(id, verdict): (String, Verdict)| match verdict {
        Verdict::Fail(reason) => Some((id, reason)),
        _ => None,
    };
    verdicts(fault, Delivery::AsWritten).into_iter().filter_map(reason).collect()
}

#[test]
fn a_right_server_passes_in_whatever_pieces_it_is_asked() {
    let pause = Duration::from_millis(3);
    for delivery in [Delivery::AsWritten, Delivery::Octets, Delivery::CutAt { offset: 17, pause }] {
        for (id, verdict) in verdicts(Fault::None, delivery) {
            match id.as_str() {
                "content/early-limit" => assert!(matches!(verdict, Verdict::Untested(_)), "{verdict}"),
                _ => assert_eq!(verdict, Verdict::Pass, "{id} {delivery:?}"),
            }
        }
    }
}

#[test]
fn each_fault_is_found_by_its_case_and_no_other() {
    for (fault, cases, word) in [
        (Fault::BareLf, &["basics/bare-lf"][..], "status 200"),
        (Fault::PlusSign, &["content/plus-sign"], "status 200"),
        (Fault::HeadContent, &["basics/head"], "unexpected octets"),
        (Fault::NeverCloses, &["basics/close"], "still open"),
        (Fault::ShortEcho, &[], ""),
        (Fault::Reversed, &["content/pipelined"], "n2"),
    ] {
        let failed = failed_or_missing(fault);
        assert_eq!(failed.keys().map(String::as_str).collect::<Vec<_>>(), cases, "{fault:?}: {failed:?}");
        assert!(failed.values().all(|reason| reason.contains(word)), "{fault:?}: {failed:?}");
    }
}

/// As [`failed`]; a fault that spoils a fixture shows as untested cases, which is checked here.
fn failed_or_missing(fault: Fault) -> BTreeMap<String, String> {
    if fault == Fault::ShortEcho {
        let target = Target::parse(&toy::serve(fault).to_string()).expect("an address");
        let survey = look(&target).unwrap_or_else(|e| panic!("{e}"));
        let presence = format!("{:?}", survey.fixtures.get(&Fixture::Echo));
        assert!(presence.contains("Missing") && presence.contains("hell"), "{presence}");
    }
    failed(fault)
}

#[test]
fn a_fault_in_every_answer_fails_every_case_with_an_answer() {
    for (fault, word) in [(Fault::BadDate, "Date"), (Fault::SurplusOctet, "unexpected octets \"!\"")] {
        let failed = failed(fault);
        assert!(failed.get("basics/get").is_some_and(|reason| reason.contains(word)), "{fault:?}: {failed:?}");
        assert!(failed.contains_key("basics/octet-by-octet"), "{fault:?}: {failed:?}");
    }
}

#[test]
fn closing_is_a_fault_only_without_notice() {
    let silent = failed(Fault::ClosesSilently);
    assert!(silent["basics/get"].contains("should stay usable"), "{silent:?}");
    assert!(silent["content/pipelined"].contains("answer 2"), "{silent:?}");
    let announced = verdicts(Fault::ClosesWithNotice, Delivery::AsWritten);
    assert!(matches!(announced["basics/get"], Verdict::Allowed(_)), "{announced:?}");
    assert!(matches!(announced["content/pipelined"], Verdict::Allowed(_)), "{announced:?}");
    assert!(!announced.values().any(|verdict| matches!(verdict, Verdict::Fail(_))), "{announced:?}");
}

#[test]
fn a_missing_fixture_is_no_fault() {
    let verdicts = verdicts(Fault::NoEcho, Delivery::AsWritten);
    assert_eq!(verdicts["basics/get"], Verdict::Pass);
    let reason = verdicts["content/echo"].reason().unwrap_or_default();
    assert_eq!(reason, "the server does not offer echo: /echo is answered 404, not 200");
}

#[test]
fn a_server_of_one_connection_gets_one_at_a_time() {
    let target = Target::parse(&toy::serve(Fault::OneAtATime).to_string()).expect("an address");
    assert_eq!(look(&target).map(|survey| survey.jobs.get()).map_err(|e| e.to_string()), Ok(1));
    assert!(failed(Fault::OneAtATime).is_empty());
}

#[test]
fn a_server_that_dies_is_not_charged_with_the_rest() {
    // Enough for the controls: the root, four connections at a time, and the echo.
    let verdicts = verdicts(Fault::DiesAfter(8), Delivery::AsWritten);
    let lost = |verdict: &Verdict| verdict.reason().is_some_and(|reason| reason.contains("cannot be reached any more"));
    assert!(verdicts.values().filter(|verdict| lost(verdict)).count() >= 5, "{verdicts:?}");
}

#[test]
fn obstacles_are_told_apart() {
    let at = |fault| look(&Target::parse(&toy::serve(fault).to_string()).expect("an address"));
    assert!(matches!(at(Fault::Silent), Err(Obstacle::Silent { .. })));
    assert!(matches!(at(Fault::LfAnswers), Err(Obstacle::NotHttp { .. })));
    let mut elsewhere = setting(&Target::parse("127.0.0.1:1").expect("an address"));
    elsewhere.addressing.map(Fixture::Root, "/elsewhere").expect("a route");
    let target = Target::parse(&toy::serve(Fault::None).to_string()).expect("an address");
    let missing = survey(&target, &elsewhere, &BTreeSet::new(), &BTreeSet::new(), NonZeroUsize::MIN);
    assert!(matches!(missing, Err(Obstacle::NoRoot { status: 404, .. })), "{missing:?}");
}
