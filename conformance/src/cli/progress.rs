//! How does a run show how far it is?
//!
//! A bar on a terminal; elsewhere a line for each group that is done.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};

use cherrystone_conformance::case::Case;
use cherrystone_conformance::judge::Outcome;
use cherrystone_conformance::report::Kind;
use indicatif::{ProgressBar, ProgressStyle};

pub(super) struct Progress<'p> {
    name: &'p str,
    cases: &'p [&'p Case],
    form: Form<'p>,
}

enum Form<'p> {
    Bar(ProgressBar, Mutex<usize>),
    Lines(Mutex<BTreeMap<&'p str, Group>>),
}

#[derive(Default)]
struct Group {
    left: usize,
    counts: [usize; 4],
}

impl<'p> Progress<'p> {
    pub(super) fn new(name: &'p str, cases: &'p [&'p Case]) -> Self {
        let form = if io::stderr().is_terminal() {
            let bar = ProgressBar::new(cases.len() as u64);
            // The template is a constant; should it be wrong, the default style does as well.
            if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(name.to_owned());
            Form::Bar(bar, Mutex::new(0))
        } else {
            let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
            for case in cases {
                groups.entry(case.group()).or_default().left += 1;
            }
            Form::Lines(Mutex::new(groups))
        };
        Self { name, cases, form }
    }

    /// Case number `n` is done.
    pub(super) fn done(&self, n: usize, outcome: &Outcome) {
        let kind = Kind::of(&outcome.verdict);
        match &self.form {
            Form::Bar(bar, failed) => {
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                *failed += usize::from(kind == Kind::Fail);
                if *failed > 0 {
                    bar.set_message(format!("{failed} failed"));
                }
                bar.inc(1);
            }
            Form::Lines(groups) => {
                let mut groups = groups.lock().unwrap_or_else(PoisonError::into_inner);
                let Some((name, group)) = self.cases.get(n).and_then(|case| {
                    let name = case.group();
                    Some((name, groups.get_mut(name)?))
                }) else {
                    return;
                };
                group.left = group.left.saturating_sub(1);
                if let Some(count) = Kind::ALL.iter().position(|k| *k == kind).and_then(|k| group.counts.get_mut(k)) {
                    *count += 1;
                }
                if group.left == 0 {
                    eprintln!("{} {name}: {}", self.name, counts(group.counts));
                }
            }
        }
    }

    pub(super) fn finish(&self) {
        if let Form::Bar(bar, _) = &self.form {
            bar.finish_and_clear();
        }
    }
}

/// `3 pass, 1 fail`, without what is zero; in the order of [`Kind::ALL`].
pub(super) fn counts(counts: [usize; 4]) -> String {
    let parts: Vec<_> = Kind::ALL
        .into_iter()
        .zip(counts)
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {}", kind.name()))
        .collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}
