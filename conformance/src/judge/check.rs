//! Is one answer what the case expects?

use super::conversation::Exchange;
use crate::answer::Answer;
use crate::bytes::{excerpt, visible};
use crate::case::{Addressing, Expected, Fixture, Text};

/// How an answer fits.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Acceptance {
    /// It is what is wanted.
    Expected,
    /// It is a refusal, which is wanted; nothing more is asked of the server.
    Refusal,
    /// It is none of what is wanted, but the RFC leaves it open.
    Choice(String),
}

/// Fills in the placeholders of expected texts.
pub(super) struct Renderer<'r> {
    pub(super) addressing: &'r Addressing,
    pub(super) target: Fixture,
}

impl Renderer<'_> {
    fn text(&self, text: &Text) -> Vec<u8> {
        text.render(self.addressing, self.target)
    }
}

/// Compares an answer, and the interim answers before it, with what is expected.
pub(super) fn exchange(got: &Exchange, expected: &Expected, render: &Renderer<'_>) -> Result<Acceptance, String> {
    let answer = &got.answer;
    let all = got.interim.iter().chain([answer]);
    if let Some(flaw) = all.flat_map(|a| &a.flaws).next() {
        return Err(flaw.clone());
    }
    let status = answer.status;
    absent(answer, expected, render).map_err(|why| format!("status {status}, but {why}"))?;
    if !expected.status.allows(status) {
        if expected.allowed.allows(status) {
            return Ok(Acceptance::Choice(format!("answered {status}")));
        }
        return Err(format!("status {status}; expected {}", expected.describe(render.addressing, render.target)));
    }
    let refusal = status >= 400 && (expected.status.is_mixed() || expected.status.codes.is_empty());
    if refusal && expected.status.is_mixed() {
        return Ok(Acceptance::Refusal);
    }
    let interim: Vec<u16> = got.interim.iter().map(|a| a.status).collect();
    if let Some(wanted) = expected.interim.as_ref().filter(|wanted| **wanted != interim) {
        return Err(format!("interim answers {interim:?} before status {status}; expected {wanted:?}"));
    }
    details(answer, expected, render).map_err(|why| format!("status {status}, but {why}"))?;
    Ok(if refusal { Acceptance::Refusal } else { Acceptance::Expected })
}

fn details(answer: &Answer, expected: &Expected, render: &Renderer<'_>) -> Result<(), String> {
    let content = &answer.content;
    if let Some(minor) = expected.minor_version.filter(|minor| *minor != answer.minor_version) {
        return Err(format!("of version HTTP/1.{}; expected HTTP/1.{minor}", answer.minor_version));
    }
    let body = expected.body.as_ref().map(|body| body.render(render.addressing, render.target));
    if let Some(body) = body.filter(|body| body != content) {
        let (got, wanted) = (excerpt(content, 160), excerpt(&body, 160));
        let (has, wants) = (content.len(), body.len());
        return Err(format!("content of {has} octets \"{got}\"; expected {wants} octets \"{wanted}\""));
    }
    if let Some(length) = expected.length.filter(|length| *length != content.len()) {
        return Err(format!("content of {} octets; expected {length}", content.len()));
    }
    for part in expected.contains.iter().map(|text| render.text(text)) {
        if !holds(content, &part) {
            return Err(format!("the content lacks \"{}\": \"{}\"", excerpt(&part, 160), excerpt(content, 400)));
        }
    }
    for (name, value) in &expected.fields {
        let got: Vec<_> = answer.values(name).collect();
        if got.is_empty() {
            return Err(format!("the field {name} is missing"));
        }
        let Some(wanted) = value.as_ref().map(|value| render.text(value)) else { continue };
        if !got.iter().any(|got| got.as_bytes().eq_ignore_ascii_case(&wanted)) {
            return Err(format!("the field {name} is {got:?}; expected \"{}\"", visible(&wanted)));
        }
    }
    Ok(())
}

/// What must not be there, whichever of the outcomes the server chose.
fn absent(answer: &Answer, expected: &Expected, render: &Renderer<'_>) -> Result<(), String> {
    let content = &answer.content;
    for part in expected.lacks.iter().map(|text| render.text(text)) {
        if holds(content, &part) {
            return Err(format!("the content holds \"{}\": \"{}\"", excerpt(&part, 160), excerpt(content, 400)));
        }
    }
    for name in &expected.no_fields {
        if let Some(value) = answer.values(name).next() {
            return Err(format!("the field {name} is there, with the value {value:?}"));
        }
    }
    Ok(())
}

fn holds(content: &[u8], part: &[u8]) -> bool {
    part.is_empty() || content.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Reader;
    use crate::case::{Case, To};

    fn check(expected: &str, wire: &[u8]) -> Result<Acceptance, String> {
        let head = "[[case]]\nname = \"x\"\nrequires = [\"r\"]\nlevel = \"must\"\nwhy = \"w\"\nsend = []";
        let case = Case::read_file("g", &format!("{head}\nanswers = [{expected}]")).unwrap().remove(0);
        let mut reader = Reader::new();
        reader.push(wire);
        reader.end();
        let mut got = Exchange { interim: Vec::new(), answer: reader.next(To::Other).unwrap().unwrap() };
        while let Some(answer) = reader.next(To::Other).unwrap() {
            got.interim.push(std::mem::replace(&mut got.answer, answer));
        }
        let addressing = Addressing::new("h");
        exchange(&got, &case.answers[0], &Renderer { addressing: &addressing, target: Fixture::Root })
    }

    const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nX-A: B\r\nContent-Length: 5\r\n\r\nhello";
    const BAD: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn each_key_is_checked() {
        for good in [
            "{status = 200}",
            "{status = [204, 200], body = \"hello\"}",
            "{status = 200, body_hex = \"68656c6c6f\", length = 5, version = \"1.1\"}",
            "{status = 200, contains = [\"he\", \"lo\"], lacks = \"x\"}",
            "{status = 200, field = {X-A = \"\"}}",
            "{status = 200, field = {x-a = \"b\"}, no_field = [\"x-b\"], interim = []}",
        ] {
            assert_eq!(check(good, HELLO), Ok(Acceptance::Expected), "{good}");
        }
        for (bad, word) in [
            ("{status = 204}", "status 200"),
            ("{status = \"refused\"}", "status 200"),
            ("{status = 200, body = \"hell\"}", "content of 5 octets"),
            ("{status = 200, length = 4}", "expected 4"),
            ("{status = 200, contains = \"x\"}", "lacks"),
            ("{status = 200, lacks = \"ell\"}", "holds"),
            ("{status = 200, field = {x-b = \"\"}}", "x-b is missing"),
            ("{status = 200, field = {x-a = \"c\"}}", "x-a is"),
            ("{status = 200, no_field = [\"X-A\"]}", "x-a is there"),
            ("{status = 200, interim = [100]}", "interim"),
            ("{status = 200, version = \"1.0\"}", "version"),
            ("{status = 204, allowed = 200, lacks = \"hello\"}", "holds"),
        ] {
            let why = check(bad, HELLO).unwrap_err();
            assert!(why.contains(word), "{bad}: {why}");
        }
    }

    #[test]
    fn refusing_where_there_is_a_choice_frees_from_the_rest() {
        assert_eq!(check("{status = [200, \"refused\"], body = \"x\"}", BAD), Ok(Acceptance::Refusal));
        assert_eq!(check("{status = [200, 400], body = \"x\"}", BAD), Ok(Acceptance::Refusal));
        assert_eq!(check("{status = \"refused\"}", BAD), Ok(Acceptance::Refusal));
        assert_eq!(check("{status = 400}", BAD), Ok(Acceptance::Expected));
        assert_eq!(check("{status = 200, allowed = 400}", BAD), Ok(Acceptance::Choice("answered 400".into())));
    }

    #[test]
    fn interim_answers_and_flaws_count() {
        let continued = [b"HTTP/1.1 100 Continue\r\n\r\n", HELLO].concat();
        assert_eq!(check("{status = 200, interim = [100]}", &continued), Ok(Acceptance::Expected));
        assert!(check("{status = 200, interim = []}", &continued).is_err());
        let flawed = b"HTTP/1.1 204 No Content\r\nDate: today\r\n\r\n";
        assert!(check("{status = 204}", flawed).unwrap_err().contains("Date"));
    }
}
