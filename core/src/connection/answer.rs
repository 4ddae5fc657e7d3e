//! What is known of the answer, and of why the connection ended?
//!
//! For logs and counters: nothing here decides anything.

use super::{Cause, Closing, Connection, Reply, Waits};
use crate::Status;

/// The answer to a request, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Its status; 101, which no application can name, after a switch of protocols.
    pub status: Status,
    /// Content octets that were said; none for HEAD.
    pub content: u64,
    /// How far it has come.
    pub progress: AnswerProgress,
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerProgress {
    /// More content may follow.
    Open,
    /// Everything was said.
    Complete,
    /// It was given up before its end.
    Cut,
}

impl Connection {
    /// The final answer to the request under way or, between requests, to the last one; those of the server's own count too.
    /// `None` before its head.
    pub fn answer(&self) -> Option<Answer> {
        let progress = match self.reply {
            Reply::Done => AnswerProgress::Complete,
            _ if self.closing == Closing::Open => AnswerProgress::Open,
            _ => AnswerProgress::Cut,
        };
        self.status.map(|status| Answer { status, content: self.content, progress })
    }

    /// The wait whose end ends the connection. What came too late in the middle of a request is a [`Violation`](crate::Violation) and not here.
    pub fn expired(&self) -> Option<Cause> {
        match self.waits {
            Waits::Expired(cause) => Some(cause),
            Waits::Running | Waits::Held => None,
        }
    }

    /// Whether the answer to the request under way is complete, so that the rest of its content is dropped.
    #[inline]
    pub(crate) fn is_answered(&self) -> bool {
        self.reply == Reply::Done
    }

    pub(super) fn expire(&mut self, cause: Cause) {
        if self.expired().is_none() {
            self.waits = Waits::Expired(cause);
        }
    }

    /// Makes an answer due that nothing was said of.
    pub(super) fn owe(&mut self) {
        self.reply = Reply::Due;
        self.status = None;
        self.content = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Env, Event, Instant, RecvBuf, SendBuf, Size};

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

    /// What is known of the answer after these octets and what `say` says.
    fn answer_to(octets: &[u8], say: impl Fn(&mut Connection, &Env<'_>, &mut SendBuf)) -> (Option<Answer>, Connection) {
        let config = Config::default();
        let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
        let (mut conn, mut rx, mut tx) = (Connection::new(&env), RecvBuf::default(), SendBuf::default());
        rx.push(octets);
        let violation = conn.poll(&env, &mut rx).err();
        assert_eq!(conn.answer(), None);
        if let Some(violation) = violation {
            conn.refuse(&env, violation, &mut tx);
        }
        say(&mut conn, &env, &mut tx);
        (conn.answer(), conn)
    }

    #[test]
    fn an_answer_is_known_as_far_as_it_has_come() {
        let known = |status, content, progress| Some(Answer { status, content, progress });
        let begin = |conn: &mut Connection, env: &Env<'_>, tx: &mut SendBuf| {
            conn.respond(env, Status::OK, &[], Size::Unknown, tx).unwrap();
            conn.write(b"abc", tx).unwrap();
        };
        let (open, mut conn) = answer_to(REQUEST, begin);
        assert_eq!(open, known(Status::OK, 3, AnswerProgress::Open));
        conn.finish(&[], &mut SendBuf::default()).unwrap();
        assert_eq!(conn.answer(), known(Status::OK, 3, AnswerProgress::Complete));
        let (cut, _) = answer_to(REQUEST, |conn, env, tx| {
            begin(conn, env, tx);
            conn.abort(env, tx);
        });
        assert_eq!(cut, known(Status::OK, 3, AnswerProgress::Cut));
        let (mute, _) = answer_to(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", begin);
        assert_eq!(mute, known(Status::OK, 0, AnswerProgress::Open));
    }

    #[test]
    fn the_servers_own_answers_are_known_too() {
        let text = "the server failed to answer this request\n".len() as u64;
        let (aborted, _) = answer_to(REQUEST, |conn, env, tx| conn.abort(env, tx));
        let known = |status, content| Some(Answer { status, content, progress: AnswerProgress::Complete });
        assert_eq!(aborted, known(Status::INTERNAL_SERVER_ERROR, text));
        let (refused, _) = answer_to(b"\0", |_, _, _| ());
        assert_eq!(refused.map(|answer| answer.status), Some(Status::BAD_REQUEST));
        let (busy, _) = answer_to(b"", |conn, env, tx| conn.overloaded(env, tx));
        assert_eq!(busy.map(|answer| answer.status), Some(Status::SERVICE_UNAVAILABLE));
    }

    #[test]
    fn a_refusal_may_have_content_of_the_application() {
        let config = Config::default();
        let env = Env { config: &config, now: Instant::from_nanos(0), date: None };
        let (mut conn, mut rx, mut tx) = (Connection::new(&env), RecvBuf::default(), SendBuf::default());
        rx.push(b"\0");
        let violation = conn.poll(&env, &mut rx).unwrap_err();
        let forbidden = conn.refuse_with(&env, violation, &[("Content-Length", b"9")], b"no", &mut tx);
        assert_eq!((forbidden, tx.len()), (Err(crate::Misuse::ReservedField), 0));
        conn.refuse_with(&env, violation, &[("Content-Type", b"a/b")], b"no", &mut tx).unwrap();
        let said = b"HTTP/1.1 400 Bad Request\r\nContent-Type: a/b\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
        assert_eq!(tx.unsent(), said);
        assert_eq!(conn.answer().map(|answer| answer.content), Some(2));
        assert!(matches!(conn.poll(&env, &mut rx), Ok(Event::Shutdown)));
    }
}
