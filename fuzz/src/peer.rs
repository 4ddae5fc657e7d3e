//! What does another server make of what is accepted?
//!
//! The stream is given to the core and to `hyper`: each request that the core has read to its end, hyper must have read too, with the
//! same method, target, fields, content and trailers. Where the two disagree on purpose, [`Disagreement`] says why; anything else is a
//! failure.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use cherrystone_core::{Config, Connection, Env, Event, Instant, RecvBuf, SendBuf, Size, Status};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::rt::ReadBufCursor;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};

/// Where hyper may do something else, and why that is no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// It knows no minor version above 1; RFC 9110, 2.5 has a server take 1.2 for the highest that it knows.
    MinorVersion,
    /// Its type for targets is stricter about octets and ports, and laxer about nothing that we accept; we hand targets out as they came.
    Target,
    /// It takes a length for one number; RFC 9110, 8.6 lets a list of equal ones be taken for it too.
    LengthList,
    /// It takes the last member of `Transfer-Encoding` for the coding even if that is empty; RFC 9110, 5.6.1.2 has empty ones ignored.
    EmptyMember,
    /// After an offer to switch protocols it leaves what follows to whoever might accept that.
    Upgrade,
    /// It reads no `Connection` field that has octets beyond ASCII, and ends the connection of an HTTP/1.0 client that asked to keep it; such
    /// octets are opaque data (RFC 9110, 5.5), and the other members of the list mean what they mean.
    OpaqueOption,
    /// After CONNECT it waits for the application to take the connection over, and reads no further request.
    Connect,
}

/// One request, as either side has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    method: String,
    target: String,
    fields: Vec<(String, Vec<u8>)>,
    content: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
}

/// Gives a stream to both.
///
/// # Panics
/// If they disagree and it is not written down here.
pub fn check(stream: &[u8], config: &Config) {
    let ours = ours(stream, config);
    if ours.is_empty() {
        return;
    }
    let theirs = theirs(stream);
    for (at, (seen, version)) in ours.iter().enumerate() {
        if disagreement(seen, version).is_some() {
            return;
        }
        let other = theirs.get(at);
        let other = other.unwrap_or_else(|| panic!("hyper refuses request {at} of {}", stream.escape_ascii()));
        assert_eq!(other, &normal(seen), "request {at} of {}", stream.escape_ascii());
    }
}

fn disagreement(seen: &Seen, version: &[u8]) -> Option<Disagreement> {
    if !matches!(version, b"HTTP/1.0" | b"HTTP/1.1") {
        return Some(Disagreement::MinorVersion);
    }
    let lists = |name: &str| {
        let mut of_name = seen.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        of_name.clone().count() > 1 || of_name.any(|(_, value)| value.contains(&b','))
    };
    if lists("Content-Length") {
        return Some(Disagreement::LengthList);
    }
    if lists("Transfer-Encoding") {
        return Some(Disagreement::EmptyMember);
    }
    if seen.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("Upgrade")) {
        return Some(Disagreement::Upgrade);
    }
    if seen.fields.iter().any(|(name, value)| name.eq_ignore_ascii_case("Connection") && !value.is_ascii()) {
        return Some(Disagreement::OpaqueOption);
    }
    if seen.method == "CONNECT" {
        return Some(Disagreement::Connect);
    }
    seen.target.parse::<Uri>().is_err().then_some(Disagreement::Target)
}

/// The same in hyper's terms: names in lower case, and lines of one name together; the target as its type shows it.
fn normal(seen: &Seen) -> Seen {
    let group = |fields: &[(String, Vec<u8>)]| {
        let mut lower: Vec<_> = fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        lower.sort_by(|a, b| a.0.cmp(&b.0));
        lower
    };
    let target = seen.target.parse::<Uri>().map_or_else(|_| seen.target.clone(), |uri| uri.to_string());
    Seen { target, fields: group(&seen.fields), trailers: group(&seen.trailers), ..seen.clone() }
}

/// The requests that the core reads to their end, before it refuses something or closes, each with its version as it was sent.
fn ours(stream: &[u8], config: &Config) -> Vec<(Seen, Vec<u8>)> {
    let env = Env { config, now: Instant::from_nanos(0), date: None };
    let (mut conn, mut rx, mut tx) = (Connection::new(&env), RecvBuf::default(), SendBuf::default());
    rx.push(stream);
    rx.close();
    let (mut seen, mut current) = (Vec::new(), None::<(Seen, Vec<u8>)>);
    let lines = |fields: cherrystone_core::Fields<'_>| -> Vec<(String, Vec<u8>)> {
        fields.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
    };
    loop {
        match conn.poll(&env, &mut rx) {
            Ok(Event::Request(head)) => {
                let request = Seen {
                    method: head.method().into(),
                    target: head.target().into(),
                    fields: lines(head.fields()),
                    ..Seen::default()
                };
                let line = head.raw().split(|octet| *octet == b'\r').next().unwrap_or_default();
                let version = line.rsplit(|octet| *octet == b' ').next().unwrap_or_default();
                current = Some((request, version.to_vec()));
            }
            Ok(Event::Data(data)) => {
                if let Some((request, _)) = &mut current {
                    request.content.extend_from_slice(data);
                }
            }
            Ok(Event::End(trailers)) => {
                if let Some((mut request, version)) = current.take() {
                    request.trailers = lines(trailers);
                    seen.push((request, version));
                }
                conn.respond(&env, Status::OK, &[], Size::Empty, &mut tx).expect("a request is due");
            }
            Ok(Event::NeedContinue) => conn.proceed(&mut tx).expect("the client waits"),
            Ok(Event::Shutdown) => {}
            _ => return seen,
        }
    }
}

/// The requests that hyper reads to their end.
fn theirs(stream: &[u8]) -> Vec<Seen> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            if let Ok(body) = body.collect().await {
                let trailers = body.trailers().map(lines).unwrap_or_default();
                seen.borrow_mut().push(Seen {
                    method: head.method.to_string(),
                    target: head.uri.to_string(),
                    fields: lines(&head.headers),
                    content: body.to_bytes().to_vec(),
                    trailers,
                });
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let pipe = Pipe { input: stream.to_vec(), at: 0 };
    let mut server = hyper::server::conn::http1::Builder::new();
    let mut connection = pin!(server.max_headers(200).half_close(true).serve_connection(pipe, service));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if connection.as_mut().poll(&mut context).is_ready() {
            break;
        }
    }
    let seen = seen.borrow().clone();
    seen
}

fn lines(fields: &hyper::HeaderMap) -> Vec<(String, Vec<u8>)> {
    let mut lines: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines
}

/// A connection in memory: all input is there, and the end of it; output is taken and forgotten.
struct Pipe {
    input: Vec<u8>,
    at: usize,
}

impl hyper::rt::Read for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut room: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let n = room.remaining().min(self.input.len() - self.at);
        room.put_slice(&self.input[self.at..self.at + n]);
        self.at += n;
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
