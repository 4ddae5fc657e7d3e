//! How do other threads reach a loop that sleeps in the poller?
//!
//! They leave a [`Note`] in its [`Inbox`], which rings the poller once however many notes come before the loop looks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::client::Client;

/// What a loop is told.
#[derive(Debug)]
pub enum Note {
    /// A connection that another loop accepted.
    Welcome(Box<Client>),
    /// A worker is done with this connection for now.
    Back(usize, Box<Client>),
    /// A worker has ended this connection.
    Gone(usize),
    /// The waker of this connection was called.
    Wake(usize),
}

/// The way to a loop. There are never more notes than connections and wakers, so it needs no bound of its own.
#[derive(Debug)]
pub struct Inbox {
    sender: Sender<Note>,
    receiver: Receiver<Note>,
    waker: mio::Waker,
    rung: AtomicBool,
    /// Connections of the loop, for others to compare.
    load: AtomicUsize,
}

impl Inbox {
    /// The inbox of a loop; its poller reports `token` when there is something.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new(registry: &mio::Registry, token: mio::Token) -> io::Result<Arc<Self>> {
        let (sender, receiver) = unbounded();
        let waker = mio::Waker::new(registry, token)?;
        Ok(Arc::new(Self { sender, receiver, waker, rung: AtomicBool::new(false), load: AtomicUsize::new(0) }))
    }

    /// Leaves a note.
    pub fn send(&self, note: Note) {
        // It can only fail without a receiver, which lives as long as the inbox.
        let _ = self.sender.send(note);
        self.ring();
    }

    /// Wakes the loop.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // A poller that cannot be woken is gone, and its loop with it.
            let _ = self.waker.wake();
        }
    }

    /// The loop is about to look: what comes from now on rings again.
    pub fn silence(&self) {
        // A swap and not a store: whoever found the bell rung has left a note that the loop must see now.
        self.rung.swap(false, Ordering::AcqRel);
    }

    /// How many connections the loop has.
    pub fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Lets others know how many connections the loop has.
    pub fn set_load(&self, connections: usize) {
        self.load.store(connections, Ordering::Relaxed);
    }

    /// Notes that one more is on its way.
    pub fn expect(&self) {
        self.load.fetch_add(1, Ordering::Relaxed);
    }

    /// The next note.
    pub fn take(&self) -> Option<Note> {
        self.receiver.try_recv().ok()
    }
}

/// What wakes one connection of a loop.
#[derive(Debug)]
pub struct ConnectionWaker {
    inbox: Arc<Inbox>,
    token: usize,
    called: AtomicBool,
}

impl ConnectionWaker {
    /// A waker for the connection that the loop knows as `token`.
    pub fn new(inbox: Arc<Inbox>, token: usize) -> Arc<Self> {
        Arc::new(Self { inbox, token, called: AtomicBool::new(false) })
    }

    /// The connection is about to be looked at: calls from now on count again.
    pub fn rearm(&self) {
        // A swap for the same reason as in `Inbox::silence`.
        self.called.swap(false, Ordering::AcqRel);
    }

    /// The same for the application.
    pub fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }
}

impl Wake for ConnectionWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.called.swap(true, Ordering::AcqRel) {
            self.inbox.send(Note::Wake(self.token));
        }
    }
}
