//! What does a handler need around it where there is no backend?

use std::sync::Arc;

use cherrystone_core::gateway::{Endpoint, Peer, PeerAddress, Port};
use cherrystone_core::{Config, Env, Event, HeadBuf, Instant, Link, Stage};

/// A port in memory that passes nothing: all input is there, and output stays in the link.
pub(crate) struct Memory {
    pub(crate) link: Link,
    config: Config,
    /// How often it was drained.
    pub(crate) drained: usize,
}

impl Memory {
    pub(crate) fn new(stage: Option<Box<dyn Stage>>) -> Self {
        let config = Config::default();
        let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
        Self { link: Link::new(&env, stage), config: config.clone(), drained: 0 }
    }

    /// The first request of a stream.
    pub(crate) fn hear(&mut self, stream: &[u8]) -> HeadBuf {
        self.link.rx.push(stream);
        let mut head = HeadBuf::default();
        let (link, env) = self.parts();
        match link.conn.poll(&env, &mut link.rx) {
            Ok(Event::Request(request)) => request.copy_into(&mut head),
            other => panic!("{other:?}"),
        }
        head
    }
}

impl Port for Memory {
    fn parts(&mut self) -> (&mut Link, Env<'_>) {
        (&mut self.link, Env { config: &self.config, now: Instant::from_nanos(0), date: None })
    }

    fn fill(&mut self) -> std::io::Result<()> {
        self.link.close().map_err(std::io::Error::other)
    }

    fn drain(&mut self) -> std::io::Result<()> {
        self.drained += 1;
        Ok(())
    }

    fn is_gone(&mut self) -> bool {
        true
    }
}

/// Who asks.
pub(crate) fn peer() -> Peer {
    Peer::new(PeerAddress::Unix(None), Arc::new(Endpoint::new(PeerAddress::Unix(None), "memory")))
}
