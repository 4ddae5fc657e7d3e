//! Was a visitor served as it should have been?
//!
//! Judged from what it sent and what it received, by a reader that shares nothing with the server:
//! 1. Answers come in the order of the requests, at most one for each, each with the content that belongs to it.
//! 2. An answer that is not whole is the last, and the end of the connection shows that it is not.
//! 3. Whoever behaves is answered, unless an answer said that it is the last, or the server is stopped.
//! 4. The connection ends when it is due: at once, or when the wait that is under way is over.

use super::Report;
use super::agenda::MS;
use super::driver::GRAIN;
use super::gateway::{Notes, pattern};
use super::guest::{Ended, Guest, content};
use super::script::{Ask, Body, Dispatch, Kind, Manner, Script, Step};
use super::wire::Wire;
use super::world::rules;
use crate::replies::{self, Ending, Reply};

/// What the server may take for a step that follows at once.
const AT_ONCE: u64 = GRAIN + 5 * MS;

/// One visitor's day.
pub(super) struct Case<'c> {
    pub(super) script: &'c Script,
    pub(super) guest: &'c Guest,
    pub(super) wire: &'c Wire,
    pub(super) notes: &'c Notes,
    /// Whether the server said to be too busy.
    pub(super) is_turned_away: bool,
}

impl Case<'_> {
    /// Judges it, and counts what was seen.
    pub(super) fn judge(&self, report: &mut Report) -> Result<(), String> {
        let Guest { asked, replies, .. } = self.guest;
        report.requests += asked.len() as u64;
        report.answers += replies.len() as u64;
        for (number, _) in asked {
            let handled = self.notes.handled.iter().filter(|handled| *handled == number).count();
            if handled > 1 {
                return Err(format!("request {number} is handled {handled} times"));
            }
        }
        for (at, reply) in replies.iter().enumerate() {
            self.answer(at, reply).map_err(|why| format!("answer {at}: {why}: {}", brief(reply)))?;
        }
        let known = replies.iter().filter(|reply| reply.values("Id").next().is_some()).count();
        if self.guest.damaged.is_some_and(|asked| known > asked) {
            return Err("what came behind a damaged record is answered".into());
        }
        let last = self.left_over()?;
        if last == Last::Cut {
            report.cut += 1;
        }
        self.is_patient()?;
        if self.behaves() {
            report.calm += 1;
            self.is_served(last)?;
            self.is_prompt(last)?;
        }
        Ok(())
    }

    /// Judges a whole answer.
    fn answer(&self, at: usize, reply: &Reply) -> Result<(), String> {
        let is_last = at + 1 == self.guest.replies.len();
        let says_last = reply.lists("Connection", "close");
        if says_last && !(is_last && self.guest.parsed == self.guest.received.len()) {
            return Err("something follows what said to be the last".into());
        }
        let id = reply.values("Id").next();
        let Some((number, ask)) = self.guest.asked.get(at) else {
            let has_erred = self.guest.plan.steps.contains(&Step::Garbage);
            let fits = has_erred && id.is_none() && says_last || self.is_turned_away && reply.status == 503;
            return if fits { Ok(()) } else { Err("nobody asked".into()) };
        };
        match (id, reply.status) {
            (None, 101) if ask.kind == Kind::Upgrade => Ok(()),
            (None, 500) if self.may_fail(ask) && says_last => Ok(()),
            (None, 503) if self.is_turned_away && says_last => Ok(()),
            (None, 400 | 408) if !self.behaves() && says_last => Ok(()),
            // The server's patience with its visitors is over once it stops.
            (None, 500) if self.script.server.stops.is_some() && says_last => Ok(()),
            (Some(id), 200) if id == number.to_string().as_bytes() => {
                if ask.manner == Manner::Head {
                    return Ok(());
                }
                let expected = self.contents(*number, ask);
                if expected.contains(&reply.content) { Ok(()) } else { Err("its content is another one".into()) }
            }
            _ => Err(format!("it does not belong to request {number}")),
        }
    }

    /// Judges what is behind the last whole answer.
    fn left_over(&self) -> Result<Last, String> {
        let Guest { received, parsed, asked, replies, switched, ended, .. } = self.guest;
        let rest = &received[*parsed..];
        if *switched {
            let (number, ask) = asked[replies.len() - 1];
            let expected = pattern(number, ask.amount);
            return if expected == rest {
                Ok(Last::Whole)
            } else if expected.starts_with(rest) {
                Ok(Last::Cut)
            } else {
                Err("the other protocol does not give back what it got".into())
            };
        }
        if rest.is_empty() {
            return Ok(Last::Whole);
        }
        let Some((number, ask)) = asked.get(replies.len()) else { return Ok(Last::Cut) };
        match replies::read(rest, ask.manner == Manner::Head) {
            Err(why) if why.contains("incomplete") => Ok(Last::Cut),
            Err(why) => Err(why),
            Ok((reply, _)) => {
                let expected = self.contents(*number, ask);
                let mut expected = expected.iter();
                let is_told = *ended == Some(Ended::Regularly) && self.guest.was_told_the_end();
                let is_whole = reply.ending == Ending::UntilClose && is_told;
                if is_whole {
                    let fits = expected.any(|content| *content == reply.content);
                    return if fits { Ok(Last::Closed) } else { Err("a cut answer looks complete".into()) };
                }
                let canned = reply.values("Id").next().is_none();
                if canned || expected.any(|content| content.starts_with(&reply.content)) {
                    Ok(Last::Cut)
                } else {
                    Err(format!("the beginning of answer {number} is another one"))
                }
            }
        }
    }

    /// No connection outlives the longest chain of waits.
    fn is_patient(&self) -> Result<(), String> {
        let times = rules().timeouts;
        let longest = times.idle.max(times.head).max(times.body.grace).max(times.send.grace);
        let chain = (longest + times.send.grace + times.linger).as_nanos() as u64 + 3 * GRAIN;
        let wire = self.wire;
        let since = wire.heard_at.max(wire.said_at).max(wire.touched_at);
        let Some(dropped) = wire.dropped_at else { return Err("the socket is never dropped".into()) };
        if dropped > since + chain {
            return Err(format!("the connection outlives its last news by {} ms", (dropped - since) / MS));
        }
        Ok(())
    }

    /// Whoever behaves is served.
    fn is_served(&self, last: Last) -> Result<(), String> {
        let Guest { asked, replies, ended, .. } = self.guest;
        if self.script.server.stops.is_some() || self.is_turned_away {
            return Ok(());
        }
        let answered = replies.len() + usize::from(last == Last::Closed);
        let ends = asked.iter().position(|(_, ask)| self.may_end(ask));
        let cuts = asked.iter().any(|(_, ask)| self.may_cut(ask));
        if *ended == Some(Ended::ByReset) && !cuts {
            return Err("the connection of a visitor that behaves is reset".into());
        }
        if last == Last::Cut && !cuts {
            return Err("an answer to a visitor that behaves is cut".into());
        }
        if *ended == Some(Ended::Regularly) && !self.guest.was_told_the_end() {
            return Err("the stage does not say goodbye".into());
        }
        let is_cut = last == Last::Cut || *ended == Some(Ended::ByReset);
        if answered < asked.len() && !is_cut && ends.is_none_or(|ends| answered <= ends) {
            return Err(format!("{} of {} requests are answered, and nothing was wrong", answered, asked.len()));
        }
        let early =
            replies.iter().take(ends.unwrap_or(usize::MAX)).position(|reply| reply.lists("Connection", "close"));
        match early {
            Some(at) => Err(format!("the connection closes after answer {at} for no reason")),
            None => Ok(()),
        }
    }

    /// A connection ends when it is due, if it is clear when that is.
    fn is_prompt(&self, last: Last) -> Result<(), String> {
        let Guest { asked, replies, plan, switched, .. } = self.guest;
        let wire = self.wire;
        let is_clear = self.script.server.stops.is_none()
            && !self.is_turned_away
            && last == Last::Whole
            && !switched
            && replies.len() == asked.len()
            && asked.iter().all(|(_, ask)| !self.may_end(ask));
        let Some(ended) = wire.ended_at.filter(|_| is_clear) else { return Ok(()) };
        let since = wire.heard_at.max(wire.said_at).max(wire.touched_at);
        let times = rules().timeouts;
        let wait = if asked.is_empty() { times.head } else { times.idle }.as_nanos() as u64;
        // The wait may have begun with the end of the content, or with the last octet of the answer.
        let leaves = plan.steps.iter().any(|step| matches!(step, Step::HalfClose | Step::Sever));
        let (least, most) = if leaves { (0, 0) } else { (wait, wait) };
        if ended > since + most + AT_ONCE {
            return Err(format!("an idle connection ends {} ms late", (ended - since - most) / MS));
        }
        if ended < wire.heard_at + least {
            return Err(format!("an idle connection ends {} ms early", (wire.heard_at + least - ended) / MS));
        }
        Ok(())
    }

    /// Whether this visitor does nothing that would entitle the server to anything.
    fn behaves(&self) -> bool {
        self.guest.plan.steps.iter().all(|step| match step {
            Step::Ask(_) | Step::Await | Step::HalfClose | Step::Sever => true,
            Step::Pause(millis) => *millis <= 500,
            Step::Take(_) | Step::Stall(..) | Step::Garbage | Step::Damage | Step::Reset | Step::Vanish => false,
        }) && self.guest.plan.latency <= 50
            && self.guest.plan.window >= 256
            && self.guest.asked.iter().all(|(number, ask)| content(*number, ask).len() <= 5_000)
    }

    /// Whether the connection may end with the answer to this request.
    fn may_end(&self, ask: &Ask) -> bool {
        let unread = match ask.body {
            // One that begins to answer early does not know that it is going to read the rest.
            _ if ask.kind == Kind::Echo => false,
            Body::Length(octets) | Body::Chunked(octets) => octets > u64::from(rules().limits.drain),
            Body::Nothing | Body::Expected(_) => false,
        };
        unread
            || matches!(ask.manner, Manner::Last | Manner::Old)
            || matches!(ask.body, Body::Expected(_))
            || matches!(ask.kind, Kind::Goodbye | Kind::Upgrade)
            || self.may_fail(ask)
    }

    /// Whether the application fails.
    fn may_fail(&self, ask: &Ask) -> bool {
        matches!(ask.kind, Kind::Fail | Kind::Panic | Kind::Never) || self.may_cut(ask)
    }

    /// Whether the answer may be cut: the application fails in the middle of it, or says more than a loop can hold.
    fn may_cut(&self, ask: &Ask) -> bool {
        let pushes = matches!(ask.kind, Kind::Push | Kind::Duplex | Kind::Hints);
        let waits = matches!(self.script.server.dispatch, Dispatch::Workers | Dispatch::Serve);
        // An answer that begins before 100 has refused the content, which the application cannot read then.
        let refuses = ask.kind == Kind::Duplex && matches!(ask.body, Body::Expected(_));
        // Where others may hold all workers, the other protocol may lose its patience before it hears what has come.
        let starves = self.script.server.dispatch == Dispatch::Serve && self.script.visitors.len() > 1;
        ask.kind == Kind::Midway
            || refuses
            || pushes && !waits && ask.amount > 1_000
            || ask.kind == Kind::Upgrade && starves
    }

    /// The contents that an answer may have.
    fn contents(&self, number: u64, ask: &Ask) -> Vec<Vec<u8>> {
        match ask.kind {
            Kind::Echo | Kind::Converse | Kind::Duplex => vec![content(number, ask)],
            Kind::Sleep => vec![b"slept".to_vec()],
            Kind::Midway => vec![b"half of it".to_vec()],
            Kind::Fail | Kind::Panic | Kind::Never | Kind::Upgrade => Vec::new(),
            Kind::Plain | Kind::Ignore | Kind::Push | Kind::Drip | Kind::Later | Kind::Hints | Kind::Goodbye => {
                vec![pattern(number, ask.amount)]
            }
        }
    }
}

/// How what a visitor received ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// With a whole answer.
    Whole,
    /// With one that the close completes.
    Closed,
    /// In the middle of one.
    Cut,
}

fn brief(reply: &Reply) -> String {
    let closes = if reply.lists("Connection", "close") { ", the last" } else { "" };
    format!("{} with {} octets{closes}", reply.status, reply.content.len())
}
