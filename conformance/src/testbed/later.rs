//! How does the testbed do something later without a thread for each thing?
//!
//! One thread, started when it is first needed, keeps what is to be done in order of time.

use std::collections::BinaryHeap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

type Deed = Box<dyn FnOnce() + Send>;

/// A timer for the gateway's own use.
#[derive(Clone, Debug, Default)]
pub(super) struct Later {
    sender: Arc<OnceLock<Sender<Entry>>>,
}

struct Entry {
    at: Instant,
    deed: Deed,
}

impl Later {
    /// Does something after a while.
    pub(super) fn run(&self, after: Duration, deed: impl FnOnce() + Send + 'static) {
        let sender = self.sender.get_or_init(|| {
            let (sender, receiver) = channel();
            std::thread::spawn(move || keep_time(&receiver));
            sender
        });
        // It can only fail if the thread has died of a deed that panicked; then the deed is dropped.
        let _ = sender.send(Entry { at: Instant::now() + after, deed: Box::new(deed) });
    }
}

fn keep_time(receiver: &Receiver<Entry>) {
    let mut entries = BinaryHeap::new();
    loop {
        while entries.peek().is_some_and(|first: &Entry| first.at <= Instant::now()) {
            entries.pop().into_iter().for_each(|first| (first.deed)());
        }
        let wait = entries
            .peek()
            .map_or(Duration::from_secs(3600), |first| first.at.saturating_duration_since(Instant::now()));
        match receiver.recv_timeout(wait) {
            Ok(entry) => entries.push(entry),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// The soonest is the greatest.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.at.cmp(&self.at)
    }
}
