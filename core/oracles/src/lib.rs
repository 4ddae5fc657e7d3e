//! How is it judged whether the core keeps its promises?
//!
//! Each invariant of `cherrystone-core` has an oracle here: a function that takes a generated input and panics if the
//! promise is broken. The property tests in `core/tests` and the targets in `fuzz` are thin: they only make inputs.
//! A driver of your own can be held to the same promises by putting a [`Watched`](watch::Watched) connection under it.
//!
//! | promise | oracle |
//! | --- | --- |
//! | segmentation | [`segmentation`] |
//! | conservation, progress, no deadlock, one violation, deadlines | [`watch`], on every `poll` of every oracle |
//! | transactions, no panic, honest framing | [`calls`] |
//! | no injection | [`reply`] |
//! | chunked content | [`chunked`] |
//! | request targets | [`target`] |
//! | what is accepted | [`accepts`] |
//! | allocations | [`allocations`] |
//! | one behaviour: handlers on the loop and on a worker | [`exchange`] |
//! | a whole server: answers, deadlines, memory, an end | [`simulation`] |
//!
//! Invariants:
//! 1. An oracle shares no code with what it judges: answers are read back by [`replies`], chunks by a naive decoder.
//! 2. A verdict depends on the input alone, so a failing input replays.

pub mod accepts;
pub mod allocations;
pub mod calls;
pub mod chunked;
pub mod exchange;
pub mod hunt;
pub mod records;
pub mod replies;
pub mod reply;
pub mod rules;
pub mod segmentation;
pub mod simulation;
pub mod target;
pub mod targets;
pub mod traffic;
pub mod watch;
pub mod wire;
