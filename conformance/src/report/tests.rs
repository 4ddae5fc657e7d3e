//! Each form of a report holds what it must, and hostile answers do no harm in it.

use super::*;
use crate::judge::Transcript;
use std::num::NonZeroUsize;

const CASES: &str = r#"
[[case]]
name = "pass"
requires = ["one"]
level = "must"
why = "It passes."
send = ["GET {target} HTTP/1.1\r\n\r\n"]
answers = [{ status = 200 }]
[[case]]
name = "fail"
requires = ["one"]
level = "security"
why = "It fails."
send = ["a"]
answers = [{ status = "refused" }]
[[case]]
name = "choice"
requires = ["one"]
level = "should"
why = "It chooses."
send = ["b"]
answers = [{ status = 200, allowed = 501 }]
[[case]]
name = "untested"
requires = ["one"]
level = "may"
why = "It cannot be tested."
send = ["c"]
answers = [{ status = 200 }]
"#;
const REQUIREMENTS: &str = r#"
[[requirement]]
id = "one"
source = "RFC 9112"
section = "2.2"
level = "must"
text = "The first."
[[requirement]]
id = "gap"
source = "practice"
level = "should"
text = "Nobody tests this."
"#;
const HOSTILE: &str = "<script>alert(1)</script>]]>&\"'|`";

pub(super) fn sample(name: &str) -> Report {
    let catalog = Catalog::parse([("g", CASES)], REQUIREMENTS).unwrap();
    let cases: Vec<_> = catalog.cases().iter().collect();
    let outcome = |case: &&Case| Outcome {
        verdict: match case.id.as_str() {
            "g/pass" => Verdict::Pass,
            "g/fail" => Verdict::Fail(format!("status 200 {HOSTILE}")),
            "g/choice" => Verdict::Allowed("answered 501".into()),
            _ => Verdict::Untested("no fixture".into()),
        },
        transcript: Transcript {
            sent: b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            received: [HOSTILE.as_bytes(), b"\0\xff\r\n"].concat(),
            outlook: Outlook::Closed,
        },
        took: Duration::from_millis(12),
    };
    let run = Run { outcomes: cases.iter().map(outcome).collect(), lost: None };
    let target = Target::parse("127.0.0.1:8080").unwrap();
    let setting = Setting::new(target.authority());
    let survey = Survey {
        server: Some(HOSTILE.into()),
        fixtures: [(Fixture::Root, Presence::Present), (Fixture::Echo, Presence::Missing("404".into()))].into(),
        jobs: NonZeroUsize::MIN,
    };
    let facts = Facts {
        name,
        target: Some(&target),
        setting: &setting,
        survey: &survey,
        started: SystemTime::UNIX_EPOCH,
        took: Duration::from_secs(1),
    };
    Report::new(&catalog, &cases, &run, &facts)
}

#[test]
fn json_reads_back_and_refuses_other_schemas() {
    let report = sample("a");
    assert_eq!(from_json(&json(&report)).unwrap(), report);
    assert!(from_json("{\"schema\": 99}").unwrap_err().contains("schema 99"));
    assert!(from_json("[]").is_err());
}

#[test]
fn merged_reports_keep_every_target_under_a_name_of_its_own() {
    let mut report = sample("a");
    report.merge(sample("b"));
    report.merge(sample("a"));
    assert_eq!(report.targets.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["a", "b", "a (2)"]);
    assert_eq!((report.cases.len(), report.requirements.len()), (4, 2));
    assert_eq!(report.targets[1].tally(&report.cases_of("one")), [1, 1, 1, 1]);
}

#[test]
fn junit_counts_failures_and_escapes_answers() {
    let xml = junit(&sample("a"));
    assert!(xml.contains(
        "<testsuites name=\"cherrystone-conformance\" tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"1\""
    ));
    assert!(xml.contains("<failure type=\"security\" message=\"status 200 &lt;script&gt;"));
    assert!(xml.contains("<skipped message=\"no fixture\"/>"));
    assert!(xml.contains("allowed: answered 501"));
    assert!(!xml.contains("<script>") && !xml.contains('\0'));
}

#[test]
fn markdown_shows_failures_gaps_and_differences() {
    let one = markdown(&sample("a"));
    assert!(one.contains("| 1 | 1 | 1 | 1 | 0 | 1 | 0 | 0 |"), "{one}");
    assert!(one.contains("<code>g/fail</code> (security)"));
    assert!(one.contains("[RFC 9112, 2.2](https://www.rfc-editor.org/rfc/rfc9112#section-2.2)"));
    assert!(one.contains("- `gap`, practice, should: Nobody tests this."));
    assert!(!one.contains("Where they differ"));
    let mut other = sample("b");
    other.targets[0].results[1].verdict = Kind::Pass;
    let failed = other.targets[0].results[1].case.clone();
    let mut both = sample("a");
    both.merge(other);
    assert!(markdown(&both).contains(&format!("| `{failed}` |")));
}

#[test]
fn html_shows_everything_and_lets_no_answer_act() {
    let mut report = sample("a");
    report.merge(sample("b"));
    let page = html(&report);
    assert_eq!(page.matches("<script>").count(), 1, "only the page's own");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_eq!(page.matches("<details class=\"case\"").count(), 4);
    assert!(page.contains("data-verdict=\"fail\" data-level=\"security\""));
    assert!(page.contains("<tr id=\"req-gap\" class=\"gap\">"));
    assert!(page.contains("Content-Security-Policy"));
    assert!(page.contains(&format!("received, {} octets, then closed", HOSTILE.len() + 4)));
}

/// As much of JSON Schema as ours uses; any other key in it is an error.
fn conforms(value: &serde_json::Value, schema: &serde_json::Value, at: &str) -> Result<(), String> {
    use serde_json::Value;
    for (key, rule) in schema.as_object().ok_or("a schema is an object")? {
        let fits = match key.as_str() {
            "$schema" | "title" | "description" => true,
            "const" => value == rule,
            "enum" => rule.as_array().is_some_and(|all| all.contains(value)),
            "type" => match rule {
                Value::Array(all) => all.iter().any(|one| is_type(value, one)),
                one => is_type(value, one),
            },
            "required" => rule.as_array().into_iter().flatten().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "additionalProperties" => {
                value.as_object().is_some_and(|members| members.keys().all(|k| schema["properties"].get(k).is_some()))
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    conforms(member, &rule[name], &format!("{at}.{name}"))?;
                }
                true
            }
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    conforms(item, rule, &format!("{at}[{n}]"))?;
                }
                true
            }
            other => return Err(format!("the schema uses {other}")),
        };
        if !fits {
            return Err(format!("{at} is against {key}: {value}"));
        }
    }
    Ok(())
}

fn is_type(value: &serde_json::Value, name: &serde_json::Value) -> bool {
    match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_u64(),
        Some("null") => value.is_null(),
        _ => false,
    }
}

#[test]
fn json_is_as_the_schema_says() {
    let schema = serde_json::from_str(include_str!("../../docs/report.schema.json")).unwrap();
    let mut report = sample("a");
    report.requirements[1].see.push("RFC 9110, 1".into());
    report.requirements[1].wire = crate::requirement::Wire::Invisible;
    report.requirements[1].reason = "Nothing to see.".into();
    let mut value: serde_json::Value = serde_json::from_str(&json(&report)).unwrap();
    assert_eq!(conforms(&value, &schema, "report"), Ok(()));
    value["targets"][0]["results"][0]["verdict"] = "perhaps".into();
    assert!(conforms(&value, &schema, "report").unwrap_err().contains("results[0].verdict"));
}
