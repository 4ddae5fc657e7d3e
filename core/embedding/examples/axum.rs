//! How does an axum application run on cherrystone?
//!
//! The router is a service, and a [`ServiceGateway`] makes a gateway of it: handlers run on tokio, connections on the event loop (or the
//! thread pool), and what waits for either holds no thread. Nothing in the application knows of cherrystone but the two handlers that
//! want to: who the client is, and the connection itself.
//!
//! ```text
//! cargo run -p cherrystone-embedding --example axum -- 127.0.0.1:8070 [mio|threads]
//! curl 'http://127.0.0.1:8070/hello/moon?times=2'
//! curl -N http://127.0.0.1:8070/events
//! curl -H 'Content-Type: application/json' -d '{"text":"buy milk"}' http://127.0.0.1:8070/notes
//! curl -F file=@Cargo.toml http://127.0.0.1:8070/upload
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Multipart, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use cherrystone::gateway::Peer;
use cherrystone::service::{OnUpgrade, ServiceGateway};
use cherrystone::{Backend, Server};
use futures_util::stream::{self, Stream, StreamExt};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde::{Deserialize, Serialize};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8070".into());
    let backend = match arguments.next().as_deref() {
        None | Some("mio") => Backend::Mio,
        Some("threads") => Backend::Threads,
        Some(other) => return Err(format!("no backend {other:?}: mio or threads").into()),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let server = server(app(Shared::default()), runtime.handle().clone()).backend(backend).bind(address)?;
    server.addresses().for_each(|address| println!("listening on http://{address}"));
    Ok(server.run()?)
}

/// A server of this application, without an address yet.
pub(crate) fn server(app: Router, runtime: tokio::runtime::Handle) -> Server {
    Server::new(ServiceGateway::new(app, move |work| drop(runtime.spawn(work))))
}

/// What all requests share.
#[derive(Clone, Default)]
pub(crate) struct Shared {
    notes: Arc<Mutex<Vec<Note>>>,
    /// Requests whose future was dropped before its end.
    given_up: Arc<AtomicUsize>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Note {
    text: String,
}

/// The application.
pub(crate) fn app(shared: Shared) -> Router {
    Router::new()
        .route("/", get(|| async { "hello\n" }))
        .route("/hello/{name}", get(hello))
        .route("/notes", post(add_note))
        .route("/notes/{id}", get(read_note))
        .route("/echo", post(|request: Request| async { request.into_body() }))
        .route("/count", post(count))
        .route("/upload", post(upload))
        .route("/events", get(events))
        .route("/big/{octets}", get(big))
        .route("/trailers", post(trailers))
        .route("/peer", get(|Extension(peer): Extension<Peer>| async move { peer.address.to_string() }))
        .route("/early", post(|| async { "not read\n" }))
        .route("/forever", get(forever))
        .route(
            "/given-up",
            get(|State(shared): State<Shared>| async move { shared.given_up.load(Ordering::SeqCst).to_string() }),
        )
        .route("/panic", get(panic))
        .route("/tunnel", any(tunnel))
        .with_state(shared)
}

#[derive(Deserialize)]
struct Greeting {
    #[serde(default = "once")]
    times: usize,
}

fn once() -> usize {
    1
}

async fn hello(Path(name): Path<String>, Query(greeting): Query<Greeting>) -> String {
    format!("hello, {name}\n").repeat(greeting.times.min(100))
}

async fn add_note(State(shared): State<Shared>, Json(note): Json<Note>) -> impl IntoResponse {
    let mut notes = shared.notes.lock().unwrap_or_else(PoisonError::into_inner);
    notes.push(note.clone());
    (StatusCode::CREATED, [(header::LOCATION, format!("/notes/{}", notes.len() - 1))], Json(note))
}

async fn read_note(State(shared): State<Shared>, Path(id): Path<usize>) -> Result<Json<Note>, StatusCode> {
    let notes = shared.notes.lock().unwrap_or_else(PoisonError::into_inner);
    notes.get(id).cloned().map(Json).ok_or(StatusCode::NOT_FOUND)
}

/// Counts what is uploaded, and keeps none of it.
async fn count(body: Body) -> Result<String, (StatusCode, String)> {
    let mut octets = 0;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        octets += piece.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?.len();
    }
    Ok(format!("{octets}\n"))
}

async fn upload(mut form: Multipart) -> Result<String, axum::extract::multipart::MultipartError> {
    let mut lines = String::new();
    while let Some(field) = form.next_field().await? {
        let (name, file) = (field.name().unwrap_or_default().to_owned(), field.file_name().map(str::to_owned));
        let octets = field.bytes().await?.len();
        lines += &format!("{name} {} {octets}\n", file.as_deref().unwrap_or("-"));
    }
    Ok(lines)
}

/// Three events, a moment apart.
async fn events() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::iter(1..=3).then(|number| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(Event::default().event("tick").data(number.to_string()))
    });
    Sse::new(events)
}

/// Octets of which no more are made than the client takes.
async fn big(Path(octets): Path<usize>) -> Body {
    let piece = Bytes::from_static(&[b'x'; 8192]);
    let pieces = stream::unfold(octets, move |left| {
        let piece = piece.slice(..left.min(8192));
        async move { (left > 0).then(|| (Ok::<_, Infallible>(piece.clone()), left - piece.len())) }
    });
    Body::from_stream(pieces)
}

/// The content, and behind it the trailers that came with it.
async fn trailers(body: Body) -> Result<Response, (StatusCode, String)> {
    let content = body.collect().await.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let trailers = content.trailers().cloned().unwrap_or_else(HeaderMap::new);
    let frames = [Frame::data(content.to_bytes()), Frame::trailers(trailers)].map(Ok::<_, Infallible>);
    Ok(Response::new(Body::new(StreamBody::new(stream::iter(frames)))))
}

/// Counts what is dropped with it.
struct GivenUp(Arc<AtomicUsize>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Never answers.
async fn forever(State(shared): State<Shared>) -> &'static str {
    let _noted = GivenUp(shared.given_up);
    std::future::pending::<()>().await;
    "never"
}

async fn panic() -> &'static str {
    panic!("as asked")
}

/// Another protocol on the same connection: what comes is sent back.
async fn tunnel(mut request: Request) -> Response {
    let Some(next) = request.extensions_mut().remove::<OnUpgrade>() else {
        return (StatusCode::UPGRADE_REQUIRED, [(header::UPGRADE, "echo")], "upgrade required").into_response();
    };
    tokio::spawn(async {
        let Ok(stream) = next.await else { return };
        let (read, mut write) = futures_util::AsyncReadExt::split(stream);
        // A client that has gone is no concern of others.
        let _ = futures_util::io::copy(read, &mut write).await;
        let _ = futures_util::AsyncWriteExt::close(&mut write).await;
    });
    (StatusCode::SWITCHING_PROTOCOLS, [(header::UPGRADE, "echo")]).into_response()
}
