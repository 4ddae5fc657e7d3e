//! What becomes of what the application returned?
//!
//! A list or tuple is one answer of known length, which is sent when Python is done with it. A file in a wrapper is sent by the kernel.
//! Anything else is asked for one piece after the other, and each piece is on its way before the next is asked for (PEP 3333,
//! "Buffering and Streaming").
//!
//! Invariants:
//! 1. `close` of what the application returned is called once, however the answer ended.
//! 2. The head waits for the first piece that is not empty: until then `start_response` may be called, or called again.
//! 3. No content goes out for HEAD, 204, 205 and 304; what could come behind the first piece is not asked for.

use std::fs::File;
use std::ops::Range;
use std::time::{Duration, Instant};

use cherrystone::gateway::{Done, Failure, Payload};
use cherrystone::{Size, Status};
use pyo3::exceptions::PyAttributeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::exchange::{Exchange, Pushed, State, not_started, octets};
use crate::file::{self, FileWrapper};
use crate::head::Prepared;
use crate::talk::{Conversation, Flush, Talk};

/// How long an application may give empty pieces before the server looks whether the client is still there.
const LOOK: Duration = Duration::from_secs(1);

/// What is left to do once Python is done.
#[derive(Debug, Default)]
pub(crate) enum Ending {
    /// Nothing was decided: the application failed.
    #[default]
    Nothing,
    /// Send the head and this content.
    Whole(Vec<u8>),
    /// Send the head and this part of a file.
    File(File, Range<u64>),
    /// The answer was pushed; end it.
    Pushed,
}

/// Calls `application` and leaves what there is still to send in the exchange.
///
/// # Errors
/// What the application raised, or what it did wrong.
pub(crate) fn run<'py>(
    exchange: &Exchange,
    application: &Bound<'py, PyAny>,
    environ: &Bound<'py, PyAny>,
    start: &Bound<'py, PyAny>,
) -> PyResult<()> {
    let result = application.call1((environ, start))?;
    let ending = take(exchange, &result);
    let closed = close(&result);
    exchange.state().ending = ending?;
    closed
}

/// Sends what `state` says is left to send.
///
/// # Errors
/// The answer cannot be completed.
pub(crate) fn conclude(mut talk: Conversation<'_>, state: &mut State) -> Result<Done, Failure> {
    let ending = std::mem::take(&mut state.ending);
    if let Ending::Pushed = ending {
        return talk.finish(&state.trailers.fields());
    }
    let Some(head) = state.prepared.take() else { return Err(Failure::application("the application did not answer")) };
    let fields = head.fields();
    match ending {
        Ending::Nothing | Ending::Pushed => Err(Failure::application("the application failed")),
        _ if has_no_content(head.status) => talk.into_exchange()?.respond(head.status_line(), &fields, Payload::Empty),
        Ending::Whole(content) if state.is_head && content.is_empty() || !head.fits(content.len()) => {
            // The head tells another length than this content has: that of what a GET would be given, or a wrong one.
            talk.begin(head.status_line(), &fields, size(&head))?;
            talk.write(&content, Flush::Later)?;
            talk.finish(&state.trailers.fields())
        }
        Ending::Whole(content) => talk.into_exchange()?.respond(head.status_line(), &fields, content),
        Ending::File(file, range) => talk.into_exchange()?.respond(head.status_line(), &fields, (file, range)),
    }
}

/// The size that the head of a pushed answer tells.
pub(crate) fn size(head: &Prepared) -> Size {
    if has_no_content(head.status) {
        return Size::Empty;
    }
    head.length.map_or(Size::Unknown, Size::Exact)
}

/// Whether an answer of this status has neither content nor a length that would matter.
pub(crate) fn has_no_content(status: Status) -> bool {
    matches!(status, Status::NO_CONTENT | Status::RESET_CONTENT) || status == Status::NOT_MODIFIED
}

fn take(exchange: &Exchange, result: &Bound<'_, PyAny>) -> PyResult<Ending> {
    if let Ok(list) = result.cast_exact::<PyList>() {
        return whole(exchange, result.py(), list.len(), list.iter());
    }
    if let Ok(tuple) = result.cast_exact::<PyTuple>() {
        return whole(exchange, result.py(), tuple.len(), tuple.iter());
    }
    if let Ok(wrapper) = result.cast_exact::<FileWrapper>()
        && let Some(ending) = part_of_file(exchange, wrapper)?
    {
        return Ok(ending);
    }
    pieces(exchange, result)
}

/// Pieces that are all there.
fn whole<'py>(
    exchange: &Exchange,
    py: Python<'py>,
    count: usize,
    pieces: impl Iterator<Item = Bound<'py, PyAny>>,
) -> PyResult<Ending> {
    let mut content = Vec::new();
    for piece in pieces {
        let piece = octets(&piece)?.as_bytes();
        if count == 1 {
            content = piece.to_vec();
        } else {
            content.extend_from_slice(piece);
        }
    }
    let mut state = exchange.state();
    if state.begun {
        // What `write` sent comes first.
        drop(state);
        if !content.is_empty() && exchange.push(py, &content, Flush::Later)? == Pushed::Cut {
            exchange.note_too_much();
        }
        return Ok(exchange.pushed());
    }
    let head = state.prepared.as_ref().ok_or_else(not_started)?;
    let (length, is_mute) = (head.length, state.is_head || has_no_content(head.status));
    if let Some(length) = length.filter(|length| *length != content.len() as u64 && !is_mute) {
        if (content.len() as u64) < length {
            state.note_too_little(length - content.len() as u64);
        } else {
            state.note_too_much();
        }
    }
    if let Some(length) = length.and_then(|length| usize::try_from(length).ok()) {
        content.truncate(length);
    }
    Ok(Ending::Whole(content))
}

/// The part of a file that the kernel can send by itself, if it is one.
fn part_of_file(exchange: &Exchange, wrapper: &Bound<'_, FileWrapper>) -> PyResult<Option<Ending>> {
    let length = match &exchange.state().prepared {
        Some(head) => head.length,
        None => return Ok(None),
    };
    let Some((file, rest)) = file::regular(wrapper.get().wrapped(wrapper.py()))? else { return Ok(None) };
    let available = rest.end.saturating_sub(rest.start);
    let length = length.unwrap_or(available);
    Ok((length <= available).then(|| Ending::File(file, rest.start..rest.start + length)))
}

/// Pieces that come one after the other.
fn pieces(exchange: &Exchange, result: &Bound<'_, PyAny>) -> PyResult<Ending> {
    let py = result.py();
    let mut looked = Instant::now();
    for piece in result.try_iter()? {
        let piece = piece?;
        let piece = octets(&piece)?.as_bytes();
        if piece.is_empty() {
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                exchange.check_client(py)?;
            }
            continue;
        }
        if exchange.push(py, piece, Flush::Now)? == Pushed::Cut {
            exchange.note_too_much();
            break;
        }
        if exchange.state().is_mute() {
            break;
        }
    }
    if exchange.state().begun {
        return Ok(exchange.pushed());
    }
    whole(exchange, py, 0, std::iter::empty())
}

/// Calls `close`, if there is one.
fn close(result: &Bound<'_, PyAny>) -> PyResult<()> {
    if result.cast_exact::<PyList>().is_ok() || result.cast_exact::<PyTuple>().is_ok() {
        return Ok(());
    }
    match result.getattr(intern!(result.py(), "close")) {
        Ok(close) => close.call0().map(|_| ()),
        Err(error) if error.is_instance_of::<PyAttributeError>(result.py()) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Prepared {
    /// Whether the head would tell the length of this content, or leaves it to the server.
    fn fits(&self, length: usize) -> bool {
        self.length.is_none_or(|declared| declared == length as u64)
    }
}

impl Exchange {
    /// Decides what a gateway written in Python has left to do.
    pub(crate) fn settle(&self) {
        if self.state().begun {
            let ending = self.pushed();
            self.state().ending = ending;
            return;
        }
        let mut state = self.state();
        if let (Ending::Nothing, Some(_)) = (&state.ending, &state.prepared) {
            state.ending = Ending::Whole(Vec::new());
        }
    }

    /// An answer whose content was pushed, to be ended; what is missing of it is noted.
    fn pushed(&self) -> Ending {
        let mut state = self.state();
        let missing = state.left.filter(|_| !state.is_mute()).unwrap_or(0);
        if missing > 0 {
            state.note_too_little(missing);
        }
        Ending::Pushed
    }

    fn note_too_much(&self) {
        self.state().note_too_much();
    }
}

impl State {
    fn note_too_much(&mut self) {
        self.notes
            .push("the application gave more content than the Content-Length that it declared; it was cut".into());
    }

    fn note_too_little(&mut self, missing: u64) {
        self.notes.push(format!(
            "the application gave {missing} octets less than the Content-Length that it declared; the connection is closed"
        ));
    }
}
