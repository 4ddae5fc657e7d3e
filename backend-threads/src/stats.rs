//! What has the server been doing?

use std::sync::atomic::{AtomicU64, Ordering};

use cherrystone_core::{Cause, ViolationKind};

/// Counters of a running server; each is exact, and they are read one after the other.
#[derive(Debug)]
pub struct Stats {
    counts: [AtomicU64; COUNT],
    violations: Kinds<AtomicU64>,
}

/// One value for each kind of violation.
type Kinds<T> = [T; ViolationKind::ALL.len()];

/// Rules that clients broke, by kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Violations(Kinds<u64>);

impl Violations {
    /// How often this rule was broken.
    pub fn of(&self, kind: ViolationKind) -> u64 {
        self.0[kind as usize]
    }

    /// The rules that were broken, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (ViolationKind, u64)> {
        ViolationKind::ALL.iter().map(|kind| (*kind, self.of(*kind))).filter(|(_, count)| *count > 0)
    }
}

impl Default for Violations {
    fn default() -> Self {
        Self([0; ViolationKind::ALL.len()])
    }
}

impl std::fmt::Debug for Violations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter().map(|(kind, count)| (kind.name(), count))).finish()
    }
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
        pub struct Snapshot {
            $($(#[doc = $doc])+ pub $field: u64,)+
            /// Rules that clients broke, by kind.
            pub violations_by_kind: Violations,
        }

        impl Stats {
            /// The counters now.
            pub fn snapshot(&self) -> Snapshot {
                let counts = self.violations.each_ref().map(|count| count.load(Ordering::Relaxed));
                Snapshot { $($field: self.read(Count::$variant),)+ violations_by_kind: Violations(counts) }
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
    /// Octets that came from clients, those of TLS included; what a connection's turn brought is counted at the end of the turn.
    Received received;
    /// Octets that went to clients, in the same way.
    Sent sent;
    /// Requests or connections that were answered 503 for want of room.
    Refused refused;
    /// Those of them that were connections beyond the limit.
    TurnedAway turned_away;
    /// Rules that clients broke.
    Violations violations;
    /// Connections that ended because no further request came in time.
    IdleTimeouts idle_timeouts;
    /// Heads that were late, and connections on which none began in time.
    HeadTimeouts head_timeouts;
    /// Contents that came too slowly.
    BodyTimeouts body_timeouts;
    /// Connections that took output too slowly.
    Stalled stalled;
    /// Connections that the client did not end in time after the last answer.
    LingerTimeouts linger_timeouts;
    /// Handlers that failed.
    Failures failures;
    /// Handlers that panicked.
    Panics panics;
    /// Times that accepting had to pause for want of descriptors or memory.
    Pauses pauses;
    /// TLS sessions that failed.
    StageFailures stage_failures;
    /// Connections that were not served because they did not come from a trusted proxy, or without a valid header of the PROXY protocol.
    ProxyRefusals proxy_refusals;
    /// Connections with something under way that a stop cut at its deadline.
    Cut cut;
}

impl Stats {
    /// One more.
    #[inline]
    pub fn add(&self, count: Count) {
        self.counts[count as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// So many more.
    #[inline]
    pub fn add_many(&self, count: Count, more: u64) {
        self.counts[count as usize].fetch_add(more, Ordering::Relaxed);
    }

    /// One more rule that a client broke.
    #[cold]
    pub fn add_violation(&self, kind: ViolationKind) {
        self.add(Count::Violations);
        self.violations[kind as usize].fetch_add(1, Ordering::Relaxed);
        match kind {
            ViolationKind::HeadTimeout => self.add(Count::HeadTimeouts),
            ViolationKind::BodyTimeout => self.add(Count::BodyTimeouts),
            _ => {}
        }
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

impl Default for Stats {
    fn default() -> Self {
        Self { counts: Default::default(), violations: [const { AtomicU64::new(0) }; ViolationKind::ALL.len()] }
    }
}

impl From<Cause> for Count {
    /// The counter of waits that ended in vain.
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Idle => Self::IdleTimeouts,
            Cause::Head => Self::HeadTimeouts,
            Cause::Body => Self::BodyTimeouts,
            Cause::Send => Self::Stalled,
            Cause::Linger => Self::LingerTimeouts,
        }
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
        stats.add_violation(ViolationKind::HeadTimeout);
        let snapshot = stats.snapshot();
        assert_eq!((snapshot.violations, snapshot.head_timeouts), (1, 1));
        assert!(snapshot.violations_by_kind.iter().eq([(ViolationKind::HeadTimeout, 1)]));
    }
}
