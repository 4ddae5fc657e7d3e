//! How are results shown as text?

use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::report::{Kind, Report, ResultEntry, TargetEntry};
use cherrystone_conformance::requirement::Level;

use super::End;
use super::progress::counts;

/// What to show besides failures and counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    Failures,
    ChoicesToo,
}

/// Prints what failed, and the counts.
pub(super) fn target(report: &Report, target: &TargetEntry, catalog: &Catalog, detail: Detail) {
    for result in &target.results {
        match result.verdict {
            Kind::Fail => failure(report, result, catalog),
            Kind::Allowed if detail == Detail::ChoicesToo => {
                println!("allowed  {}: {}", result.case, result.reason.as_deref().unwrap_or_default());
            }
            Kind::Untested if detail == Detail::ChoicesToo => {
                println!("untested {}: {}", result.case, result.reason.as_deref().unwrap_or_default());
            }
            _ => {}
        }
    }
    for fixture in target.fixtures.iter() {
        if let Some(reason) = &fixture.missing {
            println!("not offered: {} ({reason})", fixture.name);
        }
    }
    for level in Level::ALL {
        let at = |id: &str| report.case(id).is_some_and(|case| case.level == level);
        let of = |kind| target.results.iter().filter(|r| r.verdict == kind && at(&r.case)).count();
        let tally = Kind::ALL.map(of);
        if tally.iter().any(|count| *count > 0) {
            println!("{level:9} {}", counts(tally));
        }
    }
    println!("{}: {} in {:.1} s", target.name, counts(Kind::ALL.map(|kind| target.count(kind))), target.seconds);
    if let Some(lost) = &target.lost {
        println!("{}: the run is incomplete: {lost}", target.name);
    }
}

/// Whether all targets conform; 2 is for runs that could not be completed, which is decided elsewhere.
pub(super) fn end(report: &Report) -> End {
    let failed = report.targets.iter().any(|target| target.count(Kind::Fail) > 0);
    if failed { End::Fails } else { End::Conforms }
}

fn failure(report: &Report, result: &ResultEntry, catalog: &Catalog) {
    let (level, why) = report.case(&result.case).map_or(("", ""), |case| (case.level.name(), case.why.as_str()));
    println!("FAIL {} [{level}; {}] {why}", result.case, citations(report, &result.case, catalog));
    println!("     expected: {}", result.expected);
    println!("     reason:   {}", result.reason.as_deref().unwrap_or_default());
    println!("     received: {}; then {}", shortened(&result.received, 300), result.ending);
    println!("     by hand:  {}", result.by_hand);
}

fn citations(report: &Report, case: &str, catalog: &Catalog) -> String {
    let requires = report.case(case).map(|case| case.requires.as_slice()).unwrap_or_default();
    let known = requires.iter().filter_map(|id| catalog.requirement(id));
    let mut citations: Vec<_> = known.map(cherrystone_conformance::requirement::Requirement::citation).collect();
    citations.dedup();
    citations.join("; ")
}

/// ASCII text, cut.
fn shortened(text: &str, most: usize) -> &str {
    text.get(..most).unwrap_or(text)
}
