//! `explain`: what does one case send, why, and what must come back?

use std::io::{self, Write as _};
use std::path::PathBuf;

use cherrystone_conformance::byhand;
use cherrystone_conformance::bytes::excerpt;
use cherrystone_conformance::case::{Action, Awaited, Case, Transport};
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::judge::{Outcome, Outlook, Setting, Verdict, judge};
use cherrystone_conformance::target::Target;

use super::session::{self, SessionArgs};
use super::{End, Trouble};

/// Show one case: its bytes, its requirements, what must come back, and what does.
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// The case, as group/name
    case: String,
    /// Play it against this server
    #[arg(long, value_name = "ADDRESS", conflicts_with = "unix")]
    target: Option<String>,
    /// Play it against the server of this Unix socket
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,
    /// Speak TLS; the certificate is not verified
    #[arg(long, conflicts_with = "unix")]
    tls: bool,
    /// Only write the octets of the case, for a pipe
    #[arg(long)]
    raw: bool,
    /// Use the cases of this folder in place of the built-in ones
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    #[command(flatten)]
    session: SessionArgs,
}

impl Explain {
    pub(super) fn execute(self) -> Result<End, Trouble> {
        let catalog = match &self.cases {
            Some(folder) => Catalog::load(folder),
            None => Catalog::embedded(),
        }
        .map_err(Trouble::new)?;
        let case = catalog.case(&self.case).ok_or_else(|| unknown(&catalog, &self.case))?;
        let named = self.target.is_some() || self.unix.is_some();
        let target = if named {
            let transport = if self.tls { Transport::Tls } else { Transport::Clear };
            session::target(self.target.as_deref(), self.unix.as_deref(), transport)?
        } else {
            Target::parse("127.0.0.1:8070").map_err(Trouble)?
        };
        let setting = self.session.setting(&target.authority(), &target)?;
        if self.raw {
            return raw(case, &setting);
        }
        explain(case, &catalog, &setting);
        println!("by hand:\n  {}", byhand::command(case, &setting.addressing, &target));
        if !named {
            return Ok(End::Conforms);
        }
        let outcome = judge(case, &setting, &target).map_err(|e| Trouble(format!("{target}: {e}")))?;
        seen(&outcome);
        Ok(if matches!(outcome.verdict, Verdict::Fail(_)) { End::Fails } else { End::Conforms })
    }
}

fn unknown(catalog: &Catalog, id: &str) -> Trouble {
    let name = id.rsplit('/').next().unwrap_or(id);
    let similar: Vec<_> =
        catalog.cases().iter().map(|case| case.id.as_str()).filter(|known| known.contains(name)).take(8).collect();
    let hint = if similar.is_empty() { "; see `list`".to_owned() } else { format!("; perhaps {}", similar.join(", ")) };
    Trouble(format!("no case {id}{hint}"))
}

fn raw(case: &Case, setting: &Setting) -> Result<End, Trouble> {
    let mut out = io::stdout().lock();
    for action in case.script(&setting.addressing) {
        if let Action::Write(data) | Action::Trickle(data, _) = action {
            out.write_all(&data)?;
        }
    }
    out.flush()?;
    Ok(End::Conforms)
}

fn explain(case: &Case, catalog: &Catalog, setting: &Setting) {
    println!("{} ({})\n  {}\n\nrequirements:", case.id, case.level, case.why);
    for requirement in case.requires.iter().filter_map(|id| catalog.requirement(id)) {
        println!("  {} ({}, {}): {}", requirement.id, requirement.citation(), requirement.level, requirement.text);
        if let Some(link) = requirement.link() {
            println!("    {link}");
        }
    }
    let fixtures: Vec<_> = case
        .fixtures
        .iter()
        .map(|fixture| match fixture.default_route() {
            Some(_) => format!("{fixture} at {}", setting.addressing.route(*fixture)),
            None => fixture.to_string(),
        })
        .collect();
    println!("\nneeds: {}\n\nthe client:", fixtures.join(", "));
    for action in case.script(&setting.addressing) {
        match action {
            Action::Write(data) => lines("sends", &data),
            Action::Trickle(data, every) => {
                lines(&format!("sends octet by octet, every {} ms,", every.as_millis()), &data)
            }
            Action::Pause(time) => println!("  waits {} ms", time.as_millis()),
            Action::Await(Awaited::Interim) => println!("  waits for an interim answer"),
            Action::Await(Awaited::Answer) => println!("  waits for a final answer"),
            Action::HalfClose => println!("  ends its direction"),
            Action::Reset => println!("  resets the connection"),
        }
    }
    println!("\nexpected:\n  {}\n", case.describe_expected(&setting.addressing));
}

fn seen(outcome: &Outcome) {
    println!("\nseen, in {} ms:", outcome.took.as_millis());
    lines("the server sent", &outcome.transcript.received);
    println!(
        "  then {}",
        match outcome.transcript.outlook {
            Outlook::Open => "left the connection open",
            Outlook::Closed => "closed the connection",
            Outlook::Reset => "reset the connection",
        }
    );
    println!("\nverdict: {}", outcome.verdict);
}

/// Visible octets, with a line of the page for each line of the wire.
fn lines(what: &str, data: &[u8]) {
    const MOST: usize = 4096;
    println!("  {what} {} octets:", data.len());
    if data.len() > MOST {
        println!("    {}", excerpt(data, MOST));
        return;
    }
    for line in data.split_inclusive(|&b| b == b'\n') {
        println!("    {}", excerpt(line, MOST));
    }
}
