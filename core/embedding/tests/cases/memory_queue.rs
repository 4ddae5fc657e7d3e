//! What does the driver of completions do over the worst of queues?
//!
//! A queue in memory that completes late, in part and last in, first out: a send takes [`MOST_SENT`] octets at most, a receive gives
//! [`MOST_RECEIVED`].

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use cherrystone_conformance::channel::{Channel, Connect, Received};
use cherrystone_core::gateway::PeerAddress;

use super::uring::queue::{Completion, Queue, Socket};

const MOST_SENT: usize = 1000;
const MOST_RECEIVED: usize = 700;

/// The server's side, and the way for clients.
pub(crate) fn queue() -> (MemoryQueue, Clients) {
    let world = Arc::new(World::default());
    (MemoryQueue { world: Arc::clone(&world), submitted: Vec::new() }, Clients { world })
}

#[derive(Default)]
struct World {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    arriving: VecDeque<Arc<Pipe>>,
    woken: bool,
}

impl World {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn tell(&self) {
        // Whoever looked before has to be asleep by now, or sees the news.
        drop(self.lock());
        self.news.notify_all();
    }
}

impl Wake for World {
    fn wake(self: Arc<Self>) {
        self.lock().woken = true;
        self.news.notify_all();
    }
}

/// A connection: two directions, each of which ends.
#[derive(Default)]
struct Pipe {
    flow: Mutex<Flow>,
}

#[derive(Default)]
struct Flow {
    to_server: VecDeque<u8>,
    client_ended: bool,
    to_client: VecDeque<u8>,
    server_ended: bool,
    /// Neither side wants to hear more.
    cut: bool,
    reset: bool,
}

enum Submission {
    Accept,
    Receive { key: usize, pipe: Arc<Pipe>, buffer: Vec<u8> },
    Send { key: usize, pipe: Arc<Pipe>, chunk: Vec<u8> },
}

pub(crate) struct MemoryQueue {
    world: Arc<World>,
    submitted: Vec<Submission>,
}

/// The server's end of a connection.
pub(crate) struct ServerEnd {
    pipe: Arc<Pipe>,
    world: Arc<World>,
}

impl MemoryQueue {
    /// What this submission has come to, or the submission itself if it has to wait.
    fn complete(&self, submission: Submission, state: &mut State) -> Result<Completion<ServerEnd>, Submission> {
        match submission {
            Submission::Accept => match state.arriving.pop_front() {
                Some(pipe) => Ok(Completion::Accepted(Ok(ServerEnd { pipe, world: Arc::clone(&self.world) }))),
                None => Err(submission),
            },
            Submission::Receive { key, pipe, mut buffer } => {
                let mut flow = pipe.flow.lock().unwrap();
                let n = flow.to_server.len().min(MOST_RECEIVED).min(buffer.len());
                if n == 0 && !flow.client_ended && !flow.cut {
                    drop(flow);
                    return Err(Submission::Receive { key, pipe, buffer });
                }
                flow.to_server.drain(..n).zip(&mut buffer).for_each(|(octet, place)| *place = octet);
                Ok(Completion::Received { key, result: Ok(n), buffer })
            }
            Submission::Send { key, pipe, chunk } => {
                let mut flow = pipe.flow.lock().unwrap();
                let n = chunk.len().min(MOST_SENT);
                flow.to_client.extend(&chunk[..n]);
                let result = if flow.cut { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(n) };
                Ok(Completion::Sent { key, result, chunk })
            }
        }
    }
}

impl Queue for MemoryQueue {
    type Socket = ServerEnd;

    fn accept(&mut self) {
        self.submitted.push(Submission::Accept);
    }

    fn receive(&mut self, key: usize, socket: &ServerEnd, buffer: Vec<u8>) {
        self.submitted.push(Submission::Receive { key, pipe: Arc::clone(&socket.pipe), buffer });
    }

    fn send(&mut self, key: usize, socket: &ServerEnd, chunk: Vec<u8>) {
        self.submitted.push(Submission::Send { key, pipe: Arc::clone(&socket.pipe), chunk });
    }

    fn wait(&mut self, at_most: Option<Duration>) -> io::Result<Vec<Completion<ServerEnd>>> {
        let until = at_most.map(|time| Instant::now() + time);
        let world = Arc::clone(&self.world);
        let mut state = world.lock();
        loop {
            let mut complete = Vec::new();
            // Last in, first out.
            for submission in std::mem::take(&mut self.submitted).into_iter().rev() {
                match self.complete(submission, &mut state) {
                    Ok(completion) => complete.push(completion),
                    Err(waits) => self.submitted.insert(0, waits),
                }
            }
            if std::mem::take(&mut state.woken) {
                complete.push(Completion::Woken);
            }
            let left = until.map_or(Duration::from_secs(1), |until| until.saturating_duration_since(Instant::now()));
            if !complete.is_empty() || left.is_zero() {
                world.news.notify_all();
                return Ok(complete);
            }
            state = world.news.wait_timeout(state, left).unwrap().0;
        }
    }

    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.world))
    }
}

impl ServerEnd {
    fn change(&self, change: impl FnOnce(&mut Flow)) {
        change(&mut self.pipe.flow.lock().unwrap());
        self.world.news.notify_all();
    }
}

impl Socket for ServerEnd {
    fn peer(&self) -> PeerAddress {
        PeerAddress::Unix(None)
    }

    fn end(&self) {
        self.change(|flow| flow.server_ended = true);
    }

    fn cut(&self) {
        self.change(|flow| (flow.server_ended, flow.cut) = (true, true));
    }

    fn reset(&self) {
        self.change(|flow| flow.reset = true);
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        self.change(|flow| (flow.server_ended, flow.cut) = (true, true));
    }
}

/// Connects clients.
pub(crate) struct Clients {
    world: Arc<World>,
}

impl Connect for Clients {
    fn connect(&self) -> io::Result<Box<dyn Channel>> {
        let pipe = Arc::new(Pipe::default());
        self.world.lock().arriving.push_back(Arc::clone(&pipe));
        self.world.news.notify_all();
        Ok(Box::new(ClientEnd { pipe, world: Arc::clone(&self.world) }))
    }
}

struct ClientEnd {
    pipe: Arc<Pipe>,
    world: Arc<World>,
}

impl Channel for ClientEnd {
    fn send(&mut self, bytes: &[u8], _: Duration) -> io::Result<usize> {
        let mut flow = self.pipe.flow.lock().unwrap();
        if flow.cut || flow.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        flow.to_server.extend(bytes);
        drop(flow);
        self.world.tell();
        Ok(bytes.len())
    }

    fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<Received> {
        let until = Instant::now() + wait;
        let mut state = self.world.lock();
        loop {
            let mut flow = self.pipe.flow.lock().unwrap();
            let n = flow.to_client.len().min(buffer.len());
            if n > 0 {
                flow.to_client.drain(..n).zip(buffer).for_each(|(octet, place)| *place = octet);
                return Ok(Received::Bytes(n));
            }
            if flow.reset {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            if flow.server_ended {
                return Ok(Received::End);
            }
            drop(flow);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Received::Nothing);
            }
            state = self.world.news.wait_timeout(state, left).unwrap().0;
        }
    }

    fn half_close(&mut self) -> io::Result<()> {
        self.pipe.flow.lock().unwrap().client_ended = true;
        self.world.tell();
        Ok(())
    }
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        self.pipe.flow.lock().unwrap().client_ended = true;
        self.world.tell();
    }
}
