//! A whole server, simulated: some hundred seeds are clean, and faults planted in its driver are found.

use cherrystone_oracles::simulation::{Fault, Script, check, find, play};

#[test]
fn some_hundred_seeds_are_clean() {
    let (mut calm, mut cut) = (0, 0);
    for seed in 0..300 {
        let report = check(seed);
        calm += report.calm;
        cut += report.cut;
    }
    assert!(calm > 300 && cut > 25, "the runs are not varied: {calm} visitors behaved, {cut} answers were cut");
}

#[test]
fn a_run_is_the_same_each_time() {
    for seed in 0..20 {
        let script = Script::from_seed(seed);
        assert_eq!(play(&script, Fault::None), play(&script, Fault::None));
        assert_eq!(script.to_string().parse(), Ok(script));
    }
}

#[test]
fn each_planted_fault_is_found_and_its_script_replays() {
    let faults = [
        (Fault::LostWake, "never let go"),
        (Fault::TimerKept, "beyond its grain"),
        (Fault::SilentStall, ""),
        (Fault::AbruptClose, "is reset"),
        (Fault::UnwokenReturn, ""),
        (Fault::StaleReadiness, "late"),
        (Fault::Unresumed, ""),
        (Fault::Unannounced, "goodbye"),
        (Fault::StaysOn, "asks nothing"),
    ];
    for (fault, sign) in faults {
        let (seed, why, script) = (0..2_000)
            .find_map(|seed| find(seed, fault).err().map(|(why, script)| (seed, why, script)))
            .unwrap_or_else(|| panic!("{fault:?} is not found"));
        println!("{fault:?}: seed {seed}: {why}\n{script}\n");
        assert!(why.contains(sign), "{fault:?}: {why}");
        let replayed: Script = script.to_string().parse().unwrap();
        assert_eq!(play(&replayed, fault), Err(why), "{fault:?}");
        assert!(play(&replayed, Fault::None).is_ok(), "{fault:?}: the script is at fault, not the driver");
        // To keep all workers but one busy takes a visitor each.
        assert!(script.visitors.len() as u64 <= script.server.workers + 1, "{fault:?} is not shrunk:\n{script}");
    }
}
