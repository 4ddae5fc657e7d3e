//! Which cases does the command line select?

use std::path::PathBuf;

use cherrystone_conformance::case::Case;
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::requirement::Level;
use cherrystone_conformance::suite::Selection;

use super::Trouble;

/// The options that select cases.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Cases")]
pub(super) struct CaseArgs {
    /// Use the cases of this folder in place of the built-in ones
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Only cases whose id matches, as 'chunk*/size-*', or a whole group; repeatable
    #[arg(long, value_name = "GLOB")]
    filter: Vec<String>,
    /// No case whose id matches; repeatable
    #[arg(long, value_name = "GLOB")]
    skip: Vec<String>,
    /// Only cases of these levels: must, security, should, may
    #[arg(long, value_name = "LEVEL", value_delimiter = ',')]
    level: Vec<Level>,
}

impl CaseArgs {
    pub(super) fn catalog(&self) -> Result<Catalog, Trouble> {
        match &self.cases {
            Some(folder) => Catalog::load(folder),
            None => Catalog::embedded(),
        }
        .map_err(Trouble::new)
    }

    /// The selected cases, at least one.
    pub(super) fn select<'c>(&self, catalog: &'c Catalog) -> Result<Vec<&'c Case>, Trouble> {
        let selection = Selection { filter: self.filter.clone(), skip: self.skip.clone(), levels: self.level.clone() };
        let cases = selection.cases(catalog);
        if cases.is_empty() { Err(Trouble::new("no case is selected; see `list`")) } else { Ok(cases) }
    }
}
