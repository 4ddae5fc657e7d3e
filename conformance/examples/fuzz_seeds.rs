//! Writes seeds for fuzz targets, `fuzz_seeds CORPUS`: the octets of every case for those that take a stream, and its text for the one
//! that takes a case file.

use std::path::Path;
use std::{env, fs, io};

use cherrystone_conformance::case::Action;
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::judge::Setting;

/// Longer cases are about limits, which fuzzing reaches by smaller ones.
const LONGEST: usize = 600;

fn main() -> io::Result<()> {
    let corpus = env::args_os().nth(1).ok_or_else(|| io::Error::other("the folder of the corpus is missing"))?;
    let catalog = Catalog::embedded().map_err(io::Error::other)?;
    let setting = Setting::new("h.example");
    // `split` reads settings, manner and cuts from four octets behind the stream.
    for (target, tail) in [("split", &[0, 1, 2, 3][..]), ("accepts", &[])] {
        let folder = Path::new(&corpus).join(target);
        fs::create_dir_all(&folder)?;
        for case in catalog.cases() {
            let mut octets = Vec::new();
            for action in case.script(&setting.addressing) {
                if let Action::Write(data) | Action::Trickle(data, _) = action {
                    octets.extend_from_slice(&data);
                }
            }
            if octets.len() <= LONGEST {
                octets.extend_from_slice(tail);
                fs::write(folder.join(case.id.replace('/', "-")), octets)?;
            }
        }
    }
    let folder = Path::new(&corpus).join("cases");
    fs::create_dir_all(&folder)?;
    for case in catalog.cases() {
        let text = case.to_toml();
        if text.len() <= 2 * LONGEST {
            fs::write(folder.join(case.id.replace('/', "-")), text)?;
        }
    }
    Ok(())
}
