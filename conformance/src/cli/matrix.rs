//! `matrix`: which requirement is tested by which cases, and which by none?

use std::path::PathBuf;

use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::matrix::{Row, rows};
use cherrystone_conformance::requirement::Wire;

use super::{End, Trouble};

/// Show the requirements with their cases and gaps.
#[derive(Debug, clap::Args)]
pub(super) struct Matrix {
    /// Use the cases of this folder in place of the built-in ones
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Only requirements that no case tests; the exit code is 1 when one of them could be tested
    #[arg(long)]
    gaps: bool,
    /// Show a table of Markdown
    #[arg(long, conflicts_with = "gaps")]
    markdown: bool,
}

impl Matrix {
    pub(super) fn execute(self) -> Result<End, Trouble> {
        let catalog = match &self.cases {
            Some(folder) => Catalog::load(folder),
            None => Catalog::embedded(),
        }
        .map_err(Trouble::new)?;
        let rows = rows(&catalog);
        let (covered, empty): (Vec<_>, Vec<_>) = rows.iter().partition(|row| !row.cases.is_empty());
        let open = empty.iter().filter(|row| row.requirement.wire == Wire::Visible).count();
        if self.markdown {
            markdown(&rows);
        } else {
            let shown: Vec<_> = if self.gaps { empty.clone() } else { rows.iter().collect() };
            for row in shown {
                text(row);
            }
        }
        println!(
            "\n{} requirements: {} with cases, {} that no wire case can test, {open} gaps",
            rows.len(),
            covered.len(),
            empty.len() - open
        );
        Ok(if self.gaps && open > 0 { End::Fails } else { End::Conforms })
    }
}

fn text(row: &Row<'_>) {
    let requirement = row.requirement;
    println!("{} ({}, {})\n  {}", requirement.id, requirement.citation(), requirement.level, requirement.text);
    println!("  {}", cases(row));
}

fn markdown(rows: &[Row<'_>]) {
    println!("| requirement | where | level | cases |\n| --- | --- | --- | --- |");
    for row in rows {
        let requirement = row.requirement;
        let text = requirement.text.replace('|', "\\|");
        println!(
            "| `{}`: {text} | {} | {} | {} |",
            requirement.id,
            requirement.citation(),
            requirement.level,
            cases(row).replace('|', "\\|")
        );
    }
}

fn cases(row: &Row<'_>) -> String {
    match (row.cases.as_slice(), row.requirement.wire) {
        ([], Wire::Visible) => "GAP: no case".to_owned(),
        ([], Wire::Invisible) => format!("no wire case: {}", row.requirement.reason),
        (cases, _) => cases.join(", "),
    }
}
