//! Does our own core pass every case, however its octets arrive?
//!
//! In memory: whole, octet by octet, at every two-way cut, and with a pause at each cut.

mod own;

use cherrystone::gateway::Mode;
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::in_process::Memory;
use cherrystone_conformance::judge::{Setting, Ways};
use cherrystone_conformance::testbed::{Testbed, limits};

#[test]
fn in_memory_at_every_cut() {
    let catalog = Catalog::embedded().unwrap();
    let memory = Memory::new(Testbed::new(Mode::Inline), limits());
    let setting = Setting { ways: Ways::Every, ..Setting::new("memory.example") };
    let failed = own::failures(&own::cases(&catalog), &setting, &memory);
    assert!(failed.is_empty(), "{} failures:\n{}", failed.len(), failed.join("\n"));
}
