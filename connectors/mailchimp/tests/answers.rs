//! What each written answer means.

use reqwest::header::HeaderMap;
use serde_json::{Value as Json, json};

use crate::contract::{Kind, Outcome, Retry};
use crate::http::Answer;
use crate::mailchimp::errors::{judge, of_row, outcome};
use crate::mailchimp::playbook::ENTRIES;

fn answer(status: u16, body: Json) -> Answer {
    let is_json = body.is_object();
    Answer {
        status,
        headers: HeaderMap::new(),
        json: is_json.then(|| body.clone()),
        plain: body.as_str().map(str::to_owned),
        body_is_empty: body.is_null(),
    }
}

fn titled(status: u16, title: &str) -> Answer {
    answer(status, json!({"title": title, "status": status, "detail": "why"}))
}

#[test]
fn every_answer_says_who_must_act() {
    for (answer, kind, code) in [
        (titled(400, "Invalid Resource"), Kind::Rejected, "INVALID_RESOURCE"),
        (titled(400, "Member Exists"), Kind::Rejected, "MEMBER_EXISTS"),
        (titled(400, "Member In Compliance State"), Kind::Rejected, "MEMBER_IN_COMPLIANCE_STATE"),
        (titled(400, "Forgotten Email Not Subscribed"), Kind::Rejected, "FORGOTTEN_EMAIL_NOT_SUBSCRIBED"),
        (titled(400, "Bad Request"), Kind::Rejected, "MAILCHIMP_BAD_REQUEST"),
        (titled(400, "JSON Parse Error"), Kind::Rejected, "JSON_PARSE_ERROR"),
        (titled(404, "Resource Not Found"), Kind::Rejected, "RESOURCE_NOT_FOUND"),
        (titled(405, "Method Not Allowed"), Kind::Rejected, "METHOD_NOT_ALLOWED"),
        (titled(401, "API Key Invalid"), Kind::Auth, "API_KEY_REFUSED"),
        (titled(403, "Wrong Datacenter"), Kind::Auth, "API_KEY_REFUSED"),
        (titled(426, "Upgrade Required"), Kind::Config, "UPGRADE_REQUIRED"),
        (titled(429, "Too Many Requests"), Kind::RateLimited, "TOO_MANY_CONNECTIONS"),
        (answer(429, json!("<html>")), Kind::RateLimited, "TOO_MANY_CONNECTIONS"),
        (answer(403, json!("<html>Access Denied</html>")), Kind::RateLimited, "TOO_MANY_CONNECTIONS"),
        (answer(403, Json::Null), Kind::RateLimited, "TOO_MANY_CONNECTIONS"),
    ] {
        let error = judge(&answer).unwrap_or_else(|| panic!("{answer:?} is no error"));
        assert_eq!((error.kind, error.code.as_deref()), (kind, Some(code)), "{answer:?}");
        assert!(ENTRIES.iter().any(|entry| entry.code == code), "`outflow explain {code}` knows nothing");
        assert_eq!(error.retry == Retry::Backoff, kind == Kind::RateLimited, "{answer:?}");
        assert!(!matches!(kind, Kind::Auth | Kind::Config) || error.hint.is_some(), "{answer:?}");
    }
    for answer in
        [titled(400, "Something New"), titled(500, "Internal Server Error"), answer(404, json!("<html>"))]
    {
        assert!(judge(&answer).is_none(), "it is left to its status: {answer:?}");
    }
}

#[test]
fn a_refusal_names_the_field_where_the_answer_does() {
    let body = json!({"title": "Invalid Resource", "detail": "Your merge fields were invalid.",
                      "errors": [{"field": "LTV", "message": "Please enter a number"}]});
    let Outcome::Rejected { field, message, .. } = outcome(judge(&answer(400, body)).unwrap()) else {
        panic!()
    };
    assert_eq!(field.as_deref(), Some("LTV"));
    assert_eq!(message, "Your merge fields were invalid. LTV: Please enter a number");
    let body = json!({"title": "Invalid Resource", "detail": "Please provide a valid email address."});
    let Outcome::Rejected { field, .. } = outcome(judge(&answer(400, body)).unwrap()) else { panic!() };
    assert_eq!(field.as_deref(), Some("email_address"));
    let Outcome::Rejected { code, .. } = of_row(&json!({"error_code": "ERROR_NEW", "error": "x"})) else {
        panic!()
    };
    assert_eq!(code, "ERROR_GENERIC");
}
