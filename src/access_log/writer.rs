//! How do lines get from many threads to one file?
//!
//! Through a [`Queue`]: a buffer that threads append to and one writer swaps for an empty one. The writer lets lines gather for a
//! moment before it writes, so that a busy server costs it few system calls and the threads no wake-up for each line.
//!
//! Invariants:
//! 1. The lock is held for a copy of a line or a swap, never while something is written.
//! 2. A line is in the file whole or, if writing failed in its midst, ends there: no line begins in the midst of another.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Octets of lines that wait at most.
const ROOM: usize = 1 << 20;
/// How long lines gather before they are written.
const GATHER: Duration = Duration::from_millis(20);

/// Where lines go.
pub(super) enum Target {
    File(PathBuf, File),
    Other(Box<dyn Write + Send>),
}

impl Target {
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        Ok(Self::File(path.to_owned(), open(path)?))
    }

    fn out(&mut self) -> &mut dyn Write {
        match self {
            Self::File(_, file) => file,
            Self::Other(out) => out,
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Self::File(path, file) = self {
            *file = open(path)?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// The way to a writer, which ends with it.
#[derive(Debug)]
pub(super) struct Feed(Arc<Queue>);

/// What threads and the writer share.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// There is something to do for the writer.
    work: Condvar,
    /// A batch is done.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    dropped: u64,
    reopen: bool,
    /// Somebody waits for what there is: gathering is over.
    hurry: bool,
    /// Nobody adds lines any more.
    over: bool,
    /// The writer has taken lines and not yet written them.
    writing: bool,
}

/// Starts a writer.
pub(super) fn start(target: Target) -> io::Result<Feed> {
    let queue = Arc::new(Queue::default());
    let mut writer = Writer { queue: Arc::clone(&queue), target, torn: false, outage: None, reported: 0 };
    std::thread::Builder::new().name("cherrystone-log".into()).spawn(move || writer.run())?;
    Ok(Feed(queue))
}

impl Feed {
    /// Leaves a line, or drops it if there is no room.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.0.lock();
        if state.lines.len() + line.len() > ROOM {
            state.dropped += 1;
            return;
        }
        let before = state.lines.len();
        state.lines.extend_from_slice(line);
        let half = before < ROOM / 2 && state.lines.len() >= ROOM / 2;
        state.hurry |= half;
        drop(state);
        if before == 0 || half {
            self.0.work.notify_one();
        }
    }

    pub(super) fn reopen(&self) {
        self.0.lock().reopen = true;
        self.0.work.notify_one();
    }

    pub(super) fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// Waits until the lines so far were taken care of, or the time is over. Says whether they were.
    pub(super) fn flush(&self, within: Duration) -> bool {
        let ends = Instant::now().checked_add(within);
        let mut state = self.0.lock();
        while !state.lines.is_empty() || state.writing {
            state.hurry = true;
            self.0.work.notify_one();
            let left = ends.map_or(within, |ends| ends.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            state = self.0.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.work.notify_one();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No panic is possible while the lock is held, so a poisoned one holds nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines, then for more of them; swaps them for the empty `batch`. Says whether the file is to be opened anew, and
    /// how many lines were dropped so far; `None` at the end.
    fn take(&self, batch: &mut Vec<u8>) -> Option<(bool, u64)> {
        let mut state = self.lock();
        state.writing = false;
        self.done.notify_all();
        while state.lines.is_empty() && !state.reopen {
            if state.over {
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.hurry && !state.over && !state.reopen {
            let waiting = |state: &mut State| !(state.hurry || state.over || state.reopen);
            let waited = self.work.wait_timeout_while(state, GATHER, waiting);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.hurry = false;
        state.writing = true;
        std::mem::swap(&mut state.lines, batch);
        Some((std::mem::take(&mut state.reopen), state.dropped))
    }
}

/// The thread that writes.
struct Writer {
    queue: Arc<Queue>,
    target: Target,
    /// The last line that was written is incomplete.
    torn: bool,
    /// What writing fails for, since it does.
    outage: Option<io::ErrorKind>,
    /// Dropped lines that were reported.
    reported: u64,
}

impl Writer {
    fn run(&mut self) {
        let mut batch = Vec::new();
        while let Some((reopen, dropped)) = self.queue.take(&mut batch) {
            if reopen && let Err(error) = self.target.reopen() {
                report(format_args!(
                    "the access log cannot be opened anew, so lines go on to the file that it was: {error}"
                ));
            }
            match self.write(&batch) {
                Ok(()) => self.succeeded(dropped),
                Err((written, error)) => {
                    let lost = batch[written..].iter().filter(|octet| **octet == b'\n').count() as u64;
                    self.torn |= written > 0 && batch[written - 1] != b'\n';
                    self.queue.lock().dropped += lost;
                    self.failed(&error);
                }
            }
            batch.clear();
        }
    }

    /// Writes all, or says how much was written before it failed.
    fn write(&mut self, batch: &[u8]) -> Result<(), (usize, io::Error)> {
        let out = self.target.out();
        if self.torn {
            out.write_all(b"\n").map_err(|error| (0, error))?;
            self.torn = false;
        }
        let mut written = 0;
        while written < batch.len() {
            match out.write(&batch[written..]) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        out.flush().map_err(|error| (written, error))
    }

    fn failed(&mut self, error: &io::Error) {
        if self.outage.replace(error.kind()).is_none() {
            report(format_args!("the access log cannot be written, lines are dropped: {error}"));
        }
    }

    fn succeeded(&mut self, dropped: u64) {
        let lost = dropped - self.reported;
        if self.outage.take().is_some() {
            report(format_args!("the access log is written again; {lost} lines were dropped"));
        } else if lost > 0 {
            report(format_args!("the access log did not keep up; {lost} lines were dropped"));
        }
        self.reported = dropped;
    }
}

/// Tells the operator; who has no standard error is not told.
fn report(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "cherrystone: {what}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Takes what it is allowed to.
    struct Disk {
        room: Arc<Mutex<usize>>,
        seen: Arc<Mutex<Vec<u8>>>,
        gate: Option<mpsc::Receiver<()>>,
    }

    impl Write for Disk {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            if let Some(gate) = &self.gate {
                let _ = gate.recv();
            }
            let mut room = self.room.lock().unwrap();
            let n = data.len().min(*room);
            if n == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *room -= n;
            self.seen.lock().unwrap().extend_from_slice(&data[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(10);

    type Guarded<T> = Arc<Mutex<T>>;

    fn disk(room: usize, gate: Option<mpsc::Receiver<()>>) -> (Feed, Guarded<usize>, Guarded<Vec<u8>>) {
        let (room, seen) = (Arc::new(Mutex::new(room)), Arc::default());
        let disk = Disk { room: Arc::clone(&room), seen: Arc::clone(&seen), gate };
        (start(Target::Other(Box::new(disk))).unwrap(), room, seen)
    }

    #[test]
    fn a_full_disk_loses_lines_and_tears_none() {
        let (feed, room, seen) = disk(6, None);
        ["one\n", "two\n", "three\n"].iter().for_each(|line| feed.push(line.as_bytes()));
        assert!(feed.flush(LONG));
        assert_eq!(feed.dropped(), 2);
        *room.lock().unwrap() = usize::MAX;
        feed.push(b"four\n");
        assert!(feed.flush(LONG));
        assert_eq!(*seen.lock().unwrap(), b"one\ntw\nfour\n");
    }

    #[test]
    fn a_disk_that_hangs_holds_nobody_up() {
        let (open, gate) = mpsc::channel();
        let (feed, _, seen) = disk(usize::MAX, Some(gate));
        let line = [b'x'; 1023].iter().chain(b"\n").copied().collect::<Vec<u8>>();
        for _ in 0..4096 {
            feed.push(&line);
        }
        let dropped = feed.dropped();
        assert!(dropped >= 2048, "{dropped}");
        assert!(!feed.flush(Duration::from_millis(20)));
        drop(open);
        assert!(feed.flush(LONG));
        assert_eq!(seen.lock().unwrap().len() as u64, (4096 - feed.dropped()) * 1024);
    }

    #[test]
    fn what_is_left_at_the_end_is_written() {
        let (feed, _, seen) = disk(usize::MAX, None);
        feed.push(b"last\n");
        drop(feed);
        let ends = Instant::now() + LONG;
        while seen.lock().unwrap().is_empty() && Instant::now() < ends {
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(*seen.lock().unwrap(), b"last\n");
    }
}
