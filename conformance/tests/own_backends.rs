//! Do our own backends pass every case over sockets?

mod own;

use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::in_process::{Setup, serve};
use cherrystone_conformance::judge::Setting;
use cherrystone_conformance::target::Target;

#[test]
fn over_sockets_on_each_set_up() {
    let catalog = Catalog::embedded().unwrap();
    for setup in Setup::ALL {
        let (running, address) = serve(setup).unwrap();
        let target = Target::parse(&address.to_string()).unwrap();
        let failed = own::failures(&own::cases(&catalog), &Setting::new(target.authority()), &target);
        assert!(failed.is_empty(), "{setup}: {} failures:\n{}", failed.len(), failed.join("\n"));
        drop(running);
    }
}
