//! Where do the program's own messages go?
//!
//! To the standard error, a line for each, through a [`StderrLog`]: what `--log-level` asks for and nothing more.
//!
//! Invariants:
//! 1. A message is one line, written at once; control characters in it are escaped.
//! 2. A standard error that takes nothing costs messages, never the server.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use cherrystone_core::Date;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::LogLevel;

/// Sends messages of this level, and worse ones, to the standard error; for the whole process, and only if nobody did so before.
pub(super) fn start(level: LogLevel) {
    // A program that embeds the command line may have a subscriber, which is then the one that counts.
    let _ = tracing::subscriber::set_global_default(StderrLog { level: level.into() });
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

struct StderrLog {
    level: LevelFilter,
}

impl Subscriber for StderrLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    // Spans are not shown, so all of them are one.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let date = Date::from_unix(unix.as_secs());
        let line = format!("{} {} {}{}\n", date.as_str(), event.metadata().level(), text.message, text.fields);
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// The parts of a message.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(Escaped(&mut self.message), "{value:?}");
        } else {
            let _ = write!(Escaped(&mut self.fields), " {}={value:?}", field.name());
        }
    }
}

/// Escapes control characters.
struct Escaped<'s>(&'s mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if character.is_control() {
                self.0.extend(character.escape_default());
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line() {
        let mut text = String::new();
        write!(Escaped(&mut text), "a\r\n\u{1b}[31mb ä").unwrap();
        assert_eq!(text, "a\\r\\n\\u{1b}[31mb ä");
    }
}
