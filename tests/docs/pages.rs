//! Do links lead somewhere, is every example run, and does every flag exist that a command line shows?

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page of the repository.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for folder in ["", "docs", "fuzz", "conformance", "conformance/docs", "conformance/cases", "gateway-wsgi", "core"] {
        let files = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    assert!(pages.len() >= 8, "{pages:?}");
    pages
}

/// A page in two: its text, and its code blocks with what they are marked as.
fn split(page: &str) -> (String, Vec<(String, String)>) {
    let (mut text, mut blocks) = (String::new(), Vec::new());
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(mark)) => open = Some((mark.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, code)), None) => {
                code.push_str(line);
                code.push('\n');
            }
            (None, None) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block is not closed");
    (text, blocks)
}

/// What follows `](` up to the closing parenthesis.
fn links(text: &str) -> Vec<String> {
    // What is between backquotes is no link.
    let text: String = text.split('`').step_by(2).collect::<Vec<_>>().join("code");
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link.to_owned()).collect()
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .collect::<String>()
        .replace(' ', "-")
}

fn anchors(page: &Path) -> BTreeSet<String> {
    let (text, _) = split(&fs::read_to_string(page).unwrap());
    text.lines().filter(|line| line.starts_with('#')).map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut checked = 0;
    for page in pages() {
        let (text, _) = split(&fs::read_to_string(&page).unwrap());
        for link in links(&text).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, fragment) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: there is no {link}", page.display());
            if !fragment.is_empty() {
                assert!(anchors(&target).contains(fragment), "{}: {link} leads to no heading", page.display());
            }
            checked += 1;
        }
    }
    assert!(checked >= 8, "{checked}");
}

#[test]
fn every_code_block_says_what_it_is_and_rust_is_compiled() {
    let library =
        ["src/lib.rs", "core/embedding/src/lib.rs"].map(|file| fs::read_to_string(root().join(file)).unwrap()).concat();
    for page in pages() {
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        for (mark, code) in split(&fs::read_to_string(&page).unwrap()).1 {
            let language = mark.split(',').next().unwrap();
            let known =
                ["rust", "sh", "text", "toml", "python", "json", "nginx", "ini", "console", "html", "diff", "yaml"];
            assert!(known.contains(&language), "{name}: a block is marked {mark:?}:\n{code}");
            if language == "rust" && mark != "rust,ignore" {
                let included = format!("../{name}\")");
                assert!(library.contains(&included), "{name} has Rust in it that no doctest compiles");
            }
            assert!(!mark.contains("ignore"), "{name}: an example that is not compiled is none");
        }
    }
}

/// The arguments behind the program in each command line of a page, for lines that start it.
fn command_lines(blocks: &[(String, String)]) -> Vec<(bool, String)> {
    let shell = blocks.iter().filter(|(mark, _)| mark == "sh" || mark == "console");
    let lines = shell.flat_map(|(_, code)| code.lines());
    lines
        .filter_map(|line| {
            let line = line.split(" #").next().unwrap().trim().trim_start_matches("$ ");
            let of_the_suite = line.contains("cherrystone-conformance");
            let (starts, arguments) = match line.split_once(" -- ") {
                Some((cargo, arguments)) => (cargo.starts_with("cargo run"), arguments),
                None => (line.starts_with("cherrystone"), line.split_once(' ').map_or("", |(_, arguments)| arguments)),
            };
            starts.then(|| (of_the_suite, arguments.to_owned()))
        })
        .collect()
}

#[cfg(feature = "cli")]
#[test]
fn every_flag_that_is_shown_exists() {
    let help = Command::new(env!("CARGO_BIN_EXE_cherrystone")).arg("--help-all").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let known: BTreeSet<&str> =
        help.split(|c: char| !(c.is_alphanumeric() || c == '-')).filter(|word| word.starts_with("--")).collect();
    let sources = fs::read_dir(root().join("conformance/src/cli")).unwrap().map(|entry| entry.unwrap().path());
    let suite: String = sources.map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut checked = 0;
    let mut inline = Vec::new();
    for page in pages() {
        let (text, blocks) = split(&fs::read_to_string(&page).unwrap());
        // Code in the running text counts if it starts the program, or is a flag.
        let spans = text.split('`').skip(1).step_by(2);
        inline.extend(
            spans
                .filter(|code| code.starts_with("cherrystone --") || code.starts_with("cargo run --release -- "))
                .map(|code| ("sh".to_owned(), code.to_owned())),
        );
        for (of_the_suite, arguments) in command_lines(&blocks).into_iter().chain(command_lines(&inline)) {
            for flag in arguments.split([' ', '=']).filter(|word| word.starts_with("--")) {
                let is_known = match of_the_suite {
                    true => known.contains(flag) || suite.contains(&format!("{}:", flag[2..].replace('-', "_"))),
                    false => known.contains(flag),
                };
                assert!(is_known, "{}: {arguments}: there is no {flag}", page.display());
                checked += 1;
            }
        }
        inline.clear();
    }
    assert!(checked >= 6, "{checked}");
}

/// The tables of the operations page name flags, too.
#[cfg(feature = "cli")]
#[test]
fn the_operations_page_names_flags_that_exist() {
    let help = Command::new(env!("CARGO_BIN_EXE_cherrystone")).arg("--help-all").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (text, _) = split(&page);
    let flags: BTreeSet<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .flat_map(|code| code.split([' ', '=']))
        .filter(|word| word.starts_with("--"))
        .collect();
    assert!(flags.len() > 10, "{flags:?}");
    for flag in flags {
        assert!(help.contains(&format!("{flag} ")), "there is no {flag}");
    }
}
