//! Does a service conform where the server's own gateways do?

use std::convert::Infallible;

use axum::body::Body as AnyBody;
use bytes::Bytes;
use cherrystone::service::{Body, BodyError, OnUpgrade, ServiceGateway};
use cherrystone::{Backend, Server, Settings};
use cherrystone_conformance::case::Transport;
use cherrystone_conformance::target::Target;
use cherrystone_conformance::testbed::limits;
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode, Version, header};
use http_body_util::BodyExt;
use tower::service_fn;

use super::judged::judge;

#[test]
fn on_the_event_loop() {
    conforms(Backend::Mio);
}

#[test]
fn on_threads() {
    conforms(Backend::Threads);
}

fn conforms(backend: Backend) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let handle = runtime.handle().clone();
    let mut settings = Settings::default();
    settings.config = limits();
    let gateway = ServiceGateway::new(service_fn(answer), move |work| drop(handle.spawn(work)));
    let server = Server::new(gateway).settings(settings).backend(backend).bind("127.0.0.1:0").unwrap();
    let address = server.addresses().find_map(|address| address.tcp()).unwrap();
    let running = server.start().unwrap();
    let target = Target::parse(&address.to_string()).unwrap();
    judge(&format!("service on {backend:?}"), &target.authority(), Transport::Clear, &target);
    drop(running);
}

/// The routes that the cases presuppose.
async fn answer(request: Request<Body>) -> Result<Response<AnyBody>, Infallible> {
    // Content that cannot be read has been answered by the server.
    Ok(route(request).await.unwrap_or_else(|_| text(StatusCode::BAD_REQUEST, "unreadable")))
}

async fn route(mut request: Request<Body>) -> Result<Response<AnyBody>, BodyError> {
    if request.method() == "CONNECT" {
        return Ok(text(StatusCode::NOT_IMPLEMENTED, "no tunnels here"));
    }
    let path = request.uri().path().to_owned();
    if path == "/discard" {
        return Ok(text(StatusCode::OK, "ok"));
    }
    if path == "/upgrade" {
        return Ok(upgrade(&mut request));
    }
    let (parts, body) = request.into_parts();
    let content = body.collect().await?;
    let trailers = content.trailers().cloned().unwrap_or_default();
    let content = content.to_bytes();
    Ok(match path.as_str() {
        "*" => {
            let mut allow = Response::new(AnyBody::empty());
            allow.headers_mut().insert(header::ALLOW, "GET, HEAD, POST, OPTIONS".parse().expect("a value"));
            allow
        }
        "/" | "/probe" => text(StatusCode::OK, "ok"),
        "/head" => text(StatusCode::OK, "hello"),
        "/echo" => Response::new(AnyBody::from(content)),
        "/inspect" => {
            let version = if parts.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
            let mut dump = format!("{} {} {version}\n", parts.method, parts.uri).into_bytes();
            lines("", &parts.headers, &mut dump);
            dump.extend(format!("\nbody-bytes: {}\n", content.len()).bytes());
            lines("trailer ", &trailers, &mut dump);
            text(StatusCode::OK, dump)
        }
        "/chunked" => {
            let parts = ["one", "two", "three"].map(|part| Ok::<_, Infallible>(Bytes::from_static(part.as_bytes())));
            text(StatusCode::OK, AnyBody::from_stream(stream::iter(parts)))
        }
        _ => match path.strip_prefix("/status/").and_then(|code| code.parse().ok()).map(StatusCode::from_u16) {
            Some(Ok(status)) => {
                let mut response = Response::new(AnyBody::empty());
                *response.status_mut() = status;
                response
            }
            _ => text(StatusCode::NOT_FOUND, "not found"),
        },
    })
}

fn upgrade(request: &mut Request<Body>) -> Response<AnyBody> {
    let offered = request
        .headers()
        .get_all(header::UPGRADE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&octet| octet == b','));
    let offers = offered.map(<[u8]>::trim_ascii).any(|protocol| protocol.eq_ignore_ascii_case(b"echo"));
    let mut response = match request.extensions_mut().remove::<OnUpgrade>().filter(|_| offers) {
        None => text(StatusCode::UPGRADE_REQUIRED, "upgrade required"),
        Some(next) => {
            tokio::spawn(async {
                let Ok(stream) = next.await else { return };
                let (read, mut write) = futures_util::AsyncReadExt::split(stream);
                let _ = futures_util::io::copy(read, &mut write).await;
                let _ = futures_util::AsyncWriteExt::close(&mut write).await;
            });
            text(StatusCode::SWITCHING_PROTOCOLS, AnyBody::empty())
        }
    };
    response.headers_mut().insert(header::UPGRADE, "echo".parse().expect("a value"));
    response
}

fn text(status: StatusCode, content: impl Into<AnyBody>) -> Response<AnyBody> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "text/plain");
    response.body(content.into()).expect("fields of our own")
}

fn lines(lead: &str, fields: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in fields {
        out.extend_from_slice(format!("{lead}{name}: ").as_bytes());
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
    }
}
