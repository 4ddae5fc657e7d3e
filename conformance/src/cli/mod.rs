//! Which subcommands are there, and how do they end?
//!
//! 1. The exit code is 0 when everything conforms, 1 when a case failed, 2 when the suite could not do its work.
//! 2. Results go to standard output, everything else to standard error.

mod cases;
mod compare;
mod explain;
mod list;
mod matrix;
mod progress;
mod run;
mod serve;
mod session;
mod show;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A conformance suite for HTTP/1.1 servers.
#[derive(Debug, Parser)]
#[command(name = "cherrystone-conformance", version, about, propagate_version = true)]
#[command(after_help = "Exit codes: 0 all conforms, 1 a case failed, 2 the suite could not run.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge one server
    Run(run::Run),
    /// Judge several servers, or put reports of earlier runs side by side
    Compare(compare::Compare),
    /// Show the cases
    List(list::List),
    /// Show one case: its bytes, its requirements, what must come back, and what does
    Explain(explain::Explain),
    /// Show the requirements with their cases and gaps
    Matrix(matrix::Matrix),
    /// Serve the test gateway
    Serve(serve::Serve),
}

/// How a subcommand ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Conforms,
    Fails,
}

/// Why the suite could not do its work.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Trouble(String);

impl Trouble {
    fn new(what: impl ToString) -> Self {
        Self(what.to_string())
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Parses the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(run) => run.execute(),
        Command::Compare(compare) => compare.execute(),
        Command::List(list) => list.execute(),
        Command::Explain(explain) => explain.execute(),
        Command::Matrix(matrix) => matrix.execute(),
        Command::Serve(serve) => serve.execute(),
    };
    match done {
        Ok(End::Conforms) => ExitCode::SUCCESS,
        Ok(End::Fails) => ExitCode::from(1),
        Err(trouble) => {
            eprintln!("error: {trouble}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
