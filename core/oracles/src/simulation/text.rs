//! How is a script written down?
//!
//! As lines of words, so that a failing one can be printed, shortened by hand, and kept in a test.
//!
//! ```
//! use cherrystone_oracles::simulation::{Fault, Script, play};
//!
//! let script: Script = "
//!     server mixed workers 2 queue 4 luck 17
//!     visitor joins 0 latency 5 window 1024
//!       ask echo 0 length 30 plain
//!       await
//!       half-close
//! ".parse().unwrap();
//! assert_eq!(script.to_string().parse(), Ok(script.clone()));
//! assert_eq!(play(&script, Fault::None).unwrap().answers, 1);
//! ```

use core::fmt;
use core::str::{FromStr, SplitWhitespace};

use super::script::{Ask, Body, Dispatch, Kind, Manner, Passage, Script, Server, Step, Visitor};

const DISPATCHES: [(&str, Dispatch); 4] = [
    ("inline", Dispatch::Inline),
    ("workers", Dispatch::Workers),
    ("mixed", Dispatch::Mixed),
    ("serve", Dispatch::Serve),
];
const MANNERS: [(&str, Manner); 4] =
    [("plain", Manner::Plain), ("last", Manner::Last), ("old", Manner::Old), ("head", Manner::Head)];

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Server { dispatch, workers, queue, stops } = self.server;
        let dispatch = name(&DISPATCHES, dispatch);
        write!(f, "server {dispatch} workers {workers} queue {queue} luck {}", self.luck)?;
        if let Some(stops) = stops {
            write!(f, " stops {stops}")?;
        }
        for Visitor { joins, latency, window, passage, steps } in &self.visitors {
            write!(f, "\nvisitor joins {joins} latency {latency} window {window}")?;
            if *passage == Passage::Sealed {
                f.write_str(" sealed")?;
            }
            for step in steps {
                write!(f, "\n  {step}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(ask) => write!(f, "ask {ask}"),
            Self::Await => f.write_str("await"),
            Self::Pause(millis) => write!(f, "pause {millis}"),
            Self::Take(octets) => write!(f, "take {octets}"),
            Self::Stall(ask, octets) => write!(f, "stall {octets} {ask}"),
            Self::Garbage => f.write_str("garbage"),
            Self::HalfClose => f.write_str("half-close"),
            Self::Sever => f.write_str("sever"),
            Self::Damage => f.write_str("damage"),
            Self::Reset => f.write_str("reset"),
            Self::Vanish => f.write_str("vanish"),
        }
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.kind.name(), self.amount)?;
        match self.body {
            Body::Nothing => {}
            Body::Length(octets) => write!(f, "length {octets} ")?,
            Body::Chunked(octets) => write!(f, "chunked {octets} ")?,
            Body::Expected(octets) => write!(f, "expected {octets} ")?,
        }
        f.write_str(name(&MANNERS, self.manner))
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
        let mut words = Words::of(lines.next().unwrap_or_default());
        words.expect("server")?;
        let dispatch = words.one_of(&DISPATCHES)?;
        let (workers, queue, luck) = (words.named("workers")?, words.named("queue")?, words.named("luck")?);
        let stops = if words.is_over() { None } else { Some(words.named("stops")?) };
        words.end()?;
        let server = Server { dispatch, workers: workers.max(1), queue, stops };
        let mut visitors = Vec::new();
        while let Some(line) = lines.next() {
            let mut words = Words::of(line);
            words.expect("visitor")?;
            let (joins, latency, window) = (words.named("joins")?, words.named("latency")?, words.named("window")?);
            let passage = if words.is_over() {
                Passage::Plain
            } else {
                words.expect("sealed")?;
                Passage::Sealed
            };
            words.end()?;
            let mut steps = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("visitor")) {
                steps.push(line.parse()?);
            }
            visitors.push(Visitor { joins, latency, window: window.max(1), passage, steps });
        }
        Ok(Self { server, visitors, luck })
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = Words::of(line);
        let step = match words.next()? {
            "ask" => Self::Ask(words.ask()?),
            "await" => Self::Await,
            "pause" => Self::Pause(words.number()?),
            "take" => Self::Take(words.number()?),
            "stall" => {
                let octets = words.number()?;
                Self::Stall(words.ask()?, octets)
            }
            "garbage" => Self::Garbage,
            "half-close" => Self::HalfClose,
            "sever" => Self::Sever,
            "damage" => Self::Damage,
            "reset" => Self::Reset,
            "vanish" => Self::Vanish,
            other => return Err(format!("no step is called {other:?}")),
        };
        words.end()?;
        Ok(step)
    }
}

struct Words<'t>(core::iter::Peekable<SplitWhitespace<'t>>);

impl<'t> Words<'t> {
    fn of(line: &'t str) -> Self {
        Self(line.split_whitespace().peekable())
    }

    fn next(&mut self) -> Result<&'t str, String> {
        self.0.next().ok_or_else(|| "a line ends too early".into())
    }

    fn is_over(&mut self) -> bool {
        self.0.peek().is_none()
    }

    fn end(mut self) -> Result<(), String> {
        self.0.next().map_or(Ok(()), |word| Err(format!("{word:?} is too much")))
    }

    fn expect(&mut self, expected: &str) -> Result<(), String> {
        let word = self.next()?;
        if word == expected { Ok(()) } else { Err(format!("{word:?} in place of {expected:?}")) }
    }

    fn number(&mut self) -> Result<u64, String> {
        let word = self.next()?;
        word.parse().map_err(|error| format!("{word:?}: {error}"))
    }

    fn named(&mut self, name: &str) -> Result<u64, String> {
        self.expect(name)?;
        self.number()
    }

    fn one_of<T: Copy>(&mut self, table: &[(&str, T)]) -> Result<T, String> {
        let word = self.next()?;
        let found = table.iter().find(|(name, _)| *name == word);
        found.map(|(_, value)| *value).ok_or_else(|| format!("{word:?} means nothing here"))
    }

    fn ask(&mut self) -> Result<Ask, String> {
        let kind = self.one_of(&Kind::ALL)?;
        let amount = self.number()?;
        let body = match self.0.peek() {
            Some(&"length") => Body::Length(self.named("length")?),
            Some(&"chunked") => Body::Chunked(self.named("chunked")?),
            Some(&"expected") => Body::Expected(self.named("expected")?),
            _ => Body::Nothing,
        };
        Ok(Ask { kind, amount, body, manner: self.one_of(&MANNERS)? })
    }
}

fn name<T: PartialEq>(table: &[(&'static str, T)], value: T) -> &'static str {
    table.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| name)
}
