//! A WebSocket and server-sent events, on either backend: `cargo run --release --example live -- [threads|mio]`, then open
//! <http://127.0.0.1:8070>.

mod app;
mod events;
mod socket;

use std::time::Duration;

use cherrystone::{Backend, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backend = match std::env::args().nth(1).as_deref() {
        None | Some("mio") => Backend::Mio,
        Some("threads") => Backend::Threads,
        Some(other) => return Err(format!("{other} is no backend: expected threads or mio").into()),
    };
    let server = Server::new(app::Live::ticking(Duration::from_secs(1))?).backend(backend).bind("127.0.0.1:8070")?;
    println!("listening on http://127.0.0.1:8070");
    Ok(server.run()?)
}
