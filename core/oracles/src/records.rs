//! What stands between a wire and a connection where there is no TLS?
//!
//! [`Records`], a [`Stage`] that does to buffers, readiness and ends what TLS does, and hides nothing: octets travel in records that
//! are masked, numbered and summed, behind a handshake, and a goodbye ends each side. [`Client`] is the other end of it.
//!
//! ```
//! use cherrystone_core::{RecvBuf, SendBuf, Stage, StageError};
//! use cherrystone_oracles::records::{Client, Records};
//!
//! let (mut client, mut server) = (Client::default(), Records::default());
//! let (mut wire, mut rx, mut out) = (RecvBuf::default(), RecvBuf::default(), SendBuf::default());
//! client.say(b"hello");
//! for _ in 0..2 {
//!     wire.push(&client.take_out());
//!     server.open(&mut wire, &mut rx, &mut out).unwrap();
//!     client.hear(out.unsent()).unwrap();
//!     out.advance(usize::MAX);
//! }
//! assert_eq!(rx.unread(), b"hello");
//! wire.push(b"what is no record");
//! assert_eq!(server.open(&mut wire, &mut rx, &mut out), Err(StageError::Failed));
//! ```
//!
//! Invariants:
//! 1. A record that was changed, left out, repeated or moved fails the stage: nothing of it, and nothing behind it, gets through.
//! 2. `open` takes one record of content at a time, so that there is something to resume whenever two have come.
//! 3. Nothing that was said is on the wire in clear.

use cherrystone_core::{PeerFacts, RecvBuf, SendBuf, Stage, StageError};

/// Octets in front of the payload of a record: kind, length, sum.
const HEADER: usize = 7;
/// Payload of a record at most.
const MOST: usize = 300;
/// Sealed output at which nothing more is sealed.
const MARK: usize = 2 << 10;
/// Octets of the server's part in the handshake.
const CREDENTIALS: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Hello,
    Finished,
    Content,
    Goodbye,
    Alert,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Hello, Self::Finished, Self::Content, Self::Goodbye, Self::Alert];
}

/// One direction.
#[derive(Debug)]
struct Flow {
    seed: u32,
    /// Records so far.
    records: u32,
}

impl Flow {
    const UP: Self = Self { seed: 0x5eed_0001, records: 0 };
    const DOWN: Self = Self { seed: 0x5eed_0002, records: 0 };

    fn write(&mut self, kind: Kind, payload: &[u8]) -> Vec<u8> {
        let mut record = vec![kind as u8];
        record.extend((payload.len() as u16).to_be_bytes());
        record.extend(self.sum(kind as u8, payload).to_be_bytes());
        record.extend(self.masked(payload));
        self.records += 1;
        record
    }

    /// The next record, and its length on the wire; `None` if it is incomplete.
    fn read(&mut self, octets: &[u8]) -> Result<Option<(Kind, Vec<u8>, usize)>, StageError> {
        let Some(([kind, high, low, sum @ ..], rest)) = octets.split_first_chunk::<HEADER>() else { return Ok(None) };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let known = Kind::ALL.get(usize::from(*kind)).filter(|_| len <= MOST).ok_or(StageError::Failed)?;
        let Some(masked) = rest.get(..len) else { return Ok(None) };
        let payload = self.masked(masked);
        if self.sum(*kind, &payload).to_be_bytes() != *sum {
            return Err(StageError::Failed);
        }
        self.records += 1;
        Ok(Some((*known, payload, HEADER + len)))
    }

    fn masked(&self, octets: &[u8]) -> Vec<u8> {
        let mut mask = Fnv(self.seed).with(&self.records.to_be_bytes());
        octets.iter().map(|octet| octet ^ mask.next()).collect()
    }

    fn sum(&self, kind: u8, payload: &[u8]) -> u32 {
        Fnv(self.seed).with(&self.records.to_le_bytes()).with(&[kind]).with(payload).0
    }
}

/// A sum that each octet has a part in (FNV-1a).
struct Fnv(u32);

impl Fnv {
    fn with(mut self, octets: &[u8]) -> Self {
        octets.iter().for_each(|octet| self.0 = (self.0 ^ u32::from(*octet)).wrapping_mul(0x0100_0193));
        self
    }

    fn next(&mut self) -> u8 {
        self.0 = (self.0 ^ 0x9d).wrapping_mul(0x0100_0193);
        (self.0 >> 24) as u8
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing of the handshake has come.
    Fresh,
    /// It is under way.
    Greeted,
    Open,
    /// Nothing is read or written any more.
    Over,
}

/// The server's end.
#[derive(Debug)]
pub struct Records {
    state: State,
    up: Flow,
    down: Flow,
    /// Whether the client has said goodbye.
    has_left: bool,
    facts: Option<PeerFacts>,
}

impl Default for Records {
    fn default() -> Self {
        Self { state: State::Fresh, up: Flow::UP, down: Flow::DOWN, has_left: false, facts: None }
    }
}

impl Records {
    /// Takes one record; says whether another one may be taken with it.
    fn take(&mut self, wire: &mut RecvBuf, rx: &mut RecvBuf, out: &mut SendBuf) -> Result<bool, StageError> {
        let Some((kind, payload, len)) = self.up.read(wire.unread())? else { return Ok(false) };
        wire.consume(len);
        match (self.state, kind) {
            (State::Fresh, Kind::Hello) => {
                out.put(&self.down.write(Kind::Hello, &[0; CREDENTIALS]));
                self.state = State::Greeted;
            }
            (State::Greeted, Kind::Finished) => {
                let mut facts = PeerFacts::default();
                facts.protocol = "records".into();
                self.facts = Some(facts);
                self.state = State::Open;
            }
            (State::Open, Kind::Content) => {
                rx.push(&payload);
                return Ok(false);
            }
            (State::Open, Kind::Goodbye) => {
                self.has_left = true;
                rx.close();
            }
            _ => return Err(StageError::Failed),
        }
        Ok(!self.has_left)
    }
}

impl Stage for Records {
    fn open(&mut self, wire: &mut RecvBuf, rx: &mut RecvBuf, out: &mut SendBuf) -> Result<(), StageError> {
        let is_deaf = self.has_left || self.state == State::Over;
        if is_deaf {
            wire.consume(usize::MAX);
        }
        let before = wire.unread().len();
        loop {
            match if is_deaf { Ok(false) } else { self.take(wire, rx, out) } {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    out.put(&self.down.write(Kind::Alert, b""));
                    return Err(if self.state == State::Fresh { StageError::WrongProtocol } else { error });
                }
            }
        }
        // Another record may be there as long as one was taken.
        if wire.is_closed() && before == wire.unread().len() {
            match self.state {
                State::Open if !wire.is_empty() => return Err(StageError::Truncated),
                State::Greeted => return Err(StageError::Truncated),
                State::Fresh if !wire.is_empty() => return Err(StageError::Truncated),
                _ => rx.close(),
            }
        }
        Ok(())
    }

    fn seal(&mut self, tx: &mut SendBuf, out: &mut SendBuf) -> Result<(), StageError> {
        while self.state == State::Open && !tx.is_empty() && out.len() < MARK {
            let n = tx.len().min(MOST);
            out.put(&self.down.write(Kind::Content, &tx.unsent()[..n]));
            tx.advance(n);
        }
        Ok(())
    }

    fn close(&mut self, out: &mut SendBuf) {
        if self.state == State::Open {
            out.put(&self.down.write(Kind::Goodbye, b""));
            self.state = State::Over;
        }
    }

    fn is_handshaking(&self) -> bool {
        matches!(self.state, State::Fresh | State::Greeted)
    }

    fn facts(&self) -> Option<&PeerFacts> {
        self.facts.as_ref()
    }
}

/// The client's end.
#[derive(Debug)]
pub struct Client {
    state: State,
    up: Flow,
    down: Flow,
    /// What is to go on the wire.
    out: Vec<u8>,
    /// What is said before the handshake is over.
    held: Vec<u8>,
    leaves: bool,
    /// What came and is no whole record.
    rest: Vec<u8>,
    /// Whether the server has said goodbye.
    was_left: bool,
}

impl Default for Client {
    /// One that has greeted.
    fn default() -> Self {
        let mut up = Flow::UP;
        let out = up.write(Kind::Hello, b"whoever it may be");
        let (held, rest) = (Vec::new(), Vec::new());
        Self { state: State::Greeted, up, down: Flow::DOWN, out, held, leaves: false, rest, was_left: false }
    }
}

impl Client {
    /// Says something, once the handshake is over.
    pub fn say(&mut self, octets: &[u8]) {
        self.held.extend_from_slice(octets);
        self.go_on();
    }

    /// Says goodbye behind all that was said.
    pub fn leave(&mut self) {
        self.leaves = true;
        self.go_on();
    }

    fn go_on(&mut self) {
        if self.state == State::Open {
            for part in std::mem::take(&mut self.held).chunks(MOST) {
                self.out.extend(self.up.write(Kind::Content, part));
            }
            if self.leaves {
                self.out.extend(self.up.write(Kind::Goodbye, b""));
                self.state = State::Over;
            }
        }
    }

    /// What is to go on the wire now.
    pub fn take_out(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Hears what came over the wire; what was said in it.
    ///
    /// # Errors
    /// It is no sequence of records, something follows the goodbye, or the server alerts.
    pub fn hear(&mut self, octets: &[u8]) -> Result<Vec<u8>, StageError> {
        self.rest.extend_from_slice(octets);
        let mut said = Vec::new();
        while let Some((kind, payload, len)) = self.down.read(&self.rest)? {
            self.rest.drain(..len);
            match kind {
                Kind::Hello if self.state == State::Greeted => {
                    self.out.extend(self.up.write(Kind::Finished, b""));
                    self.state = State::Open;
                    self.go_on();
                }
                Kind::Content if !self.was_left => said.extend(payload),
                Kind::Goodbye if !self.was_left => self.was_left = true,
                _ => return Err(StageError::Failed),
            }
        }
        Ok(said)
    }

    /// Whether something that was said waits for the handshake.
    pub fn holds(&self) -> bool {
        !self.held.is_empty() || self.leaves && self.state != State::Over
    }

    /// Whether the server has said goodbye, and nothing was left over.
    pub fn was_left(&self) -> bool {
        self.was_left && self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that a client says, over a wire of which one octet is changed; what gets through, and how that ends.
    fn through(said: &[u8], damage: Option<(usize, u8)>) -> (Vec<u8>, Result<(), StageError>) {
        let (mut client, mut server) = (Client::default(), Records::default());
        let (mut wire, mut rx, mut out) = (RecvBuf::default(), RecvBuf::default(), SendBuf::default());
        client.say(said);
        client.leave();
        let mut passed = 0;
        for _ in 0..4 {
            let mut octets = client.take_out();
            if let Some((at, change)) = damage
                && let Some(octet) = at.checked_sub(passed).and_then(|at| octets.get_mut(at))
            {
                *octet ^= change;
            }
            passed += octets.len();
            assert!(said.len() < 9 || !octets.windows(9).any(|window| said.starts_with(window)), "it is in clear");
            wire.push(&octets);
            while !wire.is_empty() {
                let before = wire.unread().len();
                if let Err(error) = server.open(&mut wire, &mut rx, &mut out) {
                    return (rx.unread().to_vec(), Err(error));
                }
                if before == wire.unread().len() {
                    break;
                }
            }
            assert_eq!(client.hear(out.unsent()), Ok(Vec::new()));
            out.advance(usize::MAX);
        }
        wire.close();
        let ended = server.open(&mut wire, &mut rx, &mut out);
        assert!(ended.is_err() || rx.is_closed());
        (rx.unread().to_vec(), ended)
    }

    #[test]
    fn what_is_said_gets_through_and_what_was_damaged_does_not() {
        let said = b"something that takes more than one record".repeat(20);
        assert_eq!(through(&said, None), (said.clone(), Ok(())));
        let len = 2 * HEADER + 17 + said.len() + said.len().div_ceil(MOST) * HEADER;
        for at in 0..len {
            for change in [1, 0x80, 0xff] {
                let (heard, ended) = through(&said, Some((at, change)));
                assert!(ended.is_err() && said.starts_with(&heard), "octet {at} changed by {change}: {ended:?}");
                assert!(heard.len() < said.len(), "octet {at} changed by {change} makes no difference");
            }
        }
    }

    #[test]
    fn an_end_without_goodbye_is_one_between_records_alone() {
        for (cut, expected) in [(0, Ok(())), (1, Err(StageError::Truncated))] {
            let (mut client, mut server) = (Client::default(), Records::default());
            let (mut wire, mut rx, mut out) = (RecvBuf::default(), RecvBuf::default(), SendBuf::default());
            client.say(b"hello");
            wire.push(&client.take_out());
            server.open(&mut wire, &mut rx, &mut out).unwrap();
            client.hear(out.unsent()).unwrap();
            let octets = client.take_out();
            wire.push(&octets[..octets.len() - cut]);
            wire.close();
            let opened =
                server.open(&mut wire, &mut rx, &mut out).and_then(|()| server.open(&mut wire, &mut rx, &mut out));
            assert_eq!((opened, rx.is_closed()), (expected, expected.is_ok()));
        }
    }
}
