//! What stands between the wire and the protocol?
//!
//! A [`Stage`]: a pure transformation of bytes, TLS above all. It reads nothing and writes nothing; it turns what
//! arrived from the wire into what the protocol receives, and what the protocol says into what the wire is to carry.
//!
//! ```text
//! socket -> wire (RecvBuf) -> open -> rx (RecvBuf) -> Connection
//! socket <- out  (SendBuf) <- seal <- tx (SendBuf) <- Connection
//! ```
//!
//! Invariants:
//! 1. A stage consumes from `wire` and `tx` exactly what it has taken over; it may keep a bounded part inside.
//! 2. `open` may put into `out` at any time (a handshake answers before the protocol says anything).
//! 3. When the peer ends its side in an orderly way, the stage closes `rx`. Whether `rx` is closed when the wire ends
//!    without that is the stage's decision; after `wire.is_closed()` it must close `rx` or fail.
//! 4. After an error the stage takes nothing more in; what it has put into `out` is still worth sending.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::{RecvBuf, SendBuf};

/// A pure byte transformation between a socket and a [`Connection`](crate::Connection).
pub trait Stage: Send {
    /// Takes what it can from `wire` and appends what that means to `rx`; answers of its own go to `out`.
    ///
    /// # Errors
    /// The peer broke the stage's protocol, or spoke another one. Bytes in `out` (an alert, a plain-text hint) should
    /// still be sent before the close.
    fn open(&mut self, wire: &mut RecvBuf, rx: &mut RecvBuf, out: &mut SendBuf) -> Result<(), StageError>;

    /// Takes what it can from `tx` and appends its sealed form to `out`; before a handshake has ended that is nothing.
    ///
    /// # Errors
    /// The stage can no longer carry data.
    fn seal(&mut self, tx: &mut SendBuf, out: &mut SendBuf) -> Result<(), StageError>;

    /// Says goodbye in the stage's own way (`close_notify`); the last thing put into `out`, however often it is called.
    fn close(&mut self, out: &mut SendBuf);

    /// Whether the stage still negotiates, so that nothing of the protocol can flow yet.
    fn is_handshaking(&self) -> bool {
        false
    }

    /// What the stage learned of the peer, once it has.
    fn facts(&self) -> Option<&PeerFacts> {
        None
    }
}

/// Why a stage gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// The peer does not speak the stage's protocol at all; plain HTTP on a TLS port.
    #[error("the peer does not speak TLS")]
    WrongProtocol,
    /// The peer broke the stage's protocol, or refused ours.
    #[error("the TLS session failed")]
    Failed,
    /// The wire ended where the stage's protocol had not.
    #[error("the connection ended inside a TLS record or handshake")]
    Truncated,
}

/// What a stage learned of the peer and of the protection in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerFacts {
    /// Protocol version, `TLSv1.3`.
    pub protocol: String,
    /// Cipher suite by its IANA name.
    pub cipher: String,
    /// The server name that the client asked for.
    pub server_name: Option<String>,
    /// The application protocol agreed upon, `http/1.1`.
    pub alpn: Option<String>,
    /// The certificate that stands for the server in this session; shared with all sessions that have the same.
    pub server: Option<Arc<Certificate>>,
    /// The verified client certificate, if there was one.
    pub client: Option<Certificate>,
}

/// A certificate: the verified one of the peer, or the server's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificate {
    /// The certificate itself in DER.
    pub der: Vec<u8>,
    /// Distinguished name of the subject, RFC 4514 text.
    pub subject: String,
    /// Distinguished name of the issuer, RFC 4514 text.
    pub issuer: String,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// Start of validity, seconds after 1970-01-01T00:00:00Z.
    pub not_before: i64,
    /// End of validity, seconds after 1970-01-01T00:00:00Z.
    pub not_after: i64,
}
