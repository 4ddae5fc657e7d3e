//! How is one server judged with the options of the command line?

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime};

use cherrystone::gateway::Mode;
use cherrystone_conformance::case::{Case, Fixture, Transport};
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::channel::Connect;
use cherrystone_conformance::control::survey;
use cherrystone_conformance::in_process::Memory;
use cherrystone_conformance::judge::{Delivery, Setting, Timing, Ways};
use cherrystone_conformance::report::{self, Facts, Report};
use cherrystone_conformance::suite;
use cherrystone_conformance::target::Target;
use cherrystone_conformance::testbed::{Testbed, limits};

use super::Trouble;
use super::progress::Progress;

/// The options for how servers are judged.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Judging")]
pub(super) struct SessionArgs {
    /// The route of a fixture: root, echo, inspect, chunked, status, head, discard, upgrade; repeatable
    #[arg(long, value_name = "FIXTURE=/ROUTE")]
    pub(super) map: Vec<RouteArg>,
    /// Settings of the test gateway that are in force: limits, timers
    #[arg(long, value_name = "SETTING", value_delimiter = ',')]
    offers: Vec<Fixture>,
    /// How many cases to play at a time, at most
    #[arg(long, value_name = "N", default_value = "16")]
    jobs: NonZeroUsize,
    /// How long an answer or a close may take
    #[arg(long, value_name = "SECONDS", default_value = "1.5", value_parser = seconds)]
    pub(super) timeout: Duration,
    /// Send every case of the size of a head one octet at a time; the verdicts should be the same
    #[arg(long)]
    octets: bool,
    /// Send each case octet by octet and at every two-way cut besides, with and without a pause; takes long over sockets
    #[arg(long, conflicts_with = "octets")]
    every_cut: bool,
}

impl SessionArgs {
    /// Vouches for the settings of the test gateway.
    pub(super) fn offer_everything(&mut self) {
        self.offers = vec![Fixture::Limits, Fixture::Timers];
    }
}

/// `echo=/post`, or `NAME:echo=/post` for one of several servers.
#[derive(Debug, Clone)]
pub(super) struct RouteArg {
    server: Option<String>,
    fixture: Fixture,
    route: String,
}

impl FromStr for RouteArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (left, route) = text.split_once('=').ok_or("FIXTURE=/ROUTE is wanted")?;
        let (server, fixture) = match left.rsplit_once(':') {
            Some((server, fixture)) => (Some(server.to_owned()), fixture),
            None => (None, left),
        };
        Ok(Self { server, fixture: fixture.parse()?, route: route.to_owned() })
    }
}

impl SessionArgs {
    /// How the server called `name` is addressed and judged.
    pub(super) fn setting(&self, name: &str, target: &Target) -> Result<Setting, Trouble> {
        let mut setting = Setting::new(target.authority());
        setting.timing = Timing::with_answer(self.timeout);
        setting.transport = target.transport();
        if self.octets {
            setting.delivery = Delivery::Octets;
        }
        if self.every_cut {
            setting.ways = Ways::Every;
        }
        for map in self.map.iter().filter(|map| map.server.as_deref().is_none_or(|server| server == name)) {
            setting.addressing.map(map.fixture, &map.route).map_err(Trouble::new)?;
        }
        Ok(setting)
    }

    /// Plays the cases against our own core in memory, each at every cut.
    pub(super) fn judge_core(&self, catalog: &Catalog, cases: &[&Case], name: &str) -> Result<Report, Trouble> {
        let mut setting = Setting::new("memory.example");
        setting.timing = Timing::with_answer(self.timeout);
        setting.ways = Ways::Every;
        let memory = Memory::new(Testbed::new(Mode::Inline), limits());
        self.play(catalog, cases, name, None, &setting, &memory)
    }

    /// Plays the cases against one server, with progress on standard error.
    pub(super) fn judge(
        &self,
        catalog: &Catalog,
        cases: &[&Case],
        name: &str,
        target: &Target,
    ) -> Result<Report, Trouble> {
        let setting = self.setting(name, target)?;
        self.play(catalog, cases, name, Some(target), &setting, target)
    }

    fn play(
        &self,
        catalog: &Catalog,
        cases: &[&Case],
        name: &str,
        target: Option<&Target>,
        setting: &Setting,
        connect: &dyn Connect,
    ) -> Result<Report, Trouble> {
        // Our own server has the limits of the suite.
        let own = target.is_none().then_some([Fixture::Limits, Fixture::Timers]);
        let declared: BTreeSet<_> = self.offers.iter().copied().chain(own.into_iter().flatten()).collect();
        let started = SystemTime::now();
        let clock = Instant::now();
        let survey = survey(connect, setting, &suite::needed(cases), &declared, self.jobs).map_err(|obstacle| {
            Trouble(match target {
                Some(target) => format!("cannot judge {target}: {}", target.diagnose(obstacle)),
                None => format!("cannot judge {name}: {obstacle}"),
            })
        })?;
        if survey.jobs < self.jobs {
            eprintln!(
                "{name}: serves no more than {} of {} connections at a time; so many cases are played at a time",
                survey.jobs, self.jobs
            );
        }
        let progress = Progress::new(name, cases);
        let run = suite::run(cases, setting, &survey, connect, &|n, outcome| progress.done(n, outcome));
        progress.finish();
        let facts = Facts { name, target, setting, survey: &survey, started, took: clock.elapsed() };
        Ok(Report::new(catalog, cases, &run, &facts))
    }
}

/// Where a report goes; the ending of the file's name says in which form.
#[derive(Debug, Clone)]
pub(super) struct ReportFile {
    path: PathBuf,
    render: fn(&Report) -> String,
}

impl FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let render = match path.extension().and_then(|ending| ending.to_str()) {
            Some("html") => report::html,
            Some("json") => report::json,
            Some("xml") => report::junit,
            Some("md") => report::markdown,
            _ => return Err("the file's name must end with .html, .json, .xml or .md".to_owned()),
        };
        Ok(Self { path, render })
    }
}

impl ReportFile {
    pub(super) fn write(&self, report: &Report) -> Result<(), Trouble> {
        fs::write(&self.path, (self.render)(report))
            .map_err(|e| Trouble(format!("cannot write {}: {e}", self.path.display())))
    }
}

/// Reads a report of an earlier run.
pub(super) fn read_report(path: &Path) -> Result<Report, Trouble> {
    let text = fs::read_to_string(path).map_err(|e| Trouble(format!("cannot read {}: {e}", path.display())))?;
    report::from_json(&text).map_err(|e| Trouble(format!("{}: {e}", path.display())))
}

/// A server's address from the options that name it.
pub(super) fn target(address: Option<&str>, unix: Option<&Path>, transport: Transport) -> Result<Target, Trouble> {
    let target = match (address, unix) {
        (_, Some(path)) => Target::unix(path),
        (Some(address), None) => Target::parse(address),
        (None, None) => Err("--target or --unix is needed".to_owned()),
    };
    match transport {
        Transport::Tls => target.and_then(Target::with_tls),
        Transport::Clear => target,
    }
    .map_err(Trouble)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds is wanted".to_owned())?;
    if (0.05..=60.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("0.05 to 60 seconds are possible".to_owned())
    }
}
