//! How do the tests speak to a server, octet by octet?

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cherrystone::{Backend, Running};

use super::axum_app::{Shared, app, server};

/// The application on one of the backends, and the runtime of its handlers; both end with the value.
pub(crate) struct Served {
    pub(crate) backend: Backend,
    pub(crate) running: Arc<Running>,
    pub(crate) address: SocketAddr,
    /// Behind the server, so that it ends last.
    _runtime: tokio::runtime::Runtime,
}

/// Runs a test on each backend.
pub(crate) fn on_each(test: impl Fn(&Served)) {
    for backend in [Backend::Mio, Backend::Threads] {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let server = server(app(Shared::default()), runtime.handle().clone()).backend(backend).bind("127.0.0.1:0");
        let server = server.unwrap();
        let address = server.addresses().find_map(|address| address.tcp()).unwrap();
        println!("{backend:?} at {address}");
        test(&Served { backend, running: server.start().unwrap(), address, _runtime: runtime });
    }
}

impl Served {
    /// A connection whose reads do not wait for ever.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// All that comes back on these octets.
    pub(crate) fn ask(&self, octets: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect();
        stream.write_all(octets.as_ref()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// The answer to a request without content.
    pub(crate) fn get(&self, target: &str) -> String {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"))
    }
}

/// Reads until these octets have come, and returns everything up to them.
pub(crate) fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let mut octet = [0];
        assert_eq!(stream.read(&mut octet).unwrap(), 1, "{:?} ends before {end:?}", String::from_utf8_lossy(&read));
        read.push(octet[0]);
    }
    String::from_utf8(read).unwrap()
}

/// Waits until something holds.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
