//! How much heap does a piece of code use?
//!
//! [`Counting`] is a global allocator that counts for each thread on its own, so that tests may run side by side.
//! A test crate installs it with `#[global_allocator]`; [`count`] then measures a closure.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator with counters.
#[derive(Debug, Default)]
pub struct Counting;

/// What a piece of code did with the heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Calls that allocated or grew something.
    pub allocations: u64,
    /// Octets that are held now and were not before; negative if more was freed.
    pub held: i64,
}

thread_local! {
    static USE: Cell<Use> = const { Cell::new(Use { allocations: 0, held: 0 }) };
}

/// Runs `work` and says what it did with the heap, on this thread; nothing is seen unless [`Counting`] is installed.
pub fn count<T>(work: impl FnOnce() -> T) -> (T, Use) {
    let before = USE.get();
    let made = work();
    let after = USE.get();
    (made, Use { allocations: after.allocations - before.allocations, held: after.held - before.held })
}

fn note(allocations: u64, held: i64) {
    // A thread that is going away may have lost its counters.
    let _ = USE.try_with(|seen| {
        let before = seen.get();
        seen.set(Use { allocations: before.allocations + allocations, held: before.held + held });
    });
}

// SAFETY: every call goes to the system's allocator with the arguments as they came; the counters allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(0, -(layout.size() as i64));
        // SAFETY: the caller keeps the contract of `dealloc`, and `at` came from `System`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, size as i64 - layout.size() as i64);
        // SAFETY: the caller keeps the contract of `realloc`, and `at` came from `System`.
        unsafe { System.realloc(at, layout, size) }
    }
}
