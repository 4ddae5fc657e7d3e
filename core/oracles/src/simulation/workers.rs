//! How do handlers run on workers without threads?
//!
//! Each in a coroutine, which the [`Crew`] resumes when what it waits for has come, or its deadline. So the order in which workers
//! get on is the world's to choose, and the same in each replay.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use corosensei::{Coroutine, CoroutineResult};

use super::agenda::{Agenda, Due, MS};
use super::driver::Driver;
use super::served::{BlockingPort, Resumed, Served, Side, Wait};

type Job = Coroutine<Resumed, Wait, Box<Served>>;

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
                if let CoroutineResult::Return(served) = busy.job.resume(Resumed::Abandoned) {
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
        let job = Coroutine::new(move |yielder, _| {
            served.handle(&*app, &peer, |served, handle| handle(&mut BlockingPort { served, yielder }));
            served
        });
        self.crew.busy.push(Busy { key, job, wait: Wait { side: Side::Nobody, until: None } });
        self.resume(key, agenda);
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
        let busy = &mut self.crew.busy[at];
        match busy.job.resume(Resumed::News) {
            CoroutineResult::Yield(wait) => {
                busy.wait = wait;
                if let Some(until) = wait.until {
                    agenda.at(until, Due::Expire(key, until));
                }
            }
            CoroutineResult::Return(served) => {
                self.crew.busy.swap_remove(at);
                agenda.soon(MS, Due::Work);
                let around = Rc::clone(&served.around);
                if around.stopping.get() {
                    let mut served = served;
                    served.link.conn.retire();
                    return self.take_back(served, agenda);
                }
                self.take_back(served, agenda);
            }
        }
    }
}
