//! The routes of the fixtures on tiny_http: `tiny_http PORT`.

use std::sync::Arc;

use tiny_http::{Header, Method, Request, Response, Server};

fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("a port");
    let server = Arc::new(Server::http(("127.0.0.1", port)).expect("the port"));
    let threads = (0..16).map(|_| {
        let server = Arc::clone(&server);
        std::thread::spawn(move || {
            while let Ok(request) = server.recv() {
                handle(request);
            }
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        let _ = thread.join();
    }
}

fn handle(mut request: Request) {
    let url = request.url().to_owned();
    let path = url.split('?').next().unwrap_or_default();
    if *request.method() == Method::Connect || path == "*" {
        return answer(request, 501, "no tunnels, no options");
    }
    if path == "/discard" {
        return answer(request, 200, "ok");
    }
    let mut content = Vec::new();
    let read = request.as_reader().read_to_end(&mut content);
    if read.is_err() || request.body_length().is_some_and(|length| length != content.len()) {
        return answer(request, 400, "bad content");
    }
    match path {
        "/" => answer(request, 200, "ok"),
        "/head" => answer(request, 200, "hello"),
        "/echo" => answer(request, 200, content),
        "/inspect" => {
            let mut dump = format!("{} {url} HTTP/{}\n", request.method(), request.http_version());
            for header in request.headers() {
                let name = header.field.as_str().as_str().to_ascii_lowercase();
                dump.push_str(&format!("{name}: {}\n", header.value));
            }
            dump.push_str(&format!("\nbody-bytes: {}\n", content.len()));
            answer(request, 200, dump)
        }
        "/chunked" => {
            let _ = request.respond(Response::new(200.into(), vec![], &b"onetwothree"[..], None, None));
        }
        _ => match path.strip_prefix("/status/").and_then(|status| status.parse::<u16>().ok()) {
            Some(status) => answer(request, status, ""),
            None => answer(request, 404, "not found"),
        },
    }
}

fn answer(request: Request, status: u16, content: impl Into<Vec<u8>>) {
    let text = Header::from_bytes("Content-Type", "text/plain").expect("a field");
    // The client may have gone.
    let _ = request.respond(Response::from_data(content).with_status_code(status).with_header(text));
}
