//! What can a handler do with one request?
//!
//! An [`Exchange`] reads the content, sends interim answers, and is consumed by the answer.

use alloc::boxed::Box;

use super::ongoing::{self, Ongoing};
use super::{Body, Deferred, Dialogue, Done, Failure, Intake, Payload, Peer, Port, ResponseWriter, Upgrade};
use crate::{Field, Head, Interim, PeerFacts, Size, StatusLine};

/// One request that is to be answered.
pub struct Exchange<'x> {
    port: &'x mut dyn Port,
    intake: &'x mut Intake,
    peer: &'x Peer,
    /// Octets of the path that name the application, not the resource.
    mount: usize,
}

impl core::fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Exchange").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl<'x> Exchange<'x> {
    /// An exchange over `port`; for backends, which call [`answer`](super::answer), and for tests.
    pub fn new(port: &'x mut dyn Port, intake: &'x mut Intake, peer: &'x Peer) -> Self {
        Self { port, intake, peer, mount: 0 }
    }

    /// Who asks.
    pub fn peer(&self) -> &Peer {
        self.peer
    }

    /// The same exchange, asked by somebody else; for gateways that know better who that is.
    #[must_use]
    pub fn seen_as<'y>(self, peer: &'y Peer) -> Exchange<'y>
    where
        'x: 'y,
    {
        Exchange { port: self.port, intake: self.intake, peer, mount: self.mount }
    }

    /// What TLS knows of who asks; `None` on a plain connection.
    pub fn tls(&mut self) -> Option<&PeerFacts> {
        self.port.parts().0.facts()
    }

    /// The content of the request. Reading it sends 100 (Continue) to a client that waits for that.
    pub fn body(&mut self) -> Body<'_> {
        Body::new(self.port, self.intake)
    }

    /// Whether the client is known to have gone.
    pub fn is_client_gone(&mut self) -> bool {
        self.port.is_gone()
    }

    /// Lets the connection end after this answer.
    pub fn close_after(&mut self) {
        self.port.parts().0.conn.retire();
    }

    /// Sends an interim answer, 103 (Early Hints) for example, at once.
    ///
    /// # Errors
    /// For malformed fields, and when the client is lost.
    pub fn inform(&mut self, status: Interim, fields: &[Field<'_>]) -> Result<(), Failure> {
        let (link, _) = self.port.parts();
        link.conn.inform(status, fields, &mut link.tx)?;
        Ok(self.port.drain()?)
    }

    /// Names the first `octets` of the path as the place where the application is mounted; for dispatchers.
    #[must_use]
    pub fn mounted(mut self, octets: usize) -> Self {
        self.mount += octets;
        self
    }

    /// The path in two: where the application is mounted, and the resource in it (`SCRIPT_NAME` and `PATH_INFO`).
    pub fn split_path<'b>(&self, head: Head<'b>) -> (&'b str, &'b str) {
        let path = head.path();
        path.split_at_checked(self.mount).unwrap_or(("", path))
    }

    /// Answers with a payload, which is sent as the client takes it.
    ///
    /// # Errors
    /// For malformed fields, or content with a status that has none.
    #[inline]
    pub fn respond<'r>(
        self,
        status: impl Into<StatusLine<'r>>,
        fields: &[Field<'_>],
        payload: impl Into<Payload>,
    ) -> Result<Done, Failure> {
        let (link, env) = self.port.parts();
        let ongoing = ongoing::begin(link, &env, status.into(), fields, payload.into())?;
        Ok(Done { ongoing })
    }

    /// Begins an answer whose content is pushed.
    ///
    /// # Errors
    /// For malformed fields, or content with a status that has none.
    pub fn start_response<'r>(
        self,
        status: impl Into<StatusLine<'r>>,
        fields: &[Field<'_>],
        size: Size,
    ) -> Result<ResponseWriter<'x>, Failure> {
        let (link, env) = self.port.parts();
        link.conn.respond(&env, status, fields, size, &mut link.tx)?;
        Ok(ResponseWriter::new(self.port, self.intake))
    }

    /// Reads the rest of the content, then switches to another protocol: 101, or a success for CONNECT.
    ///
    /// # Errors
    /// If the client did not offer to, if `fields` lacks `Upgrade`, or if the content cannot be read.
    pub fn upgrade(mut self, fields: &[Field<'_>], next: Box<dyn Upgrade>) -> Result<Done, Failure> {
        std::io::copy(&mut self.body(), &mut std::io::sink())?;
        let (link, env) = self.port.parts();
        link.conn.upgrade(&env, fields, &mut link.tx)?;
        Ok(Done::later(Ongoing::upgrade(next)))
    }

    /// Leaves the answer to the holder of the [`Deferred`]. Content that was not read by then is dropped.
    pub fn defer(self) -> (Deferred, Done) {
        let (deferred, slot) = Deferred::new();
        (deferred, Done::later(Ongoing::deferred(slot)))
    }

    /// Leaves the answer, and what is left of the content, to a [`Dialogue`].
    pub fn converse(self, dialogue: Box<dyn Dialogue>) -> Done {
        Done::later(Ongoing::dialogue(dialogue, core::mem::take(self.intake)))
    }
}
