//! `list`: which cases are there?

use cherrystone_conformance::requirement::Level;

use super::cases::CaseArgs;
use super::{End, Trouble};

/// Show the cases.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    cases: CaseArgs,
}

impl List {
    pub(super) fn execute(self) -> Result<End, Trouble> {
        let catalog = self.cases.catalog()?;
        let cases = self.cases.select(&catalog)?;
        let width = cases.iter().map(|case| case.id.len()).max().unwrap_or(0);
        for case in &cases {
            println!("{:width$} {:8} {}", case.id, case.level, case.why);
        }
        let valid = cases.iter().filter(|case| case.is_valid_input()).count();
        let levels: Vec<_> = Level::ALL
            .into_iter()
            .map(|level| format!("{} {level}", cases.iter().filter(|case| case.level == level).count()))
            .collect();
        let share = valid * 100 / cases.len().max(1);
        println!(
            "\n{} cases ({}); {valid} ({share} %) with input that must be accepted",
            cases.len(),
            levels.join(", ")
        );
        Ok(End::Conforms)
    }
}
