//! Do WebSockets and server-sent events work, in a real browser too, and does what is idle hold no worker?
//!
//! The browser's part says so when there is no Chromium, and fails for it where the environment says `CHERRYSTONE_BROWSER=required`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cherrystone::gateway::{Done, Exchange, Failure, Gateway, Mode};
use cherrystone::{Backend, Head, Running, Server, Settings, Status};
use tungstenite::{Message, WebSocket};

mod common;
use common::{BACKENDS, connect, eventually, get};

#[path = "../examples/live/app.rs"]
mod app;
#[path = "../examples/live/events.rs"]
mod events;
#[path = "../examples/live/socket.rs"]
mod socket;

fn serve(backend: Backend, gateway: impl Gateway) -> (Arc<Running>, SocketAddr) {
    let mut settings = Settings::default();
    (settings.min_threads, settings.max_threads) = (2, 4);
    common::serve(Server::new(gateway).settings(settings).backend(backend))
}

fn live() -> app::Live {
    app::Live::ticking(Duration::from_millis(20)).unwrap()
}

fn open(address: SocketAddr) -> WebSocket<TcpStream> {
    let (socket, answer) = tungstenite::client(format!("ws://{address}/echo"), connect(address)).unwrap();
    assert_eq!(answer.status().as_u16(), 101);
    socket
}

fn say(socket: &mut WebSocket<TcpStream>, text: &str) {
    socket.send(Message::text(text)).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text(text));
}

#[test]
fn a_websocket_speaks_its_protocol() {
    for backend in BACKENDS {
        let (running, address) = serve(backend, live());
        let mut socket = open(address);
        say(&mut socket, "hello");
        say(&mut socket, &"long ".repeat(10_000));
        socket.send(Message::binary(vec![0, 255, 1])).unwrap();
        assert_eq!(socket.read().unwrap(), Message::binary(vec![0, 255, 1]));
        socket.send(Message::Ping(vec![7].into())).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Pong(vec![7].into()));
        // In pieces of single octets, too.
        let frame = [&[0x81, 0x83, 1, 2, 3, 4][..], &[b'a' ^ 1, b'b' ^ 2, b'c' ^ 3]].concat();
        for octet in frame {
            socket.get_mut().write_all(&[octet]).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(socket.read().unwrap(), Message::text("abc"));
        socket.close(None).unwrap();
        assert!(matches!(socket.read(), Ok(Message::Close(_))), "{backend:?}");
        assert!(matches!(socket.read(), Err(tungstenite::Error::ConnectionClosed)), "{backend:?}: the server hangs up");
        drop(socket);
        eventually("the connection is gone", || running.stats().open == 0);
        // Messages and frames that break the rules end the conversation, and nothing else.
        for bad in [&[0x81, 0x03, b'a', b'b', b'c'][..], &[0xff; 16], &[0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4]]
        {
            let mut socket = open(address);
            socket.get_mut().write_all(bad).unwrap();
            let mut rest = Vec::new();
            let _ = socket.get_mut().read_to_end(&mut rest);
            assert!(rest.len() < 100, "{backend:?}: {rest:?}");
        }
        let (status, _) = get(&mut connect(address), "/echo");
        assert_eq!(status, 426, "{backend:?}: without an offer there is no switch");
        say(&mut open(address), "others are well");
    }
}

#[test]
fn a_thousand_idle_websockets_hold_no_worker() {
    for backend in BACKENDS {
        let (running, address) = serve(backend, live());
        let mut sockets: Vec<_> = (0..1_000).map(|_| open(address)).collect();
        assert_eq!(running.stats().open, 1_000);
        eventually("no worker is busy", || {
            let counts = running.workers();
            counts.idle == counts.threads && counts.queued == 0
        });
        assert!(running.workers().threads <= 4, "{backend:?}: {:?}", running.workers());
        assert_eq!(get(&mut connect(address), "/").0, 200);
        for (i, socket) in sockets.iter_mut().enumerate().step_by(9) {
            say(socket, &format!("socket {i} on {backend:?}"));
        }
    }
}

#[test]
fn events_come_one_by_one_and_hold_no_worker() {
    for backend in BACKENDS {
        let (running, address) = serve(backend, live());
        let mut clients: Vec<_> = (0..50).map(|_| BufReader::new(connect(address))).collect();
        for client in &mut clients {
            client.get_mut().write_all(b"GET /ticks HTTP/1.1\r\nHost: h\r\nLast-Event-ID: 0\r\n\r\n").unwrap();
        }
        for client in &mut clients {
            let ids =
                client.lines().map(Result::unwrap).filter_map(|line| line.strip_prefix("id: ")?.parse::<u64>().ok());
            let ids: Vec<u64> = ids.take(5).collect();
            assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{backend:?}: {ids:?}");
        }
        eventually("no worker is busy", || running.workers().idle == running.workers().threads);
        drop(clients);
        // Who has gone is noticed when something is sent.
        eventually("all are gone", || running.stats().open == 0);
    }
}

/// The example, with a place where the browser reports what it has seen.
struct Reporting {
    live: app::Live,
    report: Arc<Mutex<Option<String>>>,
}

/// Works the page as a reader would, and tells.
const READER: &str = r#"<script>
    const seen = { ticks: [], lines: [], errors: [] };
    onerror = (message) => seen.errors.push(String(message));
    events.addEventListener("tick", (event) => seen.ticks.push(Number(event.data)));
    events.onerror = () => seen.errors.push("events");
    socket.onerror = () => seen.errors.push("socket");
    const type = (text) => { say.value = text; document.querySelector("form").requestSubmit(); };
    socket.onopen = () => { type("hello"); type("\u00e4 \ud83c\udf52"); type("x".repeat(20000)); };
    const look = setInterval(() => {
        const lines = [...document.querySelectorAll("li")].map((line) => line.textContent);
        if ((lines.length < 3 || seen.ticks.length < 3) && !seen.errors.length) return;
        clearInterval(look);
        seen.lines = [lines[0], lines[1], String(lines[2]?.length)];
        seen.shown = tick.textContent;
        socket.onclose = (event) => {
            seen.clean = event.wasClean;
            fetch("/report", { method: "POST", body: JSON.stringify(seen) });
        };
        socket.close();
    }, 20);
</script></html>"#;

impl Gateway for Reporting {
    fn mode(&self, head: Head<'_>) -> Mode {
        self.live.mode(head)
    }

    fn handle(&self, head: Head<'_>, mut exchange: Exchange<'_>) -> Result<Done, Failure> {
        match head.path() {
            "/" => {
                let page = include_str!("../examples/live/page.html").replace("</html>", READER);
                exchange.respond(Status::OK, &[("Content-Type", b"text/html; charset=utf-8")], page)
            }
            "/report" => {
                let mut text = String::new();
                exchange.body().read_to_string(&mut text)?;
                *self.report.lock().unwrap() = Some(text);
                exchange.respond(Status::NO_CONTENT, &[], "")
            }
            _ => self.live.handle(head, exchange),
        }
    }
}

/// The browser, which ends with the test.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program, if there is one.
fn browser() -> Option<String> {
    let named = std::env::var("CHERRYSTONE_BROWSER").ok().filter(|name| !name.is_empty() && name != "required");
    let usual = ["chromium", "chromium-browser", "google-chrome"].map(str::to_owned);
    named.into_iter().chain(usual).find(|program| {
        let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    })
}

#[test]
fn both_work_in_a_browser() {
    let Some(program) = browser() else {
        assert_ne!(std::env::var("CHERRYSTONE_BROWSER").as_deref(), Ok("required"), "there is no Chromium");
        eprintln!("NOT TESTED: there is no Chromium here, so WebSockets and events were not tried in a browser");
        return;
    };
    for backend in BACKENDS {
        let report = Arc::new(Mutex::new(None));
        let (_running, address) = serve(backend, Reporting { live: live(), report: Arc::clone(&report) });
        let profile = tempfile::tempdir().unwrap();
        let browser = Command::new(&program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("http://{address}/"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let browser = Browser(browser.unwrap());
        let until = std::time::Instant::now() + Duration::from_secs(60);
        let text = loop {
            if let Some(text) = report.lock().unwrap().take() {
                break text;
            }
            assert!(std::time::Instant::now() < until, "{backend:?}: the browser tells nothing");
            std::thread::sleep(Duration::from_millis(20));
        };
        drop(browser);
        let seen: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(seen["errors"], serde_json::json!([]), "{backend:?}: {text}");
        assert_eq!(seen["lines"], serde_json::json!(["hello", "\u{e4} \u{1f352}", "20000"]), "{backend:?}");
        let ticks: Vec<u64> = seen["ticks"].as_array().unwrap().iter().map(|tick| tick.as_u64().unwrap()).collect();
        assert!(ticks.len() >= 3 && ticks.windows(2).all(|pair| pair[1] == pair[0] + 1), "{backend:?}: {ticks:?}");
        assert!(seen["clean"] == true && seen["shown"] != "none yet", "{backend:?}: {text}");
    }
}
