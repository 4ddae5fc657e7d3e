//! How do servers compare under load by `wrk`?
//!
//! They take turns, so that what else the machine does falls on all alike, and ratios are taken within a round.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;
use std::str::FromStr;

use clap::Args;

use crate::SetUp;
use crate::process::{CLIENT_CPU, Server, cpu};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Rounds, in each of which every server has a turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of a turn
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Connections
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// What is asked for; all if none is named
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// Another server that runs already: NAME=ADDRESS, or NAME=ADDRESS,PID to count its CPU time; may be repeated. The routes that
    /// it needs are those of `gateway.rs`
    #[arg(long, value_name = "NAME=ADDRESS[,PID]")]
    other: Vec<Other>,
}

/// A server that somebody else started.
#[derive(Clone, Debug)]
pub(crate) struct Other {
    name: String,
    address: SocketAddr,
    pid: Option<u32>,
}

impl FromStr for Other {
    type Err = Box<dyn Error + Send + Sync>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, rest) = text.split_once('=').ok_or("NAME=ADDRESS is expected")?;
        let (address, pid) = rest.split_once(',').map_or((rest, None), |(address, pid)| (address, Some(pid)));
        Ok(Self { name: name.to_owned(), address: address.parse()?, pid: pid.map(str::parse).transpose()? })
    }
}

/// Something that is asked for.
struct Scenario {
    name: &'static str,
    path: &'static str,
    /// The request, as a script for wrk; empty for a plain GET.
    script: &'static str,
}

const SCENARIOS: [Scenario; 7] = [
    Scenario { name: "plaintext", path: "/", script: "" },
    Scenario {
        name: "pipelined16",
        path: "/",
        script: "function init() local one = wrk.format() request = function() return all end all = string.rep(one, 16) end",
    },
    Scenario { name: "connect-per-request", path: "/", script: "wrk.headers['Connection'] = 'close'" },
    Scenario { name: "echo-1k", path: "/echo", script: "wrk.method = 'POST' wrk.body = string.rep('x', 1024)" },
    Scenario { name: "echo-1m", path: "/echo", script: "wrk.method = 'POST' wrk.body = string.rep('x', 1048576)" },
    Scenario { name: "memory-1m", path: "/big", script: "" },
    Scenario { name: "file-1m", path: "/file", script: "" },
];

/// One turn.
#[derive(Clone, Copy)]
struct Turn {
    requests_per_second: f64,
    /// Microseconds of CPU time for a request.
    cpu: Option<f64>,
}

/// Compares, and prints a table for each scenario.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let ours = [SetUp::MioInline, SetUp::MioBlocking, SetUp::Threads];
    for scenario in &SCENARIOS {
        if !arguments.scenario.is_empty() && !arguments.scenario.iter().any(|name| name == scenario.name) {
            continue;
        }
        let mut turns: Vec<(&str, Vec<Turn>)> = Vec::new();
        turns.extend(ours.iter().map(|set_up| (set_up.name(), Vec::new())));
        turns.extend(arguments.other.iter().map(|other| (other.name.as_str(), Vec::new())));
        for _ in 0..arguments.rounds {
            for (i, set_up) in ours.into_iter().enumerate() {
                let server = Server::start(set_up)?;
                turns[i].1.push(turn(scenario, arguments, server.address, Some(server.pid()))?);
            }
            for (i, other) in arguments.other.iter().enumerate() {
                turns[ours.len() + i].1.push(turn(scenario, arguments, other.address, other.pid)?);
            }
        }
        print(scenario.name, &turns);
    }
    Ok(())
}

fn turn(
    scenario: &Scenario,
    arguments: &Arguments,
    address: SocketAddr,
    pid: Option<u32>,
) -> Result<Turn, Box<dyn Error>> {
    wrk(scenario, arguments, address, 1)?;
    let before = pid.map(cpu).transpose()?;
    let requests = wrk(scenario, arguments, address, arguments.seconds)?;
    let after = pid.map(cpu).transpose()?;
    let used = before.zip(after).map(|(before, after)| after.saturating_sub(before).as_secs_f64() * 1e6 / requests);
    Ok(Turn { requests_per_second: requests / f64::from(arguments.seconds), cpu: used })
}

/// Runs wrk, and says how many requests were answered.
fn wrk(scenario: &Scenario, arguments: &Arguments, address: SocketAddr, seconds: u32) -> Result<f64, Box<dyn Error>> {
    let mut script = tempfile::NamedTempFile::new()?;
    script.write_all(scenario.script.as_bytes())?;
    let mut command = Command::new("taskset");
    command.args(["-c", CLIENT_CPU, "wrk", "-t1", "-c", &arguments.connections.to_string()]);
    command
        .args(["-d", &format!("{seconds}s"), "-s"])
        .arg(script.path())
        .arg(format!("http://{address}{}", scenario.path));
    let output = command.output().map_err(|error| format!("wrk is needed: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(trouble) = text.lines().find(|line| line.contains("Non-2xx") || line.contains("Socket errors")) {
        eprintln!("{}: {}", scenario.name, trouble.trim());
    }
    let count = text.lines().find_map(|line| line.trim().split_once(" requests in"));
    let (count, _) = count.ok_or_else(|| format!("wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(count.parse()?)
}

fn print(scenario: &str, turns: &[(&str, Vec<Turn>)]) {
    println!("\n| {scenario} | CPU us a request (least, most) | to {} | requests a second |", turns[0].0);
    println!("| --- | --- | --- | --- |");
    for (name, own) in turns {
        let cpu: Vec<f64> = own.iter().filter_map(|turn| turn.cpu).collect();
        let ratios = own.iter().zip(&turns[0].1).filter_map(|(turn, first)| Some(turn.cpu? / first.cpu?));
        let rate = median(own.iter().map(|turn| turn.requests_per_second));
        if cpu.is_empty() {
            println!("| {name} | | | {rate:.0} |");
            continue;
        }
        let least = cpu.iter().copied().fold(f64::INFINITY, f64::min);
        let most = cpu.iter().copied().fold(0.0, f64::max);
        let (middle, ratio) = (median(cpu.iter().copied()), median(ratios));
        println!("| {name} | {middle:.2} ({least:.2}, {most:.2}) | {ratio:.2} | {rate:.0} |");
    }
}

/// The middle of some values, which are not none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
