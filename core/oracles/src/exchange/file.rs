//! Which file do answers have parts of?
//!
//! One that has no name any more by the time that it is used.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::sync::OnceLock;
use std::{env, process};

/// Octets of the file.
pub(super) const LEN: u64 = 150_000;

/// The file, to be read by position.
pub(super) fn file() -> io::Result<File> {
    static FILE: OnceLock<File> = OnceLock::new();
    FILE.get_or_init(|| make().expect("the folder for temporary files takes one")).try_clone()
}

fn make() -> io::Result<File> {
    let path = env::temp_dir().join(format!("cherrystone-exchange-{}", process::id()));
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(path)?;
    let content: Vec<_> = (0..LEN).map(|at| b'A' + ((at + at / 26 + at / 4_096) % 26) as u8).collect();
    file.write_all(&content)?;
    Ok(file)
}
