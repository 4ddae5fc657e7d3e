//! How is a report written for programs, and read back?

use super::{Report, SCHEMA};

/// The report as JSON, with a line end.
pub fn json(report: &Report) -> String {
    // Plain data with string keys: there is nothing in it that JSON cannot hold.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}

/// Reads what [`json`] wrote.
///
/// # Errors
///
/// When it is no report, or of another schema.
pub fn from_json(text: &str) -> Result<Report, String> {
    #[derive(serde::Deserialize)]
    struct Version {
        schema: u32,
    }
    let version: Version = serde_json::from_str(text).map_err(|e| format!("no report: {e}"))?;
    if version.schema != SCHEMA {
        return Err(format!("a report of schema {}; this suite reads {SCHEMA}", version.schema));
    }
    let mut report: Report = serde_json::from_str(text).map_err(|e| format!("no report: {e}"))?;
    // Look-ups rely on the order, which a file from elsewhere may not have.
    report.cases.sort_by(|a, b| a.id.cmp(&b.id));
    for target in &mut report.targets {
        target.results.sort_by(|a, b| a.case.cmp(&b.case));
    }
    Ok(report)
}
