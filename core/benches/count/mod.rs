//! How many instructions, and how many allocations?
//!
//! One run of callgrind counts all cases: it collects in [`counted`] alone and writes a file each time that [`end_of_part`] is called. What
//! is counted is exact; it depends on the compiler, and on which instructions `httparse`, `memchr` and the C library find.

mod functions;

use std::path::Path;
use std::process::Command;
use std::{env, fs, io, process};

use cherrystone_oracles::allocations;

use crate::cases::{self, Case};

/// The argument that makes the program the one that is counted.
pub(crate) const COUNTED: &str = "--counted";

/// The work whose instructions count.
#[inline(never)]
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// The end of a part.
#[inline(never)]
fn end_of_part(part: usize) {
    core::hint::black_box(part);
}

/// What one request of a case costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    /// `None` without valgrind.
    pub(crate) instructions: Option<f64>,
    pub(crate) allocations: f64,
}

/// What all cases cost, in their order.
pub(crate) fn costs(cases: &mut [Case]) -> io::Result<Vec<(&'static str, Cost)>> {
    let instructions = instructions(cases)?;
    let mut costs = Vec::new();
    for (at, case) in cases.iter_mut().enumerate() {
        (0..WARM_UP).for_each(|_| (case.round)());
        let ((), heap) = allocations::count(|| (0..rounds(case)).for_each(|_| (case.round)()));
        let allocations = heap.allocations as f64 / requests(case);
        let instructions = instructions.as_ref().map(|found| found[at]);
        costs.push((case.name, Cost { instructions, allocations }));
    }
    Ok(costs)
}

/// Rounds before those that count: the buffers have found their size then.
const WARM_UP: usize = 3;

/// More of what is short, so that each figure is a mean over some positions in memory.
fn rounds(case: &Case) -> usize {
    if case.octets > 100_000 { 4 } else { 64 }
}

/// For the counted program: each case is a part that warms up and one that counts.
pub(crate) fn run() {
    for case in &mut cases::all() {
        (0..WARM_UP).for_each(|_| (case.round)());
        end_of_part(0);
        (0..rounds(case)).for_each(|_| (case.round)());
        end_of_part(1);
    }
}

/// Instructions per request; `None` if there is no valgrind.
fn instructions(cases: &[Case]) -> io::Result<Option<Vec<f64>>> {
    with_reports(|folder| {
        let spent = |(at, case): (usize, &Case)| Ok(total(&report(folder, at)?)? / requests(case));
        cases.iter().enumerate().map(spent).collect()
    })
}

/// What each function spends by itself on one request of the case at this place, the dearest first; `None` if there is no valgrind.
pub(crate) fn profile(at: usize, case: &Case) -> io::Result<Option<Vec<(String, f64)>>> {
    with_reports(|folder| {
        let spent = functions::spent(&report(folder, at)?);
        Ok(spent.into_iter().map(|(name, spent)| (name, spent / requests(case))).collect())
    })
}

/// How many requests a report is about.
fn requests(case: &Case) -> f64 {
    (rounds(case) * case.requests) as f64
}

/// Counts all cases, and lets `read` look at the folder of the reports.
fn with_reports<T>(read: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<Option<T>> {
    let folder = env::temp_dir().join(format!("cherrystone-bench-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let outcome = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*counted*", "--dump-before=*end_of_part*"])
        .arg(format!("--callgrind-out-file={}/part", folder.display()))
        .arg(env::current_exe()?)
        .arg(COUNTED)
        // Valgrind counts each octet of a `rep movsb`; the vector loops count as they are.
        .env("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1000000000")
        .output();
    let found = match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(output) if !output.status.success() => {
            Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
        Ok(_) => read(&folder).map(Some),
    };
    fs::remove_dir_all(&folder)?;
    found
}

/// The report of the case at this place: each has a part that warms up, which counts from 1, and one that counts.
fn report(folder: &Path, at: usize) -> io::Result<String> {
    fs::read_to_string(folder.join(format!("part.{}", 2 * at + 2)))
}

/// The sum of a report.
fn total(report: &str) -> io::Result<f64> {
    let sum = report.lines().find_map(|line| line.strip_prefix("summary: ")?.trim().parse().ok());
    sum.ok_or_else(|| io::Error::other("a report of callgrind has no sum"))
}
