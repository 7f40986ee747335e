//! What each written answer means.

use std::time::Duration;

use reqwest::header::HeaderMap;

use super::fixture;
use crate::brevo::errors::{judge, observe, outcome};
use crate::brevo::playbook::ENTRIES;
use crate::contract::{Kind, Outcome, Retry};

#[test]
fn every_answer_says_who_must_act() {
    for (name, kind, code) in [
        ("invalid-email", Kind::Rejected, "invalid_parameter"),
        ("invalid-phone", Kind::Rejected, "invalid_parameter"),
        ("missing-key", Kind::Rejected, "missing_parameter"),
        ("out-of-range", Kind::Rejected, "out_of_range"),
        ("create-duplicate", Kind::Rejected, "duplicate_parameter"),
        ("duplicate-phone", Kind::Rejected, "duplicate_parameter"),
        ("duplicate-request", Kind::Rejected, "duplicate_request"),
        ("contact-absent", Kind::Rejected, "document_not_found"),
        ("batch-absent", Kind::Rejected, "document_not_found"),
        ("delete-user", Kind::Rejected, "method_not_allowed"),
        ("not-acceptable", Kind::Rejected, "not_acceptable"),
        ("bad-request", Kind::Rejected, "bad_request"),
        ("unprocessable", Kind::Rejected, "unprocessable_entity"),
        ("unauthenticated", Kind::Auth, "unauthorized"),
        ("forbidden", Kind::Auth, "permission_denied"),
        ("under-validation", Kind::Auth, "account_under_validation"),
        ("no-credits", Kind::Config, "not_enough_credits"),
        ("too-early", Kind::Unavailable, "account_in_process"),
        ("limit", Kind::RateLimited, "too_many_requests"),
    ] {
        let error = judge(&fixture(name)).unwrap_or_else(|| panic!("{name} is no error"));
        assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)), "{name}");
        assert!(ENTRIES.iter().any(|entry| entry.code == code), "`outflow explain {code}` knows nothing");
        let retried = matches!(error.retry, Retry::Backoff | Retry::After(_));
        assert_eq!(retried, matches!(kind, Kind::RateLimited | Kind::Unavailable), "{name}");
        assert!(kind != Kind::Auth || error.hint.is_some(), "{name}");
    }
}

#[test]
fn what_has_no_known_code_is_left_to_the_status() {
    for name in
        ["unknown-code", "wrong-address", "server-error", "create-contact", "update-contact", "batch-partly"]
    {
        assert!(judge(&fixture(name)).is_none(), "{name}");
    }
}

#[test]
fn a_refusal_names_the_field_where_the_answer_does() {
    for (name, expected) in [
        ("invalid-email", Some("email")),
        ("invalid-phone", Some("SMS")),
        ("duplicate-phone", Some("SMS")),
        ("create-duplicate", None),
    ] {
        let Outcome::Rejected { field, message, .. } = outcome(judge(&fixture(name)).unwrap()) else {
            panic!()
        };
        assert_eq!(field.as_deref(), expected, "{name}");
        assert!(!message.is_empty());
    }
}

#[test]
fn the_headers_tell_when_the_window_has_room() {
    let observed = observe(&fixture("limit").headers);
    assert_eq!((observed.remaining, observed.reset), (Some(0), Some(Duration::from_secs(1))));
    assert_eq!((observed.max, observed.interval), (None, None), "of which window they speak is not known");
    assert_eq!(observe(&HeaderMap::new()).remaining, None);
}
