//! What Klaviyo's refusals mean: `{"errors": [{id, code, title, detail, source: {pointer, parameter}}]}`
//! (`ClientError` of the vendor's description). The HTTP status says who must act, the codes and pointers what of.

use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind, Outcome, Retry};
use crate::http::{Answer, Observed, Vendor, json, shortened};

/// What the sender must know of Klaviyo. No header is documented that names a request; the errors have ids of their own.
pub(super) const VENDOR: Vendor = Vendor { title: "Klaviyo", request_id: "x-request-id", judge, observe };

/// There is no such profile, list or job.
pub(super) const NOT_FOUND: &str = "not_found";

/// One element of `errors`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Of the profile in the request that it speaks of.
    pub(super) index: Option<usize>,
    pub(super) field: Option<String>,
    pub(super) code: String,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn outcome(self) -> Outcome {
        Outcome::Rejected { code: self.code, field: self.field, message: self.message }
    }
}

/// One error, of an answer or of an import.
pub(super) fn refusal(error: &Json) -> Refusal {
    let text = |name: &str| json::text(error, name).filter(|text| !text.trim().is_empty());
    let pointer = error.get("source").and_then(|source| json::text(source, "pointer")).unwrap_or_default();
    let said = text("detail").or_else(|| text("title")).unwrap_or_else(|| "no reason was given".to_owned());
    Refusal {
        index: index(&pointer),
        field: field(&pointer),
        code: text("code").unwrap_or_else(|| "invalid".to_owned()),
        message: shortened(&said),
    }
}

/// `/data/attributes/profiles/data/3/attributes/email` and `/data/3/id` speak of the fourth profile.
fn index(pointer: &str) -> Option<usize> {
    let rest = pointer.strip_prefix("/data/attributes/profiles").unwrap_or(pointer);
    rest.strip_prefix("/data/")?.split('/').next()?.parse().ok()
}

/// What follows the last `attributes`, as a mapping writes it: `location.city`, `plan`.
fn field(pointer: &str) -> Option<String> {
    let (_, name) = pointer.rsplit_once("/attributes/")?;
    let name = name.strip_prefix("properties/").unwrap_or(name);
    let is_name = !name.is_empty() && !name.starts_with("profiles");
    is_name.then(|| name.replace('/', "."))
}

/// The errors of an answer; none where it has none.
pub(super) fn refusals(answer: &Answer) -> Vec<Refusal> {
    answer.json.iter().flat_map(|body| json::list(body, "errors")).map(refusal).collect()
}

/// The rows that a refused request of so many names, each by its place in it.
pub(super) fn named(answer: &Answer, profiles: usize) -> Vec<(usize, Refusal)> {
    if !matches!(answer.status, 400 | 404 | 409 | 422) {
        return Vec::new();
    }
    let each = refusals(answer).into_iter().filter_map(|refusal| Some((refusal.index?, refusal)));
    each.filter(|(index, _)| *index < profiles).collect()
}

/// Turns an answer into an error, or `None` for a success and for what the HTTP status alone explains.
pub(super) fn judge(answer: &Answer) -> Option<ConnectorError> {
    if answer.is_success() {
        return None;
    }
    let first = refusals(answer).into_iter().next();
    let said = first.as_ref().map_or_else(|| "no reason was given".to_owned(), |first| first.message.clone());
    let error = |kind, code: &str, what: &str| {
        let code = first.as_ref().map_or(code, |first| first.code.as_str());
        ConnectorError::new(kind, format!("{what}: {said}")).code(code)
    };
    Some(match answer.status {
        429 => {
            let error = error(Kind::RateLimited, "throttled", "Klaviyo's rate limit was hit");
            match answer.retry_after() {
                Some(wait) => error.retry(Retry::After(wait)),
                None => error,
            }
        }
        401 => error(Kind::Auth, "not_authenticated", "Klaviyo refused the key")
            .hint("copy the private key (`pk_...`) again from Klaviyo (Settings, API keys)"),
        403 => error(Kind::Auth, "permission_denied", "Klaviyo does not allow this").hint(
            "give the key the scopes `accounts:read`, `profiles` and `lists`, read and write, and for some options \
             `subscriptions`, read and write, or `data-privacy:write`",
        ),
        _ if first.is_none() => return None,
        400 | 406 | 410 if is_about_revision(answer) => {
            error(Kind::Config, "invalid", "Klaviyo does not take the revision of its API")
                .hint("set the connection's `revision` to one that Klaviyo supports, or leave it out")
        }
        406 | 415 => error(Kind::Config, "not_acceptable", "Klaviyo does not take the request in this form")
            .hint("check the connection's `base_url`: something may change requests on their way"),
        400 | 404 | 409 | 413 | 422 => refused(first?),
        _ => return None,
    })
}

/// A request refused for its data, without effect.
fn refused(first: Refusal) -> ConnectorError {
    let error = ConnectorError::new(Kind::Rejected, first.message).code(first.code);
    match first.field {
        Some(field) => error.with("field", field),
        None => error,
    }
}

fn is_about_revision(answer: &Answer) -> bool {
    let names = |source: &Json| {
        ["parameter", "header", "pointer"]
            .iter()
            .any(|key| json::text(source, key).is_some_and(|text| text.trim_start_matches('/') == "revision"))
    };
    answer.json.iter().flat_map(|body| json::list(body, "errors")).filter_map(|e| e.get("source")).any(names)
}

/// Whether there is no such profile, list or job.
pub(super) fn is_absent(error: &ConnectorError) -> bool {
    let is_404 = error.context.iter().any(|(name, value)| *name == "status" && value == "404");
    is_404 && error.kind == Kind::Rejected
}

/// A question that was refused says nothing of the rows that it was asked for, so none of them is refused by that.
pub(super) fn not_asked(error: ConnectorError) -> ConnectorError {
    match error.kind {
        Kind::Rejected => {
            let message = format!("Klaviyo did not take a question: {}", error.message);
            ConnectorError { kind: Kind::Unavailable, message, ..error }
        }
        _ => error,
    }
}

/// `RateLimit-Remaining` and `RateLimit-Reset`, in seconds
/// (<https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling>). Which of an endpoint's two windows they speak of
/// is not fixed, so the limit itself is not taken from them.
pub(super) fn observe(headers: &HeaderMap) -> Observed {
    Observed::usual(headers)
}
