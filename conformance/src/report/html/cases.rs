//! How is one case shown, with its octets and its answer side by side?

use std::fmt::Write as _;

use super::super::{CaseEntry, Kind, Report, ResultEntry, TargetEntry};
use super::text::{escaped, wire};

/// Writes all cases, and ends the section that the controls began.
pub(super) fn write(out: &mut String, report: &Report) {
    out.push_str("<div id=\"list\">\n");
    for case in &report.cases {
        let results: Vec<_> =
            report.targets.iter().filter_map(|target| Some((target, target.result(&case.id)?))).collect();
        case_entry(out, report, case, &results);
    }
    out.push_str("</div>\n<p id=\"none\" hidden>No case fits.</p>\n</section>\n");
}

fn case_entry(out: &mut String, report: &Report, case: &CaseEntry, results: &[(&TargetEntry, &ResultEntry)]) {
    let kinds: Vec<_> = Kind::ALL.into_iter().filter(|kind| results.iter().any(|(_, r)| r.verdict == *kind)).collect();
    let kinds: Vec<_> = kinds.into_iter().map(Kind::name).collect();
    let id = escaped(&case.id);
    let _ = write!(
        out,
        "<details class=\"case\" id=\"case-{id}\" data-verdict=\"{}\" data-level=\"{}\">\n<summary><code>{id}</code> \
         <span class=\"level\">{}</span> <span class=\"badges\">",
        kinds.join(" "),
        case.level,
        case.level
    );
    for (target, result) in results {
        let kind = result.verdict.name();
        let name = escaped(&target.name);
        let shown = if results.len() > 1 { format!("{name}: {kind}") } else { kind.to_owned() };
        let _ = write!(out, "<b class=\"badge {kind}\" title=\"{name}\">{shown}</b> ");
    }
    let _ =
        write!(out, "</span>\n<span class=\"why\">{}</span></summary>\n<ul class=\"requires\">", escaped(&case.why));
    for id in &case.requires {
        match report.requirements.iter().find(|requirement| requirement.id == *id) {
            Some(requirement) => {
                let citation = escaped(&requirement.citation());
                let place = match requirement.link() {
                    Some(link) => format!("<a href=\"{}\" rel=\"noreferrer\">{citation}</a>", escaped(&link)),
                    None => citation,
                };
                let _ = write!(
                    out,
                    "<li>{place} ({}): {} <a class=\"back\" href=\"#req-{id}\">{id}</a></li>",
                    requirement.level,
                    escaped(&requirement.text),
                    id = escaped(id)
                );
            }
            None => {
                let _ = write!(out, "<li>{}</li>", escaped(id));
            }
        }
    }
    out.push_str("</ul>\n");
    for (target, result) in results {
        if results.len() > 1 {
            let _ = writeln!(out, "<h4>{}: {}</h4>", escaped(&target.name), result.verdict.name());
        }
        result_entry(out, result);
    }
    out.push_str("</details>\n");
}

fn result_entry(out: &mut String, result: &ResultEntry) {
    let kind = result.verdict.name();
    out.push_str("<dl>");
    let _ = write!(out, "<dt>expected</dt><dd>{}</dd>", escaped(&result.expected));
    if let Some(reason) = &result.reason {
        let _ = write!(out, "<dt>{kind}</dt><dd class=\"{kind}-text\">{}</dd>", escaped(reason));
    }
    out.push_str("</dl>\n");
    // Passing cases are many and nobody doubts them: their octets would make the page heavy.
    if matches!(result.verdict, Kind::Fail | Kind::Allowed) {
        let _ = writeln!(
            out,
            "<div class=\"sides\"><figure><figcaption>sent, {} octets</figcaption><pre>{}</pre></figure>\
             <figure><figcaption>received, {} octets, then {}</figcaption><pre>{}</pre></figure></div>",
            result.sent_octets,
            wire(&result.sent),
            result.received_octets,
            escaped(&result.ending),
            wire(&result.received)
        );
    }
    let _ = writeln!(
        out,
        "<div class=\"hand\"><pre>{}</pre><button type=\"button\" class=\"copy\">copy</button></div>",
        escaped(&result.by_hand)
    );
}
