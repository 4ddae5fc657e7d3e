//! Plays many seeds: `simulate [SEEDS] [FIRST]`, 10,000 from 0 if nothing is said. Exits with 1 after the first that fails, and
//! prints its script. `simulate -` plays a script from its input.

use std::io::Read;
use std::time::Instant;
use std::{env, io, process};

use cherrystone_oracles::simulation::{Fault, Report, find, play};

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        let played = text.parse().and_then(|script| play(&script, Fault::None));
        println!("{played:?}");
        process::exit(i32::from(played.is_err()));
    }
    let number = |text: Option<String>, or: u64| text.map_or(Ok(or), |text| text.parse().map_err(io::Error::other));
    let seeds = number(first, 10_000)?;
    let from = number(arguments.next(), 0)?;
    let (began, mut sum) = (Instant::now(), Report::default());
    for seed in from..from + seeds {
        match find(seed, Fault::None) {
            Ok(report) => {
                sum.steps += report.steps;
                sum.requests += report.requests;
                sum.answers += report.answers;
                sum.cut += report.cut;
                sum.calm += report.calm;
            }
            Err((why, script)) => {
                println!("seed {seed}: {why}\n\n{script}");
                process::exit(1);
            }
        }
    }
    println!("{seeds} seeds in {:.1?}: {sum:?}", began.elapsed());
    Ok(())
}
