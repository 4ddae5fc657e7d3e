//! Which recording is to be inspected, and how is it shown?

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};

use super::values;
use crate::inspect::{Format, Inspector, Options, PIECE, Printer, Summary, Switches, Transport};

/// A recording to inspect.
#[derive(Args, Clone, Debug)]
pub struct Inspect {
    /// What a client sent, octet by octet; - reads standard input
    file: PathBuf,
    /// A JSON object a line, instead of text
    #[arg(long)]
    json: bool,
    /// The connection was secured, and this is its plaintext
    #[arg(long)]
    secured: bool,
    /// What the server said to Upgrade and CONNECT
    #[arg(long, value_name = "ANSWER", value_enum, default_value_t)]
    switches: Answer,
    /// Request line and fields, 256 to 65535 octets (32K)
    #[arg(long, value_name = "BYTES", value_parser = values::head)]
    max_head: Option<u32>,
    /// Field lines of a request (100)
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=4_096))]
    max_fields: Option<u16>,
    /// Content of a request, or none (1G)
    #[arg(long, value_name = "BYTES", value_parser = values::body)]
    max_body: Option<u64>,
    /// Show this
    #[arg(short, long, action = clap::ArgAction::HelpLong)]
    help: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Answer {
    /// It went on with HTTP.
    #[default]
    Refused,
    /// It switched protocols.
    Accepted,
}

impl Inspect {
    /// Inspects the recording, and writes what is found to `out`.
    ///
    /// # Errors
    /// The recording cannot be read, or `out` not be written to.
    pub fn run(&self, out: impl Write) -> io::Result<Summary> {
        let mut recording: Box<dyn Read> = match self.file.as_os_str() == "-" {
            true => Box::new(io::stdin().lock()),
            false => Box::new(File::open(&self.file).map_err(|error| self.about(&error))?),
        };
        let format = if self.json { Format::Json } else { Format::Text };
        let (mut printer, mut inspector) = (Printer::new(BufWriter::new(out), format), Inspector::new(self.options()));
        let mut piece = vec![0; PIECE];
        while !printer.has_failed() {
            match recording.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => inspector.push(&piece[..n], &mut |finding| printer.found(&finding)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.about(&error)),
            }
        }
        let summary = inspector.finish(&mut |finding| printer.found(&finding));
        printer.finish(&summary)?;
        Ok(summary)
    }

    fn options(&self) -> Options {
        let mut options = Options::default();
        let limits = &mut options.config.limits;
        limits.head = self.max_head.unwrap_or(limits.head);
        limits.target = limits.target.min(limits.head);
        limits.fields = self.max_fields.unwrap_or(limits.fields);
        limits.body = self.max_body.unwrap_or(limits.body);
        if self.secured {
            options.transport = Transport::Secured;
        }
        options.switches = match self.switches {
            Answer::Refused => Switches::Refused,
            Answer::Accepted => Switches::Accepted,
        };
        options
    }

    fn about(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("cannot read {}: {error}", self.file.display()))
    }
}
