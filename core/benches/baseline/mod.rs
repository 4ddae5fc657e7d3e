//! What did the cases cost when somebody last looked?
//!
//! `baseline.toml` holds one line for each case, and which compiler the figures were taken with. It is written by
//! `cargo bench -p cherrystone-core -- --renew REASON` and compared by each run without arguments.
//!
//! Where compiler, processor features and C library are the same, counts are exact and a growth of 3 % is one of the code. Whether they are
//! is seen by the yardsticks, which hold none of our code: they cost what they did. Elsewhere figures are divided by what the
//! yardstick `httparse-browser` has grown, and 10 % are allowed, which is what compilers differ by.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::process::Command;
use std::{fs, io};

use crate::count::Cost;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/baseline.toml");

/// Cases without code of ours.
const YARDSTICKS: [&str; 2] = ["httparse-browser", "copy"];

/// How far a figure may grow where everything else is the same, and where it is not.
const TOLERANCE: (f64, f64) = (1.03, 1.10);

/// The figures that were committed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Baseline {
    rustc: String,
    reason: String,
    instructions: BTreeMap<String, f64>,
    allocations: BTreeMap<String, f64>,
}

/// How the figures of a run compare with the committed ones.
pub(crate) struct Comparison<'b> {
    baseline: &'b Baseline,
    /// What the surroundings have made of a figure of the baseline.
    scale: f64,
    tolerance: f64,
}

/// What a case costs now, against the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    /// There is no valgrind.
    Uncounted,
    /// The baseline does not have it: fails.
    New,
    /// Instructions for one of the baseline, within what is allowed.
    Within(f64),
    /// More than that: fails.
    Grown(f64),
    /// More allocations: fails.
    Allocates,
}

impl Baseline {
    /// The committed figures; none if there is no file.
    pub(crate) fn load() -> io::Result<Self> {
        match fs::read_to_string(PATH) {
            Ok(text) => Self::parse(&text).ok_or_else(|| io::Error::other(format!("{PATH} is malformed"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Figures of this run, to be committed for this reason.
    pub(crate) fn of(costs: &[(&str, Cost)], reason: &str) -> Self {
        let figures = |of: fn(&Cost) -> Option<f64>| {
            costs.iter().filter_map(|(case, cost)| Some(((*case).to_owned(), of(cost)?))).collect()
        };
        Self {
            rustc: rustc(),
            reason: reason.to_owned(),
            instructions: figures(|cost| cost.instructions),
            allocations: figures(|cost| Some(cost.allocations)),
        }
    }

    pub(crate) fn store(&self) -> io::Result<()> {
        fs::write(PATH, self.text())
    }

    /// What a run in these surroundings is compared with, and a word on them.
    pub(crate) fn compare(&self, costs: &[(&str, Cost)]) -> (Comparison<'_>, String) {
        let now = Self::of(costs, "");
        let growth = |case: &str| Some(now.instructions.get(case)? / self.instructions.get(case)?);
        let alike = YARDSTICKS.iter().all(|case| growth(case).is_some_and(|growth| (growth - 1.0).abs() < 0.002));
        if now.rustc == self.rustc && alike {
            let word = format!("taken with rustc {}, as now: what grows by more than 3 % fails", self.rustc);
            return (Comparison { baseline: self, scale: 1.0, tolerance: TOLERANCE.0 }, word);
        }
        let scale = growth(YARDSTICKS[0]).unwrap_or(1.0);
        let word = format!(
            "taken with rustc {} and perhaps another processor or C library, now it is rustc {}: figures are compared with {scale:.3} \
             times the baseline, as httparse costs here, and what is above it by more than 10 % fails",
            self.rustc, now.rustc
        );
        (Comparison { baseline: self, scale, tolerance: TOLERANCE.1 }, word)
    }

    fn text(&self) -> String {
        let mut text = format!(
            "# Instructions and allocations per request; `cargo bench -p cherrystone-core` compares with them.\n\
             # To renew: cargo bench -p cherrystone-core -- --renew \"why the figures changed\"\n\
             reason = \"{}\"\nrustc = \"{}\"\n",
            self.reason.replace(['"', '\\', '\n'], "'"),
            self.rustc
        );
        for (table, figures) in [("instructions", &self.instructions), ("allocations", &self.allocations)] {
            let _ = write!(text, "\n[{table}]\n");
            for (case, figure) in figures {
                let _ = writeln!(text, "{case} = {figure:.1}");
            }
        }
        text
    }

    /// Reads what [`text`](Self::text) writes.
    fn parse(text: &str) -> Option<Self> {
        let (mut read, mut table) = (Self::default(), "");
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(name) = line.strip_prefix('[') {
                table = name.strip_suffix(']')?;
                continue;
            }
            let (key, value) = line.split_once(" = ")?;
            let words = || Some(value.strip_prefix('"')?.strip_suffix('"')?.to_owned());
            match (table, key) {
                ("", "reason") => read.reason = words()?,
                ("", "rustc") => read.rustc = words()?,
                ("instructions", case) => drop(read.instructions.insert(case.to_owned(), value.parse().ok()?)),
                ("allocations", case) => drop(read.allocations.insert(case.to_owned(), value.parse().ok()?)),
                _ => return None,
            }
        }
        Some(read)
    }
}

impl Change {
    pub(crate) fn holds(self) -> bool {
        matches!(self, Self::Uncounted | Self::Within(_))
    }
}

impl Comparison<'_> {
    /// Judges one case.
    pub(crate) fn change(&self, case: &str, cost: Cost) -> Change {
        if self.baseline.allocations.get(case).is_some_and(|before| cost.allocations > *before) {
            return Change::Allocates;
        }
        let Some(now) = cost.instructions else { return Change::Uncounted };
        let Some(before) = self.baseline.instructions.get(case) else { return Change::New };
        let growth = now / (before * self.scale);
        if growth > self.tolerance && !YARDSTICKS.contains(&case) {
            Change::Grown(growth)
        } else {
            Change::Within(growth)
        }
    }
}

/// The compiler that cargo uses here, `1.88.0`.
fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let version = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    version.and_then(|text| Some(text.split(' ').nth(1)?.trim().to_owned())).unwrap_or_else(|| "unknown".to_owned())
}
