//! How do the case files get into the binary?
//!
//! This writes a list of `include_str!` lines, one for each `cases/**/*.toml`, so that a new file is embedded
//! without a list to keep, and cargo builds again when the folder changes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets this"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets this"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=cases");
    println!("cargo::rerun-if-changed=requirements.toml");

    let mut files = Vec::new();
    toml_files(&root.join("cases"), &mut files)?;
    files.sort();
    let mut code = String::from("static CASE_FILES: &[(&str, &str)] = &[\n");
    for file in &files {
        let name = file.strip_prefix(root.join("cases")).unwrap_or(file).with_extension("");
        let name = name.to_string_lossy().replace('\\', "/");
        let _ = writeln!(code, "    ({name:?}, include_str!({:?})),", file.display().to_string());
    }
    code.push_str("];\n");
    let requirements = root.join("requirements.toml");
    if requirements.exists() {
        let _ = writeln!(code, "static REQUIREMENTS: &str = include_str!({:?});", requirements.display().to_string());
    } else {
        code.push_str("static REQUIREMENTS: &str = \"\";\n");
    }
    fs::write(out.join("embedded.rs"), code)
}

fn toml_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            toml_files(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "toml") {
            files.push(path);
        }
    }
    Ok(())
}
