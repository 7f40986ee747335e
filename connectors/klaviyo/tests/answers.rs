//! What each written answer means.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{fixture, is_applied, is_unknown, rejected};
use crate::contract::{Kind, Outcome, Retry};
use crate::klaviyo::answers::{outcomes, suppressed};
use crate::klaviyo::client::Job;
use crate::klaviyo::errors::{judge, named};
use crate::klaviyo::options::Key;
use crate::klaviyo::playbook::ENTRIES;

#[test]
fn every_answer_says_who_must_act() {
    for (name, kind, code) in [
        ("invalid-email", Kind::Rejected, "invalid"),
        ("invalid-place", Kind::Rejected, "invalid"),
        ("duplicate", Kind::Rejected, "duplicate_profile"),
        ("absent", Kind::Rejected, "not_found"),
        ("import-refused-whole", Kind::Rejected, "invalid"),
        ("no-revision", Kind::Config, "invalid"),
        ("unauthenticated", Kind::Auth, "not_authenticated"),
        ("forbidden", Kind::Auth, "permission_denied"),
        ("limit", Kind::RateLimited, "throttled"),
        ("limit-bare", Kind::RateLimited, "throttled"),
    ] {
        let error = judge(&fixture(name)).unwrap_or_else(|| panic!("{name} is no error"));
        assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)), "{name}");
        assert!(ENTRIES.iter().any(|entry| entry.code == code), "`outflow explain {code}` knows nothing");
        assert_eq!(
            matches!(error.retry, Retry::Backoff | Retry::After(_)),
            kind == Kind::RateLimited,
            "{name}"
        );
        assert!(!matches!(kind, Kind::Auth | Kind::Config) || error.hint.is_some(), "{name}");
    }
    // Codes of the vendor that are not known here still say who must act.
    for (name, kind) in
        [("too-large", Kind::Rejected), ("gone-revision", Kind::Config), ("media-type", Kind::Config)]
    {
        assert_eq!(judge(&fixture(name)).unwrap().kind, kind, "{name}");
    }
    assert_eq!(judge(&fixture("limit")).unwrap().retry, Retry::After(Duration::from_secs(7)));
}

#[test]
fn what_has_no_known_meaning_is_left_to_the_status() {
    for name in ["wrong-address", "server-error", "method"] {
        assert!(judge(&fixture(name)).is_none(), "{name}");
    }
}

#[test]
fn a_refusal_names_the_field_and_the_rows() {
    for (name, expected) in [
        ("invalid-email", Some("email")),
        ("invalid-place", Some("location.city")),
        ("invalid-property", Some("plan")),
        ("duplicate", None),
    ] {
        let error = judge(&fixture(name)).unwrap();
        let field = error.context.iter().find(|(name, _)| *name == "field").map(|(_, field)| field.as_str());
        assert_eq!(field, expected, "{name}");
    }
    let rows = |name: &str, profiles: usize| -> Vec<(usize, Option<String>)> {
        named(&fixture(name), profiles).into_iter().map(|(row, refusal)| (row, refusal.field)).collect()
    };
    let email = Some("email".to_owned());
    assert_eq!(
        rows("import-refused", 10),
        [(3, email.clone()), (7, None)],
        "a row that was not sent is nobody's"
    );
    assert_eq!(rows("import-refused", 5), [(3, email)]);
    assert_eq!(rows("members-refused", 2), [(1, None)]);
    for none in ["import-refused-whole", "invalid-email", "unauthenticated", "limit"] {
        assert_eq!(rows(none, 10), [], "{none}");
    }
}

fn job(status: &str, total: u64, completed: u64, failed: u64) -> Job {
    let resource = json!({"id": "A", "attributes": {
        "status": status, "total_count": total, "completed_count": completed, "failed_count": failed,
    }});
    Job::of(&resource).unwrap()
}

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The errors of the fixture: one by its payload, one by its place alone.
fn two_errors() -> Vec<Json> {
    let body = fixture("import-errors").json.unwrap();
    body["data"].as_array().unwrap().iter().map(|error| error["attributes"].clone()).collect()
}

/// The same, each with its payload.
fn two_named_errors() -> Vec<Json> {
    let mut errors = two_errors();
    errors[1]["original_payload"] = json!({"type": "profile", "attributes": {"email": "c@x.io"}});
    errors
}

#[test]
fn an_import_is_done_only_where_its_counts_and_its_errors_agree() {
    let (errors, sent) = (two_named_errors(), keys(&["a@x.io", "bad@x.io", "c@x.io", "d@x.io"]));
    let told = |job: &Job, errors: &[Json], all: bool| outcomes(job, (errors, all), Key::Email, &sent);
    // Whether what failed is counted as completed is not documented.
    for completed in [2, 4] {
        let told = told(&job("complete", 4, completed, 2), &errors, true);
        assert!(is_applied(&told[0]) && is_applied(&told[3]), "{told:?}");
        assert_eq!((rejected(&told[1]), rejected(&told[2])), ("invalid", "invalid"));
        assert!(
            matches!(&told[2], Outcome::Rejected { field, .. } if field.as_deref() == Some("phone_number"))
        );
    }
    // Of these, the rows that no error names stay unknown.
    for (case, errors, all) in [
        (job("complete", 4, 1, 3), &errors[..], true),
        (job("complete", 5, 3, 2), &errors, true),
        (job("complete", 4, 1, 2), &errors, true),
        (job("complete", 4, 2, 2), &errors, false),
        (job("complete", 4, 3, 1), &[], true),
    ] {
        let told = told(&case, errors, all);
        assert!(is_unknown(&told[0]) && is_unknown(&told[3]), "{case:?}: {told:?}");
        assert_eq!(errors.is_empty(), !matches!(told[1], Outcome::Rejected { .. }), "{case:?}");
    }
    // Named, but not counted as failed, or of a job that did not come to its end.
    for case in [job("complete", 4, 3, 1), job("cancelled", 4, 2, 2), job("cancelled", 4, 0, 0)] {
        assert!(told(&case, &errors, true).iter().all(is_unknown), "{case:?}");
    }
    assert!(told(&job("complete", 4, 4, 0), &[], true).iter().all(is_applied));
    let uncounted = Job { failed: None, completed: None, ..job("complete", 4, 4, 0) };
    assert!(told(&uncounted, &[], true).iter().all(is_unknown));
}

#[test]
fn an_error_belongs_to_the_row_that_its_payload_names() {
    let sent = keys(&["a@x.io", "bad@x.io"]);
    let one = |payload: Json, pointer: &str| {
        let error = json!({"code": "invalid", "detail": "no", "source": {"pointer": pointer}, "original_payload": payload});
        outcomes(&job("complete", 2, 1, 1), (&[error], true), Key::Email, &sent)
    };
    let place = "/data/attributes/profiles/data/0/attributes/email";
    for payload in [
        json!({"email": "BAD@x.io"}),
        json!({"attributes": {"email": "bad@x.io"}}),
        json!({"data": {"type": "profile", "attributes": {"email": "bad@x.io"}}}),
    ] {
        let told = one(payload, place);
        assert!(is_applied(&told[0]) && rejected(&told[1]) == "invalid", "{told:?}");
    }
    for (payload, pointer) in [
        // From where a place counts is not known, so it names nobody.
        (json!({"title": "x"}), place),
        (json!(null), "/data/attributes/profiles/data/0"),
        (json!({"email": "other@x.io"}), place),
        (json!(null), "/data/attributes/email"),
        (json!(null), "/data/attributes/profiles/data/2"),
    ] {
        assert!(one(payload.clone(), pointer).iter().all(is_unknown), "{payload} {pointer}");
    }
}

#[test]
fn an_error_that_only_has_a_place_leaves_all_unnamed_rows_unknown() {
    let sent = keys(&["a@x.io", "bad@x.io", "c@x.io", "d@x.io"]);
    let told = outcomes(&job("complete", 4, 2, 2), (&two_errors(), true), Key::Email, &sent);
    assert_eq!(rejected(&told[1]), "invalid", "its payload names it");
    assert!([0, 2, 3].iter().all(|row| is_unknown(&told[*row])), "{told:?}");
}

#[test]
fn a_suppression_is_done_only_where_all_of_it_is_counted() {
    let of = |status: &str, total: u64, completed: u64, skipped: u64| Job {
        skipped: Some(skipped),
        ..job(status, total, completed, 0)
    };
    assert!(suppressed(&of("complete", 2, 2, 0), 2).iter().all(is_applied));
    let uncounted = Job { completed: None, ..of("complete", 2, 2, 0) };
    for case in [
        of("cancelled", 2, 2, 0),
        of("complete", 3, 3, 0),
        of("complete", 2, 1, 0),
        of("complete", 2, 1, 1),
        of("complete", 2, 2, 1),
        uncounted,
    ] {
        let told = suppressed(&case, 2);
        assert!(told.len() == 2 && told.iter().all(is_unknown), "{case:?}: {told:?}");
    }
}
