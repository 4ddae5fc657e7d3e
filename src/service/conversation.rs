//! What does the connection do for a service?
//!
//! It gets turns as a [`Dialogue`]: content goes to the service as far as that has room, the answer to the client as far as that has.

use std::sync::Arc;
use std::task::Waker;

use ::http::HeaderMap;
use ::http::StatusCode;
use ::http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING, UPGRADE};
use ::http::response::Parts;
use bytes::Bytes;
use cherrystone_core::gateway::{Dialogue, Failure, Piece, Talk, Turn};
use cherrystone_core::{Field, Size, Status};

use super::body::BodyError;
use super::exchange::{Exchange, Said};
use super::request::headers;
use super::tunnel::TunnelEnd;

/// The connection's end of an exchange.
pub(super) struct Conversation {
    exchange: Arc<Exchange>,
    tunnel: Option<TunnelEnd>,
    /// Content was asked for, and none had come.
    is_waiting: bool,
    has_begun: bool,
    /// A switch of protocols that waits for the end of the content.
    switch: Option<Parts>,
}

impl Conversation {
    pub(super) fn new(exchange: Arc<Exchange>, tunnel: Option<TunnelEnd>) -> Self {
        Self { exchange, tunnel, is_waiting: false, has_begun: false, switch: None }
    }

    /// Moves content to the service. A wait that has begun goes on until something comes: its deadline would pass otherwise.
    fn hear(&mut self, talk: &mut Talk<'_>) -> Result<(), Failure> {
        while self.is_waiting || self.exchange.wants_content() {
            match self.read(talk)? {
                Some(end) => self.exchange.hear_end(Ok(end)),
                None if self.is_waiting => return Ok(()),
                None => {}
            }
        }
        Ok(())
    }

    /// Moves one piece of content; says whether, and with which trailers, that was the end.
    fn read(&mut self, talk: &mut Talk<'_>) -> Result<Option<Option<HeaderMap>>, Failure> {
        self.is_waiting = false;
        match talk.read() {
            Ok(Piece::Data(octets)) => self.exchange.hear(Bytes::from(octets)),
            Ok(Piece::End(trailers)) => return Ok(Some(headers(trailers).filter(|trailers| !trailers.is_empty()))),
            Ok(Piece::Later) => self.is_waiting = true,
            Err(failure) => {
                let (why, goes_on) = match &failure {
                    Failure::Violation(violation) => (BodyError::Violation(*violation), false),
                    // The service has answered too early for what it asks now; whether it can do without is its business.
                    Failure::Misuse(_) => (BodyError::Refused, true),
                    _ => (BodyError::Gone, false),
                };
                self.exchange.hear_end(Err(why));
                return if goes_on { Ok(None) } else { Err(failure) };
            }
        }
        Ok(None)
    }

    /// Moves the answer to the client.
    fn say(&mut self, talk: &mut Talk<'_>) -> Result<Turn, Failure> {
        if let Some(parts) = self.switch.take() {
            return self.switch(parts, talk);
        }
        if !self.has_begun
            && let Some((parts, size)) = self.exchange.take_head()
        {
            if parts.status == StatusCode::SWITCHING_PROTOCOLS {
                return self.switch(parts, talk);
            }
            self.has_begun = true;
            begin(&parts, size, talk)?;
            if !talk.sends_content() {
                return Ok(Turn::End(Vec::new()));
            }
        }
        loop {
            match self.exchange.say(talk.room()) {
                Said::Piece(piece) => talk.write(&piece)?,
                Said::End(trailers) => return Ok(Turn::End(trailers.map_or_else(Vec::new, |map| owned(&map)))),
                Said::Failed(why) => return Err(Failure::Application(why)),
                Said::Nothing => return Ok(Turn::Later),
            }
        }
    }

    /// Switches protocols, once the content of the request has been read to its end.
    fn switch(&mut self, parts: Parts, talk: &mut Talk<'_>) -> Result<Turn, Failure> {
        loop {
            match talk.read()? {
                Piece::Data(_) => {}
                Piece::End(_) => break,
                Piece::Later => {
                    self.switch = Some(parts);
                    return Ok(Turn::Later);
                }
            }
        }
        let Some(tunnel) = self.tunnel.take() else {
            return Err(Failure::application("the service switches protocols, and the client did not offer to"));
        };
        talk.upgrade(&fields(&parts.headers))?;
        tunnel.open();
        Ok(Turn::Upgrade(Box::new(tunnel)))
    }
}

impl Dialogue for Conversation {
    fn turn(&mut self, talk: &mut Talk<'_>, waker: &Waker) -> Result<Turn, Failure> {
        self.exchange.connect(waker);
        self.hear(talk)?;
        self.say(talk)
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.exchange.cancel();
    }
}

/// Writes the head of the answer.
fn begin(parts: &Parts, size: Size, talk: &mut Talk<'_>) -> Result<(), Failure> {
    let closes = parts.headers.get_all(CONNECTION).iter().any(|value| {
        value.as_bytes().split(|&octet| octet == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    });
    if closes {
        talk.close_after();
    }
    Ok(talk.respond(Status::new(parts.status.as_u16())?, &fields(&parts.headers), size)?)
}

/// The field lines that are the application's.
fn fields(map: &HeaderMap) -> Vec<Field<'_>> {
    let keep_alive = HeaderName::from_static("keep-alive");
    let is_ours = |name: &HeaderName| [&CONNECTION, &CONTENT_LENGTH, &TRANSFER_ENCODING, &keep_alive].contains(&name);
    let lines = map.iter().filter(|(name, _)| !is_ours(name));
    lines.map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

fn owned(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let allowed = |name: &HeaderName| name != UPGRADE && name != CONTENT_LENGTH && name != TRANSFER_ENCODING;
    let lines = map.iter().filter(|(name, _)| allowed(name));
    lines.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}
