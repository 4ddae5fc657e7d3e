//! Is this event one that may come now?

use cherrystone_core::{Cause, Deadline};

use super::{Asked, Seen, Watched};

impl Watched<'_> {
    pub(super) fn judge(&mut self, seen: &Seen, may_be_head: bool) {
        let open = self.asked != Asked::Nothing && !self.is_answered();
        let over = self.violated || self.given_up || self.shut || self.switched;
        self.waits &= self.conn.consumed() == self.request_at;
        let hopeless = self.rx.is_closed() && matches!(seen, Seen::NeedInput | Seen::NeedContinue);
        assert!(!hopeless, "waits for a peer that has gone: {self:?}");
        match seen {
            Seen::Request(request) => {
                assert!(!over && !self.said_close && !open, "a request that must not be seen: {self:?}");
                self.asked = Asked::Head;
                self.due = self.answers.len();
                self.head = Some(request.method == "HEAD");
                self.connect = request.method == "CONNECT";
                self.waits = request.expects_continue;
                self.refused = false;
                self.request_at = self.conn.consumed();
            }
            Seen::Data(data) => {
                assert!(!over && open && self.asked == Asked::Head && !self.refused && !data.is_empty(), "{self:?}");
                self.waits = false;
            }
            Seen::End(_) => {
                assert!(!over && open && self.asked == Asked::Head && !self.refused, "{self:?}");
                self.asked = Asked::All;
            }
            Seen::NeedContinue => assert!(!over && open && self.waits && !self.has_begun(), "{self:?}"),
            Seen::NeedResponse => {
                let complete = open && (self.asked == Asked::All || self.refused);
                let broken = self.violated && self.has_begun() && !self.is_answered();
                assert!(!self.given_up && !self.shut && (complete || broken), "no answer is due: {self:?}");
            }
            Seen::NeedInput if !self.shut => {
                assert!(!over, "waits for a peer that waits for the end: {self:?}");
                assert!(!(open && (self.asked == Asked::All || self.refused)), "waits for a peer that waits: {self:?}");
                assert!(!(open && self.waits), "waits for content that is held back: {self:?}");
            }
            Seen::NeedInput => {}
            Seen::Upgraded => assert!(self.switched && !self.shut, "{self:?}"),
            Seen::Shutdown => {
                assert!(!self.shut, "a second Shutdown");
                self.shut = true;
            }
            Seen::Closed => assert!(self.shut || self.conn.is_cut(), "{self:?}"),
            Seen::Violated(violation) => {
                assert!(!over, "{violation} after the end: {self:?}");
                // Positions in a buffer that was exchanged mean nothing in another one.
                let within = violation.offset <= self.conn.consumed() + self.rx.unread().len() as u64;
                assert!(within || !self.conserves, "a violation behind all that came: {violation:?}, {self:?}");
                self.violated = true;
                if !open {
                    // A head that was begun in another buffer may be one too.
                    self.head = if may_be_head || !self.conserves { None } else { Some(false) };
                    // An answer to what has not become a request belongs to no request before it.
                    self.connect = false;
                    self.due = self.answers.len();
                }
            }
        }
    }

    /// Whoever waits for the deadline and polls then must not find it still in the past.
    pub(super) fn judge_deadline(&self) {
        if let Some(Deadline { at, cause }) = self.conn.deadline() {
            assert!(cause == Cause::Send || at > self.now, "{cause:?} is overdue after a poll: {:?}", self.conn);
        }
    }
}
