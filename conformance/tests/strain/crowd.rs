//! What does a connection cost that has nothing to say, when there are ten thousand?

use std::time::{Duration, Instant};

use crate::common::served::Served;
use crate::common::*;

const CROWD: usize = 10_000;
/// Resident octets that the server may have for each of them.
const BUDGET: u64 = 512;

/// Nobody pays for them but in memory, and little of that.
#[test]
fn ten_thousand_idle_connections_on_mio() {
    let allowed = allow_many_files();
    if allowed < CROWD as u64 + 500 {
        println!("skipped: {allowed} descriptors are allowed here");
        return;
    }
    let server =
        Served::start(Setup::Inline, &["--max-connections", "12000", "--idle-timeout", "300", "--head-timeout", "300"]);
    let fresh = server.usage();
    let alone = server.median_greeting();
    until(
        Duration::from_secs(5),
        || server.usage().descriptors <= fresh.descriptors,
        || format!("{:?}", server.usage()),
    );
    let before = server.usage();
    // Each source has ports for some of them.
    let sources = [2, 3, 4, 5, 6].map(|last| [127, 0, 0, last]);
    let start = Instant::now();
    let mut crowd: Vec<Peer> =
        (0..CROWD).map(|n| Peer::from_source(sources[n % sources.len()], server.address)).collect();
    for peer in &mut crowd {
        peer.send(get("/"));
    }
    assert!(crowd.iter_mut().all(|peer| peer.answer().status == 200));
    println!("{CROWD} connected and answered in {:?}", start.elapsed());

    let with = server.usage();
    let each = with.resident.saturating_sub(before.resident) / CROWD as u64;
    assert!(with.descriptors > CROWD, "{with:?}");
    assert!(each <= BUDGET, "{each} octets for each: {before:?} became {with:?}");

    pause(300);
    let naps = server.naps();
    pause(2000);
    let naps = server.naps() - naps;
    assert!(naps <= 2, "{naps} wake-ups in two seconds");

    let beside = server.median_greeting();
    assert!(beside < alone * 3 + Duration::from_millis(20), "{alone:?} became {beside:?}");
    let (first, last) = (0, CROWD - 1);
    for n in [first, last] {
        crowd[n].send(get("/"));
        assert_eq!(crowd[n].answer().status, 200);
    }
    println!("{each} octets for each, {naps} wake-ups, {alone:?} alone, {beside:?} beside them");

    drop(crowd);
    until(
        Duration::from_secs(10),
        || server.usage().descriptors <= before.descriptors,
        || format!("{:?}", server.usage()),
    );
    assert!(server.terminate().success());
}
