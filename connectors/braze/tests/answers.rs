//! Each file of `fixtures/http/braze`, read as it must be.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::letters;
use crate::braze::{answers, errors, playbook};
use crate::conformance::support;
use crate::contract::{Outcome, Retry};
use crate::http::{Answer, CODES, Reply};

fn is_explained(code: &str) -> bool {
    playbook::ENTRIES.iter().any(|entry| entry.code == code)
}

struct Case {
    name: String,
    request: Json,
    answer: Answer,
    reading: String,
}

fn cases() -> Vec<Case> {
    let folder = format!("{}/../fixtures/http/braze", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let case: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            Case {
                name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
                request: case["request"].clone(),
                answer: support::answer(&case["response"]),
                reading: case["reading"].as_str().unwrap().to_owned(),
            }
        })
        .collect()
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

/// What an answer says of each object; the places of those that it names in a refusal of all.
fn reply(case: &Case) -> Reply {
    let body = &case.request["body"];
    if let Some(ids) = body["external_ids"].as_array() {
        return answers::removed(ids.len(), &case.answer);
    }
    let array = if body["events"].is_array() { "events" } else { "attributes" };
    let places: Vec<usize> = (0..body[array].as_array().unwrap().len()).collect();
    answers::reply(array, &places, &case.answer)
}

#[test]
fn every_answer_means_what_it_says() {
    let mut read = BTreeSet::new();
    for case in cases() {
        let is_named = errors::names_objects(&case.answer);
        let reading = match errors::judge(&case.answer).filter(|_| !is_named) {
            Some(error) => {
                let code = error.code.unwrap();
                assert!(is_explained(&code), "{code} has no entry");
                assert!(error.message.len() > 10, "{}: {}", case.name, error.message);
                format!("{:?} {code}", error.kind)
            }
            // What the status alone says is the shared layer's.
            None if case.answer.status >= 500 => "Ambiguous SERVER_ERROR".to_owned(),
            None => match reply(&case) {
                Reply::Each(outcomes) => letters(&outcomes),
                Reply::Named(named) => {
                    let places: Vec<String> = named.iter().map(|(place, _)| place.to_string()).collect();
                    format!("named {}", places.join(" "))
                }
            },
        };
        assert_eq!(reading, case.reading, "{}", case.name);
        read.insert(case.name);
    }
    assert!(read.len() >= 20, "{read:?}");
}

fn outcomes(name: &str) -> Vec<Outcome> {
    match reply(&case(name)) {
        Reply::Each(outcomes) => outcomes,
        Reply::Named(named) => named.into_iter().map(|(_, outcome)| outcome).collect(),
    }
}

#[test]
fn a_refusal_says_why_and_has_an_entry() {
    let rejected = |code: &str, field: Option<&str>, message: &str| Outcome::Rejected {
        code: code.to_owned(),
        field: field.map(str::to_owned),
        message: message.to_owned(),
    };
    let missing = "'external_id' or 'braze_id' or 'user_alias' is required";
    assert_eq!(outcomes("attributes-partly-refused")[1], rejected("VALUE_MISSING", None, missing));
    for (said, code, field) in [
        ("'quantity' is not valid", "VALUE_INVALID", Some("quantity")),
        ("provided external_id is blacklisted and disallowed", "USER_BLOCKED", None),
        ("The property '#/' did not contain a required property of 'product_id'", "EVENT_SCHEMA", None),
        ("something new", "OBJECT_REFUSED", None),
    ] {
        let error = json!({"type": said, "input_array": "events", "index": 0});
        assert_eq!(errors::refusal(&error), rejected(code, field, said));
        assert!(is_explained(code), "{code}");
    }
    let outcomes = outcomes("attributes-error-of-nobody");
    assert!(
        matches!(&outcomes[0], Outcome::Unknown { reason } if reason.contains("minor trouble")),
        "{outcomes:?}"
    );
}

/// A refusal for the rate is waited out, by the headers, and one for the key is final.
#[test]
fn only_a_slower_pace_is_tried_again() {
    let limited = case("rate-limited");
    assert_eq!(errors::judge(&limited.answer).unwrap().retry, Retry::Backoff);
    let observed = (errors::VENDOR.observe)(&limited.answer.headers);
    assert_eq!(observed.remaining, Some(0));
    assert_eq!(observed.reset.map(|reset| reset.as_secs()), Some(31));
    for name in ["unauthorized", "forbidden", "too-many-objects", "too-large", "bad-syntax"] {
        assert_eq!(errors::judge(&case(name).answer).unwrap().retry, Retry::Never, "{name}");
    }
}

/// The shared sender explains what it finds by itself.
#[test]
fn the_playbook_names_each_code_once() {
    let mut codes: Vec<&str> = playbook::ENTRIES.iter().chain(CODES).map(|entry| entry.code).collect();
    codes.sort_unstable();
    let all = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), all);
}
