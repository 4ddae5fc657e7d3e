//! What can be said on the command line?

pub mod serve;

use std::error::Error;

use clap::Parser;

/// Judges HTTP/1.1 servers, and serves the gateway that they are judged against.
#[derive(Debug, Parser)]
#[command(version, about)]
pub enum Command {
    /// Serve the test gateway
    Serve(serve::Serve),
}

impl Command {
    /// Does what was asked for.
    ///
    /// # Errors
    /// What could not be done.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Serve(serve) => serve.run(),
        }
    }
}
