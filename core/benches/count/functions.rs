//! Where are the instructions spent?
//!
//! Reads a report of callgrind: its lines of costs stand under the function (`fn=`) that they belong to; the line behind `calls=` says what a
//! call cost, which is the callee's. A name is written once, `(7) name`, and is `(7)` from then on.

use std::collections::HashMap;

/// What each function spent by itself, the dearest first.
pub(super) fn spent(report: &str) -> Vec<(String, f64)> {
    let mut names = HashMap::new();
    let mut spent: HashMap<&str, f64> = HashMap::new();
    let (mut function, mut is_of_a_call) = ("", false);
    for line in report.lines() {
        if let Some(named) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            let (number, name) = named.split_once(' ').unwrap_or((named, ""));
            let known = names.entry(number).or_insert(name);
            if line.starts_with("fn=") {
                function = known;
            }
        } else if line.starts_with("calls=") {
            is_of_a_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
            && let Some(cost) = line.split(' ').nth(1).and_then(|cost| cost.parse::<f64>().ok())
            && !core::mem::take(&mut is_of_a_call)
        {
            *spent.entry(function).or_default() += cost;
        }
    }
    let mut spent: Vec<_> = spent.into_iter().map(|(name, spent)| (name.to_owned(), spent)).collect();
    spent.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    spent
}
