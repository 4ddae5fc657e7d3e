//! Which requirement is tested by which cases, and which by none?

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::requirement::Requirement;

/// A requirement with the ids of its cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'c> {
    /// The requirement.
    pub requirement: &'c Requirement,
    /// The ids of its cases, in order; none is a gap.
    pub cases: Vec<&'c str>,
}

/// One row for each requirement of the catalog, in its order; a gap is a row without cases.
pub fn rows<'c>(catalog: &'c Catalog) -> Vec<Row<'c>> {
    let mut cases: BTreeMap<&'c str, Vec<&'c str>> = BTreeMap::new();
    for case in catalog.cases() {
        for id in &case.requires {
            cases.entry(id).or_default().push(&case.id);
        }
    }
    let row = |requirement: &'c Requirement| Row {
        requirement,
        cases: cases.remove(requirement.id.as_str()).unwrap_or_default(),
    };
    catalog.requirements().iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_a_row_without_cases() {
        let case = "[[case]]\nname = \"x\"\nrequires = [\"a\"]\nlevel = \"must\"\nwhy = \"w\"\nsend = []\nanswers = []";
        let requirement =
            |id| format!("[[requirement]]\nid = \"{id}\"\nsource = \"practice\"\nlevel = \"may\"\ntext = \"t\"\n");
        let catalog = Catalog::parse([("g", case)], &(requirement("a") + &requirement("b"))).unwrap();
        let rows = rows(&catalog);
        assert_eq!(rows.iter().map(|r| r.requirement.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(rows[0].cases, ["g/x"]);
        assert!(rows[1].cases.is_empty());
    }
}
