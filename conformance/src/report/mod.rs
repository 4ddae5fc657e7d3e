//! How are the results of one or several runs kept and shown?
//!
//! A [`Report`] is plain data: written as JSON and read back, merged with others, and shown as HTML, JUnit XML or
//! Markdown. The JSON is described by `conformance/docs/report.schema.json`.
//!
//! 1. A report says everything about a verdict: no other file is needed to understand it.
//! 2. Octets are kept as visible text, each cut to a few thousand, with their true number beside.

mod html;
mod json;
mod junit;
mod markdown;
mod merge;
mod time;

pub use html::html;
pub use json::{from_json, json};
pub use junit::junit;
pub use markdown::markdown;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::byhand;
use crate::bytes::excerpt;
use crate::case::{Case, Fixture};
use crate::catalog::Catalog;
use crate::control::{Presence, Survey};
use crate::judge::{Outcome, Outlook, Setting, Verdict};
use crate::requirement::{Level, Requirement};
use crate::suite::Run;
use crate::target::Target;

/// The number of the JSON's schema; a reader refuses others.
pub const SCHEMA: u32 = 1;
const MOST_OCTETS_SHOWN: usize = 2048;

/// The results of some servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The version of the suite.
    pub suite: String,
    /// All requirements that were known, whether or not a case of this run tests them.
    pub requirements: Vec<Requirement>,
    /// The cases that were played, in the order of their ids.
    pub cases: Vec<CaseEntry>,
    /// The servers.
    pub targets: Vec<TargetEntry>,
}

/// What a case asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseEntry {
    /// `group/name`.
    pub id: String,
    /// How grave it is to fail.
    pub level: Level,
    /// The reason in one sentence.
    pub why: String,
    /// Ids of the requirements that it tests.
    pub requires: Vec<String>,
    /// What it needs of a server.
    pub fixtures: Vec<Fixture>,
}

/// The results of one server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetEntry {
    /// What the user calls it.
    pub name: String,
    /// Where it was.
    pub address: String,
    /// What it calls itself in the Server field.
    pub server: Option<String>,
    /// When the run began, as in RFC 3339.
    pub started: String,
    /// How long the run took, in seconds.
    pub seconds: f64,
    /// How many cases were played at a time.
    pub jobs: usize,
    /// What the server offers.
    pub fixtures: Vec<FixtureEntry>,
    /// Why the run could not be completed.
    pub lost: Option<String>,
    /// One for each case that was played, in the order of their ids.
    pub results: Vec<ResultEntry>,
}

/// One fixture of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixtureEntry {
    /// The fixture.
    pub name: Fixture,
    /// Its route; none for a setting.
    pub route: Option<String>,
    /// Why it is not there; none when it is.
    pub missing: Option<String>,
}

/// The kind of a [`Verdict`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It does something wrong.
    Fail,
    /// It does something that the RFC leaves open.
    Allowed,
    /// It does what is asked for.
    Pass,
    /// The case could not be judged.
    Untested,
}

impl Kind {
    /// All kinds, the worst first.
    pub const ALL: [Self; 4] = [Self::Fail, Self::Allowed, Self::Pass, Self::Untested];

    /// The kind of a verdict.
    pub const fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Allowed(_) => Self::Allowed,
            Verdict::Fail(_) => Self::Fail,
            Verdict::Untested(_) => Self::Untested,
        }
    }

    /// The name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Allowed => "allowed",
            Self::Pass => "pass",
            Self::Untested => "untested",
        }
    }
}

/// One case with one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultEntry {
    /// The case.
    pub case: String,
    /// The verdict.
    pub verdict: Kind,
    /// What was chosen, what is wrong, or why it was not tested.
    pub reason: Option<String>,
    /// What must come back.
    pub expected: String,
    /// What was sent, made visible.
    pub sent: String,
    /// How many octets that were.
    pub sent_octets: usize,
    /// What was received, made visible.
    pub received: String,
    /// How many octets that were.
    pub received_octets: usize,
    /// How the server's direction stood in the end: `open`, `closed` or `reset`.
    pub ending: String,
    /// How long it took.
    pub milliseconds: u64,
    /// A shell command that repeats it.
    pub by_hand: String,
}

/// Everything about one run that goes into a report.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'f> {
    /// What the server is called.
    pub name: &'f str,
    /// Where it is; `None` for our own core, in memory.
    pub target: Option<&'f Target>,
    /// How the cases were played.
    pub setting: &'f Setting,
    /// What it offers.
    pub survey: &'f Survey,
    /// When the run began.
    pub started: SystemTime,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// The report of one run.
    pub fn new(catalog: &Catalog, cases: &[&Case], run: &Run, facts: &Facts<'_>) -> Self {
        let case = |case: &&Case| CaseEntry {
            id: case.id.clone(),
            level: case.level,
            why: case.why.clone(),
            requires: case.requires.clone(),
            fixtures: case.fixtures.clone(),
        };
        let fixture = |(&name, presence): (&Fixture, &Presence)| FixtureEntry {
            name,
            route: name.default_route().map(|_| facts.setting.addressing.route(name).to_owned()),
            missing: match presence {
                Presence::Present => None,
                Presence::Missing(reason) => Some(reason.clone()),
            },
        };
        let results = cases.iter().zip(&run.outcomes).map(|(case, outcome)| result(case, outcome, facts));
        let target = TargetEntry {
            name: facts.name.to_owned(),
            address: facts.target.map_or_else(|| "in memory".to_owned(), Target::to_string),
            server: facts.survey.server.clone(),
            started: time::rfc3339(facts.started),
            seconds: (facts.took.as_secs_f64() * 1000.0).round() / 1000.0,
            jobs: facts.survey.jobs.get(),
            fixtures: facts.survey.fixtures.iter().map(fixture).collect(),
            lost: run.lost.clone(),
            results: results.collect(),
        };
        Self {
            schema: SCHEMA,
            suite: env!("CARGO_PKG_VERSION").to_owned(),
            requirements: catalog.requirements().to_vec(),
            cases: cases.iter().map(case).collect(),
            targets: vec![target],
        }
    }

    /// The case of this id.
    pub fn case(&self, id: &str) -> Option<&CaseEntry> {
        let at = self.cases.binary_search_by(|case| case.id.as_str().cmp(id)).ok()?;
        self.cases.get(at)
    }

    /// The ids of the cases that test a requirement.
    pub fn cases_of(&self, requirement: &str) -> BTreeSet<&str> {
        let cites = |case: &&CaseEntry| case.requires.iter().any(|id| id == requirement);
        self.cases.iter().filter(cites).map(|case| case.id.as_str()).collect()
    }
}

impl TargetEntry {
    /// How many results are of this kind.
    pub fn count(&self, kind: Kind) -> usize {
        self.results.iter().filter(|result| result.verdict == kind).count()
    }

    /// The result of a case.
    pub fn result(&self, case: &str) -> Option<&ResultEntry> {
        let at = self.results.binary_search_by(|result| result.case.as_str().cmp(case)).ok()?;
        self.results.get(at)
    }

    /// How many of `cases` are of each kind, in the order of [`Kind::ALL`].
    pub fn tally(&self, cases: &BTreeSet<&str>) -> [usize; 4] {
        let of = |kind| self.results.iter().filter(|r| r.verdict == kind && cases.contains(r.case.as_str())).count();
        Kind::ALL.map(of)
    }
}

fn result(case: &Case, outcome: &Outcome, facts: &Facts<'_>) -> ResultEntry {
    let transcript = &outcome.transcript;
    ResultEntry {
        case: case.id.clone(),
        verdict: Kind::of(&outcome.verdict),
        reason: outcome.verdict.reason().map(str::to_owned),
        expected: case.describe_expected(&facts.setting.addressing),
        sent: excerpt(&transcript.sent, MOST_OCTETS_SHOWN),
        sent_octets: transcript.sent.len(),
        received: excerpt(&transcript.received, MOST_OCTETS_SHOWN),
        received_octets: transcript.received.len(),
        ending: match transcript.outlook {
            Outlook::Open => "open",
            Outlook::Closed => "closed",
            Outlook::Reset => "reset",
        }
        .to_owned(),
        milliseconds: u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
        by_hand: facts.target.map_or_else(
            || format!("cherrystone-conformance run --in-process core --filter '{}'", case.id),
            |target| byhand::command(case, &facts.setting.addressing, target),
        ),
    }
}

#[cfg(test)]
mod tests;
