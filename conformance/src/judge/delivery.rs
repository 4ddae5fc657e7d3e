//! In which pieces do the octets of a case leave?
//!
//! The verdict of a case must not depend on it: a server has to read a stream, not packets.

use std::io;
use std::time::Duration;

use super::conversation::{Conversation, Insist, Outlook};
use super::{Play, Stop};
use crate::case::{Action, Awaited, End, To};

/// How the writes of a case are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// As the case has them.
    #[default]
    AsWritten,
    /// One octet at a time.
    Octets,
    /// As the case has them, and once more before the octet of this number, with a pause there.
    CutAt {
        /// Counted from 0 over all that the case writes.
        offset: usize,
        /// Zero for two writes without a pause.
        pause: Duration,
    },
}

/// Octet by octet is for cases of the size of a head; longer ones would only take time.
const MOST_SINGLE_OCTETS: usize = 1500;
/// Enough for the system to send a segment, short enough for a thousand of them.
const BETWEEN_OCTETS: Duration = Duration::from_micros(200);
const LONGEST_WAIT_FOR_INTERIM: Duration = Duration::from_secs(1);

impl Play<'_> {
    /// Plays all steps of the case.
    pub(super) fn deliver(&mut self, conversation: &mut Conversation) -> Result<(), Stop> {
        let script = self.case.script(&self.setting.addressing);
        let insist = if self.case.end == End::CloseInOrder { Insist::AfterTheEnd } else { Insist::No };
        let octets: usize = script.iter().map(|action| written(action).map_or(0, <[u8]>::len)).sum();
        let mut offset = 0;
        let mut awaited = 0;
        let mut wrote_last = false;
        for action in &script {
            let writes = written(action).is_some();
            if writes && wrote_last {
                conversation.pause(self.setting.timing.between);
            }
            wrote_last = writes;
            if conversation.outlook() != Outlook::Open && insist == Insist::No && *action != Action::Reset {
                return Ok(());
            }
            match action {
                Action::Write(data) => {
                    self.write(conversation, data, offset, octets, insist);
                    offset += data.len();
                }
                Action::Trickle(data, every) => {
                    trickle(conversation, data, *every, insist);
                    offset += data.len();
                }
                Action::Pause(time) => conversation.pause(*time),
                Action::Await(what) => {
                    let to = self.case.answers.get(awaited).map_or(To::Other, |expected| expected.to);
                    match what {
                        Awaited::Interim => conversation.await_any(to, self.answer.min(LONGEST_WAIT_FOR_INTERIM))?,
                        Awaited::Answer => {
                            conversation.await_final(awaited, to, self.answer)?;
                            awaited += 1;
                        }
                    }
                }
                Action::HalfClose => supported(conversation.half_close(), "a half-close")?,
                Action::Reset => supported(conversation.reset(), "a reset")?,
            }
        }
        Ok(())
    }

    fn write(&self, conversation: &mut Conversation, data: &[u8], offset: usize, octets: usize, insist: Insist) {
        match self.setting.delivery {
            Delivery::Octets if octets <= MOST_SINGLE_OCTETS => trickle(conversation, data, BETWEEN_OCTETS, insist),
            Delivery::CutAt { offset: at, pause } if at > offset && at < offset + data.len() => {
                let (before, after) = data.split_at(at - offset);
                conversation.send(before, insist);
                conversation.pause(pause);
                conversation.send(after, insist);
            }
            _ => conversation.send(data, insist),
        }
    }
}

pub(super) fn written(action: &Action) -> Option<&[u8]> {
    match action {
        Action::Write(data) | Action::Trickle(data, _) => Some(data),
        _ => None,
    }
}

fn trickle(conversation: &mut Conversation, data: &[u8], every: Duration, insist: Insist) {
    for (n, octet) in data.iter().enumerate() {
        if n > 0 {
            conversation.pause(every);
        }
        if conversation.outlook() != Outlook::Open && insist == Insist::No {
            return;
        }
        conversation.send(&[*octet], insist);
    }
}

/// What the channel cannot do is not the server's fault, and neither is ending what the server has ended already.
fn supported(result: io::Result<()>, what: &str) -> Result<(), Stop> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::Unsupported => {
            Err(Stop::Unsupported(format!("{what} is not possible over this kind of connection")))
        }
        _ => Ok(()),
    }
}
