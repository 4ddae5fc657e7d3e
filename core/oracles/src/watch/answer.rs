//! Is what was asked for found again in the output?

use cherrystone_core::Size;

use super::Lines;
use crate::replies::{self, Ending};

/// What was said by a successful call, to be found again in the output.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) fields: Lines,
    pub(super) part: Part,
    /// Whether content must be absent; unknown for an answer to what never became a request.
    pub(super) mute: Option<bool>,
    pub(super) size: Size,
    pub(super) content: Vec<u8>,
    pub(super) trailers: Lines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Interim,
    /// A final answer under way.
    Open,
    Finished,
    /// Given up before its end.
    Broken,
    /// An answer of the server's own.
    Canned,
}

impl Answer {
    /// Finds this answer at the front of the output.
    pub(super) fn find<'o>(&self, output: &'o [u8], cut: bool) -> &'o [u8] {
        let read = |mute| replies::read(output, mute).unwrap_or_else(|why| panic!("{why}: {self:?}"));
        let (mut reply, mut rest) = read(self.mute.unwrap_or_default());
        let absent = self.mute.is_none() && reply.content.is_empty() && reply.ending != Ending::Complete;
        if absent {
            (reply, rest) = read(true);
        }
        assert_eq!(reply.status, self.status, "{self:?}");
        let given = |name: &str| self.fields.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        let added = |name: &str| match name {
            "Content-Length" | "Transfer-Encoding" | "Connection" => true,
            "Date" | "Server" => !given(name),
            "Content-Type" | "Retry-After" => self.part == Part::Canned,
            _ => false,
        };
        let found: Vec<_> = reply.fields.iter().filter(|(name, _)| !added(name)).cloned().collect();
        assert_eq!(found, stripped(&self.fields), "the fields are not those that were given");
        if self.mute == Some(true) || absent {
            assert!(reply.content.is_empty());
            return rest;
        }
        match self.part {
            Part::Interim => {}
            Part::Canned => {
                assert!(reply.lists("Connection", "close") && rest.is_empty(), "{self:?}");
                assert_eq!(reply.ending, Ending::Complete, "{self:?}");
            }
            Part::Finished => {
                assert_ne!(reply.ending, Ending::Unterminated, "{self:?}");
                assert_eq!(reply.content, self.content);
                let has_room = reply.lists("Transfer-Encoding", "chunked");
                assert_eq!(reply.trailers, if has_room { stripped(&self.trailers) } else { Lines::new() });
            }
            Part::Open | Part::Broken => {
                assert_eq!(reply.content, self.content);
                assert!(rest.is_empty());
                let whole = matches!(self.size, Size::Exact(octets) if octets == self.content.len() as u64);
                assert!(reply.ending != Ending::Complete || whole, "an incomplete answer looks complete: {self:?}");
                let visible = reply.ending != Ending::UntilClose || self.part == Part::Open || cut;
                assert!(visible, "a broken answer looks complete at the close: {self:?}");
            }
        }
        rest
    }
}

fn stripped(lines: &Lines) -> Lines {
    lines.iter().map(|(name, value)| (name.clone(), replies::strip(value).to_vec())).collect()
}
