//! How many instructions does the core spend on one request?
//!
//! `cargo bench -p cherrystone-core` counts them with callgrind and compares them with `baseline.toml`: it fails if a case has grown, if one
//! allocates, or if a budget is exceeded. Without valgrind it says so and judges the allocations alone, unless the environment has
//! `CHERRYSTONE_VALGRIND=required`. Whoever has a reason to make a case dearer says it, with
//! `cargo bench -p cherrystone-core -- --renew REASON`, and commits the new baseline. `--profile CASE` shows which functions spend them.

mod baseline;
mod cases;
mod count;

use std::process::ExitCode;
use std::{env, io};

use cherrystone_oracles::allocations::Counting;

use self::baseline::{Baseline, Change};
use self::cases::Case;
use self::count::Cost;

#[global_allocator]
static COUNTING: Counting = Counting;

/// What must hold with any compiler, so it is not as tight as the baseline: a case costs at most `factor` times another one, and `each` for each octet.
struct Budget {
    case: &'static str,
    factor: f64,
    of: &'static str,
    each: f64,
}

const BUDGETS: [Budget; 6] = [
    Budget { case: "browser", factor: 1.8, of: "httparse-browser", each: 0.0 },
    Budget { case: "pipelined", factor: 1.7, of: "httparse-browser", each: 0.0 },
    Budget { case: "fields", factor: 3.0, of: "httparse-fields", each: 0.0 },
    // One octet an arrival: linear, so three times the whole, and a constant for each call of `poll`.
    Budget { case: "bytewise", factor: 3.0, of: "browser", each: 300.0 },
    // The plain copy of as much content is a tenth of an instruction for each octet.
    Budget { case: "chunked-1k", factor: 2.5, of: "copy", each: 0.0 },
    Budget { case: "chunked-64k", factor: 0.2, of: "copy", each: 0.0 },
];

fn main() -> ExitCode {
    let args: Vec<_> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let outcome = match &args[..] {
        [] => judge(),
        [counted] if counted == count::COUNTED => {
            count::run();
            Ok(true)
        }
        [renew, reason] if renew == "--renew" && !reason.trim().is_empty() => self::renew(reason),
        [profile, case] if profile == "--profile" => self::profile(case),
        _ => Err(io::Error::other("usage: cargo bench -p cherrystone-core [-- --renew REASON | --profile CASE]")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the baseline anew.
fn renew(reason: &str) -> io::Result<bool> {
    let mut cases = cases::all();
    let costs = count::costs(&mut cases)?;
    if costs.iter().any(|(_, cost)| cost.instructions.is_none()) {
        return Err(io::Error::other("valgrind is missing: there is nothing to write down"));
    }
    Baseline::of(&costs, reason).store()?;
    Ok(true)
}

/// Shows where a request of one case spends its instructions.
fn profile(name: &str) -> io::Result<bool> {
    let cases = cases::all();
    let Some(at) = cases.iter().position(|case| case.name == name) else {
        let names: Vec<_> = cases.iter().map(|case| case.name).collect();
        return Err(io::Error::other(format!("there is no case {name}, but {}", names.join(", "))));
    };
    let Some(functions) = count::profile(at, &cases[at])? else {
        return Err(io::Error::other("valgrind is missing: nothing can be counted"));
    };
    println!("| instructions | function, with what was inlined into it |\n| ---: | --- |");
    for (function, spent) in functions.iter().filter(|(_, spent)| *spent >= 1.0) {
        println!("| {spent:.0} | `{function}` |");
    }
    Ok(true)
}

/// Measures, shows and compares; whether everything holds.
fn judge() -> io::Result<bool> {
    let mut cases = cases::all();
    let costs = count::costs(&mut cases)?;
    let baseline = Baseline::load()?;
    let (comparison, surroundings) = baseline.compare(&costs);
    let counted = costs.iter().all(|(_, cost)| cost.instructions.is_some());

    println!("| case | octets | instructions | per octet | of httparse | of baseline | allocations | what |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |");
    let mut holds = true;
    for (case, &(name, cost)) in cases.iter().zip(&costs) {
        let change = comparison.change(name, cost);
        holds &= change.holds();
        show(case, cost, case.parsed_by.and_then(|of| instructions(&costs, of)), change);
    }
    println!();
    if counted {
        println!("The baseline was {surroundings}.");
    }
    if !holds {
        println!(
            "A case is new or has grown. If there is a reason: cargo bench -p cherrystone-core -- --renew \"the reason\""
        );
    }
    if !counted {
        println!("valgrind is MISSING: no instruction was counted, the allocations alone were judged.");
        return Ok(holds && env::var_os("CHERRYSTONE_VALGRIND").is_none_or(|wish| wish != "required"));
    }
    for budget in BUDGETS {
        holds &= budget.holds(&cases, &costs);
    }
    Ok(holds)
}

fn instructions(costs: &[(&str, Cost)], case: &str) -> Option<f64> {
    costs.iter().find(|(name, _)| *name == case)?.1.instructions
}

fn show(case: &Case, cost: Cost, parsing: Option<f64>, change: Change) {
    let octets = case.octets as f64 / case.requests as f64;
    let or_dash = |figure: Option<f64>, digits: usize| figure.map_or("-".to_owned(), |f| format!("{f:.digits$}"));
    let spent = cost.instructions;
    let change = match change {
        Change::Uncounted => "-".to_owned(),
        Change::New => "NEW".to_owned(),
        Change::Within(of) => format!("{of:.3}"),
        Change::Grown(of) => format!("{of:.3} GROWN"),
        Change::Allocates => "ALLOCATES".to_owned(),
    };
    println!(
        "| {} | {octets:.0} | {} | {} | {} | {change} | {:.2} | {} |",
        case.name,
        or_dash(spent, 0),
        or_dash(spent.map(|spent| spent / octets), 2),
        or_dash(spent.zip(parsing).map(|(spent, parsing)| spent / parsing), 2),
        cost.allocations,
        case.what
    );
}

impl Budget {
    fn holds(&self, cases: &[Case], costs: &[(&str, Cost)]) -> bool {
        let octets = cases.iter().find(|case| case.name == self.case).map(|case| case.octets / case.requests);
        let (Some(spent), Some(base), Some(octets)) =
            (instructions(costs, self.case), instructions(costs, self.of), octets)
        else {
            println!("EXCEEDED: there is no case {} or {}", self.case, self.of);
            return false;
        };
        let allowed = self.factor * base + self.each * octets as f64;
        let verdict = if spent <= allowed { "holds" } else { "EXCEEDED" };
        println!(
            "{verdict}: {} is {:.2} times {}; {allowed:.0} instructions are allowed",
            self.case,
            spent / base,
            self.of
        );
        spent <= allowed
    }
}
