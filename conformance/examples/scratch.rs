//! scratch
use cherrystone::gateway::Mode;
use cherrystone::{Backend, Server, Settings};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let backend = if args[1] == "mio" { Backend::Mio } else { Backend::Threads };
    let mode = if args[2] == "inline" { Mode::Inline } else { Mode::Blocking };
    let mut s = Settings::default();
    s.config = cherrystone_conformance::testbed::limits();
    let server = Server::new(cherrystone_conformance::testbed::Testbed::new(mode))
        .backend(backend)
        .settings(s)
        .bind(&args[3])
        .unwrap();
    println!("listening on {:?}", server.addresses().collect::<Vec<_>>());
    server.run().unwrap();
}
