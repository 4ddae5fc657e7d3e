//! How do the reports of several servers become one?

use std::collections::BTreeMap;

use super::{CaseEntry, Report};

impl Report {
    /// Adds the targets of another report. Cases and requirements that only one of them knows are kept.
    pub fn merge(&mut self, other: Self) {
        let mut cases: BTreeMap<String, CaseEntry> = BTreeMap::new();
        for case in self.cases.drain(..).chain(other.cases) {
            cases.entry(case.id.clone()).or_insert(case);
        }
        self.cases = cases.into_values().collect();
        for requirement in other.requirements {
            if !self.requirements.iter().any(|known| known.id == requirement.id) {
                self.requirements.push(requirement);
            }
        }
        for mut target in other.targets {
            // Two of one name could not be told apart in a table.
            let taken = |name: &str| self.targets.iter().any(|known| known.name == name);
            if taken(&target.name) {
                let free = (2..).map(|n| format!("{} ({n})", target.name)).find(|name| !taken(name));
                target.name = free.unwrap_or(target.name);
            }
            self.targets.push(target);
        }
    }
}
