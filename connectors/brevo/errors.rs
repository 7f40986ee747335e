//! What Brevo's answers mean: its own code first, the HTTP status only where there is none.
//!
//! An error is `{"code", "message"}`, of contacts with an optional `metadata`; the codes are those of the vendor's own
//! client (`ErrorModel` and `ContactErrorModel` of `brevo-python` 1.2). What `metadata` holds is not documented.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind, Outcome, Retry};
use crate::http::{Answer, Observed, Vendor, json, moment, shortened};

/// What the sender must know of Brevo. No header is documented that names a request.
pub(super) const VENDOR: Vendor = Vendor { title: "Brevo", request_id: "x-request-id", judge, observe };

/// There is no such contact, list or process.
pub(super) const NOT_FOUND: &str = "document_not_found";

/// Codes of a request refused for its data, without effect.
const REFUSALS: [&str; 10] = [
    "invalid_parameter",
    "missing_parameter",
    "out_of_range",
    "duplicate_parameter",
    "duplicate_request",
    NOT_FOUND,
    "method_not_allowed",
    "not_acceptable",
    "bad_request",
    "unprocessable_entity",
];

/// A contact that is being changed is worth asking for again after this long.
const BUSY: Duration = Duration::from_secs(2);

/// Turns an answer into an error, or `None` for a success and for what the HTTP status alone explains.
pub(super) fn judge(answer: &Answer) -> Option<ConnectorError> {
    if answer.is_success() {
        return None;
    }
    let said = answer.text("message").map_or_else(|| "no reason was given".to_owned(), shortened);
    let code = answer.text("code").unwrap_or_default();
    let error =
        |kind, code: &str, what: &str| ConnectorError::new(kind, format!("{what}: {said}")).code(code);
    Some(match (answer.status, code) {
        (429, _) => {
            let error = error(Kind::RateLimited, "too_many_requests", "Brevo's rate limit was hit");
            match answer.retry_after() {
                Some(wait) => error.retry(Retry::After(wait)),
                None => error,
            }
        }
        (401, _) | (_, "unauthorized") => {
            error(Kind::Auth, "unauthorized", "Brevo refused the key").hint(
                "copy the key again from Brevo (SMTP & API, API keys); where the account allows known addresses only, add \
                 this machine's",
            )
        }
        (403, _) | (_, "permission_denied") => error(Kind::Auth, "permission_denied", "Brevo does not allow this")
            .hint("check what the account's plan and the user of the key may do"),
        (_, "account_under_validation") => {
            error(Kind::Auth, "account_under_validation", "Brevo has not released the account yet")
                .hint("end the validation in Brevo, or ask its support")
        }
        (402, _) | (_, "not_enough_credits") => {
            error(Kind::Config, "not_enough_credits", "the account's plan is used up")
                .hint("raise the plan in Brevo; nothing is lost, the rows go in the next run")
        }
        (425, _) | (_, "account_in_process") => {
            error(Kind::Unavailable, "account_in_process", "Brevo is busy with the same contact or account")
                .retry(Retry::After(answer.retry_after().unwrap_or(BUSY)))
        }
        (400..=499, code) if REFUSALS.contains(&code) => refused(code, &said, answer.json.as_ref()),
        _ => return None,
    })
}

/// A request refused for its data.
fn refused(code: &str, said: &str, body: Option<&Json>) -> ConnectorError {
    let error = ConnectorError::new(Kind::Rejected, said).code(code);
    match body.and_then(|body| field(body, said)) {
        Some(field) => error.with("field", field),
        None => error,
    }
}

/// The field at fault: what `metadata` calls a duplicate, else what the message begins to speak of.
fn field(body: &Json, said: &str) -> Option<String> {
    let duplicate =
        body.get("metadata").and_then(|metadata| json::strings(metadata, "duplicate_identifiers").next());
    let said = said.to_ascii_lowercase();
    let named = || match () {
        () if said.contains("email") => Some("email"),
        () if said.contains("phone number") || said.contains("sms") => Some("SMS"),
        () if said.contains("ext_id") => Some("ext_id"),
        () => None,
    };
    duplicate.or_else(named).map(str::to_owned)
}

/// A refusal of a request that held one contact, as that contact's outcome.
pub(super) fn outcome(error: ConnectorError) -> Outcome {
    let field = error.context.iter().find(|(name, _)| *name == "field").map(|(_, value)| value.clone());
    Outcome::Rejected {
        code: error.code.unwrap_or_else(|| "REFUSED".to_owned()),
        field,
        message: error.message,
    }
}

/// Whether there is no such contact or list, in the vendor's own word; a page that is not there has none.
pub(super) fn is_absent(error: &ConnectorError) -> bool {
    error.code.as_deref() == Some(NOT_FOUND)
}

/// `x-sib-ratelimit-*` (<https://developers.brevo.com/docs/limit-headers>). Which of an endpoint's two windows, that of a
/// second or that of an hour, they speak of is not documented, so the limit itself is not taken from them.
pub(super) fn observe(headers: &HeaderMap) -> Observed {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
    Observed {
        remaining: number("x-sib-ratelimit-remaining"),
        reset: moment(headers, "x-sib-ratelimit-reset"),
        ..Observed::default()
    }
}
