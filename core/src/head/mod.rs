//! What does a request say?
//!
//! [`Head`] is a borrowed view of a request line and header section that lies in a receive buffer: names, values and
//! target are exactly the octets that came, in their order and with their duplicates. [`HeadBuf`] is a copy that the
//! driver may keep.
//!
//! ```
//! use cherrystone_core::{Config, Connection, Env, Event, Instant, RecvBuf};
//!
//! let config = Config::default();
//! let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
//! let (mut conn, mut rx) = (Connection::new(&env), RecvBuf::default());
//! rx.push(b"GET /a?b HTTP/1.1\r\nHost: h\r\nX-Odd: 1\r\nx-odd: 2\r\n\r\n");
//! let Ok(Event::Request(head)) = conn.poll(&env, &mut rx) else { panic!() };
//! assert_eq!((head.method(), head.path(), head.query()), ("GET", "/a", Some("b")));
//! assert_eq!(head.fields().get("HOST"), Some(&b"h"[..]));
//! assert_eq!(head.fields().get_all("x-odd").count(), 2);
//! assert_eq!(head.fields().iter().nth(1), Some(("X-Odd", &b"1"[..])));
//! ```
//!
//! Invariants:
//! 1. A head is complete and valid when it is seen: framing, Host and target were judged before.
//! 2. A span never reaches outside its head, so a view cannot panic.

pub(crate) mod framing;
pub(crate) mod parse;
pub(crate) mod scan;
mod seen;
mod target;

use alloc::vec::Vec;

pub use framing::Framing;
pub(crate) use target::Form;
pub use target::TargetForm;

use crate::syntax;

/// The protocol version of a request; a higher minor version counts as 1.1 (RFC 9110, 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

/// Where a field line's name and value are, counted from the first octet of the head or trailer section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSpan {
    name_at: u16,
    name_len: u16,
    value_at: u16,
    value_len: u16,
}

/// What the request line says, by position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) method_len: u16,
    pub(crate) target_end: u16,
    pub(crate) version: Version,
    pub(crate) form: Form,
}

impl Line {
    /// Where the field lines begin.
    pub(crate) fn fields_at(&self) -> usize {
        usize::from(self.target_end) + " HTTP/1.1\r\n".len()
    }
}

/// What the header section decides for the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decisions {
    pub(crate) framing: Framing,
    /// The client waits for 100 before it sends content.
    pub(crate) expects_continue: bool,
    /// The client offered to switch protocols.
    pub(crate) offers_upgrade: bool,
    /// The client wants to keep the connection.
    pub(crate) persistent: bool,
}

/// The parts of a parsed head by position; the octets are elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    pub(crate) line: Line,
    pub(crate) decisions: Decisions,
    pub(crate) fields: Vec<FieldSpan>,
}

/// A request line and header section.
#[derive(Clone, Copy)]
pub struct Head<'b> {
    raw: &'b [u8],
    index: &'b Index,
}

impl<'b> Head<'b> {
    pub(crate) fn new(raw: &'b [u8], index: &'b Index) -> Self {
        Self { raw, index }
    }

    /// The method, case as received.
    pub fn method(&self) -> &'b str {
        text(self.raw, 0, usize::from(self.index.line.method_len))
    }

    /// The request target as received, neither decoded nor normalized.
    pub fn target(&self) -> &'b str {
        let start = usize::from(self.index.line.method_len) + 1;
        text(self.raw, start, usize::from(self.index.line.target_end))
    }

    /// The target by its form (RFC 9112, 3.2).
    pub fn form(&self) -> TargetForm<'b> {
        self.index.line.form.view(self.target())
    }

    /// The path of an origin-form or absolute-form target as received, `/` if that is empty, `*` for asterisk-form,
    /// empty for authority-form.
    pub fn path(&self) -> &'b str {
        match self.form() {
            TargetForm::Origin { path, .. } => path,
            TargetForm::Absolute { path: "", .. } => "/",
            TargetForm::Absolute { path, .. } => path,
            TargetForm::Asterisk => "*",
            TargetForm::Authority(_) => "",
        }
    }

    /// The query as received, without its question mark; `None` if there is no question mark.
    pub fn query(&self) -> Option<&'b str> {
        match self.form() {
            TargetForm::Origin { query, .. } | TargetForm::Absolute { query, .. } => query,
            TargetForm::Asterisk | TargetForm::Authority(_) => None,
        }
    }

    /// Whom the request is for: the target's authority if it has one, else the Host field (RFC 9112, 3.3). `None`
    /// when the client named nobody.
    pub fn authority(&self) -> Option<&'b str> {
        match self.form() {
            TargetForm::Absolute { authority, .. } | TargetForm::Authority(authority) => Some(authority),
            TargetForm::Origin { .. } | TargetForm::Asterisk => {
                let host = self.fields().get("Host")?;
                core::str::from_utf8(host).ok().filter(|host| !host.is_empty())
            }
        }
    }

    /// The protocol version.
    pub fn version(&self) -> Version {
        self.index.line.version
    }

    /// How the content is delimited.
    pub fn framing(&self) -> Framing {
        self.index.decisions.framing
    }

    /// The field lines of the header section.
    pub fn fields(&self) -> Fields<'b> {
        Fields { raw: self.raw, spans: &self.index.fields }
    }

    /// The octets from the method to the empty line.
    pub fn raw(&self) -> &'b [u8] {
        self.raw
    }

    /// Whether the client waits for 100 (Continue) before it sends its content (RFC 9110, 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.index.decisions.expects_continue
    }

    /// Whether the client asked to keep the connection after this request (RFC 9112, 9.3).
    pub fn is_persistent(&self) -> bool {
        self.index.decisions.persistent
    }

    /// The protocols that the client offers to switch to, in its order of preference; none unless the `upgrade`
    /// connection option is there too and the version is 1.1 (RFC 9110, 7.8).
    pub fn upgrade(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        let fields = if self.index.decisions.offers_upgrade { self.fields() } else { Fields::default() };
        fields.get_all("Upgrade").flat_map(syntax::members).filter_map(|member| core::str::from_utf8(member).ok())
    }

    /// Copies the head into `buf`, whose storage is used again.
    pub fn copy_into(&self, buf: &mut HeadBuf) {
        buf.raw.clear();
        buf.raw.extend_from_slice(self.raw);
        buf.index.line = self.index.line;
        buf.index.decisions = self.index.decisions;
        buf.index.fields.clone_from(&self.index.fields);
    }
}

impl core::fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Head")
            .field("method", &self.method())
            .field("target", &self.target())
            .field("version", &self.version())
            .field("framing", &self.framing())
            .field("fields", &self.fields())
            .finish()
    }
}

/// A copy of a head that outlives its receive buffer; used again it allocates no more.
#[derive(Clone, Debug, Default)]
pub struct HeadBuf {
    raw: Vec<u8>,
    index: Index,
}

impl HeadBuf {
    /// The head that was copied here last; an empty one before that.
    pub fn head(&self) -> Head<'_> {
        Head { raw: &self.raw, index: &self.index }
    }

    /// Forgets the head, and keeps the storage.
    pub fn clear(&mut self) {
        self.raw.clear();
        self.index.fields.clear();
        self.index.line = Line::default();
        self.index.decisions = Decisions::default();
    }

    /// Copies field lines alone, such as trailers; the request line is empty then.
    pub fn copy_fields(&mut self, fields: Fields<'_>) {
        self.clear();
        self.raw.extend_from_slice(fields.raw);
        self.index.fields.extend_from_slice(fields.spans);
    }
}

/// Field lines in the order they came: of a header section or of trailers.
#[derive(Clone, Copy, Default)]
pub struct Fields<'b> {
    raw: &'b [u8],
    spans: &'b [FieldSpan],
}

impl<'b> Fields<'b> {
    pub(crate) fn new(raw: &'b [u8], spans: &'b [FieldSpan]) -> Self {
        Self { raw, spans }
    }

    /// The value of the first line of this name, compared without case.
    pub fn get(&self, name: &str) -> Option<&'b [u8]> {
        self.get_all(name).next()
    }

    /// The values of all lines of this name, compared without case, in order.
    pub fn get_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'b [u8]> + use<'b, 'n> {
        let raw = self.raw;
        self.spans
            .iter()
            .filter(move |span| span.name(raw).eq_ignore_ascii_case(name.as_bytes()))
            .map(move |span| span.value(raw))
    }

    /// Name and value of every line, as received.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'b str, &'b [u8])> + use<'b> {
        let raw = self.raw;
        self.spans.iter().map(move |span| (core::str::from_utf8(span.name(raw)).unwrap_or_default(), span.value(raw)))
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}

impl core::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, value.escape_ascii().to_string_lossy()))).finish()
    }
}

/// Debug output of values, whose octets may be anything.
trait Lossy {
    fn to_string_lossy(self) -> alloc::string::String;
}

impl Lossy for core::slice::EscapeAscii<'_> {
    fn to_string_lossy(self) -> alloc::string::String {
        alloc::string::ToString::to_string(&self)
    }
}

impl FieldSpan {
    /// The span of a field whose parts start at these positions.
    pub(crate) fn new(name_at: usize, name_len: usize, value_at: usize, value_len: usize) -> Self {
        // The limits on heads and trailers keep every position within 16 bits.
        Self {
            name_at: name_at as u16,
            name_len: name_len as u16,
            value_at: value_at as u16,
            value_len: value_len as u16,
        }
    }

    fn name<'b>(&self, raw: &'b [u8]) -> &'b [u8] {
        let at = usize::from(self.name_at);
        raw.get(at..at + usize::from(self.name_len)).unwrap_or_default()
    }

    fn value<'b>(&self, raw: &'b [u8]) -> &'b [u8] {
        let at = usize::from(self.value_at);
        raw.get(at..at + usize::from(self.value_len)).unwrap_or_default()
    }
}

fn text(raw: &[u8], start: usize, end: usize) -> &str {
    raw.get(start..end).and_then(|octets| core::str::from_utf8(octets).ok()).unwrap_or_default()
}
