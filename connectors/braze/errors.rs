//! What Braze's answers mean: its own words first, the HTTP status only where there are none.
//!
//! An answer is `{"message": "success"}` or a sentence on what is wrong (<https://www.braze.com/docs/api/errors/>). Of
//! `/users/track` the array `errors` names each object that is refused, `{"type": .., "input_array": "attributes", "index": 1}`:
//! that shape stands in no document, and in the tests of several other senders. Every answer says in `X-RateLimit-Reset`, in
//! seconds since 1970, when its window is over; a 429 names no other wait.

use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind, Outcome};
use crate::http::json::{list, text};
use crate::http::{Answer, Observed, Vendor, shortened};

/// What the sender must know of Braze.
pub(super) const VENDOR: Vendor =
    Vendor { title: "Braze", request_id: "x-request-id", judge, observe: Observed::usual };

/// Turns an answer into an error, or `None` for a success and for what the HTTP status alone explains.
pub(super) fn judge(answer: &Answer) -> Option<ConnectorError> {
    if answer.is_success() {
        return None;
    }
    let said = answer.json.as_ref().map(words).unwrap_or_default();
    let error = |kind, code: &str, what: &str| {
        let words = if said.is_empty() { String::new() } else { format!(": {said}") };
        ConnectorError::new(kind, format!("{what}{words}")).code(code)
    };
    let lower = said.to_lowercase();
    match answer.status {
        401 => Some(
            error(
                Kind::Auth,
                "INVALID_API_KEY",
                "Braze does not know this API key, or the key may not do this",
            )
            .hint(KEY_HINT),
        ),
        403 => Some(error(Kind::Auth, "FORBIDDEN", "Braze lets nobody do this with this account").hint(
            "check that the account is active, and that the key's list of IP addresses lets this machine in",
        )),
        // "Unknown REST API Key" by the table of errors.
        404 if lower.contains("api key") => {
            Some(error(Kind::Auth, "INVALID_API_KEY", "Braze does not know this API key").hint(KEY_HINT))
        }
        400 if lower.contains("max input length") || lower.contains("max number of") => Some(
            error(
                Kind::Config,
                "TOO_MANY_OBJECTS",
                "the request held more objects than Braze takes of this account",
            )
            .hint("set `batch_rows: 50` in the connection, or less"),
        ),
        400 => Some(error(Kind::Rejected, "BAD_REQUEST", "Braze refused the request")),
        413 => Some(error(Kind::Rejected, "REQUEST_TOO_LARGE", "the request is larger than Braze takes")),
        429 => Some(error(Kind::RateLimited, "RATE_LIMITED", "Braze takes no more requests for now")),
        _ => None,
    }
}

const KEY_HINT: &str = "check `api_key`, its permissions (`users.track` and `custom_attributes.get`; `users.delete` for removals, \
                        `users.track.bulk` for the bulk endpoint), and that `base_url` is the workspace's own instance";

/// What the body says in words.
fn words(body: &Json) -> String {
    let first = list(body, "errors").next().map(|error| match error {
        Json::String(text) => text.clone(),
        error => text(error, "type").or_else(|| text(error, "message")).unwrap_or_default(),
    });
    let message = text(body, "message").unwrap_or_default();
    match first.filter(|first| !first.is_empty()) {
        Some(first) if message.is_empty() => shortened(&first),
        Some(first) => shortened(&format!("{message} ({first})")),
        None => shortened(&message),
    }
}

/// Whether a refusal of the whole request names the objects that are at fault, each by its place.
pub(super) fn names_objects(answer: &Answer) -> bool {
    let errors = answer.json.as_ref().and_then(|body| body.get("errors")).and_then(Json::as_array);
    let is_placed =
        |error: &Json| error.get("index").is_some_and(Json::is_u64) && error.get("input_array").is_some();
    answer.status == 400 && errors.is_some_and(|errors| !errors.is_empty() && errors.iter().all(is_placed))
}

/// The refusal of one object, by what `errors` says of it. Braze gives no codes, so these are ours.
pub(super) fn refusal(error: &Json) -> Outcome {
    let said = error.as_str().map(str::to_owned).or_else(|| text(error, "type")).unwrap_or_default();
    let lower = said.to_lowercase();
    let code = match lower.as_str() {
        lower
            if lower.contains("blacklisted")
                || lower.contains("blocklisted")
                || lower.contains("disallowed") =>
        {
            "USER_BLOCKED"
        }
        lower if lower.starts_with("the property '#/") => "EVENT_SCHEMA",
        lower if lower.contains("is required") => "VALUE_MISSING",
        lower if lower.contains("not valid") || lower.contains("invalid") => "VALUE_INVALID",
        _ => "OBJECT_REFUSED",
    };
    let field =
        said.strip_suffix("' is not valid").and_then(|rest| rest.strip_prefix('\'')).map(str::to_owned);
    let message = match said.is_empty() {
        true => "Braze refused it and does not say why".to_owned(),
        false => shortened(&said),
    };
    Outcome::Rejected { code: code.to_owned(), field, message }
}
