//! Where do the testbed's long answers, and its other protocol, come from?

use std::task::Waker;
use std::time::{Duration, Instant};

use cherrystone::gateway::{ChunkOut, Failure, Progress, Source, Upgrade};
use cherrystone::{RecvBuf, SendBuf, Size};

use super::later::Later;

const PIECE: usize = 64 << 10;

/// The octets 0 to 250 over and over: a length that no power of two divides, so that shifted pieces show.
static OCTETS: [u8; PIECE + 251] = {
    let mut octets = [0; PIECE + 251];
    let mut i = 0;
    while i < octets.len() {
        octets[i] = (i % 251) as u8;
        i += 1;
    }
    octets
};

/// Known content, of a size or without end.
pub(super) struct Pattern {
    at: u64,
    size: Option<u64>,
}

impl Pattern {
    pub(super) fn endless() -> Self {
        Self { at: 0, size: None }
    }

    pub(super) fn of(size: u64) -> Self {
        Self { at: 0, size: Some(size) }
    }
}

impl Source for Pattern {
    fn next(&mut self, out: &mut ChunkOut<'_>, _: &Waker) -> Result<Progress, Failure> {
        let left = self.size.map_or(u64::MAX, |size| size - self.at);
        let len = left.min(PIECE as u64) as usize;
        out.write(&OCTETS[(self.at % 251) as usize..][..len])?;
        self.at += len as u64;
        Ok(if left == len as u64 { Progress::End } else { Progress::More })
    }

    fn size(&self) -> Size {
        self.size.map_or(Size::Unknown, Size::Exact)
    }
}

/// A line each second.
pub(super) struct Drip {
    later: Later,
    due: Instant,
}

impl Drip {
    pub(super) fn new(later: Later) -> Self {
        Self { later, due: Instant::now() }
    }
}

impl Source for Drip {
    fn next(&mut self, out: &mut ChunkOut<'_>, waker: &Waker) -> Result<Progress, Failure> {
        if Instant::now() >= self.due {
            out.write(b"drip\n")?;
            self.due += Duration::from_secs(1);
        }
        let waker = waker.clone();
        self.later.run(self.due.saturating_duration_since(Instant::now()), move || waker.wake());
        Ok(Progress::Later)
    }
}

/// Sends back every octet until the client ends.
pub(super) struct Echo;

impl Upgrade for Echo {
    fn ready(&mut self, rx: &mut RecvBuf, tx: &mut SendBuf, _: &Waker) -> Result<Progress, Failure> {
        tx.put(rx.unread());
        rx.consume(usize::MAX);
        Ok(if rx.is_closed() { Progress::End } else { Progress::More })
    }
}
