//! How is a gateway driven by completions, as io_uring gives them?
//!
//! A runtime of completions owns every buffer from the submission to the completion, so nothing may be borrowed in between. That suits
//! the core: input is copied in when it has come, output is taken out as an owned chunk, and a chunk counts as sent when its completion
//! says so. No executor, no `async`: the [`Driver`] is a state machine around a [`Queue`], and the queue is io_uring here; the tests
//! put one in memory in its place, which completes late, in part and out of order.
//!
//! ```text
//! cargo run -p cherrystone-embedding --example uring -- 127.0.0.1:8070
//! ```
//!
//! - `queue`: what the driver asks of a queue. `driver`: the state machine. `ring`: io_uring, and all that is unsafe.

use std::error::Error;
use std::net::TcpListener;

use cherrystone_conformance::testbed::{Testbed, limits};
use cherrystone_core::gateway::Mode;

pub(crate) mod driver;
pub(crate) mod queue;
#[cfg(target_os = "linux")]
pub(crate) mod ring;

use driver::Driver;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8070".into());
    let listener = TcpListener::bind(address)?;
    let here = listener.local_addr()?;
    let ring = ring::Ring::new(listener).map_err(|error| {
        format!("this kernel refuses io_uring ({error}); the tests drive the same code by a queue in memory")
    })?;
    println!("listening on http://{here}");
    Ok(Driver::new(ring, &Testbed::new(Mode::Inline), limits(), here).run()?)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("io_uring is Linux's; the tests drive the same code by a queue in memory");
}
