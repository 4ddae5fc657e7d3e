//! `run`: does one server conform?

use std::path::PathBuf;

use cherrystone_conformance::case::Transport;

use super::cases::CaseArgs;
use super::session::{self, ReportFile, SessionArgs};
use super::show::{self, Detail};
use super::{End, Trouble};

/// Judge one server.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// The server: HOST:PORT, http://HOST, https://HOST or unix:PATH
    #[arg(long, value_name = "ADDRESS", required_unless_present = "unix", conflicts_with = "unix")]
    target: Option<String>,
    /// The server's Unix socket
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,
    /// Speak TLS; the certificate is not verified
    #[arg(long, conflicts_with = "unix")]
    tls: bool,
    /// What to call the server in reports
    #[arg(long)]
    name: Option<String>,
    /// Write a report: .html, .json, .xml (JUnit) or .md; repeatable
    #[arg(long, value_name = "FILE")]
    report: Vec<ReportFile>,
    /// Show what was chosen where the RFC leaves a choice, and what was not tested
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    cases: CaseArgs,
    #[command(flatten)]
    session: SessionArgs,
}

impl Run {
    pub(super) fn execute(self) -> Result<End, Trouble> {
        let transport = if self.tls { Transport::Tls } else { Transport::Clear };
        let target = session::target(self.target.as_deref(), self.unix.as_deref(), transport)?;
        let catalog = self.cases.catalog()?;
        let cases = self.cases.select(&catalog)?;
        let name = self.name.unwrap_or_else(|| target.authority());
        let report = self.session.judge(&catalog, &cases, &name, &target)?;
        for file in &self.report {
            file.write(&report)?;
        }
        let detail = if self.verbose { Detail::ChoicesToo } else { Detail::Failures };
        for entry in &report.targets {
            show::target(&report, entry, &catalog, detail);
            if let Some(lost) = &entry.lost {
                return Err(Trouble::new(lost));
            }
        }
        Ok(show::end(&report))
    }
}
