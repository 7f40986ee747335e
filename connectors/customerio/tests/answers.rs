//! Each file of `fixtures/http/customerio`, read as it must be.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::letters;
use crate::conformance::support;
use crate::contract::{ConnectorError, Kind, Outcome, Retry};
use crate::customerio::{answers, errors, playbook};
use crate::http::{Answer, CODES};

fn is_explained(code: &str) -> bool {
    playbook::ENTRIES.iter().any(|entry| entry.code == code)
}

struct Case {
    name: String,
    path: String,
    entities: usize,
    answer: Answer,
    reading: String,
}

fn cases() -> Vec<Case> {
    let folder = format!("{}/../fixtures/http/customerio", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let case: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let response = &case["response"];
            Case {
                name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
                path: case["request"]["path"].as_str().unwrap().to_owned(),
                entities: case["request"]["body"]["batch"].as_array().map_or(1, Vec::len),
                answer: support::answer(response),
                reading: case["reading"].as_str().unwrap().to_owned(),
            }
        })
        .collect()
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

fn outcomes(case: &Case) -> Vec<Outcome> {
    answers::outcomes(case.entities, case.answer.status, case.answer.json.as_ref())
}

#[test]
fn every_answer_means_what_it_says() {
    let mut read = BTreeSet::new();
    for case in cases() {
        let error = errors::judge(&case.answer);
        let reading = match (error, case.answer.status, case.path.as_str()) {
            (Some(error), ..) => {
                let code = error.code.unwrap();
                assert!(is_explained(&code), "{code} has no entry");
                assert!(error.message.len() > 10, "{}: {}", case.name, error.message);
                format!("{:?} {code}", error.kind)
            }
            // What the status alone says is the shared layer's.
            (None, 500.., _) => "Ambiguous SERVER_ERROR".to_owned(),
            (None, _, "/api/v1/accounts/region") => {
                let body = case.answer.json.as_ref().unwrap();
                format!("{} {}", body["region"].as_str().unwrap(), body["environment_id"])
            }
            (None, ..) => letters(&outcomes(&case)),
        };
        assert_eq!(reading, case.reading, "{}", case.name);
        read.insert(case.name);
    }
    assert!(read.len() >= 24, "{read:?}");
}

#[test]
fn a_refusal_says_which_field_and_why() {
    let outcomes = outcomes(&case("batch-partly-refused"));
    let expected = Outcome::Rejected {
        code: "invalid".to_owned(),
        field: Some("plan".to_owned()),
        message: "value for attribute 'plan' cannot be longer than 1000 bytes".to_owned(),
    };
    assert_eq!(outcomes[1], expected);
    let error = errors::judge(&case("batch-malformed").answer).unwrap();
    assert_eq!((error.kind, error.context), (Kind::Rejected, vec![("field", "id".to_owned())]));
    let outcomes = self::outcomes(&case("batch-error-of-nobody"));
    assert!(
        matches!(&outcomes[1], Outcome::Unknown { reason } if reason.contains("1000 bytes")),
        "{outcomes:?}"
    );
}

/// A refusal for the rate names no wait, and one for the credentials is final.
#[test]
fn only_a_slower_pace_is_tried_again() {
    let retry = |name: &str| errors::judge(&case(name).answer).unwrap().retry;
    assert_eq!(retry("rate-limited"), Retry::Backoff);
    for name in ["unauthorized", "forbidden", "batch-malformed", "too-large"] {
        assert_eq!(retry(name), Retry::Never, "{name}");
    }
}

#[test]
fn a_segment_that_cannot_be_changed_is_the_mappings_fault_and_a_bad_row_its_own() {
    let refused = |name: &str| errors::of_segment(9, errors::judge(&case(name).answer).unwrap());
    let error = refused("segment-refused");
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Config, Some("SEGMENT_UNUSABLE")));
    assert!(error.message.contains("segment 9") && error.hint.is_some(), "{error}");
    assert_eq!(refused("name-blank").kind, Kind::Rejected);
    assert_eq!(refused("unauthorized").kind, Kind::Auth);
    // What says nothing of the segment keeps its own word and way on.
    let elsewhere = ConnectorError::new(Kind::Config, "a redirect").code("REDIRECTED").hint("set `base_url`");
    let error = errors::of_segment(9, elsewhere);
    assert_eq!((error.code.as_deref(), error.hint.as_deref()), (Some("REDIRECTED"), Some("set `base_url`")));
    let absent = ConnectorError::new(Kind::Config, "404").code("NOT_FOUND");
    assert_eq!(errors::of_segment(9, absent).code.as_deref(), Some("SEGMENT_UNUSABLE"));
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
