//! The proxies of `docs/deploy`, as they stand there but for their addresses and paths.
#![allow(dead_code, unreachable_pub)]

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    Nginx,
    HaProxy,
}

/// A proxy at work, which ends with its test.
pub struct Proxy {
    child: Child,
    pub address: SocketAddr,
    /// In DER, for `site.example` and this machine.
    pub certificate: Vec<u8>,
    _directory: tempfile::TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Nginx has children of its own, which a signal that can be caught ends too.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Edge {
    pub const ALL: [Self; 2] = [Self::Nginx, Self::HaProxy];

    fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
        }
    }

    /// Starts the proxy in front of this server, whose metrics are there; `None`, which is said, where there is no such program.
    pub fn start(self, upstream: SocketAddr, metrics: SocketAddr) -> Option<Proxy> {
        let program = self.program();
        let version = Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !version.is_ok_and(|status| status.success()) {
            assert_ne!(std::env::var("CHERRYSTONE_PROXIES").as_deref(), Ok("required"), "there is no {program}");
            eprintln!("NOT TESTED: there is no {program} here");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let names = ["site.example", "localhost", "127.0.0.1"].map(str::to_owned);
        let own = rcgen::generate_simple_self_signed(names).unwrap();
        let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
        fs::write(at.join("site.pem"), format!("{certificate}{key}")).unwrap();
        fs::write(at.join("site.key"), key).unwrap();
        // A port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let ssl = at.display().to_string();
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|above| above.join("docs/deploy").exists());
        let read = |name: &str| fs::read_to_string(docs.unwrap().join("docs/deploy").join(name)).unwrap();
        let (public, upstream) = (address.to_string(), upstream.to_string());
        let child = match self {
            Self::Nginx => {
                let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                    .iter()
                    .map(|kind| format!(" {kind}_temp_path {ssl}/{kind};"))
                    .collect();
                let file = at.join("nginx.conf");
                let text = replaced(
                    read("nginx.conf"),
                    &[
                        ("/run/nginx.pid", &format!("{ssl}/nginx.pid")),
                        ("/etc/ssl", &ssl),
                        ("0.0.0.0:443", &public),
                        ("127.0.0.1:8070", &upstream),
                        ("access_log off;", &format!("access_log off;{temporary}")),
                    ],
                );
                fs::write(&file, text).unwrap();
                let mut command = Command::new(program);
                command.args(["-e", "stderr", "-g", "daemon off;", "-c"]).arg(file).arg("-p").arg(at).spawn()
            }
            Self::HaProxy => {
                let file = at.join("haproxy.cfg");
                let text = replaced(
                    read("haproxy.cfg"),
                    &[
                        ("/etc/ssl", &ssl),
                        ("0.0.0.0:443", &public),
                        ("127.0.0.1:8070", &upstream),
                        ("port 9070", &format!("port {}", metrics.port())),
                    ],
                );
                fs::write(&file, text).unwrap();
                Command::new(program).args(["-q", "-db", "-f"]).arg(file).stderr(Stdio::null()).spawn()
            }
        };
        let certificate = own.cert.der().to_vec();
        let mut proxy = Proxy { child: child.unwrap(), address, certificate, _directory: directory };
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            assert!(proxy.child.try_wait().unwrap().is_none() && Instant::now() < until, "{program} does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(proxy)
    }
}

/// The text with other addresses and paths, each of which is in it.
fn replaced(text: String, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in the configuration");
        text.replace(from, to)
    })
}
