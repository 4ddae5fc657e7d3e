//! The event-loop backend: loops that never block in front of the same workers as the thread backend.
//!
//! ```text
//!  listeners ──▶ loop (accepts, reads, handles inline requests, pulls payloads, writes)
//!                  │  a request that may block            ▲ its answer: complete, or a payload to pull
//!                  ▼                                      │
//!                queue ──────▶ workers (handlers) ────────┘
//! ```
//!
//! A request that is handled on the loop costs 1.06 of the CPU time that a bare epoll loop needs for a fixed answer, and an idle connection
//! 0.45 KiB. The price of blocking there is everybody's wait, so a handler that may block says so and gets a worker, as on the thread backend:
//! one hand-over more than there, and no worker for slow readers.
//!
//! Which requests may block is the gateway's to say ([`Mode`](cherrystone_core::gateway::Mode)), one by one.

mod alone;
mod balance;
mod event_loop;
mod inline;
mod progress;

use std::io;
use std::sync::Arc;

use cherrystone_core::gateway::Gateway;
use cherrystone_threads::workers::Executor;
use cherrystone_threads::{Door, Job, Running, Settings, Shared, crew};

pub use alone::Blocking;
pub use event_loop::EventLoop;

/// Serves on event loops, as many as the settings say.
///
/// # Errors
/// No thread or descriptor is left.
pub fn start(doors: Vec<Door>, gateway: Arc<dyn Gateway>, settings: Settings) -> io::Result<Running> {
    start_on(crew(&settings)?, doors, gateway, settings)
}

/// The same with workers of somebody else.
///
/// # Errors
/// No thread or descriptor is left.
pub fn start_on(
    crew: Arc<dyn Executor<Job>>,
    doors: Vec<Door>,
    gateway: Arc<dyn Gateway>,
    settings: Settings,
) -> io::Result<Running> {
    let count = settings.loops.max(1);
    let shared = Shared::new(gateway, settings);
    let mut loops = Vec::new();
    for _ in 0..count {
        loops.push(EventLoop::new(clones(&doors)?, Arc::clone(&shared), Arc::clone(&crew))?);
    }
    let neighbours: Vec<_> = loops.iter().map(EventLoop::desk).collect();
    let mut threads = Vec::new();
    for (i, mut event_loop) in loops.into_iter().enumerate() {
        event_loop.share_with(neighbours.clone());
        let name = format!("cherrystone-io{i}");
        threads.push(std::thread::Builder::new().name(name).spawn(move || event_loop.run())?);
    }
    Ok(Running::new(shared, crew, threads))
}

/// The same doors with descriptors of their own, since a poller takes each descriptor once.
fn clones(doors: &[Door]) -> io::Result<Vec<Door>> {
    doors.iter().map(|door| Ok(Door { listener: Arc::new(door.listener.try_clone()?), ..door.clone() })).collect()
}
