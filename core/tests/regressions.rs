//! Faults that were found once and must not come back, each as the short conversation that shows it.

use cherrystone_core::{Config, Connection, Env, Event, Instant, Misuse, RecvBuf, SendBuf, Size, Status, Violation};

/// A connection with its buffers and a clock that stands still.
struct Talk {
    config: Config,
    now: Instant,
    conn: Connection,
    rx: RecvBuf,
    tx: SendBuf,
}

impl Talk {
    fn new() -> Self {
        let (config, now) = (Config::default(), Instant::from_nanos(0));
        let conn = Connection::new(&Env { config: &config, now, date: None });
        Self { config, now, conn, rx: RecvBuf::default(), tx: SendBuf::default() }
    }

    fn hear(mut self, octets: &str) -> Self {
        self.rx.push(octets.as_bytes());
        self
    }

    /// Polls until there is no more content, and says what came then.
    fn poll(&mut self) -> String {
        loop {
            let polled = self.conn.poll(&Env { config: &self.config, now: self.now, date: None }, &mut self.rx);
            match polled {
                Ok(Event::Request(_) | Event::Data(_) | Event::End(_)) => {}
                Ok(event) => return format!("{event:?}"),
                Err(violation) => return violation.kind.name().into(),
            }
        }
    }

    /// Polls to the violation that must come.
    fn violation(&mut self) -> Violation {
        let env = Env { config: &self.config, now: self.now, date: None };
        loop {
            if let Err(violation) =
                self.conn.poll(&env, &mut self.rx).map(|event| assert!(!matches!(event, Event::NeedInput)))
            {
                return violation;
            }
        }
    }

    fn respond(&mut self, size: Size) {
        let env = Env { config: &self.config, now: self.now, date: None };
        self.conn.respond(&env, Status::OK, &[], size, &mut self.tx).unwrap();
    }

    fn abort(&mut self) {
        let env = Env { config: &self.config, now: self.now, date: None };
        self.conn.abort(&env, &mut self.tx);
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(self.tx.unsent()).into_owned()
    }
}

#[test]
fn an_aborted_answer_cannot_be_ended_after_all() {
    let mut talk = Talk::new().hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(talk.poll(), "NeedResponse");
    talk.respond(Size::Unknown);
    talk.conn.write(b"half", &mut talk.tx).unwrap();
    talk.abort();
    assert_eq!(talk.conn.write(b"more", &mut talk.tx), Err(Misuse::NotWriting));
    assert_eq!(talk.conn.finish(&[], &mut talk.tx), Err(Misuse::NotWriting));
    assert!(talk.said().ends_with("\r\n\r\n4\r\nhalf\r\n"), "{}", talk.said());
}
