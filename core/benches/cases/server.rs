//! A server in memory.

use core::hint::black_box;

use cherrystone_core::{
    Config, Connection, Date, Env, Event, Field, Instant, RecvBuf, SendBuf, ServerName, Size, Status,
};

use crate::count::counted;

/// A connection that answers everything.
pub(crate) struct Server {
    config: Config,
    date: Date,
    answer: &'static [Field<'static>],
    conn: Connection,
    rx: RecvBuf,
    tx: SendBuf,
}

impl Server {
    /// Its answers are `Hello, world!` with these fields.
    pub(crate) fn new(answer: &'static [Field<'static>]) -> Self {
        let mut config = Config::default();
        config.server = ServerName::new("cherrystone").ok();
        config.limits.fields = 512;
        let conn = Connection::new(&Env { config: &config, now: Instant::from_nanos(0), date: None });
        let date = Date::from_unix(1_763_990_000);
        Self { config, date, answer, conn, rx: RecvBuf::default(), tx: SendBuf::default() }
    }

    /// Octets arrive; all requests that are complete then are answered. Says how many.
    #[inline]
    pub(crate) fn receive(&mut self, octets: &[u8]) -> u32 {
        self.rx.push(octets);
        let env = Env { config: &self.config, now: Instant::from_nanos(1), date: Some(&self.date) };
        let mut answered = 0;
        loop {
            match self.conn.poll(&env, &mut self.rx) {
                Ok(Event::Request(head)) => drop(black_box(head.target())),
                Ok(Event::Data(data)) => drop(black_box(data)),
                Ok(Event::End(_)) => {
                    self.conn.respond(&env, Status::OK, self.answer, Size::Exact(13), &mut self.tx).expect("it is due");
                    self.conn.write(b"Hello, world!", &mut self.tx).expect("13 octets");
                    self.conn.finish(&[], &mut self.tx).expect("all are there");
                    answered += 1;
                }
                Ok(Event::NeedInput) => break,
                other => panic!("{other:?}"),
            }
        }
        black_box(self.tx.unsent());
        self.conn.sent(&env, self.tx.len(), 0).expect("the socket is fast");
        self.tx.advance(self.tx.len());
        answered
    }

    /// An upload arrives, 64 KiB at a time. Counted are the calls of `poll` alone: neither the receiving nor the comparison of the
    /// decoded slices with `content`.
    pub(crate) fn decode(&mut self, upload: &[u8], content: &[u8]) {
        let env = Env { config: &self.config, now: Instant::from_nanos(1), date: Some(&self.date) };
        let mut rest = content;
        for arrival in upload.chunks(64 << 10) {
            self.rx.push(arrival);
            loop {
                match counted(|| self.conn.poll(&env, &mut self.rx)) {
                    Ok(Event::Request(_)) => {}
                    Ok(Event::Data(data)) => rest = rest.strip_prefix(data).expect("the content that was sent"),
                    Ok(Event::End(_)) => {
                        self.conn.respond(&env, Status::NO_CONTENT, &[], Size::Empty, &mut self.tx).expect("it is due");
                        self.tx.advance(usize::MAX);
                    }
                    Ok(Event::NeedInput) => break,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(rest.is_empty() && self.conn.is_idle(), "{} octets are missing", rest.len());
    }
}
