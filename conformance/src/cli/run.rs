//! `run`: does one server conform?

use std::path::PathBuf;

use cherrystone_conformance::case::{Case, Transport};
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::in_process::{self, Setup};
use cherrystone_conformance::report::Report;
use cherrystone_conformance::target::Target;

use super::cases::CaseArgs;
use super::session::{self, ReportFile, SessionArgs};
use super::show::{self, Detail};
use super::{End, Trouble};

/// Judge one server.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    /// The server: HOST:PORT, http://HOST, https://HOST or unix:PATH
    #[arg(long, value_name = "ADDRESS", required_unless_present_any = ["unix", "in_process"], conflicts_with = "unix")]
    target: Option<String>,
    /// Our own code in this process: the core in memory at every cut, or a backend
    #[arg(long, value_name = "SETUP", conflicts_with_all = ["target", "unix", "tls"])]
    in_process: Option<InProcess>,
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

/// Our own code, and how it is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum InProcess {
    /// The core alone, in memory, every case at every cut.
    Core,
    /// The thread backend.
    Threads,
    /// The event loop, which handles requests itself.
    Mio,
    /// The event loop in front of workers.
    MioBlocking,
}

impl InProcess {
    fn judge(
        self,
        catalog: &Catalog,
        cases: &[&Case],
        name: &str,
        mut session: SessionArgs,
    ) -> Result<Report, Trouble> {
        let setup = match self {
            Self::Core => return session.judge_core(catalog, cases, name),
            Self::Threads => Setup::Threads,
            Self::Mio => Setup::MioInline,
            Self::MioBlocking => Setup::MioBlocking,
        };
        session.offer_everything();
        let (running, address) = in_process::serve(setup).map_err(Trouble::new)?;
        let target = Target::parse(&address.to_string()).map_err(Trouble::new)?;
        let report = session.judge(catalog, cases, name, &target);
        drop(running);
        report
    }
}

impl Run {
    pub(super) fn execute(self) -> Result<End, Trouble> {
        let catalog = self.cases.catalog()?;
        let cases = self.cases.select(&catalog)?;
        let report = if let Some(own) = self.in_process {
            own.judge(&catalog, &cases, self.name.as_deref().unwrap_or("cherrystone"), self.session)?
        } else {
            let transport = if self.tls { Transport::Tls } else { Transport::Clear };
            let target = session::target(self.target.as_deref(), self.unix.as_deref(), transport)?;
            let name = self.name.unwrap_or_else(|| target.authority());
            self.session.judge(&catalog, &cases, &name, &target)?
        };
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
