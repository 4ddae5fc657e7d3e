//! Which cases and requirements are there?
//!
//! The suite's own are in the binary ([`Catalog::embedded`]); others are read from a folder ([`Catalog::load`]).
//!
//! 1. Every requirement that a case cites exists, ids are unique, and cases are in the order of their ids.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

use crate::case::Case;
use crate::requirement::{Requirement, Wire};

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Cases, and the requirements that they cite.
#[derive(Debug, Clone)]
pub struct Catalog {
    cases: Vec<Case>,
    requirements: Vec<Requirement>,
}

/// Why case files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A file or folder could not be read.
    #[error("cannot read {path}: {why}", path = .path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The files contradict the format or each other.
    #[error("{}", .problems.join("\n"))]
    Wrong {
        /// One line or more for each problem.
        problems: Vec<String>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequirementFile {
    #[serde(default)]
    requirement: Vec<Requirement>,
}

impl Catalog {
    /// The suite's own cases and requirements.
    ///
    /// # Errors
    ///
    /// When the embedded files are wrong, which a test of this crate excludes.
    pub fn embedded() -> Result<Self, CatalogError> {
        Self::parse(CASE_FILES.iter().copied(), REQUIREMENTS)
    }

    /// The cases under `folder`, subfolders included. Their requirements are those of `requirements.toml` in it, or
    /// beside it, or else the embedded ones.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or is wrong.
    pub fn load(folder: &Path) -> Result<Self, CatalogError> {
        let mut files = Vec::new();
        toml_files(folder, &mut files)?;
        let inside = folder.join("requirements.toml");
        let beside = folder.join("..").join("requirements.toml");
        files.retain(|file| *file != inside);
        let requirements = match [inside, beside].into_iter().find(|path| path.is_file()) {
            Some(path) => read(&path)?,
            None => REQUIREMENTS.to_owned(),
        };
        let mut texts = Vec::new();
        for file in files {
            let name = file.strip_prefix(folder).unwrap_or(&file).with_extension("");
            texts.push((name.to_string_lossy().replace('\\', "/"), read(&file)?));
        }
        Self::parse(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())), &requirements)
    }

    /// Builds a catalog from case files, given as group and text, and the text of a requirements file.
    ///
    /// # Errors
    ///
    /// All that is wrong with them.
    pub fn parse<'t>(
        case_files: impl IntoIterator<Item = (&'t str, &'t str)>,
        requirements: &str,
    ) -> Result<Self, CatalogError> {
        let mut problems = Vec::new();
        let requirements = match toml::from_str::<RequirementFile>(requirements) {
            Ok(file) => file.requirement,
            Err(e) => return Err(CatalogError::Wrong { problems: vec![format!("requirements: {e}")] }),
        };
        let mut known = BTreeMap::new();
        for requirement in &requirements {
            if known.insert(requirement.id.as_str(), ()).is_some() {
                problems.push(format!("requirement {} occurs twice", requirement.id));
            }
            if (requirement.wire == Wire::Invisible) == requirement.reason.is_empty() {
                problems.push(format!("requirement {}: wire = false and a reason go together", requirement.id));
            }
        }
        let mut cases = Vec::new();
        for (group, text) in case_files {
            match Case::read_file(group, text) {
                Ok(read) => cases.extend(read),
                Err(wrong) => problems.extend(wrong),
            }
        }
        for case in &cases {
            for id in case.requires.iter().filter(|id| !known.contains_key(id.as_str())) {
                problems.push(format!("{}: cites the requirement {id}, which does not exist", case.id));
            }
        }
        cases.sort_by(|a, b| a.id.cmp(&b.id));
        if problems.is_empty() { Ok(Self { cases, requirements }) } else { Err(CatalogError::Wrong { problems }) }
    }

    /// All cases, in the order of their ids.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// All requirements, in the order of the file.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// One case by id.
    pub fn case(&self, id: &str) -> Option<&Case> {
        self.cases.binary_search_by(|case| case.id.as_str().cmp(id)).ok().and_then(|n| self.cases.get(n))
    }

    /// One requirement by id.
    pub fn requirement(&self, id: &str) -> Option<&Requirement> {
        self.requirements.iter().find(|requirement| requirement.id == id)
    }
}

fn read(path: &Path) -> Result<String, CatalogError> {
    fs::read_to_string(path).map_err(|why| CatalogError::Unreadable { path: path.to_owned(), why })
}

fn toml_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CatalogError> {
    let unreadable = |why| CatalogError::Unreadable { path: folder.to_owned(), why };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            toml_files(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "toml") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str =
        "[[case]]\nname = \"x\"\nrequires = [\"r\"]\nlevel = \"must\"\nwhy = \"w\"\nsend = []\nanswers = []";
    const REQUIREMENT: &str = "[[requirement]]\nid = \"r\"\nsource = \"practice\"\nlevel = \"must\"\ntext = \"t\"\n";

    #[test]
    fn every_embedded_case_is_sound_and_cites_requirements_that_exist() {
        let catalog = Catalog::embedded().unwrap_or_else(|e| panic!("{e}"));
        let files = CASE_FILES.len();
        assert!(files == 0 || catalog.cases().len() >= files, "an empty case file");
    }

    #[test]
    fn a_citation_of_nothing_is_an_error() {
        assert_eq!(Catalog::parse([("g", CASE)], REQUIREMENT).unwrap().case("g/x").unwrap().why, "w");
        let error = Catalog::parse([("g", CASE)], "").unwrap_err().to_string();
        assert_eq!(error, "g/x: cites the requirement r, which does not exist");
    }

    #[test]
    fn a_requirement_occurs_once() {
        let error = Catalog::parse([], &REQUIREMENT.repeat(2)).unwrap_err().to_string();
        assert_eq!(error, "requirement r occurs twice");
    }
}
