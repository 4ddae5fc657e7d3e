//! Whole requests against real directories.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use super::*;

/// Sun, 06 Nov 1994 08:49:37 GMT.
const WHEN: u64 = 784_111_777;

struct Site {
    dir: tempfile::TempDir,
    files: Files,
}

impl Site {
    fn new(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("docs/empty")).unwrap();
        fs::create_dir(root.join("plain")).unwrap();
        fs::write(root.join("index.html"), "<p>home").unwrap();
        fs::write(root.join("docs/index.html"), "<p>docs").unwrap();
        fs::write(root.join("plain/a b.txt"), "spaces").unwrap();
        fs::write(root.join("ten.txt"), "0123456789").unwrap();
        fs::write(root.join("zero"), "").unwrap();
        fs::write(root.join(".env"), "secret").unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("ten.txt", root.join("in.png")).unwrap();
        let ten = File::options().write(true).open(root.join("ten.txt")).unwrap();
        ten.set_modified(UNIX_EPOCH + Duration::from_secs(WHEN)).unwrap();
        Self { files: Files::with(&root, options).unwrap(), dir }
    }

    fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Plan {
        self.ask_below("", method, path, fields)
    }

    fn ask_below(&self, mount: &str, method: &str, target: &str, fields: &[(&str, &str)]) -> Plan {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let field = |name: &str| {
            let lines = fields.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_bytes());
            joined(lines)
        };
        self.files.plan(&Request {
            method,
            mount: mount.as_bytes(),
            path: path.as_bytes(),
            query: query.map(str::as_bytes),
            field: &field,
            // All files are older than what file systems cannot tell apart.
            now: SystemTime::now() + Duration::from_secs(10),
        })
    }

    fn get(&self, path: &str) -> Plan {
        self.ask("GET", path, &[])
    }
}

fn content(plan: Plan) -> String {
    match plan.content {
        Content::Empty => String::new(),
        Content::Static(text) => String::from_utf8(text.to_vec()).unwrap(),
        Content::Bytes(page) => String::from_utf8(page).unwrap(),
        Content::File(mut file, part) => {
            file.seek(SeekFrom::Start(part.start)).unwrap();
            let mut text = String::new();
            file.take(part.end - part.start).read_to_string(&mut text).unwrap();
            text
        }
    }
}

fn text<'p>(plan: &'p Plan, name: &str) -> Option<&'p str> {
    plan.field(name).map(|value| str::from_utf8(value).unwrap())
}

#[test]
fn a_file_with_all_its_fields() {
    let plan = Site::new(Options::default()).get("/ten.txt");
    assert_eq!(plan.status, 200);
    assert_eq!(text(&plan, "Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(text(&plan, "Last-Modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(text(&plan, "Accept-Ranges"), Some("bytes"));
    assert_eq!(text(&plan, "X-Content-Type-Options"), Some("nosniff"));
    assert!(text(&plan, "ETag").unwrap().starts_with("\"a-"));
    assert_eq!(text(&plan, "Content-Length"), None);
    assert_eq!(plan.content.len(), 10);
    assert_eq!(content(plan), "0123456789");
}

#[test]
fn paths_people_use() {
    let site = Site::new(Options::default());
    for (path, status, expected) in [
        ("/", 200, "<p>home"),
        ("", 200, "<p>home"),
        ("/index.html", 200, "<p>home"),
        ("/docs/", 200, "<p>docs"),
        ("/plain/a%20b.txt", 200, "spaces"),
        ("/ten%2Etxt?v=1", 200, "0123456789"),
        ("/zero", 200, ""),
        ("/in.png", 200, "0123456789"),
        ("/plain/", 403, "this directory has no index\n"),
        ("/docs/empty/", 403, "this directory has no index\n"),
        ("/none", 404, "not found\n"),
        ("/ten.txt/", 404, "not found\n"),
        ("/ten.txt/x", 404, "not found\n"),
        ("/.env", 404, "not found\n"),
        ("/out", 403, "forbidden\n"),
        ("/%", 400, "bad path\n"),
    ] {
        let plan = site.get(path);
        assert_eq!((plan.status, content(plan).as_str()), (status, expected), "{path}");
    }
}

#[test]
fn nothing_leaves_the_root() {
    let site = Site::new(Options { listing: Listing::On, dot_files: DotFiles::Serve, ..Options::default() });
    for path in [
        "/../secret",
        "/docs/../../secret",
        "/%2e%2e/secret",
        "/%2E%2E%2Fsecret",
        "/..%2fsecret",
        "/.%2e/secret",
        "/%252e%252e/secret",
        "//secret",
        "/docs//../../secret",
        "/./../secret",
        "/..\\secret",
        "/..%5csecret",
        "/../secret%00",
        "/ten.txt%00",
        "/ten.txt%00.png",
        "/out",
        "/out/",
        "/..;/secret",
        "/docs/..;/..;/secret",
        "/%c0%ae%c0%ae/secret",
        "/..%c0%afsecret",
        "/%uff0e/secret",
        "/../",
        "/..",
        "/etc/passwd",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/file:///etc/passwd",
        "/~/secret",
        "../secret",
        "secret",
    ] {
        for method in ["GET", "HEAD"] {
            let plan = site.ask(method, path, &[]);
            assert!((400..500).contains(&plan.status), "{path}: {}", plan.status);
            assert!(!content(plan).contains("secret"), "{path}");
        }
    }
    let absolute = format!("/{}", site.dir.path().join("secret").display());
    assert_eq!(site.get(&absolute).status, 404);
}

#[test]
fn switches_open_what_they_name() {
    let site = Site::new(Options { symlinks: Symlinks::Anywhere, ..Options::default() });
    assert_eq!(content(site.get("/out")), "secret");
    assert_eq!(site.get("/.env").status, 404);
    let site = Site::new(Options { dot_files: DotFiles::Serve, ..Options::default() });
    assert_eq!(content(site.get("/.env")), "secret");
    assert_eq!(site.get("/out").status, 403);
    let site = Site::new(Options { index: Some("ten.txt".into()), ..Options::default() });
    assert_eq!(content(site.get("/")), "0123456789");
    let site = Site::new(Options { index: None, ..Options::default() });
    assert_eq!(site.get("/").status, 403);
}

#[test]
fn an_index_is_a_plain_name() {
    let dir = tempfile::tempdir().unwrap();
    for index in ["", ".", "..", "../secret", "/etc/passwd", "a/b", "a\0"] {
        let options = Options { index: Some(index.into()), ..Options::default() };
        assert_eq!(Files::with(dir.path(), options).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{index}");
    }
}

#[test]
fn directories_redirect_to_their_slash() {
    let site = Site::new(Options::default());
    fs::create_dir_all(site.dir.path().join("root/a:b ü/evil.example")).unwrap();
    for (mount, path, location) in [
        ("", "/docs", "docs/"),
        ("", "/docs/empty", "empty/"),
        ("", "/docs?a=1&b=//x", "docs/?a=1&b=//x"),
        ("", "/docs?", "docs/?"),
        ("", "/%64ocs", "docs/"),
        ("", "/a:b%20%C3%BC", "a%3Ab%20%C3%BC/"),
        ("", "/a:b%20%C3%BC/evil.example", "evil.example/"),
        ("/mnt/files", "", "files/"),
        ("/mnt/files", "?q", "files/?q"),
        ("/mnt/files", "/docs", "docs/"),
    ] {
        let plan = site.ask_below(mount, "GET", path, &[]);
        assert_eq!((plan.status, text(&plan, "Location")), (301, Some(location)), "{mount}{path}");
    }
    assert_eq!(site.get("//evil.example").status, 404);
    assert_eq!(site.get("//docs").status, 404);
    assert_eq!(site.ask_below("/mnt", "GET", "/", &[]).status, 200);
}

#[test]
fn a_query_cannot_split_the_answer() {
    let site = Site::new(Options::default());
    for query in ["a\r\nX: y", "a b", "\u{e4}", "\0"] {
        assert_eq!(text(&site.get(&format!("/docs?{query}")), "Location"), Some("docs/"), "{query:?}");
    }
}

#[test]
fn ranges() {
    let site = Site::new(Options::default());
    let ask = |range: &str| site.ask("GET", "/ten.txt", &[("Range", range)]);
    for (range, status, field, expected) in [
        ("bytes=0-0", 206, Some("bytes 0-0/10"), "0"),
        ("bytes=2-4", 206, Some("bytes 2-4/10"), "234"),
        ("bytes=7-", 206, Some("bytes 7-9/10"), "789"),
        ("bytes=-2", 206, Some("bytes 8-9/10"), "89"),
        ("bytes=10-", 416, Some("bytes */10"), "range not satisfiable\n"),
        ("bytes=0-1,4-5", 200, None, "0123456789"),
        ("lines=0-1", 200, None, "0123456789"),
        ("bytes=4-2", 200, None, "0123456789"),
    ] {
        let plan = ask(range);
        assert_eq!((plan.status, text(&plan, "Content-Range")), (status, field), "{range}");
        assert_eq!(content(plan), expected, "{range}");
    }
    assert!(ask("bytes=0-0").field("ETag").is_some());
    // Two lines are two ranges, HEAD has none, and neither has an empty file.
    let twice = [("Range", "bytes=0-1"), ("Range", "bytes=2-3")];
    assert_eq!(site.ask("GET", "/ten.txt", &twice).status, 200);
    let head = site.ask("HEAD", "/ten.txt", &[("Range", "bytes=0-1")]);
    assert_eq!((head.status, head.content.len()), (200, 10));
    assert_eq!(site.ask("GET", "/zero", &[("Range", "bytes=0-")]).status, 200);
}

#[test]
fn conditions() {
    let site = Site::new(Options::default());
    let tag = text(&site.get("/ten.txt"), "ETag").unwrap().to_owned();
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let range = ("Range", "bytes=0-1");
    let cases: [(&[(&str, &str)], u16); 12] = [
        (&[("If-None-Match", &tag)], 304),
        (&[("If-None-Match", "\"x\""), ("If-None-Match", &tag)], 304),
        (&[("If-None-Match", "\"x\"")], 200),
        (&[("If-Modified-Since", date)], 304),
        (&[("If-None-Match", &tag), range], 304),
        (&[("If-Match", "\"x\""), range], 412),
        (&[("If-Match", &tag), range], 206),
        (&[("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT")], 412),
        (&[("If-Range", &tag), range], 206),
        (&[("If-Range", date), range], 206),
        (&[("If-Range", "\"x\""), range], 200),
        (&[("If-Range", "\"x\""), ("Range", "bytes=99-")], 200),
    ];
    for (fields, status) in cases {
        assert_eq!(site.ask("GET", "/ten.txt", fields).status, status, "{fields:?}");
    }
    let current = site.ask("HEAD", "/ten.txt", &[("If-None-Match", &tag)]);
    assert_eq!((current.status, text(&current, "ETag"), current.fields.len()), (304, Some(tag.as_str()), 1));
    assert!(current.content.is_empty());
    // Conditions are for answers that would succeed.
    assert_eq!(site.ask("GET", "/none", &[("If-None-Match", "*")]).status, 404);
    assert_eq!(site.ask("GET", "/none", &[("If-Match", "\"x\"")]).status, 404);
    assert_eq!(site.ask("GET", "/docs", &[("If-None-Match", "*")]).status, 301);
    assert_eq!(site.ask("OPTIONS", "/ten.txt", &[("If-Match", "\"x\"")]).status, 204);
}

#[test]
fn a_change_is_seen_at_once() {
    let site = Site::new(Options::default());
    let tag = text(&site.get("/ten.txt"), "ETag").unwrap().to_owned();
    fs::write(site.dir.path().join("root/ten.txt"), "9876543210").unwrap();
    let plan = site.ask("GET", "/ten.txt", &[("If-None-Match", &tag)]);
    assert_eq!((plan.status, content(plan).as_str()), (200, "9876543210"));
}

#[test]
fn methods() {
    let site = Site::new(Options::default());
    for (method, status) in
        [("OPTIONS", 204), ("POST", 405), ("PUT", 405), ("DELETE", 405), ("TRACE", 405), ("get", 405)]
    {
        let plan = site.ask(method, "/ten.txt", &[]);
        assert_eq!((plan.status, text(&plan, "Allow")), (status, Some("GET, HEAD, OPTIONS")), "{method}");
        assert_eq!(plan.content.is_empty(), plan.field("Content-Type").is_none());
    }
    assert_eq!(site.ask("OPTIONS", "*", &[]).status, 204);
    let (get, head) = (site.get("/ten.txt"), site.ask("HEAD", "/ten.txt", &[]));
    assert_eq!((get.status, get.fields, get.content.len()), (head.status, head.fields, head.content.len()));
}

#[test]
fn listings() {
    let site = Site::new(Options { listing: Listing::On, ..Options::default() });
    let plan = site.get("/plain/");
    assert_eq!((plan.status, text(&plan, "Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(text(&plan, "X-Content-Type-Options"), Some("nosniff"));
    assert!(text(&plan, "Content-Security-Policy").unwrap().contains("default-src 'none'"));
    let page = content(plan);
    assert!(page.contains("<a href=\"a%20b.txt\">a b.txt</a>") && page.contains("<h1>Index of /plain/</h1>"));
    assert!(page.contains("href=\"../\""));
    // An index comes first, and conditions hold.
    assert_eq!(content(site.get("/")), "<p>home");
    assert_eq!(site.ask("GET", "/plain/", &[("If-None-Match", "*")]).status, 304);
    assert_eq!(site.ask("GET", "/plain/", &[("If-Match", "\"x\"")]).status, 412);

    let top = Site::new(Options { listing: Listing::On, index: None, ..Options::default() });
    let page = content(top.get("/"));
    assert!(!page.contains("../") && !page.contains(".env") && page.contains("<h1>Index of /</h1>"));
    let mounted = content(top.ask_below("/my%20files", "GET", "/", &[]));
    assert!(mounted.contains("href=\"../\"") && mounted.contains("<h1>Index of /my files/</h1>"));
}

#[test]
fn an_index_that_is_no_file_does_not_count() {
    let site = Site::new(Options { listing: Listing::On, ..Options::default() });
    let docs = site.dir.path().join("root/docs");
    fs::remove_file(docs.join("index.html")).unwrap();
    fs::create_dir(docs.join("index.html")).unwrap();
    assert!(content(site.get("/docs/")).contains("href=\"empty/\""));
    fs::remove_dir(docs.join("index.html")).unwrap();
    symlink("../../secret", docs.join("index.html")).unwrap();
    assert_eq!(site.get("/docs/").status, 403);
}

#[test]
fn a_root_that_is_gone_may_come_back() {
    let site = Site::new(Options::default());
    let root = site.dir.path().join("root");
    fs::rename(&root, site.dir.path().join("away")).unwrap();
    assert_eq!(site.get("/ten.txt").status, 503);
    fs::rename(site.dir.path().join("away"), &root).unwrap();
    assert_eq!(site.get("/ten.txt").status, 200);
}

#[test]
fn a_race_with_a_link_is_lost_by_the_link() {
    let site = Site::new(Options::default());
    let root = site.dir.path().join("root");
    fs::create_dir(root.join("spin")).unwrap();
    fs::write(root.join("spin/secret"), "public").unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // `spin` is in turn a directory, nothing, and a link to the directory above the root.
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                fs::rename(root.join("spin"), root.join("away")).unwrap();
                symlink("..", root.join("spin")).unwrap();
                fs::remove_file(root.join("spin")).unwrap();
                fs::rename(root.join("away"), root.join("spin")).unwrap();
            }
        });
        // At least so often, and until the directory was seen in its place, on a machine however busy.
        let end = std::time::Instant::now() + Duration::from_secs(30);
        let (mut asked, mut leaked, mut served) = (0, false, false);
        while (asked < 5_000 || !served) && std::time::Instant::now() < end {
            let answer = content(site.get("/spin/secret"));
            leaked |= answer == "secret";
            served |= answer == "public";
            asked += 1;
        }
        stop.store(true, Relaxed);
        assert!(!leaked && served, "asked {asked} times");
    });
}

#[test]
fn a_large_file_is_only_opened() {
    let site = Site::new(Options::default());
    let huge = File::create(site.dir.path().join("root/huge.bin")).unwrap();
    huge.set_len(1 << 40).unwrap();
    let plan = site.ask("GET", "/huge.bin", &[("Range", "bytes=-1")]);
    assert_eq!(text(&plan, "Content-Range"), Some("bytes 1099511627775-1099511627775/1099511627776"));
    assert_eq!(content(plan), "\0");
    assert_eq!(site.get("/huge.bin").content.len(), 1 << 40);
}

#[test]
fn lines_of_a_field_are_joined() {
    assert_eq!(joined([]), None);
    assert!(matches!(joined([&b"a"[..]]), Some(Cow::Borrowed(b"a"))));
    assert_eq!(joined([&b"a"[..], b"b", b""]).as_deref(), Some(&b"a, b, "[..]));
}
