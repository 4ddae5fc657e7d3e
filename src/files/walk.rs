//! How is a path resolved below a directory where the kernel does not do it in one step?
//!
//! Name by name, from an open directory to the next, with the open directories as a stack. A link is read and its names
//! are put before the rest; `..` goes back on the stack, and so never to a place that was not passed on the way.
//!
//! Invariants:
//! 1. The same answers as `openat2` with `RESOLVE_BENEATH` and `RESOLVE_NO_MAGICLINKS`.
//! 2. At most [`MAX_LINKS`] links, and as many directories deep as a path may have names.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

use super::tree::{READ, SEARCH};

/// The limit of Linux.
const MAX_LINKS: u32 = 40;

/// The limit of Linux for a path.
const MAX_PATH: usize = 4_096;

/// Opens what lies at a path below `root`.
///
/// # Errors
/// Those of opening; [`Errno::XDEV`] for a way out of the root, [`Errno::LOOP`] for too many links.
pub(super) fn open(root: &OwnedFd, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    let mut pending = Vec::new();
    push_names(path, &mut pending)?;
    let mut passed: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    while let Some(name) = pending.pop() {
        let here = passed.last().unwrap_or(root);
        match name.as_slice() {
            b"" | b"." => continue,
            b".." => {
                passed.pop().ok_or(Errno::XDEV)?;
                continue;
            }
            _ => {}
        }
        let last = pending.is_empty();
        let flags = if last { READ } else { SEARCH };
        match openat(here, &name, flags.union(OFlags::NOFOLLOW), Mode::empty()) {
            Ok(file) if last => return Ok(file),
            Ok(directory) => passed.push(directory),
            // What systems say about a link that is not followed.
            Err(error @ (Errno::LOOP | Errno::NOTDIR | Errno::MLINK)) => {
                let target = readlinkat(here, &name, Vec::new()).map_err(|_| error)?;
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP);
                }
                if target.to_bytes().starts_with(b"/") {
                    return Err(Errno::XDEV);
                }
                push_names(target.to_bytes(), &mut pending)?;
            }
            Err(error) => return Err(error),
        }
    }
    // The way ended on a directory that was only passed through so far.
    openat(passed.last().unwrap_or(root), c".", READ, Mode::empty())
}

/// Puts the names of a path before those that are pending, the first one on top.
fn push_names(path: &[u8], pending: &mut Vec<Vec<u8>>) -> rustix::io::Result<()> {
    if path.len() >= MAX_PATH {
        return Err(Errno::NAMETOOLONG);
    }
    if path.is_empty() {
        return Err(Errno::NOENT);
    }
    pending.extend(path.rsplit(|&b| b == b'/').map(<[u8]>::to_vec));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use rustix::fs::CWD;

    use super::*;

    fn tree(at: &Path) {
        fs::create_dir_all(at.join("outside")).unwrap();
        fs::write(at.join("outside/secret"), "secret").unwrap();
        let root = at.join("root");
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::write(root.join("f"), "f").unwrap();
        fs::write(root.join("a/b/g"), "g").unwrap();
        for (link, target) in [
            ("to-f", "f"),
            ("to-a", "a"),
            ("to-g", "a/b/g"),
            ("a/up-f", "../f"),
            ("a/b/up-up-f", "../../f"),
            ("a/b/zigzag", "../../a/./b/../../f"),
            ("a/slash", "b/"),
            ("file-slash", "f/"),
            ("dot", "."),
            ("a/parent", ".."),
            ("chain", "to-to-f"),
            ("to-to-f", "to-f"),
            ("dangling", "nothing"),
            ("loop", "loop"),
            ("loop-a", "loop-b"),
            ("loop-b", "loop-a"),
            ("out", "../outside/secret"),
            ("out-dir", "../outside"),
            ("out-and-in", "../root/f"),
            ("a/far-out", "../../../../../../../../etc/passwd"),
            ("a/b/out", "../../../outside/secret"),
            ("absolute", "/etc/passwd"),
            ("proc", "/proc/self/root"),
            ("through-out", "out-dir/secret"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        symlink(root.join("f"), root.join("absolute-in")).unwrap();
    }

    fn read(file: rustix::io::Result<OwnedFd>) -> Result<String, Errno> {
        let file = File::from(file?);
        if file.metadata().unwrap().is_dir() { Ok("dir".into()) } else { Ok(std::io::read_to_string(file).unwrap()) }
    }

    #[test]
    fn links_inside_are_followed_and_links_out_are_not() {
        let dir = tempfile::tempdir().unwrap();
        tree(dir.path());
        let root = openat(CWD, dir.path().join("root"), SEARCH, Mode::empty()).unwrap();
        for (path, expected) in [
            ("f", Ok("f")),
            (".", Ok("dir")),
            ("a", Ok("dir")),
            ("a/b/g", Ok("g")),
            ("to-f", Ok("f")),
            ("to-a", Ok("dir")),
            ("to-a/b/g", Ok("g")),
            ("to-g", Ok("g")),
            ("a/up-f", Ok("f")),
            ("to-a/up-f", Ok("f")),
            ("a/b/up-up-f", Ok("f")),
            ("to-a/b/up-up-f", Ok("f")),
            ("a/b/zigzag", Ok("f")),
            ("a/slash", Ok("dir")),
            ("a/slash/g", Ok("g")),
            ("file-slash", Err(Errno::NOTDIR)),
            ("dot/f", Ok("f")),
            ("a/parent", Ok("dir")),
            ("a/parent/f", Ok("f")),
            ("chain", Ok("f")),
            ("dangling", Err(Errno::NOENT)),
            ("loop", Err(Errno::LOOP)),
            ("loop-a/x", Err(Errno::LOOP)),
            ("none/x", Err(Errno::NOENT)),
            ("f/x", Err(Errno::NOTDIR)),
            ("out", Err(Errno::XDEV)),
            ("out-dir", Err(Errno::XDEV)),
            ("out-dir/secret", Err(Errno::XDEV)),
            ("through-out", Err(Errno::XDEV)),
            ("out-and-in", Err(Errno::XDEV)),
            ("a/far-out", Err(Errno::XDEV)),
            ("a/b/out", Err(Errno::XDEV)),
            ("absolute", Err(Errno::XDEV)),
            ("absolute-in", Err(Errno::XDEV)),
            ("proc/etc/passwd", Err(Errno::XDEV)),
            ("..", Err(Errno::XDEV)),
            ("../outside/secret", Err(Errno::XDEV)),
            ("a/../../outside/secret", Err(Errno::XDEV)),
        ] {
            let expected = expected.map(String::from);
            assert_eq!(read(open(&root, path.as_bytes())), expected, "walk {path}");
            #[cfg(target_os = "linux")]
            {
                use rustix::fs::{ResolveFlags, openat2};
                let resolve = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
                assert_eq!(read(openat2(&root, path, READ, Mode::empty(), resolve)), expected, "openat2 {path}");
            }
        }
    }

    #[test]
    fn a_directory_that_may_not_be_listed_can_be_crossed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("closed")).unwrap();
        fs::write(dir.path().join("closed/f"), "f").unwrap();
        fs::set_permissions(dir.path().join("closed"), fs::Permissions::from_mode(0o111)).unwrap();
        let root = openat(CWD, dir.path(), SEARCH, Mode::empty()).unwrap();
        assert_eq!(read(open(&root, b"closed/f")), Ok("f".into()));
    }

    #[test]
    fn nothing_waits_for_the_other_end_of_a_pipe() {
        let dir = tempfile::tempdir().unwrap();
        let root = openat(CWD, dir.path(), SEARCH, Mode::empty()).unwrap();
        rustix::fs::mknodat(&root, "fifo", rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(open(&root, b"fifo").is_ok());
    }

    #[test]
    fn long_paths_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = openat(CWD, dir.path(), SEARCH, Mode::empty()).unwrap();
        assert_eq!(open(&root, &b"x/".repeat(4_000)).unwrap_err(), Errno::NAMETOOLONG);
        assert_eq!(open(&root, b"").unwrap_err(), Errno::NOENT);
    }
}
