//! How is the suite used from the command line? See `cherrystone-conformance --help`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
