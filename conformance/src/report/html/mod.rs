//! How is a report shown in a browser?
//!
//! 1. One file, no network: style and script are inside, and the page's own policy forbids everything else.
//! 2. Without JavaScript everything can be read; the script only filters and copies.
//! 3. All text from servers is escaped; [`text`] is the one way into the page.

mod cases;
mod matrix;
mod text;

use std::fmt::Write as _;

use super::{Kind, Report, TargetEntry};
use crate::requirement::Level;
use text::escaped;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The report as a page of HTML.
pub fn html(report: &Report) -> String {
    let names: Vec<_> = report.targets.iter().map(|target| target.name.as_str()).collect();
    let title = escaped(&format!("HTTP/1.1 conformance: {}", names.join(", ")));
    let mut out = String::new();
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n\
         <nav><a href=\"#summary\">Summary</a> <a href=\"#cases\">Cases</a> <a href=\"#matrix\">Requirements</a></nav>\n\
         </header>\n<main>\n"
    );
    summary(&mut out, report);
    controls(&mut out, report);
    cases::write(&mut out, report);
    matrix::write(&mut out, report);
    let version = escaped(&report.suite);
    let _ = write!(
        out,
        "</main>\n<footer>Made by cherrystone-conformance {version}.</footer>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    );
    out
}

fn summary(out: &mut String, report: &Report) {
    out.push_str("<section id=\"summary\">\n<h2>Summary</h2>\n<div class=\"cards\">\n");
    for target in &report.targets {
        card(out, report, target);
    }
    out.push_str("</div>\n</section>\n");
}

fn card(out: &mut String, report: &Report, target: &TargetEntry) {
    let _ = writeln!(out, "<article class=\"card\">\n<h3>{}</h3>", escaped(&target.name));
    let server = target.server.as_deref().map_or_else(String::new, |server| format!(" · Server: {server}"));
    let facts = format!("{}{server} · {} · {:.1} s", target.address, target.started, target.seconds);
    let _ = writeln!(out, "<p class=\"facts\">{}</p>", escaped(&facts));
    if let Some(lost) = &target.lost {
        let _ = writeln!(out, "<p class=\"lost\">The run is incomplete: {}</p>", escaped(lost));
    }
    out.push_str("<div class=\"bar\" aria-hidden=\"true\">");
    for kind in Kind::ALL {
        let (name, count) = (kind.name(), target.count(kind));
        if count > 0 {
            let _ = write!(out, "<span class=\"{name}\" style=\"flex-grow:{count}\"></span>");
        }
    }
    out.push_str("</div>\n<table class=\"counts\"><thead><tr><th>level</th>");
    for kind in Kind::ALL {
        let _ = write!(out, "<th>{}</th>", kind.name());
    }
    out.push_str("</tr></thead><tbody>");
    for level in Level::ALL {
        let _ = write!(out, "<tr><th>{level}</th>");
        for kind in Kind::ALL {
            let at = |id: &str| report.case(id).is_some_and(|case| case.level == level);
            let count = target.results.iter().filter(|r| r.verdict == kind && at(&r.case)).count();
            let class = if count > 0 { kind.name() } else { "zero" };
            let _ = write!(out, "<td class=\"{class}\">{count}</td>");
        }
        out.push_str("</tr>");
    }
    out.push_str("<tr class=\"sum\"><th>all</th>");
    for kind in Kind::ALL {
        let _ = write!(out, "<td>{}</td>", target.count(kind));
    }
    out.push_str("</tr></tbody></table>\n");
    let missing: Vec<_> = target.fixtures.iter().filter(|fixture| fixture.missing.is_some()).collect();
    if !missing.is_empty() {
        out.push_str("<details class=\"missing\"><summary>What it does not offer</summary><ul>");
        for fixture in missing {
            let reason = fixture.missing.as_deref().unwrap_or_default();
            let _ = write!(out, "<li><b>{}</b>: {}</li>", fixture.name, escaped(reason));
        }
        out.push_str("</ul></details>\n");
    }
    out.push_str("</article>\n");
}

fn controls(out: &mut String, report: &Report) {
    out.push_str(
        "<section id=\"cases\">\n<h2>Cases</h2>\n<form id=\"controls\" role=\"search\">\n\
         <input id=\"search\" type=\"search\" placeholder=\"search cases and requirements ( / )\" aria-label=\"search\">\n\
         <span class=\"choices\">",
    );
    for kind in Kind::ALL {
        let name = kind.name();
        let count: usize = report.targets.iter().map(|target| target.count(kind)).sum();
        let _ = write!(
            out,
            "<label class=\"choice {name}\"><input type=\"checkbox\" name=\"verdict\" value=\"{name}\" checked> {name} {count}</label>"
        );
    }
    out.push_str("</span>\n<select id=\"level\" aria-label=\"level\"><option value=\"\">every level</option>");
    for level in Level::ALL {
        let _ = write!(out, "<option>{level}</option>");
    }
    out.push_str("</select>\n<output id=\"shown\"></output>\n</form>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_no_address_to_load_from() {
        for part in [STYLE, SCRIPT] {
            assert!(!part.contains("http:") && !part.contains("https:") && !part.contains("url("), "{part}");
            assert!(!part.contains("</s"), "the element would end early");
        }
    }
}
