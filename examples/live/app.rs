//! Which path is what?

use std::time::Duration;

use cherrystone::gateway::{Done, Exchange, Failure, Gateway, Mode};
use cherrystone::{Head, Status};

use crate::events::Ticker;
use crate::socket;

/// A page, its WebSocket at `/echo` and its events at `/ticks`.
pub(crate) struct Live {
    ticker: Ticker,
}

impl Live {
    /// The application, which ticks this often.
    pub(crate) fn ticking(period: Duration) -> std::io::Result<Self> {
        Ok(Self { ticker: Ticker::every(period)? })
    }
}

impl Gateway for Live {
    /// Nothing here waits, so that an event loop needs no worker for it.
    fn mode(&self, _: Head<'_>) -> Mode {
        Mode::Inline
    }

    fn handle(&self, head: Head<'_>, exchange: Exchange<'_>) -> Result<Done, Failure> {
        match head.path() {
            "/" => exchange.respond(
                Status::OK,
                &[("Content-Type", b"text/html; charset=utf-8")],
                include_str!("page.html"),
            ),
            "/echo" => socket::accept(head, exchange),
            "/ticks" => self.ticker.events(head, exchange),
            _ => exchange.respond(Status::NOT_FOUND, &[("Content-Type", b"text/plain")], "not found\n"),
        }
    }
}
