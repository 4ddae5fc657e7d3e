//! How does the text of a case file become cases?
//!
//! [`Case::read_file`] checks what the types of the file cannot: names, ranges, contradictions.

use std::collections::BTreeMap;
use std::time::Duration;

use super::raw::{
    OneOrMany, RawAnswer, RawAwaited, RawBody, RawCase, RawEnd, RawFile, RawHow, RawOnly, RawProtocol, RawSplit,
    RawStatus, RawStep,
};
use super::{
    Awaited, Case, Content, End, Expected, Fixture, Patience, Protocol, Refused, StatusSet, Step, Text, To, Transport,
    Tunnel,
};

/// No case may make a run wait longer than this in one step, nor write more copies than that.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
const MOST_COPIES: u32 = 4 << 20;
const MOST_ANSWERS: u32 = 10_000;

impl Case {
    /// Reads the cases of one file; `group` is the file's name without its ending.
    ///
    /// # Errors
    ///
    /// One message for each case that is wrong, or the one message of the TOML parser.
    pub fn read_file(group: &str, text: &str) -> Result<Vec<Self>, Vec<String>> {
        let raw: RawFile = toml::from_str(text).map_err(|e| vec![format!("{group}: {e}")])?;
        let mut cases: Vec<Self> = Vec::new();
        let mut problems = Vec::new();
        for raw in raw.case {
            let id = format!("{group}/{}", raw.name);
            match read_case(&id, raw) {
                Ok(case) if cases.iter().any(|c| c.id == id) => problems.push(format!("{}: occurs twice", case.id)),
                Ok(case) => cases.push(case),
                Err(problem) => problems.push(format!("{id}: {problem}")),
            }
        }
        if problems.is_empty() { Ok(cases) } else { Err(problems) }
    }
}

fn read_case(id: &str, raw: RawCase) -> Result<Case, String> {
    let well_named = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if !well_named(&raw.name) || !id.split('/').all(well_named) {
        return Err("names are of a-z, 0-9 and -".to_owned());
    }
    if raw.requires.is_empty() {
        return Err("requires nothing".to_owned());
    }
    let mut case = Case {
        id: id.to_owned(),
        requires: raw.requires,
        level: raw.level,
        why: raw.why,
        fixtures: raw.fixture.into(),
        send: raw.send.into_iter().map(read_step).collect::<Result<_, _>>()?,
        answers: read_answers(raw.answers)?,
        end: match raw.end {
            RawEnd::Any => End::Any,
            RawEnd::Close => End::Close,
            RawEnd::Open => End::Open,
            RawEnd::ResetFree => End::CloseInOrder,
        },
        tunnel: match raw.tunnel {
            Some(t) => Some(Tunnel { send: Text::parse(&t.send)?, expect: Text::parse(&t.expect)? }),
            None => None,
        },
        patience: if raw.slow { Patience::Slow } else { Patience::Usual },
        only: raw.only.map(|only| match only {
            RawOnly::Clear => Transport::Clear,
            RawOnly::Tls => Transport::Tls,
        }),
        begins: raw.begins.map(|RawProtocol::Http2| Protocol::Http2),
    };
    if let Some(RawSplit::Octets) = raw.split {
        for step in &mut case.send {
            if let Step::Text(text) = step {
                *step = Step::Trickle(text.clone(), Duration::ZERO);
            }
        }
    }
    if case.fixtures.is_empty() {
        case.fixtures.push(Fixture::Root);
    }
    let named: Vec<_> = texts(&case).flat_map(Text::fixtures).collect();
    for fixture in named {
        if !case.fixtures.contains(&fixture) {
            case.fixtures.push(fixture);
        }
    }
    consistent(&case)?;
    Ok(case)
}

fn texts(case: &Case) -> impl Iterator<Item = &Text> {
    let sent = case.send.iter().filter_map(|step| match step {
        Step::Text(text) | Step::Trickle(text, _) => Some(text),
        _ => None,
    });
    let tunnel = case.tunnel.iter().flat_map(|tunnel| [&tunnel.send, &tunnel.expect]);
    sent.chain(case.answers.iter().flat_map(Expected::texts)).chain(tunnel)
}

fn consistent(case: &Case) -> Result<(), String> {
    if case.answers.iter().rev().skip(1).any(|answer| answer.status.only_refusal()) {
        return Err("a plain refusal must be the last answer".to_owned());
    }
    let at = |wanted: &Step| case.send.iter().position(|step| step == wanted);
    if at(&Step::HalfClose).is_some() && case.end == End::Open {
        return Err("end = \"open\" cannot be checked after the client ended its direction".to_owned());
    }
    let sends = |step: &Step| matches!(step, Step::Text(_) | Step::Octets(_) | Step::Trickle(..));
    if at(&Step::HalfClose).is_some_and(|n| case.send[n..].iter().any(sends)) {
        return Err("nothing can be sent after { end = \"write\" }".to_owned());
    }
    if at(&Step::Reset).is_some_and(|n| n + 1 != case.send.len()) {
        return Err("{ end = \"reset\" } must be the last step".to_owned());
    }
    let resets = at(&Step::Reset).is_some();
    let awaited = case.send.iter().filter(|step| **step == Step::Await(Awaited::Answer)).count();
    if awaited > case.answers.len() && !resets {
        return Err("waits for more answers than it expects".to_owned());
    }
    if resets && !case.answers.is_empty() {
        return Err("after a reset no answer can be judged".to_owned());
    }
    let switches = case.answers.last().is_some_and(|answer| answer.status.allows(101));
    if case.tunnel.is_some() != switches {
        return Err("a tunnel goes with a last answer of 101, and only with that".to_owned());
    }
    Ok(())
}

fn read_step(raw: RawStep) -> Result<Step, String> {
    let pause = |ms: u64| match Duration::from_millis(ms) {
        time if time <= LONGEST_PAUSE => Ok(time),
        _ => Err(format!("a pause of {ms} ms is too long")),
    };
    Ok(match raw {
        RawStep::Text(text) => Step::Text(Text::parse(&text)?),
        RawStep::Hex { hex } => Step::Octets(octets(&hex)?),
        RawStep::Pause { pause: ms } => Step::Pause(pause(ms)?),
        RawStep::Repeat { repeat, times } => Step::Text(copies(&repeat, times)?),
        RawStep::Await { r#await: RawAwaited::Interim } => Step::Await(Awaited::Interim),
        RawStep::Await { r#await: RawAwaited::Answer } => Step::Await(Awaited::Answer),
        RawStep::End { end: RawHow::Write } => Step::HalfClose,
        RawStep::End { end: RawHow::Reset } => Step::Reset,
        RawStep::Trickle { trickle, every } => Step::Trickle(Text::parse(&trickle)?, pause(every)?),
    })
}

/// `times` stands for so many answers, `%d` in their content being the index.
fn read_answers(raw: Vec<RawAnswer>) -> Result<Vec<Expected>, String> {
    let mut answers = Vec::new();
    for raw in raw {
        let Some(times) = raw.times else {
            answers.push(read_answer(raw)?);
            continue;
        };
        if times > MOST_ANSWERS {
            return Err(format!("{times} answers are too many"));
        }
        for index in 0..times {
            let numbered = |text: &mut String| *text = text.replace("%d", &index.to_string());
            let mut raw = raw.clone();
            if let Some(RawBody::Text(text)) = &mut raw.body {
                numbered(text);
            }
            match &mut raw.contains {
                OneOrMany::One(text) => numbered(text),
                OneOrMany::Many(texts) => texts.iter_mut().for_each(numbered),
            }
            answers.push(read_answer(raw)?);
        }
    }
    Ok(answers)
}

fn read_answer(raw: RawAnswer) -> Result<Expected, String> {
    let many =
        |texts: OneOrMany<String>| Vec::from(texts).iter().map(|t| Text::parse(t)).collect::<Result<Vec<_>, _>>();
    let status = statuses(raw.status)?;
    if status.is_empty() {
        return Err("an answer without a status".to_owned());
    }
    let body = match (raw.body, raw.body_hex) {
        (None, None) => None,
        (Some(RawBody::Text(text)), None) => Some(Content::Text(Text::parse(&text)?)),
        (Some(RawBody::Repeat { repeat, times }), None) => Some(Content::Text(copies(&repeat, times)?)),
        (None, Some(hex)) => Some(Content::Octets(octets(&hex)?)),
        (Some(_), Some(_)) => return Err("both body and body_hex".to_owned()),
    };
    let mut fields = BTreeMap::new();
    for (name, value) in raw.field {
        let value = if value.is_empty() { None } else { Some(Text::parse(&value)?) };
        if fields.insert(name.to_ascii_lowercase(), value).is_some() {
            return Err(format!("the field {name:?} twice"));
        }
    }
    Ok(Expected {
        status,
        allowed: statuses(raw.allowed)?,
        to: match raw.to.as_deref() {
            None => To::Other,
            Some("HEAD") => To::Head,
            Some(other) => return Err(format!("to = {other:?}: only HEAD is marked")),
        },
        body,
        contains: many(raw.contains)?,
        lacks: many(raw.lacks)?,
        length: raw.length,
        fields: fields.into_iter().collect(),
        no_fields: Vec::from(raw.no_field).iter().map(|name: &String| name.to_ascii_lowercase()).collect(),
        interim: raw.interim,
        minor_version: match raw.version.as_deref() {
            None => None,
            Some("1.0") => Some(0),
            Some("1.1") => Some(1),
            Some(other) => return Err(format!("version = {other:?}: 1.0 or 1.1")),
        },
    })
}

fn statuses(raw: OneOrMany<RawStatus>) -> Result<StatusSet, String> {
    let mut set = StatusSet::default();
    for one in Vec::from(raw) {
        match one {
            RawStatus::Code(code @ (101 | 200..=599)) => set.codes.push(code),
            RawStatus::Word(word) if word == "refused" => set.refused = Refused::Acceptable,
            RawStatus::Code(code) => return Err(format!("{code} is no final status")),
            RawStatus::Word(word) => return Err(format!("no status {word:?}")),
        }
    }
    Ok(set)
}

fn copies(text: &str, times: u32) -> Result<Text, String> {
    if times > MOST_COPIES {
        return Err(format!("{times} copies are too many"));
    }
    Text::repeated(text, times)
}

fn octets(hex: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|v| u8::try_from(v).ok());
    let octet = |pair: &[u8]| match pair {
        &[high, low] => Some(value(high)? << 4 | value(low)?),
        _ => None,
    };
    digits
        .chunks(2)
        .map(octet)
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{hex:?} is not pairs of hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Action, Addressing};

    const HEAD: &str = "[[case]]\nname = \"x\"\nrequires = [\"r\"]\nlevel = \"must\"\nwhy = \"Because.\"\n";

    fn read(rest: &str) -> Result<Case, String> {
        let mut cases = Case::read_file("g", &format!("{HEAD}{rest}")).map_err(|problems| problems.join("\n"))?;
        Ok(cases.remove(0))
    }

    #[test]
    fn every_kind_of_step_is_read() {
        let case = read(
            "send = [\"a\", {hex = \"00 fF\"}, {pause = 200}, {repeat = \"%d\", times = 3}, {await = \"interim\"},
                     {trickle = \"bc\", every = 20}, {end = \"write\"}]
             answers = [{status = [200, \"refused\"], body = {repeat = \"x\", times = 3}, to = \"HEAD\"}]
             fixture = [\"limits\", \"echo\"]",
        )
        .unwrap();
        let script = case.script(&Addressing::new("h"));
        assert_eq!(script[1], Action::Write(vec![0, 255]));
        assert_eq!(script[2], Action::Pause(Duration::from_millis(200)));
        assert_eq!(script[3], Action::Write(b"012".to_vec()));
        assert_eq!(script[4], Action::Await(Awaited::Interim));
        assert_eq!(script[5], Action::Trickle(b"bc".to_vec(), Duration::from_millis(20)));
        assert_eq!(script[6], Action::HalfClose);
        assert_eq!(case.target(), Fixture::Echo);
        assert_eq!((case.answers[0].to, case.answers[0].status.is_mixed()), (To::Head, true));
    }

    #[test]
    fn a_named_fixture_is_needed() {
        let case = read("send = [\"GET {echo}\"]\nanswers = [{status = 200, contains = \"{inspect}\"}]").unwrap();
        assert_eq!(case.fixtures, [Fixture::Root, Fixture::Echo, Fixture::Inspect]);
    }

    #[test]
    fn contradictions_are_refused_with_the_id_of_the_case() {
        for (wrong, word) in [
            ("send = [\"a\"]\nanswers = [{status = \"refused\"}, {status = 200}]", "must be the last"),
            ("send = [{end = \"write\"}]\nanswers = []\nend = \"open\"", "open"),
            ("send = [{end = \"reset\"}, \"a\"]\nanswers = []", "last step"),
            ("send = [{end = \"write\"}, \"a\"]\nanswers = []", "nothing can be sent"),
            ("send = [{await = \"answer\"}]\nanswers = []", "waits for more"),
            ("send = [\"a\"]\nanswers = [{status = 101}]", "tunnel"),
            ("send = [\"a\"]\nanswers = [{status = 100}]", "no final status"),
            ("send = [\"a\"]\nanswers = [{status = 200, body = \"a\", body_hex = \"00\"}]", "both"),
            ("send = [{hex = \"0\"}]\nanswers = []", "hexadecimal"),
            ("send = [{hex = \"00\", pause = 1}]\nanswers = []", "a step is text"),
            ("send = [{pause = 60000}]\nanswers = []", "too long"),
            ("send = [\"a\"]\nanswers = []\nunknown = 1", "unknown"),
            ("send = [\"{nothing}\"]\nanswers = []", "placeholder"),
        ] {
            let problem = read(wrong).unwrap_err();
            assert!(problem.contains(word) && problem.contains('g'), "{wrong}: {problem}");
        }
        let twice = format!("{HEAD}send=[]\nanswers=[]\n{HEAD}send=[]\nanswers=[]");
        assert_eq!(Case::read_file("g", &twice).unwrap_err(), ["g/x: occurs twice"]);
    }
}
