//! Does a report work in a real browser?
//!
//! Chromium loads the page, works its controls and gives the page back. The test says so when there is no Chromium, and fails
//! for it where the environment says `CHERRYSTONE_BROWSER=required`; it may also name the program.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use cherrystone::gateway::Mode;
use cherrystone_conformance::catalog::Catalog;
use cherrystone_conformance::channel::{Channel, Connect, Received};
use cherrystone_conformance::control::survey;
use cherrystone_conformance::in_process::Memory;
use cherrystone_conformance::judge::Setting;
use cherrystone_conformance::report::{self, Facts, Report};
use cherrystone_conformance::suite::{self, Selection};
use cherrystone_conformance::testbed::{Testbed, limits};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that says yes to everything.
struct Yes;

struct YesChannel {
    unread: Vec<u8>,
}

impl Connect for Yes {
    fn connect(&self) -> io::Result<Box<dyn Channel>> {
        Ok(Box::new(YesChannel { unread: Vec::new() }))
    }
}

impl Channel for YesChannel {
    fn send(&mut self, bytes: &[u8], _: Duration) -> io::Result<usize> {
        if bytes.ends_with(b"\r\n\r\n") {
            self.unread.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        Ok(bytes.len())
    }

    fn receive(&mut self, buffer: &mut [u8], _: Duration) -> io::Result<Received> {
        let n = self.unread.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.unread[..n]);
        self.unread.drain(..n);
        Ok(if n > 0 { Received::Bytes(n) } else { Received::End })
    }
}

/// Two servers side by side, one of them with failures.
fn page() -> String {
    let catalog = Catalog::embedded().unwrap();
    let selection = Selection { filter: vec!["host-count/*".into(), "close/*".into()], ..Selection::default() };
    let cases = selection.cases(&catalog);
    let (setting, declared) = (Setting::new("memory.example"), BTreeSet::new());
    let judged = |name: &str, connect: &dyn Connect| {
        let started = SystemTime::now();
        let jobs = NonZeroUsize::new(2).unwrap();
        let survey = survey(connect, &setting, &suite::needed(&cases), &declared, jobs).unwrap();
        let run = suite::run(&cases, &setting, &survey, connect, &|_, _| {});
        let took = Duration::from_secs(1);
        Report::new(
            &catalog,
            &cases,
            &run,
            &Facts { name, target: None, setting: &setting, survey: &survey, started, took },
        )
    };
    let mut report = judged("sound", &Memory::new(Testbed::new(Mode::Inline), limits()));
    report.merge(judged("says yes", &Yes));
    report::html(&report)
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

/// The page as it is after the browser has loaded it and run its scripts.
fn loaded(program: &str, address: &str, profile: &Path, options: &[&str]) -> String {
    let out = profile.with_extension("out");
    let mut child = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"])
        .args(["--virtual-time-budget=3000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(options)
        .arg(address)
        .stdout(fs::File::create(&out).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the browser does not come to an end");
        }
        thread::sleep(Duration::from_millis(20));
    }
    fs::read_to_string(out).unwrap()
}

/// What the script of the reader found out.
fn findings(dom: &str) -> Value {
    let from = dom.find("<pre id=\"findings\">").expect("the page came back, and its script ran") + 19;
    let json = dom[from..].split("</pre>").next().unwrap();
    serde_json::from_str(&json.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")).unwrap()
}

/// Works the controls as a reader would.
const READER: &str = include_str!("browser.js");

#[test]
fn filter_search_and_links_work_in_light_and_dark_and_on_a_phone() {
    let Some(program) = browser() else {
        assert_ne!(std::env::var("CHERRYSTONE_BROWSER").as_deref(), Ok("required"), "there is no Chromium");
        eprintln!("NOT TESTED: there is no Chromium here, so the page of a report was not tried in a browser");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.html");
    fs::write(&file, page().replace("</body>", &format!("<script>{READER}</script></body>"))).unwrap();
    let address = format!("file://{}", file.display());
    let mut colours = BTreeSet::new();
    // Chromium makes no window narrower than 500 pixels; the page has its phone layout below 640.
    for (name, scheme, width) in [("light", 1, 1200), ("dark", 0, 1200), ("phone", 1, 500)] {
        let options = [format!("--blink-settings=preferredColorScheme={scheme}"), format!("--window-size={width},900")];
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let found = findings(&loaded(&program, &address, &directory.path().join(name), &options));
        let list = |key: &str| -> Vec<String> {
            found[key].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
        };
        assert!(list("errors").is_empty(), "{name}: {:?}", found["errors"]);
        assert_eq!(found["dark"], name == "dark", "{name}");
        assert!(found["hangsOut"].as_i64().unwrap() <= 0, "{name}: something sticks out: {found}");
        assert_eq!(list("atFirst").len() as u64, found["failing"].as_u64().unwrap(), "{name}: failures come first");
        assert!(list("all").len() > list("atFirst").len() && !list("atFirst").is_empty(), "{name}");
        let searched = list("searched");
        assert!(searched.len() >= 6 && searched.iter().all(|id| id.starts_with("host-count/")), "{name}: {searched:?}");
        assert_eq!(found["line"], format!("{} of {} shown", searched.len(), list("all").len()), "{name}");
        assert!(list("nothing").is_empty() && found["saysNothing"] == true, "{name}");
        assert!(list("ofLevel").iter().all(|level| level == "may"), "{name}: {:?}", found["ofLevel"]);
        assert_ne!(found["cited"], "", "{name}: a requirement leads to its cases");
        assert_eq!(found["linked"], true, "{name}: a link shows what a filter hid");
        assert_eq!(found["sameLine"], name != "phone", "{name}: sent and received side by side, on a phone in turn");
        assert_eq!(found["loaded"], 0, "{name}: nothing is loaded from elsewhere");
        colours.insert(found["colour"].to_string());
    }
    assert_eq!(colours.len(), 2, "light and dark differ: {colours:?}");
}
