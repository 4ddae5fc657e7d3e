//! Do ordinary cases pass through nginx and HAProxy, as `docs/deploy` sets them up, with TLS at the edge and connections kept behind it?
//!
//! Cases about what is malformed are judged by the proxy in front, so those here are the ones that a proxy passes on. The test says so
//! where a proxy is missing, and fails for it where the environment says `CHERRYSTONE_PROXIES=required`.

mod own;

#[path = "../../tests/common/edge.rs"]
mod edge;

use std::time::{Duration, Instant};

use cherrystone::forwarded::{Fields, Trust};
use cherrystone::gateway::Mode;
use cherrystone::metrics::Metrics;
use cherrystone::{Backend, Server};
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::judge::Setting;
use cherrystone_conformance::suite::Selection;
use cherrystone_conformance::target::Target;
use cherrystone_conformance::testbed::{Testbed, limits};
use edge::Edge;

/// What both proxies pass on as it came, and answer as it was answered.
const PASSED_ON: [&str; 8] = [
    "everyday/*",
    "everyday-fields/*",
    "answer-status/*",
    "content-size/*",
    "chunk-data-size/*",
    "method/*",
    "persistence/*",
    "chunk-extensions/*",
];

#[test]
fn ordinary_cases_pass_through_each_proxy_to_each_backend() {
    let catalog = Catalog::embedded().unwrap();
    let filter = PASSED_ON.map(str::to_owned).to_vec();
    let passed_on = Selection { filter, ..Selection::default() }.cases(&catalog);
    let mut cases = own::cases(&catalog);
    cases.retain(|case| passed_on.contains(case));
    assert!(cases.len() > 100, "{}", cases.len());
    for edge in Edge::ALL {
        for (backend, mode) in [(Backend::Threads, Mode::Blocking), (Backend::Mio, Mode::Inline)] {
            let local: cherrystone::sockets::Networks = "127.0.0.1".parse().unwrap();
            let mut server = Server::new(Testbed::new(mode)).backend(backend).config(limits());
            server = server.forwarded(Trust::new(local.clone(), Fields::XForwarded));
            if edge == Edge::HaProxy {
                server = server.proxy_protocol(local);
            }
            let at = |server: &Server| server.addresses().find_map(|address| address.tcp()).unwrap();
            let watching =
                Server::new(Metrics::new(server.handle())).backend(Backend::Mio).bind("127.0.0.1:0").unwrap();
            let server = server.bind("127.0.0.1:0").unwrap();
            let (metrics, upstream) = (at(&watching), at(&server));
            let watching = watching.start().unwrap();
            let running = server.start().unwrap();
            let Some(proxy) = edge.start(upstream, metrics) else { continue };
            // HAProxy serves once the health check has been answered, which it repeats every second.
            let until = Instant::now() + Duration::from_secs(30);
            while watching.stats().requests == 0 && edge == Edge::HaProxy {
                assert!(Instant::now() < until, "HAProxy does not ask how the server is");
                std::thread::sleep(Duration::from_millis(20));
            }
            let target = Target::parse(&format!("https://{}", proxy.address)).unwrap();
            let failed = own::failures(&cases, &Setting::new(target.authority()), &target);
            assert!(failed.is_empty(), "{edge:?}, {backend:?}: {} failures:\n{}", failed.len(), failed.join("\n"));
            assert!(running.stats().requests as usize >= cases.len() / 2, "{edge:?}: the requests came here");
        }
    }
}
