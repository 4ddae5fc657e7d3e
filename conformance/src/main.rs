//! The `cherrystone-conformance` command.

use std::process::ExitCode;

use cherrystone_conformance::cli::Command;
use clap::Parser;

fn main() -> ExitCode {
    match Command::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cherrystone-conformance: {error}");
            ExitCode::from(2)
        }
    }
}
