//! How many instructions does the core spend on one request?
//!
//! `cargo bench -p cherrystone-core` counts them with callgrind (valgrind has to be installed) and fails if a budget is
//! exceeded. Each case runs in a process of its own, with few and with many rounds: the difference leaves out the start and the
//! warm-up. Instructions are nearly free of noise, so a budget can be tight on any machine.

mod cases;

use std::collections::HashMap;
use std::process::{Command, ExitCode};
use std::{env, io};

/// What must hold: a case costs at most `factor` times another one, and `each` for each of `times` events.
struct Budget {
    case: &'static str,
    factor: f64,
    of: &'static str,
    each: f64,
    times: f64,
}

const BUDGETS: [Budget; 3] = [
    Budget { case: "exchange", factor: 2.0, of: "httparse", each: 0.0, times: 0.0 },
    Budget { case: "pipelined", factor: 2.0, of: "httparse", each: 0.0, times: 0.0 },
    // One octet an arrival: linear, so three times the whole, and a constant for each call of `poll`.
    Budget { case: "trickled", factor: 3.0, of: "exchange", each: 300.0, times: cases::BROWSER.len() as f64 },
];

fn main() -> ExitCode {
    let args: Vec<_> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [case, rounds] = &args[..] {
        let found = cases::CASES.iter().find(|found| found.name == case);
        let (Some(found), Ok(rounds)) = (found, rounds.parse()) else { return ExitCode::FAILURE };
        (found.run)(rounds);
        return ExitCode::SUCCESS;
    }
    match measure() {
        Ok(counts) => judge(&counts),
        Err(error) => {
            eprintln!("cannot count instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Counts all cases, and shows them.
fn measure() -> io::Result<HashMap<&'static str, f64>> {
    println!("| case | instructions | what |\n| --- | ---: | --- |");
    let mut counts = HashMap::new();
    for case in cases::CASES {
        let (few, many) = (case.rounds, case.rounds * 5);
        let spent = count(case.name, many)?.saturating_sub(count(case.name, few)?);
        let each = spent as f64 / ((many - few) * case.requests) as f64;
        println!("| {} | {each:.0} | {} |", case.name, case.what);
        counts.insert(case.name, each);
    }
    Ok(counts)
}

fn count(case: &str, rounds: u32) -> io::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args([case, &rounds.to_string()])
        // Valgrind counts each octet of a `rep movsb`; the vector loops count as they are.
        .env("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1000000000")
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("valgrind: {error}")))?;
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = report.lines().find_map(|line| line.split_once("Collected : ")?.1.split(' ').next()?.parse().ok());
    collected.ok_or_else(|| io::Error::other(format!("callgrind says nothing about {case}: {report}")))
}

fn judge(counts: &HashMap<&'static str, f64>) -> ExitCode {
    let mut verdict = ExitCode::SUCCESS;
    println!();
    for Budget { case, factor, of, each, times } in BUDGETS {
        let (spent, base) = (counts[case], counts[of]);
        let allowed = factor * base + each * times;
        let holds = spent <= allowed;
        println!(
            "{}: {case} is {:.2} times {of}; {allowed:.0} instructions are allowed",
            if holds { "holds" } else { "EXCEEDED" },
            spent / base
        );
        if !holds {
            verdict = ExitCode::FAILURE;
        }
    }
    verdict
}
