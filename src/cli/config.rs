//! How is a file of settings read that `--print-config` has written?
//!
//! Each line is `name = value`, where the name is that of a flag; lines that are empty or begin with `#` say nothing. The lines become
//! arguments in front of those that were given, so that everything is checked in one place.
//!
//! Invariants:
//! 1. A flag that is given on the command line counts, and the lines of its name do not.
//! 2. What is printed reads as the same settings, but for paths that end in white space or hold a line break.

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};

/// A line of a file, as an argument.
pub(super) struct Line {
    /// Where it stands, for whoever has to correct it.
    pub(super) at: String,
    /// What it stands for.
    pub(super) argument: OsString,
}

/// The lines of a file, but for those whose flags were given already; `command` says which flags there are.
///
/// # Errors
/// The file cannot be read, or a line is none; says where and why.
pub(super) fn lines(file: &Path, given: &ArgMatches, command: &Command) -> Result<Vec<Line>, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| super::plain(&format!("cannot read {}: {error}", file.display())))?;
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = || format!("{}, line {}", file.display(), at + 1);
        let Some((name, value)) = line.split_once('=') else {
            return Err(format!("{}: expected NAME = VALUE, such as threads = 10:100", at()));
        };
        let (name, value) = (name.trim(), value.trim());
        if name == "config" {
            return Err(format!("{}: a file of settings leads to no other", at()));
        }
        let is_given = |name: &str| {
            let id = name.replace('-', "_");
            given.try_contains_id(&id).is_ok() && given.value_source(&id) == Some(ValueSource::CommandLine)
        };
        // There is one thing to serve, whichever of the two it is.
        let is_what = matches!(name, "hello" | "dir");
        if is_given(name) || is_what && (is_given("hello") || is_given("dir")) {
            continue;
        }
        let argument = match (name, value) {
            // A directory may have the name of a flag.
            ("dir", path) if path.starts_with('-') => format!("./{path}"),
            ("dir", path) => path.to_owned(),
            (_, "yes") if is_switch(command, name) => format!("--{name}"),
            (_, "no") if is_switch(command, name) => continue,
            _ if is_switch(command, name) => return Err(format!("{}: {name} is either yes or no", at())),
            _ => format!("--{name}={value}"),
        };
        lines.push(Line { at: at(), argument: argument.into() });
    }
    Ok(lines)
}

/// Whether it is a setting without a value on the command line; to print or to help is none.
fn is_switch(command: &Command, name: &str) -> bool {
    let mut flags = command.get_arguments().filter(|flag| matches!(flag.get_action(), ArgAction::SetTrue));
    !matches!(name, "print-config" | "help-all") && flags.any(|flag| flag.get_long() == Some(name))
}
