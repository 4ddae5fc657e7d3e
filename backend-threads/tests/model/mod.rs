//! The sources of the pool, over the model's locks and threads in place of the system's.
#![allow(dead_code, unreachable_pub, unused_imports)]

#[path = "../../src/workers/executor.rs"]
mod executor;
#[path = "../../src/workers/growth.rs"]
mod growth;
#[path = "../../src/workers/pool.rs"]
mod pool;
#[path = "../../src/workers/settings.rs"]
mod settings;
#[path = "../../src/workers/slot.rs"]
mod slot;
#[path = "../../src/workers/state.rs"]
mod state;
mod sync;

pub(crate) use executor::{Counts, Executor, Rejected, Stopped};
pub(crate) use pool::Workers;
pub(crate) use settings::{Settings, SettingsError};
