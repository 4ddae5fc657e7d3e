//! What did the caller do wrong?
//!
//! A [`Misuse`] is a programming error of the application or the driver, never the peer's fault. The call that returns
//! it has changed neither the connection nor a buffer, so the caller can do the right thing instead.

/// A call that the state of the connection, or the rules of HTTP, do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// No request waits for an answer.
    #[error("no request waits for an answer")]
    NotStarted,
    /// The answer to this request has begun already.
    #[error("the answer to this request has already begun")]
    AlreadyStarted,
    /// The answer has no content open to be written or finished.
    #[error("no answer is being written")]
    NotWriting,
    /// This status has no content (RFC 9110, 6.4.1).
    #[error("an answer of this status has no content")]
    BodyNotAllowed,
    /// More content than the size that was announced.
    #[error("more content than the announced size")]
    TooMuch,
    /// Less content than the size that was announced; only `abort` is left.
    #[error("less content than the announced size")]
    TooLittle,
    /// A field name is no token or its value has control characters (RFC 9110, 5.1 and 5.5).
    #[error("a field name or value is malformed")]
    InvalidField,
    /// A field that only the framing, the connection or the head may set (RFC 9110, 6.5.1 and 7.6.1; RFC 9112, 6).
    #[error("this field is not the application's to set here")]
    ReservedField,
    /// The client does not hold its content back.
    #[error("the client is not waiting for 100 (Continue)")]
    NotExpected,
    /// The client did not offer to switch protocols.
    #[error("the client did not offer this upgrade")]
    NotOffered,
    /// The request has content that was not read to its end.
    #[error("the request content has not been read to its end")]
    Unread,
    /// The answer began before any of the content was asked for from a client that waited to be told to send it, and so told it not to
    /// (RFC 9110, 10.1.1).
    #[error("the answer began before any content was asked for, which refused the content")]
    ContentRefused,
    /// The answer is complete, and what comes now is no content for the application, but perhaps the next request.
    #[error("the answer is complete, and the rest of the content is dropped")]
    ContentDropped,
    /// A status code outside 200 to 599, or outside 102 to 199 for an interim answer.
    #[error("the status code is out of range")]
    Status,
    /// A reason phrase with control characters (RFC 9112, 4).
    #[error("the reason phrase is malformed")]
    Reason,
}
