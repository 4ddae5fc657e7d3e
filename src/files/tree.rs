//! What lies at a path below the root, without ever leaving it?
//!
//! The kernel resolves the path in one step where it can (`openat2` with `RESOLVE_BENEATH`); elsewhere [`walk`] does
//! the same, name by name. What is known about a file is asked of the open file, never of its path.
//!
//! Invariants:
//! 1. With [`Symlinks::Inside`] no link leads out of the root, whoever renames what in the meantime. A link with an
//!    absolute path leads out, wherever it points.
//! 2. Opening never waits: not for the other end of a pipe, not for a device.
//! 3. The root is opened anew for each request: a directory that was replaced, or a link that was switched to another
//!    release, is seen by the next one.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::{Symlinks, walk};

/// For things that are read: no waiting, no terminal, no inheritance.
pub(super) const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// For directories that are only passed through: those that may not be listed can still be crossed.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(super) const SEARCH: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(super) const SEARCH: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Where a root is, and how links below it are treated.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    symlinks: Symlinks,
}

impl Root {
    /// A root at this path, which may itself be a link to a directory.
    ///
    /// # Errors
    /// When there is no directory that can be opened.
    pub(super) fn new(path: &Path, symlinks: Symlinks) -> io::Result<Self> {
        let root = Self { path: std::path::absolute(path)?, symlinks };
        root.open()?;
        Ok(root)
    }

    /// The directory that is there now.
    pub(super) fn open(&self) -> io::Result<Tree> {
        Ok(Tree { root: openat(CWD, &self.path, SEARCH, Mode::empty())?, symlinks: self.symlinks })
    }
}

/// The root, open for the time of one request.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    symlinks: Symlinks,
}

/// What can be served.
#[derive(Debug)]
pub(super) enum Found {
    /// A regular file, and what the open file says about itself.
    File(File, Metadata),
    /// A directory that can be listed.
    Directory(OwnedFd),
}

impl Tree {
    /// Opens what lies at a path below the root; the empty path is the root itself.
    ///
    /// # Errors
    /// Those of opening. Neither a file nor a directory: [`Errno::NOENT`]. A way out of the root: [`Errno::XDEV`].
    pub(super) fn find(&self, path: &[u8]) -> io::Result<Found> {
        let path = if path.is_empty() { b"." } else { path };
        let file = File::from(match self.symlinks {
            Symlinks::Anywhere => openat(&self.root, path, READ, Mode::empty())?,
            Symlinks::Inside => open_beneath(&self.root, path)?,
        });
        let metadata = file.metadata()?;
        if metadata.is_file() {
            Ok(Found::File(file, metadata))
        } else if metadata.is_dir() {
            Ok(Found::Directory(file.into()))
        } else {
            Err(Errno::NOENT.into())
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn open_beneath(root: &OwnedFd, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    use rustix::fs::{ResolveFlags, openat2};
    let resolve = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
    match openat2(root, path, READ, Mode::empty(), resolve) {
        // Not known to the kernel, forbidden by a filter, or a rename raced with a `..` in a link.
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => walk::open(root, path),
        result => result,
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn open_beneath(root: &OwnedFd, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    walk::open(root, path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn kind(result: io::Result<Found>) -> Result<&'static str, Errno> {
        match result {
            Ok(Found::File(..)) => Ok("file"),
            Ok(Found::Directory(..)) => Ok("directory"),
            Err(error) => Err(Errno::from_io_error(&error).unwrap()),
        }
    }

    #[test]
    fn files_directories_and_others() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/f"), "x").unwrap();
        let fifo =
            rustix::fs::mknodat(CWD, dir.path().join("fifo"), rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
        fifo.unwrap();
        let _socket = UnixListener::bind(dir.path().join("socket")).unwrap();
        for symlinks in [Symlinks::Inside, Symlinks::Anywhere] {
            let tree = Root::new(dir.path(), symlinks).unwrap().open().unwrap();
            assert_eq!(kind(tree.find(b"")), Ok("directory"));
            assert_eq!(kind(tree.find(b"sub")), Ok("directory"));
            assert_eq!(kind(tree.find(b"sub/f")), Ok("file"));
            assert_eq!(kind(tree.find(b"fifo")), Err(Errno::NOENT));
            assert_eq!(kind(tree.find(b"socket")), Err(Errno::NXIO));
            assert_eq!(kind(tree.find(b"none")), Err(Errno::NOENT));
            assert_eq!(kind(tree.find(b"sub/f/g")), Err(Errno::NOTDIR));
            assert_eq!(kind(tree.find(&[b'a'; 300])), Err(Errno::NAMETOOLONG));
            assert_eq!(kind(tree.find(&b"sub/".repeat(2_000))), Err(Errno::NAMETOOLONG));
        }
    }

    #[test]
    fn devices_are_not_served() {
        let tree = Root::new(Path::new("/dev"), Symlinks::Anywhere).unwrap().open().unwrap();
        assert_eq!(kind(tree.find(b"null")), Err(Errno::NOENT));
    }

    #[test]
    fn links_out_are_followed_only_when_allowed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let dir = tempfile::tempdir().unwrap();
        symlink(outside.path().join("secret"), dir.path().join("link")).unwrap();
        let inside = Root::new(dir.path(), Symlinks::Inside).unwrap();
        let anywhere = Root::new(dir.path(), Symlinks::Anywhere).unwrap();
        assert_eq!(kind(inside.open().unwrap().find(b"link")), Err(Errno::XDEV));
        assert_eq!(kind(anywhere.open().unwrap().find(b"link")), Ok("file"));
    }

    #[test]
    fn the_root_may_be_a_link_and_may_be_switched() {
        let dir = tempfile::tempdir().unwrap();
        for release in ["one", "two"] {
            fs::create_dir(dir.path().join(release)).unwrap();
            fs::write(dir.path().join(release).join(release), "x").unwrap();
        }
        let current = dir.path().join("current");
        symlink("one", &current).unwrap();
        let root = Root::new(&current, Symlinks::Inside).unwrap();
        assert_eq!(kind(root.open().unwrap().find(b"one")), Ok("file"));
        fs::remove_file(&current).unwrap();
        assert!(root.open().is_err());
        symlink("two", &current).unwrap();
        assert_eq!(kind(root.open().unwrap().find(b"two")), Ok("file"));
        assert_eq!(kind(root.open().unwrap().find(b"one")), Err(Errno::NOENT));
    }

    #[test]
    fn a_root_has_to_be_a_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Root::new(file.path(), Symlinks::Inside).is_err());
        assert!(Root::new(&file.path().join("none"), Symlinks::Inside).is_err());
    }
}
