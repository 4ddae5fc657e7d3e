//! How is a report written for a CI system (JUnit XML)?
//!
//! Groups are test suites, cases are test cases: `fail` is a failure, `untested` is skipped, and what was `allowed` is
//! told in the output of the test.

use std::fmt::Write as _;

use super::{Kind, Report, ResultEntry, TargetEntry};

/// The report as JUnit XML.
pub fn junit(report: &Report) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let sum = |kind| report.targets.iter().map(|t| t.count(kind)).sum::<usize>();
    let tests: usize = report.targets.iter().map(|t| t.results.len()).sum();
    let seconds: f64 = report.targets.iter().map(|t| t.seconds).sum();
    let (failed, skipped) = (sum(Kind::Fail), sum(Kind::Untested));
    let _ = writeln!(
        out,
        "<testsuites name=\"cherrystone-conformance\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\" \
         skipped=\"{skipped}\" time=\"{seconds:.3}\">"
    );
    for target in &report.targets {
        let mut results = target.results.as_slice();
        while let Some(first) = results.first() {
            let group = group(first);
            let count = results.iter().take_while(|result| self::group(result) == group).count();
            let (these, rest) = results.split_at(count);
            suite(&mut out, report, target, group, these);
            results = rest;
        }
    }
    out.push_str("</testsuites>\n");
    out
}

fn suite(out: &mut String, report: &Report, target: &TargetEntry, group: &str, results: &[ResultEntry]) {
    let name = if report.targets.len() > 1 { format!("{}.{group}", target.name) } else { group.to_owned() };
    let name = escaped(&name);
    let count = |kind| results.iter().filter(|r| r.verdict == kind).count();
    let seconds = |ms: u64| ms as f64 / 1000.0;
    let _ = writeln!(
        out,
        "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{:.3}\" \
         timestamp=\"{}\" hostname=\"{}\">",
        results.len(),
        count(Kind::Fail),
        count(Kind::Untested),
        seconds(results.iter().map(|r| r.milliseconds).sum()),
        escaped(target.started.trim_end_matches('Z')),
        escaped(&target.address)
    );
    for result in results {
        let case = result.case.rsplit_once('/').map_or(result.case.as_str(), |(_, name)| name);
        let _ = write!(
            out,
            "    <testcase classname=\"{name}\" name=\"{}\" time=\"{:.3}\"",
            escaped(case),
            seconds(result.milliseconds)
        );
        let reason = escaped(result.reason.as_deref().unwrap_or_default());
        let _ = match result.verdict {
            Kind::Pass => writeln!(out, "/>"),
            Kind::Untested => writeln!(out, "><skipped message=\"{reason}\"/></testcase>"),
            Kind::Allowed => writeln!(out, "><system-out>allowed: {reason}</system-out></testcase>"),
            Kind::Fail => {
                let entry = report.case(&result.case);
                let level = entry.map_or("", |case| case.level.name());
                let why = entry.map_or("", |case| case.why.as_str());
                let details = format!(
                    "{why}\nexpected: {}\nreason:   {}\nsent:     {}\nreceived: {}\nending:   {}\nby hand:  {}\n",
                    result.expected,
                    result.reason.as_deref().unwrap_or_default(),
                    result.sent,
                    result.received,
                    result.ending,
                    result.by_hand
                );
                let details = escaped(&details);
                writeln!(out, "><failure type=\"{level}\" message=\"{reason}\">{details}</failure></testcase>")
            }
        };
    }
    out.push_str("  </testsuite>\n");
}

fn group(result: &ResultEntry) -> &str {
    result.case.rsplit_once('/').map_or("", |(group, _)| group)
}

/// Text for XML, in attributes as well; what XML 1.0 cannot hold becomes a question mark.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('?'),
            _ => out.push(c),
        }
    }
    out
}
