//! How is a report written for a pull request (Markdown)?

use std::fmt::Write as _;

use super::{Kind, Report, TargetEntry};
use crate::requirement::Level;

/// More would not fit into the comment of a pull request; the rest gets a line each.
const MOST_DETAILED: usize = 20;

/// The report as Markdown: the summary, what fails, what was chosen, and the requirements without a case.
pub fn markdown(report: &Report) -> String {
    let mut out = String::from("# HTTP/1.1 conformance\n\n");
    summary(&mut out, report);
    for target in &report.targets {
        if let Some(lost) = &target.lost {
            let _ = writeln!(out, "\n**{}: the run is incomplete.** {}", inline(&target.name), inline(lost));
        }
    }
    if report.targets.len() > 1 {
        differences(&mut out, report);
    }
    for target in &report.targets {
        failures(&mut out, report, target);
        choices(&mut out, target);
    }
    gaps(&mut out, report);
    out
}

fn summary(out: &mut String, report: &Report) {
    out.push_str("| server | pass | allowed | fail | untested | failed at must | security | should | may |\n");
    out.push_str("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for target in &report.targets {
        let _ = write!(out, "| {} |", inline(&label(target)));
        for kind in [Kind::Pass, Kind::Allowed, Kind::Fail, Kind::Untested] {
            let _ = write!(out, " {} |", target.count(kind));
        }
        for level in Level::ALL {
            let at = |case: &str| report.case(case).is_some_and(|case| case.level == level);
            let count = target.results.iter().filter(|r| r.verdict == Kind::Fail && at(&r.case)).count();
            let _ = write!(out, " {count} |");
        }
        out.push('\n');
    }
}

/// Where the servers do not all do the same.
fn differences(out: &mut String, report: &Report) {
    out.push_str("\n## Where they differ\n\n| case | level |");
    for target in &report.targets {
        let _ = write!(out, " {} |", inline(&target.name));
    }
    out.push_str("\n| --- | --- |");
    out.push_str(&" --- |".repeat(report.targets.len()));
    out.push('\n');
    for case in &report.cases {
        let kinds: Vec<_> = report.targets.iter().map(|target| target.result(&case.id).map(|r| r.verdict)).collect();
        if kinds.windows(2).all(|two| two[0] == two[1]) {
            continue;
        }
        let _ = write!(out, "| `{}` | {} |", case.id, case.level);
        for kind in kinds {
            let shown = match kind {
                Some(Kind::Fail) => "**fail**",
                Some(kind) => kind.name(),
                None => "",
            };
            let _ = write!(out, " {shown} |");
        }
        out.push('\n');
    }
}

fn failures(out: &mut String, report: &Report, target: &TargetEntry) {
    let failed: Vec<_> = target.results.iter().filter(|r| r.verdict == Kind::Fail).collect();
    if failed.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## {}: failures\n", inline(&target.name));
    let (detailed, rest) = failed.split_at(failed.len().min(MOST_DETAILED));
    for result in detailed {
        let Some(case) = report.case(&result.case) else { continue };
        let citations: Vec<_> = case
            .requires
            .iter()
            .filter_map(|id| report.requirements.iter().find(|r| r.id == *id))
            .map(|r| r.link().map_or_else(|| r.citation(), |link| format!("[{}]({link})", r.citation())))
            .collect();
        let _ = writeln!(out, "<details><summary><code>{}</code> ({})</summary>\n", case.id, case.level);
        let _ = writeln!(out, "{} {}\n", inline(&case.why), citations.join("; "));
        let _ = writeln!(out, "- expected: {}", inline(&result.expected));
        let _ = writeln!(out, "- reason: {}\n", inline(result.reason.as_deref().unwrap_or_default()));
        let _ = writeln!(
            out,
            "```text\nsent:     {}\nreceived: {}\nending:   {}\n```\n",
            result.sent, result.received, result.ending
        );
        let _ = writeln!(out, "```sh\n{}\n```\n\n</details>\n", result.by_hand);
    }
    for result in rest {
        let _ = writeln!(out, "- `{}`: {}", result.case, inline(result.reason.as_deref().unwrap_or_default()));
    }
}

fn choices(out: &mut String, target: &TargetEntry) {
    let allowed: Vec<_> = target.results.iter().filter(|r| r.verdict == Kind::Allowed).collect();
    if allowed.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## {}: what it chose where the RFC leaves a choice\n", inline(&target.name));
    for result in allowed {
        let _ = writeln!(out, "- `{}`: {}", result.case, inline(result.reason.as_deref().unwrap_or_default()));
    }
}

fn gaps(out: &mut String, report: &Report) {
    let gaps: Vec<_> = report.requirements.iter().filter(|r| report.cases_of(&r.id).is_empty()).collect();
    if gaps.is_empty() {
        return;
    }
    out.push_str("\n## Requirements that no case of this run tests\n\n");
    for requirement in gaps {
        let reason = if requirement.reason.is_empty() { String::new() } else { format!(" ({})", requirement.reason) };
        let _ = writeln!(
            out,
            "- `{}`, {}, {}: {}{}",
            requirement.id,
            requirement.citation(),
            requirement.level,
            inline(&requirement.text),
            inline(&reason)
        );
    }
}

fn label(target: &TargetEntry) -> String {
    match &target.server {
        Some(server) if *server != target.name => format!("{} ({server})", target.name),
        _ => target.name.clone(),
    }
}

/// Text without power over the page: a server's answers are quoted here.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '!' | '#' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '\n' | '\r' => out.push(' '),
            _ => out.push(c),
        }
    }
    out
}
