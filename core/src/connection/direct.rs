//! How does content reach its reader without passing the receive buffer?
//!
//! Content of announced length needs no look at its octets, so a driver may have the socket write it where it is wanted. A [`Link`] makes
//! room there, and is told what came; `poll` goes on as if it had reported it.
//!
//! ```
//! use cherrystone_core::{Config, Env, Event, Instant, Link};
//!
//! let config = Config::default();
//! let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
//! let mut link = Link::new(&env, None);
//! link.rx.push(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
//! assert!(matches!(link.conn.poll(&env, &mut link.rx), Ok(Event::Request(_))));
//!
//! let mut content = Vec::new();
//! assert!(link.make_room(&mut content, 64 << 10));
//! content.extend(b"hello"); // what a read into the spare capacity does
//! link.received_into(&env, &mut content, 0);
//! assert!(matches!(link.conn.poll(&env, &mut link.rx), Ok(Event::End(_))));
//! ```
//!
//! Invariants:
//! 1. What comes directly is content of the request under way, within its limit; octets behind it are in the buffer afterwards.
//! 2. Limits, paces, offsets and events are the same whichever way content comes, but that nothing is reported twice.

use alloc::vec::Vec;

use super::receive::Receive;
use super::{Closing, Connection, Reply};
use crate::{Env, Link, RecvBuf};

/// Octets of room at the least, if more is missing; and what there may be too much of it.
const ROOM: usize = 64 << 10;

impl Connection {
    /// Octets that may be read past `rx`: what is missing of content of announced length, as long as none of it is unread, it is within its
    /// limit, and the answer is not complete.
    pub fn direct(&self, rx: &RecvBuf) -> u64 {
        let is_open = self.closing == Closing::Open && self.reply != Reply::Done && rx.is_empty() && !rx.is_closed();
        match self.receive {
            Receive::Length(missing) if is_open && missing <= self.budget => missing,
            _ => 0,
        }
    }

    /// `octets` of content came past the buffer, at most as many as [`direct`](Self::direct) said; more do not count.
    pub fn came(&mut self, env: &Env<'_>, octets: u64) {
        let Receive::Length(missing) = &mut self.receive else { return };
        let octets = octets.min(*missing);
        *missing -= octets;
        self.budget = self.budget.saturating_sub(octets);
        self.offset += octets;
        self.request.waits_for_continue = false;
        self.body_pace.earn(usize::try_from(octets).unwrap_or(usize::MAX), env.now, env.config.timeouts.body);
        self.seen = 0;
    }
}

impl Link {
    /// Makes room in `content` for what is missing of content of announced length, for `most` octets at a time, and says whether the
    /// socket may be read straight into its spare capacity: not with a stage, nor where there is much more room than content. Follow with
    /// [`received_into`](Self::received_into).
    pub fn make_room(&self, content: &mut Vec<u8>, most: usize) -> bool {
        let missing = if self.is_secured() { 0 } else { self.conn.direct(&self.rx) };
        if missing == 0 {
            return false;
        }
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        // One more than is missing: a read that does not fill its room has emptied the socket.
        let wanted = missing.saturating_add(1).min(most);
        if content.capacity() - content.len() < wanted.min(ROOM) {
            content.reserve_exact(wanted);
        }
        (1..=missing.saturating_add(ROOM)).contains(&(content.capacity() - content.len()))
    }

    /// The socket appended octets to `content`, which was `before` long. Those behind the content go to `rx`.
    pub fn received_into(&mut self, env: &Env<'_>, content: &mut Vec<u8>, before: usize) {
        let came = content.len().saturating_sub(before) as u64;
        self.traffic.received += came;
        let own = came.min(self.conn.direct(&self.rx));
        self.conn.came(env, own);
        let end = before.saturating_add(own as usize);
        self.rx.push(content.get(end..).unwrap_or_default());
        content.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use core::time::Duration;

    use super::*;
    use crate::{Config, Event, Instant, Pace, SendBuf, Size, Stage, StageError, Status, ViolationKind};

    const HEAD: &[u8] = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n";

    fn env(config: &Config, seconds: u64) -> Env<'_> {
        Env { config, now: Instant::from_nanos(seconds * 1_000_000_000), date: None }
    }

    fn begun(config: &Config, head: &[u8]) -> Link {
        let mut link = Link::new(&env(config, 0), None);
        link.rx.push(head);
        assert!(matches!(link.conn.poll(&env(config, 0), &mut link.rx), Ok(Event::Request(_))));
        link
    }

    /// What a read into the spare capacity does.
    fn read(link: &mut Link, env: &Env<'_>, content: &mut Vec<u8>, octets: &[u8]) {
        let before = content.len();
        content.extend_from_slice(octets);
        link.received_into(env, content, before);
    }

    #[test]
    fn the_ways_mix_and_end_alike() {
        let config = Config::default();
        let env = env(&config, 0);
        let stream = b"0123456789GET / HTTP/1.1\r\nHost: h\r\n\r\n";
        // So many octets come through the buffer, the next ones directly, and so on.
        for buffered in 0..12 {
            for direct in 1..stream.len() {
                let mut link = begun(&config, HEAD);
                let (mut content, mut left) = (Vec::new(), &stream[..]);
                let mut is_direct = false;
                loop {
                    match link.conn.poll(&env, &mut link.rx).unwrap() {
                        Event::Data(data) => content.extend_from_slice(data),
                        Event::End(_) => break,
                        Event::NeedInput => {
                            is_direct = !is_direct || buffered == 0;
                            let (now, later) = left.split_at(if is_direct { direct } else { buffered }.min(left.len()));
                            left = later;
                            if is_direct {
                                assert!(link.make_room(&mut content, 64));
                                read(&mut link, &env, &mut content, now);
                            } else {
                                link.rx.push(now);
                            }
                        }
                        other => panic!("{other:?}"),
                    }
                }
                assert_eq!((&content[..], link.conn.consumed()), (&stream[..10], HEAD.len() as u64 + 10));
                assert!(!link.make_room(&mut content, 64));
                link.conn.respond(&env, Status::NO_CONTENT, &[], Size::Empty, &mut link.tx).unwrap();
                link.rx.push(left);
                assert!(
                    matches!(link.conn.poll(&env, &mut link.rx), Ok(Event::Request(head)) if head.method() == "GET")
                );
            }
        }
    }

    #[test]
    fn nothing_but_content_that_is_wanted_comes_directly() {
        let mut config = Config::default();
        config.limits.body = 9;
        let room = |link: &Link| link.make_room(&mut Vec::new(), 64);
        let mut link = begun(&config, HEAD);
        assert!(!room(&link), "more than the limit");
        assert_eq!(link.conn.poll(&env(&config, 0), &mut link.rx).unwrap_err().kind, ViolationKind::BodyTooLarge);
        config.limits.body = 10;
        let mut link = begun(&config, HEAD);
        assert!(room(&link));
        assert!(!link.make_room(&mut Vec::with_capacity(ROOM + 11), 64), "much more room than content");
        link.rx.push(b"0");
        assert!(!room(&link), "unread content");
        let mut link = begun(&config, HEAD);
        link.rx.close();
        assert!(!room(&link), "a client that has ended its side");
        let mut link = begun(&config, HEAD);
        link.conn.respond(&env(&config, 0), Status::OK, &[], Size::Empty, &mut link.tx).unwrap();
        assert!(!room(&link), "content that is dropped");
        assert!(!room(&begun(&config, b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")), "chunks");
        assert!(!room(&begun(&config, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")), "no content");
        let mut secured = Link::new(&env(&config, 0), Some(Box::new(Through)));
        secured.conn = begun(&config, HEAD).conn;
        assert!(!room(&secured), "a stage");
    }

    #[test]
    fn what_comes_directly_earns_time() {
        let mut config = Config::default();
        config.timeouts.body = Pace { grace: Duration::from_secs(10), rate: 1 };
        let mut link = begun(&config, HEAD);
        let mut content = Vec::new();
        for (begins, comes) in [(0, 8), (8, 11)] {
            assert!(matches!(link.conn.poll(&env(&config, begins), &mut link.rx), Ok(Event::NeedInput)));
            read(&mut link, &env(&config, comes), &mut content, b"xx");
        }
        // Of 10 s, 8 and 3 are spent, and 2 are earned twice.
        assert!(matches!(link.conn.poll(&env(&config, 11), &mut link.rx), Ok(Event::NeedInput)));
        assert_eq!(link.conn.deadline().unwrap().at, env(&config, 14).now);
        assert_eq!(link.conn.poll(&env(&config, 14), &mut link.rx).unwrap_err().kind, ViolationKind::BodyTimeout);
        assert_eq!(content, b"xxxx");
    }

    /// A stage that is never asked for anything.
    struct Through;

    impl Stage for Through {
        fn open(&mut self, _: &mut RecvBuf, _: &mut RecvBuf, _: &mut SendBuf) -> Result<(), StageError> {
            Ok(())
        }

        fn seal(&mut self, _: &mut SendBuf, _: &mut SendBuf) -> Result<(), StageError> {
            Ok(())
        }

        fn close(&mut self, _: &mut SendBuf) {}
    }
}
