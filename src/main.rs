//! The `cherrystone` command: serves a directory, or a greeting, until it is told to stop; or inspects a recording.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use cherrystone::Server;
use cherrystone::cli::{self, Action, Inspect, Serve, What};
use cherrystone::files::Files;
use cherrystone::gateways::Hello;

fn main() -> ExitCode {
    let outcome = match Action::parse() {
        Action::Serve(serve) => run(&serve),
        Action::PrintConfig(serve) => write!(std::io::stdout(), "{serve}").map_err(Into::into),
        Action::Inspect(inspect) => return show(&inspect),
        Action::Completions(shell) => cli::completions(shell, &mut std::io::stdout()).map_err(Into::into),
        _ => Ok(()),
    };
    outcome.map_or_else(
        |error| {
            eprintln!("cherrystone: {}", cli::plain(&error.to_string()));
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

/// What a recording holds: 0 if no rule was broken, 1 if one was, 2 if that cannot be told.
fn show(inspect: &Inspect) -> ExitCode {
    match inspect.run(std::io::stdout().lock()) {
        Ok(summary) if summary.violation.is_none() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        // Whoever reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::from(2),
        Err(error) => {
            eprintln!("cherrystone: {}", cli::plain(&error.to_string()));
            ExitCode::from(2)
        }
    }
}

fn run(serve: &Serve) -> Result<(), Box<dyn std::error::Error>> {
    let server = match &serve.what {
        What::Hello => Server::new(Hello),
        What::Files(root, options) => {
            let files = Files::with(root, options.clone());
            Server::new(files.map_err(|error| match error.kind() {
                ErrorKind::NotFound => format!("cannot serve {}: no such directory", root.display()),
                _ => format!("cannot serve {}: {error}", root.display()),
            })?)
        }
    };
    serve.launch(server)
}
