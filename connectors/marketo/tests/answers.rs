//! What each written answer means.

use std::time::Duration;

use super::fixture;
use crate::contract::{Kind, Outcome, Retry, Verb};
use crate::marketo::answers::outcomes;
use crate::marketo::errors::{field, judge, of_code};
use crate::marketo::playbook::ENTRIES;

#[test]
fn every_answer_says_who_must_act() {
    for (name, kind, code, retry) in [
        ("token-invalid", Kind::Auth, "EXPIRED_TOKEN", Retry::Never),
        ("token-expired", Kind::Auth, "EXPIRED_TOKEN", Retry::Never),
        ("denied", Kind::Auth, "603", Retry::Never),
        ("limit", Kind::RateLimited, "606", Retry::Backoff),
        ("limit-daily", Kind::Quota, "607", Retry::Never),
        ("limit-concurrent", Kind::RateLimited, "615", Retry::After(Duration::from_secs(1))),
        ("timeout", Kind::Ambiguous, "604", Retry::Backoff),
        ("system-error", Kind::Ambiguous, "611", Retry::Backoff),
        ("unavailable", Kind::Unavailable, "608", Retry::Backoff),
        ("transient", Kind::Unavailable, "713", Retry::Backoff),
        ("wrong-address", Kind::Config, "610", Retry::Never),
        ("list-absent", Kind::Config, "1013", Retry::Never),
        ("too-many-imports", Kind::Unavailable, "1016", Retry::Never),
        ("import-in-progress", Kind::Unavailable, "1019", Retry::Never),
        ("too-many-results", Kind::Rejected, "1003", Retry::Never),
        ("not-confirmed", Kind::Ambiguous, "NOT_CONFIRMED", Retry::Backoff),
        ("too-long", Kind::Rejected, "BODY_TOO_LONG", Retry::Never),
    ] {
        let error = judge(&fixture(name)).unwrap_or_else(|| panic!("{name} is no error"));
        assert_eq!((error.kind, error.code.as_deref(), error.retry), (kind, Some(code), retry), "{name}");
        assert!(ENTRIES.iter().any(|entry| entry.code == code), "`outflow explain {code}` knows nothing");
        let acts = matches!(kind, Kind::Auth | Kind::Config | Kind::Quota);
        assert!(!acts || error.hint.is_some(), "{name}");
    }
}

#[test]
fn what_the_status_says_is_left_to_it() {
    for name in ["synced", "unauthorized", "server-error", "not-json"] {
        assert!(judge(&fixture(name)).is_none(), "{name}");
    }
}

/// Each code of the vendor's page that a call of ours can meet (`error-codes.md`).
#[test]
fn every_code_can_be_explained_and_none_that_is_unknown_is_sent_again() {
    for code in [
        "500", "502", "601", "602", "603", "604", "605", "606", "607", "608", "609", "610", "611", "612",
        "613", "614", "615", "616", "701", "702", "703", "713", "719", "1001", "1002", "1003", "1004",
        "1005", "1006", "1007", "1008", "1009", "1010", "1011", "1013", "1015", "1016", "1018", "1019",
        "1021", "1022",
    ] {
        assert!(ENTRIES.iter().any(|entry| entry.code == code), "`outflow explain {code}` knows nothing");
        let error = of_code(code, "said", None);
        assert!(error.message.contains(code) && error.message.contains("said"), "{error}");
    }
    let error = of_code("799", "new", None);
    assert_eq!((error.kind, error.retry), (Kind::Rejected, Retry::Never));
    let mut codes: Vec<&str> = ENTRIES.iter().map(|entry| entry.code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), ENTRIES.len(), "no code is explained twice");
}

#[test]
fn a_refusal_of_a_lead_names_its_field() {
    let body = fixture("synced").json.unwrap();
    let outcomes = outcomes(&body, Verb::Upsert, 3);
    assert!(
        matches!(&outcomes[0], Outcome::Applied { remote_id: Some(id), created: Some(true) } if id == "7149")
    );
    assert!(matches!(&outcomes[1], Outcome::Applied { created: Some(false), .. }));
    let Outcome::Rejected { code, field, message } = &outcomes[2] else { panic!("{:?}", outcomes[2]) };
    assert_eq!((code.as_str(), field.as_deref()), ("1003", Some("email_field")));
    assert_eq!(message, "Invalid value for field 'email_field' and value 'bademail'");
}

#[test]
fn a_field_is_found_in_both_forms() {
    assert_eq!(field("Field 'x_y' not found").as_deref(), Some("x_y"));
    assert_eq!(field("Invalid value for field 'a' and value 'b'").as_deref(), Some("a"));
    assert_eq!((field("Lead already exists"), field("field ''")), (None, None));
}
