//! What if an application panics where a loop calls it?
//!
//! Handlers are guarded by [`answer`](cherrystone_core::gateway::answer). But a loop calls other parts of an application too: the
//! mode of a request, a source, an upgraded protocol, the destructors of payloads. [`guarded`] keeps their panics from ending the
//! thread that all connections depend on.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`; `None` if it panicked. What it was working on has to be given up then.
#[inline]
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(payload) => {
            // The payload is the application's own, and so is a panic in its destructor.
            if let Err(second) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
                std::mem::forget(second);
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Spiteful;

    impl Drop for Spiteful {
        fn drop(&mut self) {
            panic!("again");
        }
    }

    #[test]
    fn a_panic_ends_the_work_alone() {
        assert_eq!(guarded(|| 1), Some(1));
        assert_eq!(guarded(|| panic!("as a test")), None::<()>);
        assert_eq!(guarded(|| std::panic::panic_any(Spiteful)), None::<()>);
    }
}
