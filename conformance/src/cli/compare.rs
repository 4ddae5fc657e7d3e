//! `compare`: what do several servers do differently?

use std::collections::BTreeSet;
use std::path::Path;

use cherrystone_conformance::report::{Kind, Report};
use cherrystone_conformance::target::Target;

use super::cases::CaseArgs;
use super::progress::counts;
use super::session::{ReportFile, SessionArgs, read_report};
use super::{End, Trouble, show};

/// Judge several servers, or put reports of earlier runs side by side.
#[derive(Debug, clap::Args)]
pub(super) struct Compare {
    /// Servers, [NAME=]ADDRESS, and JSON reports of earlier runs, [NAME=]FILE.json
    #[arg(required = true, value_name = "SERVER|REPORT")]
    servers: Vec<String>,
    /// Write a report: .html, .json, .xml (JUnit) or .md; repeatable
    #[arg(long, value_name = "FILE")]
    report: Vec<ReportFile>,
    #[command(flatten)]
    cases: CaseArgs,
    #[command(flatten)]
    session: SessionArgs,
}

impl Compare {
    pub(super) fn execute(self) -> Result<End, Trouble> {
        let catalog = self.cases.catalog()?;
        let mut all: Option<Report> = None;
        for server in &self.servers {
            let (name, place) = match server.split_once('=') {
                Some((name, place)) => (Some(name), place),
                None => (None, server.as_str()),
            };
            let mut report = if place.ends_with(".json") {
                read_report(Path::new(place))?
            } else {
                let target = Target::parse(place).map_err(Trouble)?;
                let shown = name.map_or_else(|| target.authority(), str::to_owned);
                self.session.judge(&catalog, &self.cases.select(&catalog)?, &shown, &target)?
            };
            if let (Some(name), [target]) = (name, report.targets.as_mut_slice()) {
                name.clone_into(&mut target.name);
            }
            match &mut all {
                Some(all) => all.merge(report),
                None => all = Some(report),
            }
        }
        let Some(report) = all else { return Err(Trouble::new("nothing to compare")) };
        for file in &self.report {
            file.write(&report)?;
        }
        print(&report);
        if let Some(lost) = report.targets.iter().find_map(|target| target.lost.as_deref()) {
            return Err(Trouble::new(lost));
        }
        Ok(show::end(&report))
    }
}

/// One line for each case that the servers do not all pass, then counts by group and in all.
fn print(report: &Report) {
    let width = report.cases.iter().map(|case| case.id.len()).max().unwrap_or(0);
    let columns: Vec<_> = report.targets.iter().map(|target| target.name.chars().count().max(8)).collect();
    let row = |head: &str, level: &str, cells: &[String]| {
        let mut line = format!("{head:width$} {level:8}");
        for (cell, column) in cells.iter().zip(&columns) {
            line.push_str(&format!(" {cell:column$}"));
        }
        println!("{}", line.trim_end());
    };
    let names: Vec<_> = report.targets.iter().map(|target| target.name.clone()).collect();
    row("case", "level", &names);
    for case in &report.cases {
        let kinds: Vec<_> = report.targets.iter().map(|t| t.result(&case.id).map(|r| r.verdict)).collect();
        if kinds.iter().all(|kind| *kind == Some(Kind::Pass)) {
            continue;
        }
        let cells: Vec<_> = kinds.iter().map(|kind| kind.map_or("", Kind::name).to_owned()).collect();
        row(&case.id, case.level.name(), &cells);
    }
    println!();
    for target in &report.targets {
        println!("{}: {}", target.name, counts(Kind::ALL.map(|kind| target.count(kind))));
        if let Some(lost) = &target.lost {
            println!("{}: the run is incomplete: {lost}", target.name);
        }
    }
    let broken = report.requirements.iter().filter(|requirement| {
        let cases: BTreeSet<_> = report.cases_of(&requirement.id);
        report.targets.iter().any(|target| target.tally(&cases)[0] > 0)
    });
    println!("{} of {} requirements are broken by some server", broken.count(), report.requirements.len());
}
