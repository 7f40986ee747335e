//! What each written answer means.

use std::time::Duration;

use reqwest::header::HeaderMap;

use super::fixture;
use crate::contract::{Kind, Outcome, Retry};
use crate::sendgrid::errors::{judge, named, observe};
use crate::sendgrid::playbook::ENTRIES;

#[test]
fn every_answer_says_who_must_act() {
    for (name, kind, code) in [
        ("invalid-email", Kind::Rejected, "INVALID_REQUEST"),
        ("invalid-body", Kind::Rejected, "INVALID_REQUEST"),
        ("invalid-list", Kind::Config, "INVALID_REQUEST"),
        ("unauthenticated", Kind::Auth, "UNAUTHORIZED"),
        ("forbidden", Kind::Auth, "FORBIDDEN"),
        ("list-absent", Kind::Config, "RESOURCE_NOT_FOUND"),
        ("too-long", Kind::Rejected, "BODY_TOO_LONG"),
    ] {
        let error = judge(&fixture(name)).unwrap_or_else(|| panic!("{name} is no error"));
        assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)), "{name}");
        assert!(ENTRIES.iter().any(|entry| entry.code == code), "`outflow explain {code}` knows nothing");
        assert_eq!(error.retry, Retry::Never, "{name}");
        assert!(kind == Kind::Rejected || error.hint.is_some(), "{name}");
    }
}

#[test]
fn what_the_status_says_is_left_to_it() {
    for name in ["upsert-taken", "job-errored", "wrong-address", "timeout", "limit", "server-error"] {
        assert!(judge(&fixture(name)).is_none(), "{name}");
    }
}

#[test]
fn a_refusal_names_the_contact_and_its_field() {
    let body = fixture("invalid-email").json.unwrap();
    let [(0, Outcome::Rejected { code, field, message })] = &named(&body)[..] else { panic!("{body}") };
    assert_eq!((code.as_str(), field.as_deref()), ("INVALID_CONTACT", Some("email")));
    assert_eq!(message, "email '000' is not valid");
    assert!(named(&fixture("invalid-list").json.unwrap()).is_empty());
}

#[test]
fn the_headers_tell_when_the_window_has_room() {
    let observed = observe(&fixture("limit").headers);
    assert_eq!((observed.remaining, observed.reset), (Some(0), Some(Duration::from_secs(41))));
    assert_eq!((observed.max, observed.interval), (None, None), "how long a window is no header says");
    assert_eq!(observe(&HeaderMap::new()).remaining, None);
}
