//! Does the program say what it must, and end with the right code?

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::{env, fs, process, thread};

use crate::toy::{self, Fault};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn suite(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cherrystone-conformance")).args(arguments).output().expect("the program")
}

fn run(address: &str, more: &[&str]) -> Output {
    let data = data();
    let mut arguments = vec!["run", "--target", address, "--timeout", "0.6", "--cases", data.to_str().expect("UTF-8")];
    arguments.extend(more);
    suite(&arguments)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Serves the toy over TLS, with a certificate made for the occasion.
fn serve_tls() -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || converse_tls(stream, config));
        }
    });
    address
}

fn converse_tls(stream: TcpStream, config: Arc<rustls::ServerConfig>) {
    let Ok(connection) = rustls::ServerConnection::new(config) else { return };
    let mut tls = rustls::StreamOwned::new(connection, stream);
    // A client that goes away, or that speaks no TLS, is none of our business.
    let _ = toy::speak(&mut tls, Fault::None);
    tls.conn.send_close_notify();
    let _ = tls.flush();
    let _ = tls.sock.shutdown(std::net::Shutdown::Write);
    let _ = tls.sock.set_read_timeout(Some(std::time::Duration::from_millis(300)));
    while matches!(tls.sock.read(&mut [0; 4096]), Ok(n) if n > 0) {}
}

#[test]
fn a_right_server_conforms_and_every_report_is_written() {
    let folder = env::temp_dir().join(format!("cherrystone-conformance-{}", process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let files = ["report.html", "report.json", "report.xml", "report.md"].map(|name| folder.join(name));
    let mut more = Vec::new();
    for file in &files {
        more.extend(["--report", file.to_str().expect("UTF-8")]);
    }
    let output = run(&toy::serve(Fault::None).to_string(), &more);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = text(&output.stdout);
    assert!(shown.contains("12 pass, 1 untested"), "{shown}");
    assert!(text(&output.stderr).contains("basics: 8 pass"), "plain lines where there is no terminal");
    let contents = files.map(|file| fs::read_to_string(file).expect("a report"));
    fs::remove_dir_all(&folder).expect("to clean up");
    for (content, begin) in contents.iter().zip(["<!doctype html>", "{", "<?xml", "# HTTP/1.1 conformance"]) {
        assert!(content.starts_with(begin), "{begin}");
        // The form of JUnit has no place for requirements.
        assert!(content.contains("untried") || begin == "<?xml", "{begin}: a gap is visible");
    }
}

#[test]
fn a_fault_is_told_with_what_is_needed_to_see_it() {
    let address = toy::serve(Fault::BareLf).to_string();
    let output = run(&address, &["--filter", "basics/*", "--skip", "basics/reset"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = text(&output.stdout);
    assert!(shown.contains("FAIL basics/bare-lf [security; RFC 9112, 2.2] A bare LF does not end a line."), "{shown}");
    assert!(shown.contains("reason:   answer 1: status 200; expected a refusal"), "{shown}");
    let (host, port) = address.split_once(':').expect("a port");
    let by_hand = format!("(printf 'GET / HTTP/1.1\\nHost: {address}\\n\\n'; sleep 2) | nc {host} {port}");
    assert!(shown.contains(&by_hand), "{shown}");
    assert!(shown.contains("6 pass") && !shown.contains("content/"), "{shown}");
}

#[test]
fn routes_can_be_told() {
    let address = toy::serve(Fault::None).to_string();
    let output = run(&address, &["--map", "echo=/nowhere"]);
    assert!(text(&output.stdout).contains("not offered: echo (/nowhere is answered 404, not 200)"), "{output:?}");
    let output = run(&address, &["--map", "root=/nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--map root=/ROUTE"), "{output:?}");
}

#[test]
fn what_hinders_a_run_is_said_plainly() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let plain = toy::serve(Fault::None).to_string();
    for (address, more, word) in [
        (free.to_string(), &[][..], "nothing listens there"),
        (toy::serve(Fault::Silent).to_string(), &[], "says nothing to GET / within 1.2 s"),
        (serve_tls().to_string(), &[], "this port speaks TLS; add --tls"),
        (plain.clone(), &["--tls"], "this port speaks plain HTTP; leave --tls out"),
        (plain.clone(), &["--filter", "nothing"], "no case is selected"),
        (plain.clone(), &["--cases", "/nonexistent"], "cannot"),
        ("nonsense".to_owned(), &[], "is no address"),
    ] {
        let output = run(&address, more);
        assert_eq!(output.status.code(), Some(2), "{word}: {output:?}");
        assert!(text(&output.stderr).contains(word), "{word}: {output:?}");
    }
}

#[test]
fn a_server_that_dies_ends_the_run() {
    let output = run(&toy::serve(Fault::DiesAfter(10)).to_string(), &["--jobs", "4"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("cannot be reached any more"), "{output:?}");
}

#[test]
fn tls_is_judged_like_clear_text() {
    let output = run(&serve_tls().to_string(), &["--tls", "-v"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(shown.contains("untested basics/half-close: a half-close is not possible"), "{shown}");
    assert!(shown.contains("11 pass, 2 untested"), "{shown}");
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_judged_too() {
    let path = env::temp_dir().join(format!("cherrystone-conformance-{}.sock", process::id()));
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let _ = toy::speak(&mut stream, Fault::None);
            });
        }
    });
    let data = data();
    let output =
        suite(&["run", "--unix", path.to_str().expect("UTF-8"), "-v", "--cases", data.to_str().expect("UTF-8")]);
    fs::remove_file(&path).expect("to clean up");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = text(&output.stdout);
    assert!(shown.contains("untested basics/reset: a reset is not possible"), "{shown}");
    assert!(shown.contains("11 pass, 2 untested"), "{shown}");
}

#[test]
fn servers_and_earlier_reports_stand_side_by_side() {
    let folder = env::temp_dir().join(format!("cherrystone-compare-{}", process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let (json, page) = (folder.join("old.json"), folder.join("all.html"));
    let (json, page) = (json.to_str().expect("UTF-8"), page.to_str().expect("UTF-8"));
    run(&toy::serve(Fault::BareLf).to_string(), &["--report", json, "--name", "old"]);
    let data = data();
    let now = format!("now={}", toy::serve(Fault::None));
    let output = suite(&["compare", json, &now, "--cases", data.to_str().expect("UTF-8"), "--report", page]);
    let page = fs::read_to_string(page).expect("a report");
    fs::remove_dir_all(&folder).expect("to clean up");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let shown = text(&output.stdout);
    let line = shown.lines().find(|line| line.starts_with("basics/bare-lf")).unwrap_or_default();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["basics/bare-lf", "security", "fail", "pass"], "{shown}");
    assert!(shown.contains("1 of 5 requirements are broken by some server"), "{shown}");
    assert!(page.contains("old: fail") && page.contains("now: pass"));
}

#[test]
fn cases_are_listed_and_explained() {
    let data = data();
    let data = data.to_str().expect("UTF-8");
    let listed = text(&suite(&["list", "--cases", data, "--level", "security"]).stdout);
    assert!(listed.starts_with("basics/bare-lf    security A bare LF does not end a line.\n"), "{listed}");
    assert!(listed.contains("2 cases (0 must, 2 security, 0 should, 0 may); 0 (0 %)"), "{listed}");

    let explained = text(&suite(&["explain", "basics/bare-lf", "--cases", data]).stdout);
    for part in [
        "https://www.rfc-editor.org/rfc/rfc9112#section-2.2",
        "GET / HTTP/1.1\\n\n",
        "a refusal; then the server closes",
    ] {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    let address = toy::serve(Fault::BareLf).to_string();
    let output = suite(&["explain", "basics/bare-lf", "--cases", data, "--target", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("verdict: fail: answer 1: status 200"), "{output:?}");

    let raw = suite(&["explain", "content/large", "--cases", data, "--raw"]).stdout;
    assert!(raw.starts_with(b"POST /echo HTTP/1.1\r\n") && raw.ends_with(b"xxxx") && raw.len() > 600_000);
    let unknown = suite(&["explain", "host/bare-lf", "--cases", data]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("perhaps basics/bare-lf"), "{unknown:?}");
}

#[test]
fn the_matrix_shows_gaps() {
    let data = data();
    let data = data.to_str().expect("UTF-8");
    let output = suite(&["matrix", "--cases", data, "--gaps"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output.stdout);
    assert!(shown.starts_with("untried (practice, may)\n") && shown.contains("GAP: no case"), "{shown}");
    assert!(shown.contains("5 requirements: 4 with cases, 0 that no wire case can test, 1 gaps"), "{shown}");
    let all = text(&suite(&["matrix", "--cases", data, "--markdown"]).stdout);
    assert!(all.contains("| `persists`: A connection serves further requests. | RFC 9112, 9.3 | should | basics/close, basics/get, content/pipelined |"), "{all}");
}
