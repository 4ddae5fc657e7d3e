//! Writes the seed corpora of the fuzz targets: `seeds FOLDER` fills `FOLDER/<target>/`.
//!
//! The samples of `cherrystone_oracles::wire` are the seeds of the targets whose input is text.

use std::path::Path;
use std::{env, fs, io};

use cherrystone_oracles::hunt;
use cherrystone_oracles::wire::{SAMPLES, TARGETS};

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).ok_or_else(|| io::Error::other("usage: seeds FOLDER"))?;
    let write = |target: &str, name: &str, octets: &[u8]| {
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), octets)
    };
    for sample in SAMPLES {
        let octets = sample.octets.as_bytes();
        write("accepts", sample.name, octets)?;
        for rules in 0..2 {
            for manner in 0..5 {
                let stream = [octets, &[rules, manner, 7, 3]].concat();
                write("split", &format!("{}-{rules}-{manner}", sample.name), &stream)?;
            }
        }
        if let Some((_, content)) = sample.octets.split_once("Transfer-Encoding: chunked\r\n\r\n") {
            write("chunked", sample.name, &[content.as_bytes(), &[1, 3]].concat())?;
        }
    }
    for (n, target) in TARGETS.iter().enumerate() {
        for method in 0..3 {
            write("target", &format!("{n}-{method}"), &[target.as_bytes(), &[method]].concat())?;
        }
    }
    // Dice have no readable seeds: these are some throws that lead somewhere.
    for target in ["calls", "reply", "exchange", "stage"] {
        for n in 0..200 {
            write(target, &format!("dice-{n}"), &hunt::input(target, n))?;
        }
    }
    Ok(())
}
