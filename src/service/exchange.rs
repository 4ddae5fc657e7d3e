//! What stands between a connection of the server and a task of an executor?
//!
//! An [`Exchange`]: content on its way to the service, the answer on its way to the client, and whom to wake for which.
//!
//! Invariants:
//! 1. Nobody is woken while the lock is held.
//! 2. The connection is woken once for all that a turn of the task has brought.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ::http::HeaderMap;
use ::http::response::Parts;
use bytes::Bytes;
use cherrystone_core::Size;

use super::MARK;
use super::body::BodyError;

/// One request and its answer.
#[derive(Default)]
pub(super) struct Exchange {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    content: Content,
    answer: Answer,
    /// The connection.
    connection: Option<Waker>,
    /// The task, wherever it waits.
    task: Option<Waker>,
    /// The task has something for the connection that this does not know of.
    has_news: bool,
    /// The connection is gone, or wants no answer any more.
    is_cancelled: bool,
}

#[derive(Default)]
struct Content {
    pieces: VecDeque<Bytes>,
    octets: usize,
    end: Option<Result<Option<HeaderMap>, BodyError>>,
    /// The service has asked for content.
    is_wanted: bool,
    /// The service has dropped it.
    is_dropped: bool,
    /// The service was told to wait, and has not been told of the end since.
    has_waited: bool,
    reader: Option<Waker>,
}

#[derive(Default)]
struct Answer {
    head: Option<(Parts, Size)>,
    pieces: VecDeque<Bytes>,
    octets: usize,
    trailers: Option<HeaderMap>,
    end: Option<Result<(), Failed>>,
    writer: Option<Waker>,
}

/// Why there is no answer, or no end of it.
type Failed = Box<dyn Error + Send + Sync>;

/// What the connection is to say next.
pub(super) enum Said {
    Piece(Bytes),
    End(Option<HeaderMap>),
    Failed(Failed),
    Nothing,
}

/// What the service is to hear next.
pub(super) enum Heard {
    Piece(Bytes),
    Trailers(HeaderMap),
    End,
    Failed(BodyError),
}

/// The connection's side.
impl Exchange {
    /// Notes whom to wake on news.
    pub(super) fn connect(&self, waker: &Waker) {
        remember(&mut self.lock().connection, waker);
    }

    /// Whether the service would take more content.
    pub(super) fn wants_content(&self) -> bool {
        let state = self.lock();
        let content = &state.content;
        content.is_wanted && !content.is_dropped && content.end.is_none() && content.octets < MARK
    }

    /// Hands content to the service; dropped if nobody wants it.
    pub(super) fn hear(&self, piece: Bytes) {
        let mut state = self.lock();
        if !state.content.is_dropped {
            state.content.octets += piece.len();
            state.content.pieces.push_back(piece);
        }
        let reader = state.content.reader.take();
        drop(state);
        wake(reader);
    }

    /// The content is complete, or cannot be completed.
    pub(super) fn hear_end(&self, end: Result<Option<HeaderMap>, BodyError>) {
        let mut state = self.lock();
        state.content.end.get_or_insert(end);
        let reader = state.content.reader.take();
        drop(state);
        wake(reader);
    }

    pub(super) fn take_head(&self) -> Option<(Parts, Size)> {
        self.lock().answer.head.take()
    }

    /// The next piece of the answer, of `room` octets at most.
    pub(super) fn say(&self, room: usize) -> Said {
        let mut state = self.lock();
        let answer = &mut state.answer;
        let said = match answer.pieces.front_mut() {
            Some(_) if room == 0 => Said::Nothing,
            Some(piece) if piece.len() > room => Said::Piece(piece.split_to(room)),
            Some(_) => answer.pieces.pop_front().map_or(Said::Nothing, Said::Piece),
            None => match answer.end.take() {
                Some(Ok(())) => Said::End(answer.trailers.take()),
                Some(Err(why)) => Said::Failed(why),
                None => Said::Nothing,
            },
        };
        let mut writer = None;
        if let Said::Piece(piece) = &said {
            answer.octets -= piece.len();
            if answer.octets < MARK / 2 {
                writer = answer.writer.take();
            }
        }
        drop(state);
        wake(writer);
        said
    }

    /// Nobody waits for the answer any more: the task is to end.
    pub(super) fn cancel(&self) {
        let mut state = self.lock();
        state.is_cancelled = true;
        state.connection = None;
        state.content.end.get_or_insert(Err(BodyError::Gone));
        let (task, reader) = (state.task.take(), state.content.reader.take());
        drop(state);
        wake(task);
        wake(reader);
    }
}

/// The service's side.
impl Exchange {
    /// The next piece of content.
    pub(super) fn poll_content(&self, cx: &mut Context<'_>) -> Poll<Heard> {
        let mut state = self.lock();
        let content = &mut state.content;
        let (was_wanted, was_full) = (std::mem::replace(&mut content.is_wanted, true), content.octets >= MARK);
        let heard = match content.pieces.pop_front() {
            Some(piece) => {
                content.octets -= piece.len();
                Poll::Ready(Heard::Piece(piece))
            }
            // The end is told in a turn of its own: readers there are that look twice in one turn, and take an end that the second look
            // finds behind content for an end without content (multer, and so axum's forms).
            None if content.end.is_some() && std::mem::take(&mut content.has_waited) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => match &mut content.end {
                Some(Ok(trailers)) => Poll::Ready(trailers.take().map_or(Heard::End, Heard::Trailers)),
                Some(Err(error)) => Poll::Ready(Heard::Failed(*error)),
                None => {
                    content.has_waited = true;
                    remember(&mut content.reader, cx.waker());
                    Poll::Pending
                }
            },
        };
        let asks = content.end.is_none() && (!was_wanted || was_full && content.octets < MARK);
        let connection = if asks { state.connection.clone() } else { None };
        drop(state);
        wake(connection);
        heard
    }

    /// The service wants no more content.
    pub(super) fn drop_content(&self) {
        let mut state = self.lock();
        state.content.is_dropped = true;
        let pieces = std::mem::take(&mut state.content.pieces);
        state.content.octets = 0;
        drop(state);
        drop(pieces);
    }

    /// Begins the answer.
    pub(super) fn put_head(&self, parts: Parts, size: Size) {
        let mut state = self.lock();
        state.answer.head = Some((parts, size));
        state.has_news = true;
    }

    /// Waits until the client has taken enough.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.answer.octets < MARK {
            return Poll::Ready(());
        }
        remember(&mut state.answer.writer, cx.waker());
        Poll::Pending
    }

    pub(super) fn put(&self, piece: Bytes) {
        let mut state = self.lock();
        state.answer.octets += piece.len();
        state.answer.pieces.push_back(piece);
        state.has_news = true;
    }

    /// Ends the answer.
    pub(super) fn put_end(&self, trailers: Option<HeaderMap>) {
        let mut state = self.lock();
        state.answer.trailers = trailers;
        state.answer.end.get_or_insert(Ok(()));
        state.has_news = true;
    }

    pub(super) fn put_failure(&self, why: Failed) {
        let mut state = self.lock();
        state.answer.end.get_or_insert(Err(why));
        state.has_news = true;
    }

    /// The task is about to move on; says whether there is still a reason.
    pub(super) fn begin_turn(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        remember(&mut state.task, waker);
        !state.is_cancelled
    }

    /// Lets the connection know what the turn has brought.
    pub(super) fn end_turn(&self) {
        let mut state = self.lock();
        let connection = if std::mem::take(&mut state.has_news) { state.connection.clone() } else { None };
        drop(state);
        wake(connection);
    }

    /// The task is over.
    pub(super) fn end_task(&self) {
        self.lock().task = None;
        self.end_turn();
    }
}

impl Exchange {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is whole before the lock is given back, and nothing of the application runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remember(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(known) => known.clone_from(waker),
        None => *place = Some(waker.clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
