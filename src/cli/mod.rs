//! What was asked for on the command line?
//!
//! [`Action::parse`] reads the arguments of the program `cherrystone` and gives one thing to do, with every value
//! checked. Nothing is opened or started here.
//!
//! ```
//! use cherrystone::cli::{Action, Backend, What};
//!
//! let action = Action::parse_from(["cherrystone", "--hello", "--backend", "mio"])?;
//! let Action::Serve(serve) = action else { panic!("expected a server") };
//! assert!(matches!(serve.what, What::Hello));
//! assert_eq!((serve.backend, serve.bind), (Backend::Mio, vec!["127.0.0.1:8070".to_owned()]));
//! # Ok::<(), clap::Error>(())
//! ```
//!
//! Invariants:
//! 1. `serve` may be left out; with it and without it the same arguments mean the same.
//! 2. The settings of a [`Serve`] pass [`Config::check`](cherrystone_core::Config::check).
//! 3. The help is one screen, and its defaults are those in force.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
pub use clap_complete::Shell;

mod config;
mod directory;
mod flags;
mod inspect;
mod launch;
mod log;
mod manager;
mod replace;
mod settings;
mod signals;
mod values;

pub use crate::server::Backend;
use directory::FilesFlags;
pub use flags::ServerFlags;
pub use inspect::Inspect;
pub use launch::launch;
#[cfg(feature = "tls")]
pub use launch::tls;
pub use settings::{
    Activation, ClientCertificates, PlainRequests, Settings, TlsFiles, TlsPolicy, TlsSettings, TlsVersion,
};
pub use values::{AccessLog, Threads};

use crate::access_log::Format;
use crate::files;
use settings::{line, optional};

/// What the program is to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// Serve until told to stop.
    Serve(Serve),
    /// Print the settings, as [`Serve`] displays them.
    PrintConfig(Serve),
    /// Print a completion script, with [`completions`].
    Completions(Shell),
    /// Say what a recording holds.
    Inspect(Inspect),
}

/// A server to start.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Serve {
    /// What it serves.
    pub what: What,
    /// The addresses to listen at, as given; at least one.
    pub bind: Vec<String>,
    /// What drives the connections.
    pub backend: Backend,
    /// Where a line for each exchange goes, if anywhere.
    pub access_log: Option<AccessLog>,
    /// How lines of the access log look.
    pub log_format: Format,
    /// What is worth a line in the log.
    pub log_level: LogLevel,
    /// Everything else.
    pub settings: Settings,
}

/// What a server serves.
#[derive(Clone, Debug)]
pub enum What {
    /// A greeting, for a first look and for measurements.
    Hello,
    /// A directory.
    Files(PathBuf, files::Options),
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What went wrong in this server.
    Error,
    /// What may go wrong soon, too.
    #[default]
    Warn,
    /// Starts and stops, too.
    Info,
    /// Each connection, too.
    Debug,
    /// Everything.
    Trace,
}

impl Action {
    /// Reads the arguments of this process. Prints help or what is wrong with them, and exits, if that is all there is
    /// to do.
    pub fn parse() -> Self {
        Self::parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// Reads arguments, the first of which is the name of the program.
    ///
    /// # Errors
    /// What is wrong with them, and which form would be right; help and version, when asked for, come this way too.
    pub fn parse_from<A: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = A>) -> Result<Self, clap::Error> {
        let command = CommandLine::with_config(arguments)?;
        let arguments = match command.command {
            Some(Command::Completions { shell, .. }) => return Ok(Self::Completions(shell)),
            Some(Command::Inspect(inspect)) => return Ok(Self::Inspect(inspect)),
            Some(Command::Serve(arguments)) => *arguments,
            None => command.serve,
        };
        if let Some(flag) = arguments.server.tls_flag_without_certificate() {
            let message = format!("{flag} needs --tls-cert and --tls-key");
            return Err(CommandLine::command().error(ErrorKind::MissingRequiredArgument, message));
        }
        if let Some(message) = arguments.server.unpaired_certificates() {
            return Err(CommandLine::command().error(ErrorKind::WrongNumberOfValues, message));
        }
        let settings = arguments.server.settings(Settings::default());
        if let Err(error) = settings.config.check() {
            return Err(CommandLine::command().error(ErrorKind::ValueValidation, error));
        }
        let what = arguments.dir.clone().map_or(What::Hello, |dir| What::Files(dir, arguments.files.options()));
        let serve = Serve {
            what,
            bind: arguments.bind,
            backend: arguments.backend,
            access_log: arguments.access_log,
            log_format: arguments.log_format,
            log_level: arguments.log_level,
            settings,
        };
        Ok(if arguments.print_config { Self::PrintConfig(serve) } else { Self::Serve(serve) })
    }
}

/// What the system said, in the words of this program: without its numbers, and as the rest of a sentence.
pub fn plain(text: &str) -> String {
    let text = match text.rfind(" (os error ") {
        Some(at) if text.ends_with(')') => &text[..at],
        _ => text,
    };
    text.replace(": No such file or directory", ": no such file or directory")
        .replace(": Not a directory", ": it is not a directory")
        .replace(": Is a directory", ": it is a directory")
        .replace(": Permission denied", ": permission denied")
}

/// Writes a script that completes the arguments of `cherrystone` in a shell.
///
/// # Errors
/// Those of writing.
pub fn completions(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    // The generator panics where it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "cherrystone", &mut script);
    out.write_all(&script)
}

impl fmt::Display for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Hello => line(f, "hello", "yes")?,
            What::Files(dir, options) => {
                line(f, "dir", dir.display())?;
                optional(f, "index", options.index.as_deref())?;
                line(f, "listing", if options.listing == files::Listing::On { "yes" } else { "no" })?;
                line(f, "dot-files", if options.dot_files == files::DotFiles::Serve { "yes" } else { "no" })?;
                line(f, "follow-links", if options.symlinks == files::Symlinks::Anywhere { "yes" } else { "no" })?;
            }
        }
        for address in &self.bind {
            line(f, "bind", address)?;
        }
        line(f, "backend", name(self.backend))?;
        let log = self.access_log.as_ref().map(|log| match log {
            AccessLog::Stdout => "-".to_owned(),
            AccessLog::File(path) => path.display().to_string(),
        });
        optional(f, "access-log", log)?;
        line(f, "log-format", name(self.log_format))?;
        line(f, "log-level", name(self.log_level))?;
        write!(f, "{}", self.settings)
    }
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

impl CommandLine {
    /// Reads arguments, with those of a file of settings in front of them if they name one.
    fn with_config<A: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = A>) -> Result<Self, clap::Error> {
        let given: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        if given.iter().any(|argument| argument == "--help-all") {
            let everything = Self::command().mut_args(|argument| argument.hide_short_help(false));
            let everything = everything.after_help(format!("{EXAMPLES}{MORE}"));
            // What help there is comes as an error, like any reason not to go on.
            everything.try_get_matches_from(["cherrystone", "--help"])?;
        }
        // A file may say what is to be served, so that is asked for only after it was read.
        let lenient = Self::command().mut_group("what", |group| group.required(false));
        let mut lenient =
            lenient.mut_subcommand("serve", |serve| serve.mut_group("what", |group| group.required(false)));
        let Ok(found) = lenient.try_get_matches_from_mut(&given) else { return Self::try_parse_from(given) };
        let serve = found.subcommand_matches("serve").unwrap_or(&found);
        let Some(file) = serve.try_get_one::<PathBuf>("config").ok().flatten() else {
            return Self::try_parse_from(given);
        };
        let refused = |error: String| Self::command().error(ErrorKind::ValueValidation, format!("--config: {error}"));
        let lines = config::lines(file, serve, &Self::command()).map_err(refused)?;
        for config::Line { at, argument } in &lines {
            // What is wrong with a line by itself is told with its place; what it lacks may stand in another one.
            let Err(error) = lenient.try_get_matches_from_mut([&given[0], argument]) else { continue };
            if matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::UnknownArgument)
            {
                let text = error.to_string();
                let what = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
                return Err(refused(format!("{at}: {what}")));
            }
        }
        let front = if found.subcommand_name().is_some() { 2 } else { 1 };
        let from_file = lines.iter().map(|line| &line.argument);
        let all = given[..front].iter().chain(from_file).chain(&given[front..]);
        Self::try_parse_from(all)
    }
}

/// Serve a directory, or a greeting, over HTTP/1.1
#[derive(Parser)]
#[command(
    name = "cherrystone",
    version,
    propagate_version = true,
    disable_help_flag = true,
    override_usage = USAGE,
    after_help = EXAMPLES,
    help_template = "{about}\n\n{usage-heading} {usage}\n\n{all-args}{after-help}",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

const USAGE: &str = "\
cherrystone [serve] <DIR|--hello> [OPTIONS]
       cherrystone inspect <FILE|->   (what a recorded client sent; --help shows its options)";

const EXAMPLES: &str = "\
Examples:
  cherrystone --hello
  cherrystone ./public --listing --bind 0.0.0.0:80 --access-log -
  cherrystone ./public --bind unix:/run/site.sock --unix-mode 660 --backend mio";

/// What follows them where all is shown.
const MORE: &str = "
  cherrystone ./public --bind [::]:443 --tls-cert site.pem --tls-key site.key
  cherrystone ./public --proxy-protocol 10.0.0.0/8 --metrics 127.0.0.1:9070
  cherrystone ./public --print-config > site.conf; cherrystone --config site.conf
  cherrystone completions bash > ~/.local/share/bash-completion/completions/cherrystone

Signals: SIGTERM and SIGINT stop, a second one cuts; SIGHUP opens the access log anew and reads certificates
again; SIGUSR2 starts the program anew, which takes over without a refused connection.
Exit status: 0 stopped as asked; 1 could not start or go on; 2 the command line makes no sense.";

#[derive(Subcommand)]
enum Command {
    /// Serve a directory, or a greeting, over HTTP/1.1
    #[command(
        hide = true,
        override_usage = USAGE,
        after_help = EXAMPLES,
        disable_help_flag = true,
        help_template = "{about}\n\n{usage-heading} {usage}\n\n{all-args}{after-help}",
        arg_required_else_help = true
    )]
    Serve(Box<ServeArguments>),
    /// Print a completion script for a shell
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: Shell,
        /// Show this
        #[arg(short, long, action = clap::ArgAction::HelpShort)]
        help: Option<bool>,
    },
    /// Say what a recorded client sent: heads, framing, content and rules broken, each with its offset
    ///
    /// Exits with 0 if no rule was broken, 1 if one was, 2 if the recording cannot be read.
    #[command(hide = true)]
    Inspect(Inspect),
}

#[derive(Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["dir", "hello"]))]
struct ServeArguments {
    /// The directory to serve
    dir: Option<PathBuf>,
    /// Serve a greeting
    #[arg(long)]
    hello: bool,
    /// HOST:PORT, unix:PATH or unix:@NAME; again for more (127.0.0.1:8070)
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8070",
        hide_default_value = true,
        value_parser = values::address
    )]
    bind: Vec<String>,
    /// threads or mio (threads)
    #[arg(
        long,
        value_name = "NAME",
        value_enum,
        default_value_t,
        hide_default_value = true,
        hide_possible_values = true
    )]
    backend: Backend,
    /// A line for each exchange, to a file or - (none)
    #[arg(long, value_name = "FILE")]
    access_log: Option<AccessLog>,
    /// Access log lines: combined or json (combined)
    #[arg(
        long,
        hide_short_help = true,
        value_name = "NAME",
        value_enum,
        default_value_t,
        hide_default_value = true,
        hide_possible_values = true
    )]
    log_format: Format,
    /// off, error, warn, info, debug or trace (warn)
    #[arg(
        long,
        value_name = "LEVEL",
        value_enum,
        default_value_t,
        hide_default_value = true,
        hide_possible_values = true
    )]
    log_level: LogLevel,
    /// Read settings from a file, as --print-config writes them
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print every setting in force, and exit
    #[arg(long)]
    print_config: bool,
    /// Show the flags that matter most
    #[arg(short, long, action = clap::ArgAction::HelpShort)]
    help: Option<bool>,
    /// Show everything, signals and exit statuses too
    #[arg(long)]
    help_all: bool,
    #[command(flatten)]
    files: FilesFlags,
    #[command(flatten)]
    server: ServerFlags,
}

#[cfg(test)]
mod tests;
