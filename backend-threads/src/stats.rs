//! What has the server been doing?

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a running server; each is exact, and they are read one after the other.
#[derive(Debug, Default)]
pub struct Stats {
    counts: [AtomicU64; COUNT],
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $variant:ident $field:ident;)+) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Count { $($(#[doc = $doc])+ $variant,)+ }

        const COUNT: usize = [$(Count::$variant),+].len();

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Snapshot { $($(#[doc = $doc])+ pub $field: u64,)+ }

        impl Stats {
            /// The counters now.
            pub fn snapshot(&self) -> Snapshot {
                Snapshot { $($field: self.read(Count::$variant),)+ }
            }
        }
    };
}

counters! {
    /// Connections that are open.
    Open open;
    /// Connections accepted so far.
    Accepted accepted;
    /// Requests that reached the application.
    Requests requests;
    /// Requests or connections that were answered 503 for want of room.
    Refused refused;
    /// Rules that clients broke.
    Violations violations;
    /// Connections that took output too slowly.
    Stalled stalled;
    /// Handlers that failed.
    Failures failures;
    /// Handlers that panicked.
    Panics panics;
    /// Times that accepting had to pause for want of descriptors or memory.
    Pauses pauses;
    /// TLS sessions that failed.
    StageFailures stage_failures;
    /// Connections with something under way that a stop cut at its deadline.
    Cut cut;
}

impl Stats {
    /// One more.
    #[inline]
    pub fn add(&self, count: Count) {
        self.counts[count as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// One less, for those that can fall.
    #[inline]
    pub fn sub(&self, count: Count) {
        self.counts[count as usize].fetch_sub(1, Ordering::Relaxed);
    }

    /// The value of one counter.
    #[inline]
    pub fn read(&self, count: Count) -> u64 {
        self.counts[count as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_has_what_was_counted() {
        let stats = Stats::default();
        stats.add(Count::Open);
        stats.add(Count::Open);
        stats.sub(Count::Open);
        stats.add(Count::Panics);
        assert_eq!(stats.snapshot(), Snapshot { open: 1, panics: 1, ..Snapshot::default() });
    }
}
