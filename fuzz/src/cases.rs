//! Does the parser of conformance cases survive any text, and is what it read what was written?

use cherrystone_conformance::case::Case;

/// Reads a case file; if it is one, writes it and reads it again.
///
/// # Panics
/// If the two readings differ.
pub fn check(text: &str) {
    // Copies without end are refused by their number, but a number within the bounds may still be more than a fuzzer has time for.
    if text.len() > 4_096 {
        return;
    }
    let Ok(cases) = Case::read_file("fuzz", text) else { return };
    let written: String = cases.iter().map(Case::to_toml).collect();
    let again = Case::read_file("fuzz", &written).unwrap_or_else(|problems| panic!("{problems:?}\n{written}"));
    assert_eq!(again, cases, "{written}");
}
