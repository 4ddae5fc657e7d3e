//! How are the requirements shown, by server, with their gaps?

use std::fmt::Write as _;

use super::super::{Kind, Report};
use super::text::escaped;

/// Writes the table of requirements.
pub(super) fn write(out: &mut String, report: &Report) {
    let rows: Vec<_> = report.requirements.iter().map(|r| (r, report.cases_of(&r.id))).collect();
    let gaps = rows.iter().filter(|(_, cases)| cases.is_empty()).count();
    let _ = write!(
        out,
        "<section id=\"matrix\">\n<h2>Requirements</h2>\n<p>{} requirements, {gaps} without a case in this run.</p>\n\
         <div class=\"scroll\"><table class=\"matrix\"><thead><tr><th>requirement</th><th>level</th><th>cases</th>",
        rows.len()
    );
    for target in &report.targets {
        let _ = write!(out, "<th>{}</th>", escaped(&target.name));
    }
    out.push_str("</tr></thead><tbody>\n");
    for (requirement, cases) in rows {
        let citation = escaped(&requirement.citation());
        let place = match requirement.link() {
            Some(link) => format!("<a href=\"{}\" rel=\"noreferrer\">{citation}</a>", escaped(&link)),
            None => citation,
        };
        let id = escaped(&requirement.id);
        let class = if cases.is_empty() { " class=\"gap\"" } else { "" };
        let _ = write!(
            out,
            "<tr id=\"req-{id}\"{class}><td><b>{id}</b> {place}<br>{}</td><td>{}</td><td>",
            escaped(&requirement.text),
            requirement.level
        );
        match (cases.len(), requirement.reason.is_empty()) {
            (0, true) => out.push_str("gap"),
            (0, false) => {
                let _ = write!(out, "none: {}", escaped(&requirement.reason));
            }
            (count, _) => {
                let _ = write!(out, "<a class=\"cites\" href=\"#cases\" data-requirement=\"{id}\">{count}</a>");
            }
        }
        out.push_str("</td>");
        for target in &report.targets {
            out.push_str("<td>");
            for (kind, count) in Kind::ALL.into_iter().zip(target.tally(&cases)) {
                if count > 0 {
                    let _ = write!(out, "<b class=\"badge {0}\" title=\"{0}\">{count} {0}</b> ", kind.name());
                }
            }
            out.push_str("</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n</section>\n");
}
