//! Oracles that need more than the core: TLS, the conformance suite, another server.
//!
//! Those of the core are in `cherrystone-oracles`, where the tests of the workspace use them too.

pub mod cases;
pub mod peer;
pub mod stage;
