//! What does a request cost, and how does that grow?
//!
//! ```text
//! cargo run --release -p cherrystone-conformance --example load -- compare
//! cargo run --release -p cherrystone-conformance --example load -- compare --other nginx=127.0.0.1:8080,4242
//! cargo run --release -p cherrystone-conformance --example load -- grow --data docs/performance/growth.csv
//! cargo run --release -p cherrystone-conformance --example load -- plot --data docs/performance/growth.csv --svg docs/performance/growth.svg
//! ```
//!
//! `compare` needs `wrk`; the servers are this same program. All figures are CPU time for a request: rates say little on a machine that
//! the client shares. What the figures were, and what they mean, is in `docs/performance.md`.

mod client;
mod compare;
mod gateway;
mod grow;
mod plot;
mod process;

use std::error::Error;
use std::path::PathBuf;

use cherrystone::cli::{Settings, launch};
use cherrystone::gateway::Mode;
use cherrystone::{Backend, Server};
use clap::{Parser, Subcommand, ValueEnum};

use self::gateway::Bench;

#[derive(Parser)]
#[command(about = "Measures what requests cost")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compares the set-ups of this server, and other servers, under load by wrk
    Compare(compare::Arguments),
    /// Measures how costs grow, with a client of its own
    Grow {
        /// Where the figures go
        #[arg(long, value_name = "FILE")]
        data: PathBuf,
    },
    /// Draws the figures of `grow`
    Plot {
        /// Where the figures are
        #[arg(long, value_name = "FILE")]
        data: PathBuf,
        /// Where the drawing goes
        #[arg(long, value_name = "FILE")]
        svg: PathBuf,
    },
    /// Serves the application of the measurements
    Serve {
        /// How it is driven
        #[arg(long, value_enum)]
        set_up: SetUp,
    },
}

/// How a server of ours is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SetUp {
    Threads,
    MioInline,
    MioBlocking,
}

impl SetUp {
    /// What it is called, here and on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::Threads => "threads",
            Self::MioInline => "mio-inline",
            Self::MioBlocking => "mio-blocking",
        }
    }

    /// Serves until a signal.
    fn serve(self) -> Result<(), Box<dyn Error>> {
        let (backend, mode) = match self {
            Self::Threads => (Backend::Threads, Mode::Blocking),
            Self::MioInline => (Backend::Mio, Mode::Inline),
            Self::MioBlocking => (Backend::Mio, Mode::Blocking),
        };
        let mut settings = Settings::default();
        settings.config.limits.fields = 200;
        settings.max_connections = 20_000;
        launch(Server::new(Bench::new(mode)?), backend, &settings, &["127.0.0.1:0".to_owned()])
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    match Arguments::parse().command {
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Grow { data } => grow::run(&data),
        Command::Plot { data, svg } => plot::run(&data, &svg),
        Command::Serve { set_up } => set_up.serve(),
    }
}
