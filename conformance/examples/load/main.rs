//! What does a request cost, compared with other servers?
//!
//! ```text
//! cargo run --release -p cherrystone-conformance --example load -- serve --set-up mio-inline --port 8070
//! ```

mod gateway;

use std::error::Error;

use cherrystone::gateway::Mode;
use cherrystone::{Backend, Server};
use cherrystone::cli::{Settings, launch};
use clap::{Parser, Subcommand, ValueEnum};

use self::gateway::Bench;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the application of the measurements
    Serve {
        /// How it is driven
        #[arg(long, value_enum)]
        set_up: SetUp,
        /// Where it listens on 127.0.0.1
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SetUp {
    Threads,
    MioInline,
    MioBlocking,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Command::Serve { set_up, port } = Arguments::parse().command;
    let (backend, mode) = match set_up {
        SetUp::Threads => (Backend::Threads, Mode::Blocking),
        SetUp::MioInline => (Backend::Mio, Mode::Inline),
        SetUp::MioBlocking => (Backend::Mio, Mode::Blocking),
    };
    launch(Server::new(Bench::new(mode)?), backend, &Settings::default(), &[format!("127.0.0.1:{port}")])?;
    Ok(())
}
