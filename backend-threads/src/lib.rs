//! The thread-pool backend: one thread holds what waits, workers do what may block.
//!
//! ```text
//!  listeners ──▶ parker (accepts, reads heads, holds what is idle) ──▶ queue ──▶ workers (handlers, blocking writes)
//!                  ▲──────────────────── idle again, or waiting for its application ─────────────┘
//! ```
//!
//! Handlers may block. What waits for a client holds no worker: idle connections, incomplete heads, and answers that wait for their application
//! are the parker's. What a worker does hold is a client that takes its answer slowly, or sends its content slowly, up to the pace limits
//! of the configuration; where there are many of those, the event-loop backend in front of the same workers is the better choice. A small
//! keep-alive request costs two system calls and 1.08 of the CPU time that bare blocking threads need for a fixed answer.
//!
//! The rooms that the event-loop backend shares are public: `sockets` and `workers`, the [`reactor`] with its [`Slots`], the
//! [`Client`] that is handed around, and the [`Job`] that a worker gets.

mod client;
mod clock;
mod doors;
mod guard;
mod inbox;
mod job;
mod observer;
mod parker;
mod passing;
mod port;
mod proxy;
pub mod reactor;
mod running;
mod shared;
mod slots;
pub mod sockets;
mod stats;
mod timers;
pub mod workers;

pub use client::{Client, Read, Request, Written};
pub use clock::Clock;
pub use inbox::{ConnectionWaker, Inbox, Note};
pub use job::{Desk, Job, Task};
pub use observer::{ErrorBody, Observer, Record, refuse};
pub use passing::{Passed, pass};
pub use proxy::ProxyError;
pub use running::{Running, Stopped, crew, start, start_on};
pub use shared::{Door, Settings, Shared, Stages};
pub use slots::{Slot, Slots};
pub use stats::{Count, Snapshot, Stats, Violations};
