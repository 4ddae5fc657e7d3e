//! How does a directory become web pages?
//!
//! [`Files::plan`] takes the parts of a request that matter and gives a [`Plan`]: a status, fields, and the content,
//! which for a file is the open file and the octets to send. It reads directories and opens files, but no content.
//!
//! ```
//! use std::time::SystemTime;
//! use cherrystone::files::{Content, Files, Request};
//!
//! let dir = tempfile::tempdir()?;
//! std::fs::write(dir.path().join("hello.txt"), "hello, world")?;
//! let files = Files::new(dir.path())?;
//!
//! let range = |name: &str| (name == "Range").then_some(b"bytes=7-".as_slice().into());
//! let plan = files.plan(&Request {
//!     method: "GET",
//!     mount: b"",
//!     path: b"/hello.txt",
//!     query: None,
//!     field: &range,
//!     now: SystemTime::now(),
//! });
//! assert_eq!(plan.status, 206);
//! assert_eq!(plan.field("Content-Range"), Some(&b"bytes 7-11/12"[..]));
//! assert!(matches!(plan.content, Content::File(_, range) if range == (7..12)));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Invariants:
//! 1. Nothing outside the root is opened, unless links out of it are allowed; see [`Symlinks`].
//! 2. HEAD gets the plan of GET without ranges; the server leaves the content away and keeps its length.
//! 3. No field value holds octets of a request that are not visible ASCII.
//! 4. A plan never has a `Content-Length`: the content says it.

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::SystemTime;

mod listing;
mod media;
mod plan;
mod precondition;
mod range;
mod target;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

use listing::{Depth, Parent, Place};
pub use plan::{Content, Plan};
use precondition::{Validators, Verdict};
use range::Selection;
use target::{Ending, Refusal, Target};
use tree::{Found, Root, Tree};

/// What a [`Files`] serves beyond plain files, and how. The default serves `index.html`, lists nothing, hides dot
/// files and stays inside its root.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The file that stands for its directory; `None` if none does. Default `index.html`.
    pub index: Option<String>,
    /// What a directory without an index shows.
    pub listing: Listing,
    /// How far links are followed.
    pub symlinks: Symlinks,
    /// What becomes of names that begin with a dot.
    pub dot_files: DotFiles,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            index: Some("index.html".to_owned()),
            listing: Listing::default(),
            symlinks: Symlinks::default(),
            dot_files: DotFiles::default(),
        }
    }
}

/// What a directory without an index shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listing {
    /// 403: its names are nobody's business.
    #[default]
    Off,
    /// A page with its names.
    On,
}

/// How far symbolic links are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// As long as they stay below the root. An absolute link counts as one that leaves it, wherever it points.
    #[default]
    Inside,
    /// Wherever they lead: for trees in which nobody else can make links.
    Anywhere,
}

/// What becomes of names that begin with a dot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DotFiles {
    /// They do not exist, save `.well-known` at the root (RFC 8615).
    #[default]
    Hide,
    /// They are like other names.
    Serve,
}

/// The parts of a request that decide what is sent.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    /// The method, as received.
    pub method: &'r str,
    /// The path that leads to these files, as received, without a slash at its end: the `SCRIPT_NAME` that a
    /// [dispatcher](crate::dispatch) gives; empty without one.
    pub mount: &'r [u8],
    /// The path below `mount`, as received, percent-encoding and all.
    pub path: &'r [u8],
    /// What follows the first question mark of the target.
    pub query: Option<&'r [u8]>,
    /// The value of a request field, given its name; see [`joined`] for fields with several lines.
    pub field: &'r dyn Fn(&str) -> Option<Cow<'r, [u8]>>,
    /// The date of the answer.
    pub now: SystemTime,
}

/// A directory, served.
#[derive(Debug)]
pub struct Files {
    root: Root,
    options: Options,
}

impl Files {
    /// Serves the directory at this path with the default [`Options`].
    ///
    /// The path is made absolute now, and opened for each request: it may be a link that changes later.
    ///
    /// # Errors
    /// When there is no such directory, or it cannot be opened.
    pub fn new(root: impl AsRef<Path>) -> io::Result<Self> {
        Self::with(root, Options::default())
    }

    /// Serves the directory at this path.
    ///
    /// # Errors
    /// Those of [`Files::new`], and [`io::ErrorKind::InvalidInput`] for an index that is no plain file name.
    pub fn with(root: impl AsRef<Path>, options: Options) -> io::Result<Self> {
        let plain = |index: &String| target::is_served(index.as_bytes(), false, DotFiles::Serve);
        if !options.index.as_ref().is_none_or(plain) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the index has to be a plain file name"));
        }
        Ok(Self { root: Root::new(root.as_ref(), options.symlinks)?, options })
    }

    /// What to answer. Opens files and reads directories, so it may take the time of a disk.
    pub fn plan(&self, request: &Request<'_>) -> Plan {
        match request.method {
            "GET" | "HEAD" => self.retrieve(request),
            "OPTIONS" => Plan::allow(204, Content::Empty),
            _ => Plan::allow(405, Content::Static(b"method not allowed\n")),
        }
    }

    fn retrieve(&self, request: &Request<'_>) -> Plan {
        // A target without any path means the root of the server; only below a mount it lacks its slash.
        let path = if request.path.is_empty() && request.mount.is_empty() { b"/" } else { request.path };
        let target = match Target::parse(path, self.options.dot_files) {
            Ok(target) => target,
            Err(Refusal::Malformed) => return Plan::text(400, "bad path\n"),
            Err(Refusal::Absent) => return Plan::not_found(),
        };
        let Ok(tree) = self.root.open() else { return Plan::unavailable() };
        match (tree.find(&target.path), target.ending) {
            (Ok(Found::File(file, metadata)), Ending::Name) => file_plan(request, target.name(), file, &metadata),
            (Ok(Found::File(..)), Ending::Slash) => Plan::not_found(),
            (Ok(Found::Directory(_)), Ending::Name) => redirect(request),
            (Ok(Found::Directory(directory)), Ending::Slash) => self.directory_plan(request, &target, &tree, directory),
            (Err(error), _) => Plan::failed(&error),
        }
    }

    fn directory_plan(&self, request: &Request<'_>, target: &Target, tree: &Tree, directory: OwnedFd) -> Plan {
        if let Some(index) = &self.options.index {
            match tree.find(&target.child(index)) {
                Ok(Found::File(file, metadata)) => return file_plan(request, index.as_bytes(), file, &metadata),
                Ok(Found::Directory(_)) => {}
                Err(error) if Plan::failed(&error).status == 404 => {}
                Err(error) => return Plan::failed(&error),
            }
        }
        if self.options.listing == Listing::Off {
            return Plan::text(403, "this directory has no index\n");
        }
        let title = [&target::decode(request.mount).unwrap_or_default(), &b"/"[..], &target.child("")].concat();
        let at_root = target.path.is_empty();
        let place = Place {
            title: &title,
            depth: if at_root { Depth::Root } else { Depth::Below },
            parent: if at_root && request.mount.is_empty() { Parent::None } else { Parent::Linked },
            dot_files: self.options.dot_files,
        };
        match precondition::evaluate(request.field, None) {
            Verdict::Failed => Plan::precondition_failed(),
            Verdict::NotModified => Plan::new(304, Content::Empty),
            Verdict::Proceed => match listing::page(directory, place) {
                Ok(page) => Plan::new(200, Content::Bytes(page))
                    .with("Content-Type", "text/html; charset=utf-8")
                    .with("Content-Security-Policy", listing::POLICY)
                    .with("X-Content-Type-Options", "nosniff"),
                Err(error) => Plan::failed(&error),
            },
        }
    }
}

/// Several lines of one field as one value (RFC 9110, 5.3); `None` without any line. Copies only if it has to.
pub fn joined<'v>(lines: impl IntoIterator<Item = &'v [u8]>) -> Option<Cow<'v, [u8]>> {
    let mut lines = lines.into_iter();
    let mut value = Cow::Borrowed(lines.next()?);
    for line in lines {
        let all = value.to_mut();
        all.extend_from_slice(b", ");
        all.extend_from_slice(line);
    }
    Some(value)
}

fn file_plan(request: &Request<'_>, name: &[u8], file: File, metadata: &Metadata) -> Plan {
    let current = Validators::new(metadata, request.now);
    match precondition::evaluate(request.field, Some(&current)) {
        Verdict::Failed => return Plan::precondition_failed(),
        Verdict::NotModified => return Plan::new(304, Content::Empty).with("ETag", current.tag()),
        Verdict::Proceed => {}
    }
    let length = metadata.len();
    let (status, part) = match requested_part(request, &current, length) {
        Selection::Whole => (200, 0..length),
        Selection::Part(part) => (206, part),
        Selection::Unsatisfiable => {
            return Plan::text(416, "range not satisfiable\n").with("Content-Range", format!("bytes */{length}"));
        }
    };
    let plan = Plan::new(status, Content::File(file, part.clone()))
        .with("Content-Type", media::media_type(name))
        .with("Last-Modified", current.last_modified())
        .with("ETag", current.tag())
        .with("Accept-Ranges", "bytes")
        .with("X-Content-Type-Options", "nosniff");
    match status {
        206 => plan.with("Content-Range", content_range(&part, length)),
        _ => plan,
    }
}

fn requested_part(request: &Request<'_>, current: &Validators, length: u64) -> Selection {
    // Ranges mean something for GET alone (RFC 9110, 14.2).
    match (request.field)("Range") {
        Some(value) if request.method == "GET" && precondition::allows_range(request.field, current) => {
            range::select(&value, length)
        }
        _ => Selection::Whole,
    }
}

/// A part is never empty, so it has a last position.
fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1))
}

/// To the same path with a slash at its end, relative to the last name: right below any mount and behind any proxy,
/// and never an authority, as a path that begins with two slashes would be.
fn redirect(request: &Request<'_>) -> Plan {
    let path = if request.path.is_empty() { request.mount } else { request.path };
    let mut location = Vec::new();
    target::encode(&target::decode(target::last_segment(path)).unwrap_or_default(), &mut location);
    location.push(b'/');
    if let Some(query) = request.query.filter(|query| query.iter().all(u8::is_ascii_graphic)) {
        location.push(b'?');
        location.extend_from_slice(query);
    }
    Plan::text(301, "this is a directory, its path ends with a slash\n").with("Location", location)
}
