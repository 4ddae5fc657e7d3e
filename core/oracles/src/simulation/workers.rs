//! How do handlers run on workers without threads?
//!
//! Each in a coroutine, which the [`Crew`] resumes when what it waits for has come, or its deadline. So the order in which workers
//! get on is the world's to choose, and the same in each replay. A worker runs one handler, or serves the connection.

use std::collections::VecDeque;
use std::sync::Arc;

use corosensei::{Coroutine, CoroutineResult};

use super::agenda::{Agenda, Due, MS};
use super::driver::Driver;
use super::served::{BlockingPort, Resumed, Served, Side, Wait};
use super::serving::{Fate, Serving};

type Job = Coroutine<Resumed, Wait, (Box<Served>, Fate)>;

/// The workers.
pub(super) struct Crew {
    workers: usize,
    busy: Vec<Busy>,
    returned: VecDeque<Box<Served>>,
}

struct Busy {
    key: usize,
    job: Job,
    wait: Wait,
}

impl Crew {
    pub(super) fn new(workers: usize) -> Self {
        Self { workers, busy: Vec::new(), returned: VecDeque::new() }
    }

    /// The socket of a connection that a worker may have is ready.
    pub(super) fn nudge(&self, key: usize, agenda: &mut Agenda) {
        if self.busy.iter().any(|busy| busy.key == key && busy.wait.side != Side::Nobody) {
            agenda.soon(MS / 10, Due::Resume(key));
        }
    }

    /// Ends all jobs: what they wait for fails.
    pub(super) fn abandon(&mut self) {
        for mut busy in self.busy.drain(..) {
            loop {
                if let CoroutineResult::Return((served, _)) = busy.job.resume(Resumed::Abandoned) {
                    self.returned.push_back(served);
                    break;
                }
            }
        }
    }

    /// What came back from jobs that were ended.
    pub(super) fn returned(&mut self) -> VecDeque<Box<Served>> {
        std::mem::take(&mut self.returned)
    }

    /// The idle connection that a worker stays with, if one does.
    pub(super) fn stays_with(&self) -> Option<usize> {
        self.busy.iter().find(|busy| busy.wait.side == Side::Idle).map(|busy| busy.key)
    }

    /// Whether no job is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.busy.is_empty()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl Driver {
    /// A free worker takes the next job.
    pub(super) fn work(&mut self, agenda: &mut Agenda) {
        if self.crew.busy.len() >= self.crew.workers {
            return;
        }
        let Some(mut served) = self.queue.pop_front() else { return };
        let (key, app, peer) = (served.key, Arc::clone(&self.app), self.peer.clone());
        let (rung, serves) = (Arc::clone(&self.rung), self.serves);
        let job = Coroutine::new(move |yielder, _| {
            let fate = if serves {
                Serving { served: &mut served, yielder, app: &app, peer: &peer, rung: &rung }.serve()
            } else {
                served.handle(&*app, &peer, |served, handle| handle(&mut BlockingPort { served, yielder }));
                Fate::Park
            };
            (served, fate)
        });
        self.crew.busy.push(Busy { key, job, wait: Wait { side: Side::Nobody, until: None } });
        self.resume(key, agenda);
    }

    /// Lets everybody know how many jobs wait, and how many workers.
    pub(super) fn count_jobs(&self) {
        self.around.queued.set(self.queue.len());
        self.around.idle.set(self.crew.workers.saturating_sub(self.crew.busy.len() + self.queue.len()));
    }

    /// The wait of a job ends, if it is still the one that was to end now.
    pub(super) fn expire(&mut self, key: usize, until: u64, agenda: &mut Agenda) {
        if self.crew.busy.iter().any(|busy| busy.key == key && busy.wait.until == Some(until)) {
            self.resume(key, agenda);
        }
    }

    /// The job of this connection goes on, if there is one.
    pub(super) fn resume(&mut self, key: usize, agenda: &mut Agenda) {
        let Some(at) = self.crew.busy.iter().position(|busy| busy.key == key) else { return };
        self.count_jobs();
        let busy = &mut self.crew.busy[at];
        match busy.job.resume(Resumed::News) {
            CoroutineResult::Yield(wait) => {
                busy.wait = wait;
                if let Some(until) = wait.until {
                    agenda.at(until, Due::Expire(key, until));
                }
            }
            CoroutineResult::Return((mut served, fate)) => {
                self.crew.busy.swap_remove(at);
                agenda.soon(MS, Due::Work);
                if self.around.stopping.get() {
                    served.link.conn.retire();
                }
                match fate {
                    Fate::Park => self.take_back(served, agenda),
                    Fate::Requeue => self.enqueue(served, agenda),
                    Fate::Drop(hopeless) => self.remove(*served, hopeless, agenda),
                }
            }
        }
    }
}
