//! Does the connection end, or go on, as the case expects?

use std::io;
use std::time::Duration;

use super::conversation::{Conversation, Insist, Outlook};
use super::{Play, Refusal, Stop};
use crate::bytes::excerpt;
use crate::case::{End, Fixture, Step, To, Tunnel};

impl Play<'_> {
    /// Checks what follows the last answer.
    pub(super) fn ending(&mut self, conversation: &mut Conversation) -> Result<(), Stop> {
        let free = self.refused != Refusal::None || self.choice.is_some();
        match self.case.end {
            // An allowed choice may go with another end than the one that was expected.
            End::Close | End::CloseInOrder if self.choice.is_none() => self.closes(conversation),
            End::Open if !free => self.serves_on(conversation),
            _ => self.any(conversation),
        }
    }

    fn closes(&self, conversation: &mut Conversation) -> Result<(), Stop> {
        conversation.listen(self.answer);
        if conversation.forgive_timeout() {
            conversation.listen(self.answer);
        }
        nothing_more(conversation, "after the last expected answer")?;
        match conversation.outlook() {
            Outlook::Open => Err(Stop::Fail(format!(
                "the server should have closed the connection; it is still open after {:.1} s",
                self.answer.as_secs_f32()
            ))),
            Outlook::Reset if self.case.end == End::CloseInOrder => {
                Err(Stop::Fail("the connection was reset instead of closed in order".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn serves_on(&self, conversation: &mut Conversation) -> Result<(), Stop> {
        conversation.listen(Duration::ZERO);
        nothing_more(conversation, "before the follow-up request")?;
        let announced = conversation.close_was_announced();
        let closed = |what: &str| match announced {
            true => Stop::Allowed("closed the connection, as its answer had announced".to_owned()),
            false => Stop::Fail(format!("the connection should stay usable, but the server closed it {what}")),
        };
        if conversation.outlook() != Outlook::Open {
            return Err(closed("after its answer"));
        }
        conversation.send(&self.follow_up(), Insist::No);
        match conversation.final_answer(self.case.answers.len(), To::Other, self.answer)? {
            None if conversation.outlook() != Outlook::Open => return Err(closed("on a follow-up request")),
            None => return Err(Stop::Fail("a follow-up request on the connection got no answer".to_owned())),
            Some(exchange) if exchange.answer.status == 200 => {}
            Some(exchange) => {
                return Err(Stop::Fail(format!("a follow-up request got status {}", exchange.answer.status)));
            }
        }
        conversation.listen(self.setting.timing.between * 2);
        nothing_more(conversation, "after the answer to the follow-up request")
    }

    fn any(&self, conversation: &mut Conversation) -> Result<(), Stop> {
        conversation.listen(self.setting.timing.quiet);
        conversation.forgive_timeout();
        nothing_more(conversation, "after the last expected answer")?;
        let ended_by_us = self.case.send.contains(&Step::HalfClose);
        let settled = self.refused != Refusal::None || ended_by_us || self.case.answers.is_empty();
        if settled || conversation.outlook() != Outlook::Open {
            return Ok(());
        }
        conversation.send(&self.follow_up(), Insist::No);
        match conversation.final_answer(self.case.answers.len(), To::Other, self.answer / 3)? {
            Some(exchange) if !matches!(exchange.answer.status, 200 | 408) => Err(Stop::Fail(format!(
                "a follow-up request got status {}: left-over octets were read as a request",
                exchange.answer.status
            ))),
            _ => Ok(()),
        }
    }

    /// Speaks the new protocol after a 101.
    pub(super) fn tunnel(&self, conversation: &mut Conversation, tunnel: &Tunnel) -> Result<(), Stop> {
        let render = |text: &crate::case::Text| text.render(&self.setting.addressing, self.case.target());
        let expected = render(&tunnel.expect);
        conversation.send(&render(&tunnel.send), Insist::No);
        conversation.listen_for(expected.len(), self.answer);
        conversation.pause(self.setting.timing.quiet / 2);
        let got = conversation.rest();
        if got == expected {
            return Ok(());
        }
        let (got, wanted) = (excerpt(got, 160), excerpt(&expected, 160));
        Err(Stop::Fail(format!("after 101: \"{got}\"; expected \"{wanted}\"")))
    }

    /// A server survives a client that breaks off: a new connection is served.
    pub(super) fn after_reset(&self) -> Result<(), Stop> {
        let channel = self.connect.connect().map_err(|e| match e.kind() {
            io::ErrorKind::ConnectionRefused => Stop::Fail("after the reset no new connection is accepted".to_owned()),
            _ => Stop::NoConnection(e),
        })?;
        let mut conversation = Conversation::new(channel);
        conversation.send(&self.follow_up(), Insist::No);
        match conversation.final_answer(0, To::Other, self.answer)? {
            Some(exchange) if exchange.answer.status == 200 => Ok(()),
            Some(exchange) => {
                Err(Stop::Fail(format!("after the reset a new connection got status {}", exchange.answer.status)))
            }
            None => Err(Stop::Fail("after the reset a new connection got no answer".to_owned())),
        }
    }

    fn follow_up(&self) -> Vec<u8> {
        let addressing = &self.setting.addressing;
        let (route, host) = (addressing.route(Fixture::Root), addressing.authority());
        format!("GET {route} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
    }
}

fn nothing_more(conversation: &Conversation, when: &str) -> Result<(), Stop> {
    match conversation.surplus() {
        Some(what) => Err(Stop::Fail(format!("{when}: unexpected {what}"))),
        None => Ok(()),
    }
}
