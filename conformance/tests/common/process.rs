//! What does this process use?

use std::fs;
use std::time::Duration;

/// Processor time of the server's threads so far.
pub fn server_time() -> Duration {
    let ticks: u64 = server_tasks().map(|task| processor_ticks(&task)).sum();
    Duration::from_millis(ticks * 10)
}

/// How often the server's threads went to sleep so far.
pub fn server_naps() -> u64 {
    server_tasks()
        .map(|task| {
            let status = fs::read_to_string(format!("{task}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            line.and_then(|count| count.trim().parse().ok()).unwrap_or(0_u64)
        })
        .sum()
}

/// The server's threads.
pub fn server_threads() -> usize {
    server_tasks().count()
}

/// Open descriptors.
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resident memory in octets.
pub fn resident() -> u64 {
    let pages: u64 = fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn server_tasks() -> impl Iterator<Item = String> {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .map(|task| task.path().display().to_string())
        .filter(|task| fs::read_to_string(format!("{task}/comm")).is_ok_and(|name| name.starts_with("cherrystone")))
}

fn processor_ticks(task: &str) -> u64 {
    let stat = fs::read_to_string(format!("{task}/stat")).unwrap_or_default();
    let Some((_, rest)) = stat.rsplit_once(") ") else { return 0 };
    let fields: Vec<&str> = rest.split(' ').collect();
    fields.get(11..13).map_or(0, |times| times.iter().filter_map(|time| time.parse::<u64>().ok()).sum())
}
