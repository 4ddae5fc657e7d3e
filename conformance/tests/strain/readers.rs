//! What do clients cost that take a huge answer slowly?

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::served::Served;
use crate::common::*;

const READERS: usize = 50;
/// Octets that a reader takes in each tenth of a second: 10 KiB in a second.
const SIP: usize = 1 << 10;

/// Fifty clients take 10 KiB a second of a gibibyte each. On mio that holds no worker, though there are four; on threads each holds one
/// while it reads, so there are more of them, up to their bound. Memory is bounded, and others are served, on either.
#[test]
fn fifty_slow_readers_of_a_gibibyte() {
    at_once(|setup| {
        let threads = if setup.is_mio() { "4:4" } else { "4:60" };
        let server = Served::start(setup, &["--threads", threads, "--head-timeout", "60", "--idle-timeout", "60"]);
        let alone = server.median_greeting();
        let before = server.usage();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let mut readers: Vec<Peer> = (0..READERS).map(|_| Peer::narrow(server.address)).collect();
                for reader in &mut readers {
                    reader.send(get("/big?n=1073741824"));
                    assert_eq!(reader.head(), 200);
                }
                let mut sips = 0;
                while !over.load(Ordering::SeqCst) {
                    for reader in &mut readers {
                        reader.octets(SIP);
                    }
                    sips += 1;
                    pause(100);
                }
                sips
            });
            let mut slowest = Duration::ZERO;
            for _ in 0..6 {
                pause(1000);
                slowest = slowest.max(server.median_greeting());
                let now = server.usage();
                let growth = now.resident.saturating_sub(before.resident) / READERS as u64;
                // The mark at which output waits for the client, twice, and a thread's stack where there is one.
                assert!(growth < 300 << 10, "{setup:?}: {} KiB for each", growth >> 10);
                assert!(now.threads <= before.threads.max(64), "{setup:?}: {now:?}");
            }
            over.store(true, Ordering::SeqCst);
            let sips: usize = reading.join().unwrap();
            assert!(sips > 20, "{setup:?}: {sips} sips");
            assert!(slowest < alone * 4 + Duration::from_millis(100), "{setup:?}: {alone:?} became {slowest:?}");
            let growth = server.usage().resident.saturating_sub(before.resident);
            println!(
                "{setup:?}: {} KiB more for {READERS} readers, greeting {alone:?} alone, {slowest:?} beside",
                growth >> 10
            );
        });
        until(
            Duration::from_secs(10),
            || server.usage().descriptors <= before.descriptors,
            || format!("{:?}", server.usage()),
        );
        assert!(server.terminate().success());
    });
}
