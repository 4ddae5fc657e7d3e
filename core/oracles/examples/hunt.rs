//! Looks for a fault with all targets in turn, and says which one found it: `hunt [SECONDS]`, 20 if nothing is said. Exits with 1 if
//! there is one.

use std::panic::{catch_unwind, set_hook, take_hook};
use std::time::{Duration, Instant};
use std::{env, io, process};

use cherrystone_oracles::{hunt, targets};

/// Time that a target gets before the next one has its turn.
const SLICE: Duration = Duration::from_millis(100);

fn main() -> io::Result<()> {
    let seconds = env::args().nth(1).map_or(Ok(20), |text| text.parse().map_err(io::Error::other))?;
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let began = Instant::now();
    let mut next = [0; targets::ALL.len()];
    while began.elapsed() < Duration::from_secs(seconds) {
        for ((name, run), next) in targets::ALL.iter().zip(&mut next) {
            let turn = Instant::now();
            while turn.elapsed() < SLICE {
                let input = hunt::input(name, *next);
                *next += 1;
                if catch_unwind(|| run(&input)).is_err() {
                    println!("{name} after {next} inputs and {:.1} s", began.elapsed().as_secs_f64());
                    set_hook(hook);
                    let _ = catch_unwind(|| run(&input));
                    process::exit(1);
                }
            }
        }
    }
    println!("nothing in {} inputs and {:.1} s", next.iter().sum::<u64>(), began.elapsed().as_secs_f64());
    Ok(())
}
