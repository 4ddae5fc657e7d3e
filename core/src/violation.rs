//! What did the peer do wrong?
//!
//! A [`Violation`] names the rule that was broken, where in the stream of the connection, which status answers it and
//! which section of which RFC says so. It carries no text of the peer's and no allocation.
//!
//! ```
//! use cherrystone_core::{Violation, ViolationKind};
//!
//! let broken = Violation { kind: ViolationKind::BareLf, offset: 17 };
//! assert_eq!((broken.status().code(), broken.section()), (400, "RFC 9112, 2.2"));
//! assert_eq!(broken.to_string(), "a line ends in LF without CR (RFC 9112, 2.2; octet 17)");
//! ```
//!
//! Invariants:
//! 1. A connection reports one violation at most, and no request after it.

use crate::Status;

/// A rule that the peer broke, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} ({}; octet {offset})", kind.text(), kind.section())]
pub struct Violation {
    /// Which rule.
    pub kind: ViolationKind,
    /// Octets of this connection before the one at which the fault was noticed.
    pub offset: u64,
}

impl Violation {
    /// The status that answers it.
    pub fn status(self) -> Status {
        Status::known(self.kind.row().0)
    }

    /// The section that was broken, `RFC 9112, 6.3`.
    pub fn section(self) -> &'static str {
        self.kind.section()
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident => $status:literal, $section:literal, $text:literal;)+) => {
        /// The rules that a peer can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ViolationKind { $($(#[doc = $doc])+ $kind,)+ }

        impl ViolationKind {
            /// Every kind, for tables and counters.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            fn row(self) -> (u16, &'static str, &'static str) {
                match self { $(Self::$kind => ($status, $section, $text),)+ }
            }

            /// Its name in code, stable for logs and counters.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind),)+ }
            }
        }
    };
}

kinds! {
    /// The first octet cannot begin a method: TLS, another protocol, garbage.
    NotHttp => 400, "RFC 9112, 3", "the first octet cannot begin a request";
    /// More empty lines before a request than the one that is forgiven.
    EmptyLines => 400, "RFC 9112, 2.2", "too many empty lines before a request";
    /// LF without CR.
    BareLf => 400, "RFC 9112, 2.2", "a line ends in LF without CR";
    /// CR without LF.
    BareCr => 400, "RFC 9112, 2.2", "a CR is not followed by LF";
    /// NUL in a head or trailer.
    Nul => 400, "RFC 9110, 5.5", "the head contains a NUL";
    /// The request line is not `method SP target SP version`.
    RequestLine => 400, "RFC 9112, 3", "the request line is not METHOD TARGET HTTP/1.1";
    /// The method is no token.
    Method => 400, "RFC 9110, 9.1", "the method is not a token";
    /// The target has octets or a form that its method does not allow.
    Target => 400, "RFC 9112, 3.2", "the request target is malformed";
    /// The major version is not 1.
    Version => 505, "RFC 9110, 15.6.6", "only HTTP/1.1 and HTTP/1.0 are served here";
    /// The request line or the target is longer than the limit.
    TargetTooLong => 414, "RFC 9110, 15.5.15", "the request target is too long";
    /// The head is longer than the limit.
    HeadTooLarge => 431, "RFC 6585, 5", "the header section is too large";
    /// More field lines than the limit.
    TooManyFields => 431, "RFC 6585, 5", "there are too many field lines";
    /// A field name is no token, or white space stands before its colon, or a line is folded.
    FieldName => 400, "RFC 9112, 5.1", "a field name is malformed";
    /// A field value has control characters.
    FieldValue => 400, "RFC 9110, 5.5", "a field value is malformed";
    /// HTTP/1.1 without Host.
    HostMissing => 400, "RFC 9112, 3.2", "the Host field is missing";
    /// More than one Host line.
    HostRepeated => 400, "RFC 9112, 3.2", "there is more than one Host field";
    /// Host is no `uri-host [ ":" port ]`.
    Host => 400, "RFC 9112, 3.2", "the Host field is malformed";
    /// The target asks for a secured connection, which this is not.
    Misdirected => 421, "RFC 9110, 7.4", "an https target came over a connection without TLS";
    /// Content-Length is no number, or several that differ.
    ContentLength => 400, "RFC 9112, 6.3", "the Content-Length is malformed or contradicts itself";
    /// Content-Length together with Transfer-Encoding.
    LengthAndEncoding => 400, "RFC 9112, 6.1", "Content-Length and Transfer-Encoding exclude each other";
    /// Transfer-Encoding does not end in exactly one `chunked`, or came with HTTP/1.0.
    TransferEncoding => 400, "RFC 9112, 6.3", "the Transfer-Encoding does not delimit the content";
    /// A transfer coding other than chunked.
    UnknownCoding => 501, "RFC 9112, 6.1", "only the transfer coding chunked is understood";
    /// An expectation other than `100-continue`.
    Expectation => 417, "RFC 9110, 10.1.1", "the expectation cannot be met";
    /// The content is larger than the limit.
    BodyTooLarge => 413, "RFC 9110, 15.5.14", "the content is too large";
    /// The size of a chunk is not a hexadecimal number.
    ChunkSize => 400, "RFC 9112, 7.1", "a chunk size is not a hexadecimal number";
    /// The extensions of a chunk break their grammar.
    ChunkExtension => 400, "RFC 9112, 7.1.1", "a chunk extension is malformed";
    /// A chunk-size line, or the extensions of one request, are longer than the limit.
    ChunkOverhead => 400, "RFC 9112, 7.1.1", "the chunk extensions are too long";
    /// The data of a chunk are not followed by CRLF.
    ChunkEnd => 400, "RFC 9112, 7.1", "chunk data is not followed by CRLF";
    /// The trailer section is longer than the limit.
    TrailersTooLarge => 431, "RFC 6585, 5", "the trailer section is too large";
    /// The peer ended its side in the middle of a request.
    Truncated => 400, "RFC 9112, 8", "the request is incomplete";
    /// The head did not come in time.
    HeadTimeout => 408, "RFC 9110, 15.5.9", "the request did not arrive in time";
    /// The content came too slowly.
    BodyTimeout => 408, "RFC 9110, 15.5.9", "the content did not arrive in time";
}

impl ViolationKind {
    /// The section that was broken.
    pub fn section(self) -> &'static str {
        self.row().1
    }

    /// What is wrong, in a sentence without the first capital and the full stop.
    pub fn text(self) -> &'static str {
        self.row().2
    }

    pub(crate) const fn at(self, offset: u64) -> Violation {
        Violation { kind: self, offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_an_error_status() {
        for kind in ViolationKind::ALL {
            let status = kind.at(0).status();
            assert!(status.code() >= 400 && !status.reason().is_empty(), "{kind:?}");
        }
    }
}
