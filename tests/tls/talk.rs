//! A client and a link in memory, with the wire between them cut at will.

use std::io::{Read, Write};
use std::sync::Arc;

use cherrystone::{Config, Env, Event, Instant, Link, Size, StageError, Status, Tls};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// How many octets cross the wire at once, in turn.
pub(crate) type Cuts<'c> = &'c [usize];

/// What a conversation has come to.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    /// What the server understood.
    pub(crate) log: Vec<String>,
    /// What the client was answered.
    pub(crate) answer: Vec<u8>,
    /// What the server put on the wire.
    pub(crate) wire: Vec<u8>,
    /// Why the stage failed.
    pub(crate) failure: Option<StageError>,
    /// Why the client failed.
    pub(crate) refusal: Option<rustls::Error>,
    /// Whether the client was told of the end in an orderly way.
    pub(crate) farewell: bool,
    /// The most that was decrypted and not consumed.
    pub(crate) most_received: usize,
    /// The most that was sealed and not sent.
    pub(crate) most_sealed: usize,
}

/// The server's side: answers each request with its content, or with as much as the path says.
pub(crate) struct Server {
    pub(crate) link: Link,
    config: Config,
    content: Vec<u8>,
    big: usize,
    ended: bool,
}

impl Server {
    pub(crate) fn new(tls: Option<&Tls>) -> Self {
        let config = Config::default();
        let link = Link::new(&env(&config), tls.map(Tls::stage));
        Self { link, config, content: Vec::new(), big: 0, ended: false }
    }

    /// Takes octets of the wire in, and does what follows.
    pub(crate) fn receive(&mut self, octets: &[u8], talk: &mut Talk) {
        self.link.spare(octets.len())[..octets.len()].copy_from_slice(octets);
        let received = self.link.received(octets.len());
        self.go_on(received, talk);
    }

    /// The wire has ended.
    pub(crate) fn close(&mut self, talk: &mut Talk) {
        let closed = self.link.close();
        self.go_on(closed, talk);
    }

    fn go_on(&mut self, news: Result<(), StageError>, talk: &mut Talk) {
        talk.failure = talk.failure.or(news.err());
        while !self.ended {
            talk.most_received = talk.most_received.max(self.link.rx.unread().len());
            let env = env(&self.config);
            let link = &mut self.link;
            match link.conn.poll(&env, &mut link.rx) {
                Ok(Event::Request(head)) => {
                    talk.log.push(format!("{} {}", head.method(), head.target()));
                    self.big = head.target().strip_prefix("/big/").map_or(0, |n| n.parse().unwrap());
                }
                Ok(Event::Data(data)) => self.content.extend_from_slice(data),
                Ok(Event::End(_)) => {
                    talk.log.push(format!("{} octets", self.content.len()));
                    self.content.resize(self.content.len().max(self.big), b'x');
                    let size = Size::Exact(self.content.len() as u64);
                    link.conn.respond(&env, Status::OK, &[], size, &mut link.tx).unwrap();
                    link.conn.write(&self.content, &mut link.tx).unwrap();
                    link.conn.finish(&[], &mut link.tx).unwrap();
                    self.content.clear();
                }
                Ok(Event::NeedInput) => match link.resume() {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => talk.failure = Some(error),
                },
                Ok(Event::Shutdown) => {
                    talk.log.push("end".into());
                    link.farewell();
                    self.ended = true;
                }
                Err(violation) => {
                    talk.log.push(format!("{:?}", violation.kind));
                    link.conn.refuse(&env, violation, &mut link.tx);
                }
                Ok(event) => panic!("{event:?}"),
            }
        }
    }

    /// Puts at most `most` octets on the wire.
    pub(crate) fn send(&mut self, most: usize, talk: &mut Talk) -> Vec<u8> {
        let out = self.link.outgoing().unwrap();
        talk.most_sealed = talk.most_sealed.max(out.len());
        let out = out[..most.min(out.len())].to_vec();
        talk.wire.extend_from_slice(&out);
        self.link.sent(&env(&self.config), out.len()).unwrap();
        out
    }
}

fn env(config: &Config) -> Env<'_> {
    Env { config, now: Instant::from_nanos(0), date: None }
}

pub(crate) fn client(config: ClientConfig, name: &'static str) -> ClientConnection {
    ClientConnection::new(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap()
}

/// Has a client say `text` through TLS and end.
pub(crate) fn secured(tls: &Tls, client: &mut ClientConnection, text: &[u8], cuts: Cuts<'_>) -> (Talk, Server) {
    let (mut talk, mut server) = (Talk::default(), Server::new(Some(tls)));
    client.set_buffer_limit(None);
    client.writer().write_all(text).unwrap();
    let mut cuts = cuts.iter().copied().cycle();
    let mut to_server = Vec::new();
    loop {
        if !client.is_handshaking() {
            client.send_close_notify();
        }
        while client.wants_write() {
            client.write_tls(&mut to_server).unwrap();
        }
        let n = cuts.next().unwrap().min(to_server.len());
        server.receive(&to_server.drain(..n).collect::<Vec<_>>(), &mut talk);
        let most = cuts.next().unwrap();
        let from_server = server.send(most, &mut talk);
        if n == 0 && from_server.is_empty() && to_server.is_empty() {
            break;
        }
        take_in(client, &from_server, &mut talk);
    }
    (talk, server)
}

fn take_in(client: &mut ClientConnection, mut octets: &[u8], talk: &mut Talk) {
    while !octets.is_empty() && talk.refusal.is_none() && !talk.farewell {
        client.read_tls(&mut octets).unwrap();
        match client.process_new_packets() {
            Ok(state) => {
                let mut text = vec![0; state.plaintext_bytes_to_read()];
                client.reader().read_exact(&mut text).unwrap();
                talk.answer.extend_from_slice(&text);
                talk.farewell |= state.peer_has_closed();
            }
            Err(error) => talk.refusal = Some(error),
        }
    }
}

/// Has a client say `text` in the clear and end.
pub(crate) fn plain(tls: Option<&Tls>, text: &[u8], cuts: Cuts<'_>) -> (Talk, Server) {
    let (mut talk, mut server) = (Talk::default(), Server::new(tls));
    let mut cuts = cuts.iter().copied().cycle();
    let mut rest = text;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
        rest = later;
        server.receive(now, &mut talk);
    }
    server.close(&mut talk);
    while !server.send(usize::MAX, &mut talk).is_empty() {}
    talk.answer.clone_from(&talk.wire);
    (talk, server)
}
