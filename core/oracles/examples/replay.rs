//! Runs files that a fuzzer has left, without a fuzzer: `replay FOLDER...`, each of which has a folder for each target, as `fuzz/corpus`
//! and `fuzz/regressions` have. Ends with the first that fails.

use std::path::Path;
use std::{env, fs, io};

use cherrystone_oracles::targets;

fn main() -> io::Result<()> {
    for folder in env::args().skip(1) {
        for (name, run) in targets::ALL {
            let Ok(entries) = fs::read_dir(Path::new(&folder).join(name)) else { continue };
            let mut files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
            files.sort();
            for file in &files {
                let input = fs::read(file)?;
                let played = std::panic::catch_unwind(|| run(&input));
                assert!(played.is_ok(), "{name} fails with {}", file.display());
            }
            println!("{name}: {} files of {folder}", files.len());
        }
    }
    Ok(())
}
