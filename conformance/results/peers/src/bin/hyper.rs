//! The routes of the fixtures on hyper: `hyper PORT`.

use std::convert::Infallible;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Method, Request, Response, Version};
use hyper_util::rt::{TokioIo, TokioTimer};

type Answer = Response<BoxBody<Bytes, Infallible>>;

#[tokio::main]
async fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("a port");
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("the port");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(async move {
            let service = hyper::service::service_fn(handle);
            let mut server = hyper::server::conn::http1::Builder::new();
            let served = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            let _ = served.await;
        });
    }
}

async fn handle(request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    if request.method() == Method::CONNECT || request.uri().path() == "*" {
        return Ok(answer(501, "no tunnels, no options"));
    }
    let path = request.uri().path().to_owned();
    if path == "/discard" {
        return Ok(answer(200, "ok"));
    }
    let (head, body) = request.into_parts();
    let Ok(content) = body.collect().await else { return Ok(answer(400, "bad content")) };
    let trailers = content.trailers().cloned().unwrap_or_default();
    let content = content.to_bytes();
    Ok(match path.as_str() {
        "/" => answer(200, "ok"),
        "/head" => answer(200, "hello"),
        "/echo" => answer(200, content),
        "/inspect" => {
            let version = if head.version == Version::HTTP_10 { "1.0" } else { "1.1" };
            let mut dump = format!("{} {} HTTP/{version}\n", head.method, head.uri).into_bytes();
            for (name, value) in &head.headers {
                dump.extend_from_slice(format!("{name}: ").as_bytes());
                dump.extend_from_slice(value.as_bytes());
                dump.push(b'\n');
            }
            dump.extend_from_slice(format!("\nbody-bytes: {}\n", content.len()).as_bytes());
            for (name, value) in &trailers {
                dump.extend_from_slice(format!("trailer {name}: ").as_bytes());
                dump.extend_from_slice(value.as_bytes());
                dump.push(b'\n');
            }
            answer(200, dump)
        }
        "/chunked" => {
            let parts = ["one", "two", "three"].map(|part| Ok::<_, Infallible>(Frame::data(Bytes::from(part))));
            Response::new(StreamBody::new(Parts(parts.into_iter())).boxed())
        }
        _ => match path.strip_prefix("/status/").and_then(|status| status.parse().ok()) {
            Some(status) => answer(status, ""),
            None => answer(404, "not found"),
        },
    })
}

fn answer(status: u16, content: impl Into<Bytes>) -> Answer {
    let builder = Response::builder().status(status).header("content-type", "text/plain");
    builder.body(Full::new(content.into()).boxed()).unwrap_or_else(|_| answer(404, "no such status"))
}

struct Parts<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Parts<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}
