//! Is what is published complete, and may everything that it depends on be used?

use std::process::Command;

use serde_json::Value;

fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    let output = command.args(arguments).arg("--offline").current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn packages(arguments: &[&str]) -> Vec<Value> {
    let metadata: Value = serde_json::from_str(&cargo(arguments)).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

#[test]
fn every_package_has_what_its_readers_need() {
    let own = packages(&["metadata", "--format-version", "1", "--no-deps"]);
    let published: Vec<_> = own.iter().filter(|package| package["publish"].is_null()).collect();
    let names: Vec<_> = published.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let expected =
        ["cherrystone", "cherrystone-conformance", "cherrystone-core", "cherrystone-mio", "cherrystone-threads"];
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    for package in published {
        let name = package["name"].as_str().unwrap();
        for member in ["description", "license", "repository", "readme", "rust_version"] {
            assert!(package[member].is_string(), "{name} has no {member}");
        }
        for member in ["keywords", "categories"] {
            assert!(!package[member].as_array().unwrap().is_empty(), "{name} has no {member}");
        }
        let files = cargo(&["package", "--list", "--allow-dirty", "-p", name]);
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "Cargo.toml"] {
            assert!(files.lines().any(|own| own == file), "{name} lacks {file}");
        }
        // A dependency in the workspace is published, too, and has a version.
        for dependency in package["dependencies"].as_array().unwrap().iter().filter(|one| one["kind"].is_null()) {
            if dependency["path"].is_string() {
                let of = dependency["name"].as_str().unwrap();
                assert!(
                    names.contains(&of) && dependency["req"] != "*",
                    "{name} depends on {of}, which is not published"
                );
            }
        }
    }
}

/// Whether an SPDX expression without parentheses or exceptions is satisfied by what is allowed.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    // Every part of a conjunction needs one licence that is allowed.
    expression.split(" AND ").all(|part| part.split(" OR ").any(|licence| allowed.contains(&licence.trim())))
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed_and_comes_from_the_registry() {
    let listed =
        include_str!("../../deny.toml").split("allow = [").nth(1).unwrap().split(']').next().unwrap().to_owned();
    let allowed: Vec<&str> = listed.split('"').skip(1).step_by(2).collect();
    assert!(is_allowed("MIT OR GPL-3.0", &allowed) && !is_allowed("MIT AND GPL-3.0", &allowed));
    // Those of this machine: the others need not have been downloaded.
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let all = packages(&["metadata", "--format-version", "1", "--filter-platform", host]);
    assert!(all.len() > 100, "{}", all.len());
    for package in all {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
        assert!(is_allowed(licence, &allowed), "{name}: {licence}");
        if let Some(source) = package["source"].as_str() {
            assert!(source.starts_with("registry+"), "{name} comes from {source}");
        }
    }
}
