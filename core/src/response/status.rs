//! Which statuses are there?
//!
//! [`Status`] is a final one, 200 to 599; [`Interim`] a 1xx that an application may send, 102 to 199.
//!
//! ```
//! use cherrystone_core::Status;
//!
//! assert_eq!(Status::NOT_FOUND.reason(), "Not Found");
//! assert_eq!(Status::new(299).unwrap().reason(), "");
//! assert!(Status::new(99).is_err());
//! ```
//!
//! A [`StatusLine`] is a status in the words of an application; wherever an answer takes one, a plain status will do:
//!
//! ```
//! use cherrystone_core::{Status, StatusLine};
//!
//! let line = Status::OK.in_words("Fine");
//! assert_eq!((line.status(), line.reason()), (Status::OK, Some(&b"Fine"[..])));
//! assert_eq!(StatusLine::from(Status::OK).reason(), None);
//! ```

use core::num::NonZero;

use crate::Misuse;

/// A final status code, 200 to 599 (RFC 9110, 15); no larger where it is optional.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(NonZero<u16>);

impl core::fmt::Debug for Status {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Status({})", self.0)
    }
}

impl Status {
    /// The final status of this code.
    ///
    /// # Errors
    /// [`Misuse::Status`] for codes outside 200 to 599.
    pub const fn new(code: u16) -> Result<Self, Misuse> {
        if code >= 200 && code <= 599 { Ok(Self::known(code)) } else { Err(Misuse::Status) }
    }

    /// 101, which is the end of HTTP on the connection and no answer that could be chosen.
    pub(crate) const SWITCHING: Self = Self::known(101);

    /// For codes that our own tables hold.
    pub(crate) const fn known(code: u16) -> Self {
        match NonZero::new(code) {
            Some(code) => Self(code),
            None => Self::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code.
    pub const fn code(self) -> u16 {
        self.0.get()
    }

    /// The registered reason phrase, empty for a code without one.
    pub fn reason(self) -> &'static str {
        let line = self.line();
        line.get(13..line.len().wrapping_sub(2)).unwrap_or_default()
    }

    /// Whether an answer of this status has no content whatever the method (RFC 9110, 6.4.1 and 15.3.6).
    pub const fn is_bodiless(self) -> bool {
        matches!(self.code(), 204 | 205 | 304)
    }

    /// `Content-Length: 0` for 205; nothing for 204, and for 304 only what the 200 would have had.
    pub(crate) const fn forbids_length(self) -> bool {
        self.code() == 204
    }
}

/// The first line of an answer: its status, and a reason phrase if it is to be another than the registered one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusLine<'r> {
    status: Status,
    reason: Option<&'r [u8]>,
}

impl Status {
    /// This status with a reason phrase of the caller's: text without control characters, which is checked when the answer begins.
    /// Clients ignore it (RFC 9112, 4).
    pub fn in_words(self, reason: &(impl AsRef<[u8]> + ?Sized)) -> StatusLine<'_> {
        StatusLine { status: self, reason: Some(reason.as_ref()) }
    }
}

impl<'r> StatusLine<'r> {
    /// The status.
    pub const fn status(self) -> Status {
        self.status
    }

    /// The reason phrase; `None` stands for the registered one.
    pub const fn reason(self) -> Option<&'r [u8]> {
        self.reason
    }
}

impl From<Status> for StatusLine<'_> {
    #[inline]
    fn from(status: Status) -> Self {
        Self { status, reason: None }
    }
}

macro_rules! statuses {
    ($($code:literal $name:ident $phrase:literal;)+) => {
        impl Status {
            $(#[doc = concat!($code, " ", $phrase)] pub const $name: Self = Self(NonZero::new($code).unwrap());)+

            /// The whole status line of a registered code, else an empty string.
            pub(crate) fn line(self) -> &'static str {
                match self.code() {
                    $($code => concat!("HTTP/1.1 ", $code, " ", $phrase, "\r\n"),)+
                    _ => "",
                }
            }
        }
    };
}

statuses! {
    200 OK "OK";
    201 CREATED "Created";
    202 ACCEPTED "Accepted";
    203 NON_AUTHORITATIVE_INFORMATION "Non-Authoritative Information";
    204 NO_CONTENT "No Content";
    205 RESET_CONTENT "Reset Content";
    206 PARTIAL_CONTENT "Partial Content";
    300 MULTIPLE_CHOICES "Multiple Choices";
    301 MOVED_PERMANENTLY "Moved Permanently";
    302 FOUND "Found";
    303 SEE_OTHER "See Other";
    304 NOT_MODIFIED "Not Modified";
    307 TEMPORARY_REDIRECT "Temporary Redirect";
    308 PERMANENT_REDIRECT "Permanent Redirect";
    400 BAD_REQUEST "Bad Request";
    401 UNAUTHORIZED "Unauthorized";
    402 PAYMENT_REQUIRED "Payment Required";
    403 FORBIDDEN "Forbidden";
    404 NOT_FOUND "Not Found";
    405 METHOD_NOT_ALLOWED "Method Not Allowed";
    406 NOT_ACCEPTABLE "Not Acceptable";
    407 PROXY_AUTHENTICATION_REQUIRED "Proxy Authentication Required";
    408 REQUEST_TIMEOUT "Request Timeout";
    409 CONFLICT "Conflict";
    410 GONE "Gone";
    411 LENGTH_REQUIRED "Length Required";
    412 PRECONDITION_FAILED "Precondition Failed";
    413 CONTENT_TOO_LARGE "Content Too Large";
    414 URI_TOO_LONG "URI Too Long";
    415 UNSUPPORTED_MEDIA_TYPE "Unsupported Media Type";
    416 RANGE_NOT_SATISFIABLE "Range Not Satisfiable";
    417 EXPECTATION_FAILED "Expectation Failed";
    421 MISDIRECTED_REQUEST "Misdirected Request";
    422 UNPROCESSABLE_CONTENT "Unprocessable Content";
    425 TOO_EARLY "Too Early";
    426 UPGRADE_REQUIRED "Upgrade Required";
    428 PRECONDITION_REQUIRED "Precondition Required";
    429 TOO_MANY_REQUESTS "Too Many Requests";
    431 REQUEST_HEADER_FIELDS_TOO_LARGE "Request Header Fields Too Large";
    451 UNAVAILABLE_FOR_LEGAL_REASONS "Unavailable For Legal Reasons";
    500 INTERNAL_SERVER_ERROR "Internal Server Error";
    501 NOT_IMPLEMENTED "Not Implemented";
    502 BAD_GATEWAY "Bad Gateway";
    503 SERVICE_UNAVAILABLE "Service Unavailable";
    504 GATEWAY_TIMEOUT "Gateway Timeout";
    505 HTTP_VERSION_NOT_SUPPORTED "HTTP Version Not Supported";
    511 NETWORK_AUTHENTICATION_REQUIRED "Network Authentication Required";
}

/// An interim status that an application may send, 102 to 199 (RFC 9110, 15.2); 100 and 101 have calls of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interim(u16);

impl Interim {
    /// 102 Processing.
    pub const PROCESSING: Self = Self(102);
    /// 103 Early Hints (RFC 8297).
    pub const EARLY_HINTS: Self = Self(103);

    /// The interim status of this code.
    ///
    /// # Errors
    /// [`Misuse::Status`] for codes outside 102 to 199.
    pub const fn new(code: u16) -> Result<Self, Misuse> {
        if code >= 102 && code <= 199 { Ok(Self(code)) } else { Err(Misuse::Status) }
    }

    /// The code.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// The reason phrase, empty for a code without one.
    pub const fn reason(self) -> &'static str {
        match self.0 {
            102 => "Processing",
            103 => "Early Hints",
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for code in 0..=1000 {
            assert_eq!(Status::new(code).is_ok(), (200..600).contains(&code), "{code}");
            assert_eq!(Interim::new(code).is_ok(), (102..200).contains(&code), "{code}");
        }
        assert_eq!(size_of::<Option<Status>>(), 2);
        assert_eq!(Status::OK.reason(), "OK");
        assert_eq!(Status::OK.line(), "HTTP/1.1 200 OK\r\n");
    }
}
