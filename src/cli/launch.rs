//! How does a command line become a running server?
//!
//! [`launch`] applies the settings, binds the addresses, says where it listens once it does, and serves until a signal: the
//! first SIGINT or SIGTERM stops gracefully, the second cuts.

use std::error::Error;
use std::io::{self, Write};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{Backend, Settings};
use crate::sockets::{Options, UnixMode};
use crate::{Handle, Server};

/// Serves with these settings at these addresses until a signal.
///
/// # Errors
/// A setting or an address that cannot work, in words for the one who gave it.
pub fn launch(server: Server, backend: Backend, settings: &Settings, bind: &[String]) -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    options.backlog = settings.backlog;
    options.reuse_port = settings.reuse_port;
    options.unix_mode = settings.unix_mode.map(UnixMode::from_bits).transpose()?;
    let mut server = server.backend(backend).settings(settings.runtime()).socket_options(options);
    for address in bind {
        server = server.bind(address)?;
    }
    let addresses: Vec<String> = server.addresses().map(ToString::to_string).collect();
    // A signal that comes from now on is not lost.
    listen_for_signals(server.handle(), settings)?;
    let handle = server.handle();
    let running = server.start()?;
    let mut out = io::stdout().lock();
    for address in &addresses {
        writeln!(out, "listening on {}", url(address, settings.tls.is_some()))?;
    }
    out.flush()?;
    drop(out);
    handle.wait_until_stopped(&running);
    Ok(())
}

fn listen_for_signals(handle: Handle, settings: &Settings) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let within = settings.stop_timeout;
    std::thread::Builder::new().name("cherrystone-sig".into()).spawn(move || {
        for (count, _) in signals.forever().enumerate() {
            if count == 0 { handle.request_stop(within) } else { handle.cut() }
        }
    })?;
    Ok(())
}

/// An address as a client would write it.
fn url(address: &str, secured: bool) -> String {
    let scheme = if secured { "https" } else { "http" };
    if address.starts_with("unix:") { address.into() } else { format!("{scheme}://{address}") }
}
