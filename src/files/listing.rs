//! What does a person see of a directory without an index?
//!
//! One small page without scripts, images or style sheets of its own: names with their sizes and dates, directories
//! first.
//!
//! Invariants:
//! 1. Only what could be served is listed: no hidden names, no pipes, sockets or devices. Links are shown by their
//!    name, and not followed to find out more.
//! 2. No name can become markup or leave its own link: text is escaped, links are encoded to unreserved characters.
//! 3. The page has a bounded size: [`MAX_NAMES`] names, then a line that says so.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Stat, statat};

use super::DotFiles;
use super::target::{encode, is_served};

/// How many names a page shows.
const MAX_NAMES: usize = 10_000;

/// Nothing but the page's own style may take effect.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// What a page has to know about its directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    /// The decoded path that is shown, with a slash at its end.
    pub(super) title: &'p [u8],
    /// Whether the directory is the root of the gateway.
    pub(super) depth: Depth,
    /// Whether there is something above that a link can lead to.
    pub(super) parent: Parent,
    /// Which names are hidden.
    pub(super) dot_files: DotFiles,
}

/// Where in the tree a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// At the root.
    Root,
    /// Below it.
    Below,
}

/// Whether to link upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parent {
    /// There is something above.
    Linked,
    /// This is the top.
    None,
}

/// The page for a directory, as HTML in UTF-8.
///
/// # Errors
/// Those of reading the directory. Entries that vanish meanwhile are left out.
pub(super) fn page(directory: OwnedFd, place: Place<'_>) -> io::Result<Vec<u8>> {
    let (entries, complete) = read(directory, place)?;
    let mut out = Vec::with_capacity(512 + entries.len() * 128);
    out.extend_from_slice(b"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.extend_from_slice(b"<meta name=\"viewport\" content=\"width=device-width\">\n<title>Index of ");
    escape(place.title, &mut out);
    out.extend_from_slice(b"</title>\n<style>");
    out.extend_from_slice(
        b"body{font-family:sans-serif;margin:1.5em}td{padding:.1em 1.5em .1em 0}td+td{text-align:right}",
    );
    out.extend_from_slice(b"</style>\n</head>\n<body>\n<h1>Index of ");
    escape(place.title, &mut out);
    out.extend_from_slice(b"</h1>\n<table>\n");
    if place.parent == Parent::Linked {
        out.extend_from_slice(b"<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
    }
    for entry in &entries {
        row(entry, &mut out);
    }
    out.extend_from_slice(b"</table>\n");
    if !complete {
        out.extend_from_slice(format!("<p>Only {MAX_NAMES} of the names are shown.</p>\n").as_bytes());
    }
    out.extend_from_slice(b"</body>\n</html>\n");
    Ok(out)
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Directory,
    File,
    Link,
}

struct Entry {
    kind: Kind,
    name: Vec<u8>,
    size: u64,
    /// Seconds since 1970.
    modified: u64,
}

/// The entries in the order of the page, and whether they are all.
fn read(directory: OwnedFd, place: Place<'_>) -> io::Result<(Vec<Entry>, bool)> {
    let mut listing = Dir::read_from(&directory)?;
    let mut entries = Vec::new();
    let mut complete = true;
    while let Some(entry) = listing.read() {
        let entry = entry?;
        let name = entry.file_name();
        if !is_served(name.to_bytes(), place.depth == Depth::Root, place.dot_files) {
            continue;
        }
        let Ok(stat) = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let Some(kind) = kind(&stat) else { continue };
        if entries.len() == MAX_NAMES {
            complete = false;
            break;
        }
        entries.push(Entry {
            kind,
            name: name.to_bytes().to_vec(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: u64::try_from(stat.st_mtime).unwrap_or(0),
        });
    }
    entries.sort_unstable_by(|a, b| (a.kind != Kind::Directory, &a.name).cmp(&(b.kind != Kind::Directory, &b.name)));
    Ok((entries, complete))
}

fn kind(stat: &Stat) -> Option<Kind> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Some(Kind::Directory),
        FileType::RegularFile => Some(Kind::File),
        FileType::Symlink => Some(Kind::Link),
        _ => None,
    }
}

fn row(entry: &Entry, out: &mut Vec<u8>) {
    let slash: &[u8] = if entry.kind == Kind::Directory { b"/" } else { b"" };
    out.extend_from_slice(b"<tr><td><a href=\"");
    encode(&entry.name, out);
    out.extend_from_slice(slash);
    out.extend_from_slice(b"\">");
    escape(&entry.name, out);
    out.extend_from_slice(slash);
    out.extend_from_slice(b"</a></td><td>");
    if entry.kind == Kind::File {
        out.extend_from_slice(size(entry.size).as_bytes());
    }
    out.extend_from_slice(b"</td><td>");
    if entry.kind != Kind::Link {
        out.extend_from_slice(date(entry.modified).as_bytes());
    }
    out.extend_from_slice(b"</td></tr>\n");
}

/// Day and minute in UTC.
fn date(seconds: u64) -> String {
    const END_OF_9999: u64 = 253_402_300_799;
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(END_OF_9999)));
    // "Sun, 06 Nov 1994 08:49:37 GMT" without the day of the week, the seconds and the zone.
    text[5..22].to_owned()
}

/// A size with at most four digits.
fn size(octets: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if octets < 1_024 {
        return format!("{octets} B");
    }
    let step = (octets.ilog2() / 10).min(6);
    let unit = 1_u64 << (10 * step);
    let name = UNITS[step as usize - 1];
    if octets / unit >= 10 {
        format!("{} {name}", octets / unit)
    } else {
        format!("{}.{} {name}", octets / unit, octets % unit * 10 / unit)
    }
}

/// Appends text that stays text in HTML, between tags and in a quoted attribute. What is not UTF-8 is replaced.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '"' => out.extend_from_slice(b"&quot;"),
            '\'' => out.extend_from_slice(b"&#39;"),
            c if c.is_control() => out.extend_from_slice("\u{fffd}".as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs::{self, File};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    const TOP: Place<'_> = Place { title: b"/", depth: Depth::Root, parent: Parent::None, dot_files: DotFiles::Hide };

    fn show(at: &Path, place: Place<'_>) -> String {
        String::from_utf8(page(File::open(at).unwrap().into(), place).unwrap()).unwrap()
    }

    fn links(page: &str) -> Vec<&str> {
        page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    }

    #[test]
    fn directories_first_then_names_in_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.txt", "a.txt", "C"] {
            fs::write(dir.path().join(name), "12345").unwrap();
        }
        fs::create_dir(dir.path().join("z")).unwrap();
        symlink("/nowhere", dir.path().join("link")).unwrap();
        let page = show(dir.path(), TOP);
        assert_eq!(links(&page), ["z/", "C", "a.txt", "b.txt", "link"]);
        assert_eq!(page.matches("5 B").count(), 3);
        let below = Place { depth: Depth::Below, parent: Parent::Linked, ..TOP };
        assert_eq!(links(&show(dir.path(), below))[0], "../");
    }

    #[test]
    fn what_is_not_served_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".env", ".well-known", "back\\slash", "seen"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("fifo"), FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .unwrap();
        assert_eq!(links(&show(dir.path(), TOP)), [".well-known", "seen"]);
        assert_eq!(links(&show(dir.path(), Place { depth: Depth::Below, ..TOP })), ["seen"]);
        let all = Place { dot_files: DotFiles::Serve, ..TOP };
        assert_eq!(links(&show(dir.path(), all)), [".env", ".well-known", "seen"]);
    }

    #[test]
    fn names_stay_names() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            &b"<script>alert(1)<"[..],
            b"\"><b>",
            b"a&b",
            b"javascript:alert(1)",
            b"x?y#z",
            b"new\nline",
            b"\xff\xfe",
            b"100%",
        ] {
            fs::write(dir.path().join(OsStr::from_bytes(name)), "").unwrap();
        }
        let page = show(dir.path(), Place { title: b"/<i>/", ..TOP });
        let body = page.split("<table>").nth(1).unwrap();
        for text in ["<script", "<b>", "a&b", "new\nline"] {
            assert!(!body.contains(text), "{text}");
        }
        assert!(!page.contains("<i>"));
        let links = links(&page);
        assert_eq!(links.len(), 8);
        for link in &links {
            assert!(link.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)), "{link}");
        }
        assert!(links.contains(&"javascript%3Aalert%281%29") && links.contains(&"%FF%FE"));
    }

    #[test]
    fn the_page_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..=MAX_NAMES {
            fs::write(dir.path().join(i.to_string()), "").unwrap();
        }
        let page = show(dir.path(), TOP);
        assert_eq!(links(&page).len(), MAX_NAMES);
        assert!(page.contains("Only 10000 of the names"));
    }

    #[test]
    fn sizes_and_dates() {
        for (octets, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (10_239, "9.9 KiB"),
            (10_240, "10 KiB"),
            (1 << 20, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "15 EiB"),
        ] {
            assert_eq!(size(octets), text);
        }
        assert_eq!(date(784_111_777), "06 Nov 1994 08:49");
        assert_eq!(date(u64::MAX), "31 Dec 9999 23:59");
    }
}
