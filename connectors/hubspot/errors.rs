//! What HubSpot's answers mean: its own words first, the HTTP status only where there are none.
//!
//! Every field of an error body may be missing
//! (<https://developers.hubspot.com/docs/api-reference/error-handling>).

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind, Outcome, Retry};
use crate::http::{Answer, Observed, Vendor, shortened};

/// What the sender must know of HubSpot.
pub(super) const VENDOR: Vendor =
    Vendor { title: "HubSpot", request_id: "x-hubspot-correlation-id", judge, observe };

/// A locked object is worth asking for again after this long.
const LOCKED: Duration = Duration::from_secs(2);

/// An account moves between data centres for up to a day.
const MIGRATION: Duration = Duration::from_secs(24 * 3600);

/// Turns an answer into an error, or `None` for a success and for what the HTTP status alone explains.
pub(super) fn judge(answer: &Answer) -> Option<ConnectorError> {
    if answer.is_success() {
        return None;
    }
    let body = answer.json.as_ref().unwrap_or(&Json::Null);
    let category = body.get("category").or_else(|| body.get("errorType")).and_then(Json::as_str);
    let said = body.get("message").and_then(Json::as_str).map(shortened).unwrap_or_default();
    let error = match (answer.status, category) {
        (429, _) | (_, Some("RATE_LIMIT" | "RATE_LIMITS" | "RATE-LIMIT_REACHED")) => throttled(answer, &said),
        (423, _) => ConnectorError::new(Kind::Unavailable, "HubSpot has locked these objects for a moment")
            .code("LOCKED")
            .retry(Retry::After(answer.retry_after().unwrap_or(LOCKED).max(LOCKED))),
        (477, _) => {
            ConnectorError::new(Kind::Unavailable, "HubSpot is moving this account to another data centre")
                .code("MIGRATION_IN_PROGRESS")
                .retry(Retry::After(answer.retry_after().unwrap_or(MIGRATION)))
        }
        (401, _) | (_, Some("INVALID_AUTHENTICATION" | "EXPIRED_AUTHENTICATION")) => ConnectorError::new(
            Kind::Auth,
            format!("HubSpot refused the token: {said}"),
        )
        .code("INVALID_AUTHENTICATION")
        .hint("check the connection's `token` (a private app's access token of this account) or its `auth`"),
        (403, _) | (_, Some("MISSING_SCOPES")) => forbidden(body, &said),
        (400..=499, Some(_)) if answer.status != 408 => refused(body),
        _ => return None,
    };
    Some(error)
}

/// 429: the day's budget, the window of ten seconds, or the search's second.
fn throttled(answer: &Answer, said: &str) -> ConnectorError {
    let policy = answer.text("policyName").unwrap_or_default();
    if policy == "DAILY" || said.contains("daily limit") {
        return ConnectorError::new(Kind::Quota, "HubSpot's daily limit of API calls is used up")
            .code("DAILY")
            .hint("run again after midnight in the account's time zone; what was acknowledged is kept");
    }
    let secondly = policy == "SECONDLY" || said.contains("secondly limit");
    let code = match policy {
        "" if secondly => "SECONDLY",
        "" => "RATE_LIMITS",
        named => named,
    };
    let error =
        ConnectorError::new(Kind::RateLimited, format!("HubSpot's rate limit was hit: {said}")).code(code);
    match answer.retry_after() {
        Some(wait) => error.retry(Retry::After(wait)),
        None if secondly => error.retry(Retry::After(Duration::from_secs(1))),
        None => error,
    }
}

fn forbidden(body: &Json, said: &str) -> ConnectorError {
    let scopes = missing_scopes(body);
    let error = if scopes.is_empty() {
        ConnectorError::new(Kind::Auth, format!("HubSpot does not allow this with the token: {said}"))
            .hint("check the scopes of the private app and the permissions of its account")
    } else {
        let list = scopes.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ");
        ConnectorError::new(Kind::Auth, format!("the token lacks the scope {list}"))
            .hint("add it to the private app in HubSpot (Settings, Integrations, Private apps)")
    };
    error.code("MISSING_SCOPES")
}

/// The scopes named anywhere in the error's contexts.
fn missing_scopes(body: &Json) -> Vec<String> {
    let inner = body.get("errors").and_then(Json::as_array).into_iter().flatten();
    let mut scopes: Vec<String> = std::iter::once(body)
        .chain(inner)
        .filter_map(|error| error.get("context")?.as_object())
        .flatten()
        .filter(|(name, _)| name.to_lowercase().contains("scope"))
        .filter_map(|(_, value)| value.as_array())
        .flatten()
        .filter_map(|scope| scope.as_str().map(str::to_owned))
        .collect();
    scopes.sort();
    scopes.dedup();
    scopes
}

/// A request refused for its data.
fn refused(body: &Json) -> ConnectorError {
    let Refusal { code, field, message } = refusal(body);
    let error = ConnectorError::new(Kind::Rejected, message).code(code);
    match field {
        Some(field) => error.with("field", field),
        None => error,
    }
}

/// One refusal, as specific as the answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) field: Option<String>,
    pub(super) message: String,
}

impl Refusal {
    /// What becomes of the row it names.
    pub(super) fn outcome(self) -> Outcome {
        match self.code.as_str() {
            "RATE_LIMIT" | "RATE_LIMITS" | "RATE-LIMIT_REACHED" => Outcome::Deferred { reason: self.message },
            // HubSpot broke on the row instead of refusing it, so nobody knows how far it came.
            "INTERNAL_ERROR" | "SERVER_ERROR" | "SERVICE_UNAVAILABLE" | "TIMEOUT" => {
                Outcome::Unknown { reason: self.message }
            }
            _ => Outcome::Rejected { code: self.code, field: self.field, message: self.message },
        }
    }
}

/// Reads an error object, the whole answer's or one of its `errors`: the first invalid property of the list that the
/// message may embed, else the first inner error, else the error itself.
pub(super) fn refusal(error: &Json) -> Refusal {
    let message = error.get("message").and_then(Json::as_str).unwrap_or("no reason was given");
    let category = error.get("category").and_then(Json::as_str).unwrap_or("UNKNOWN");
    if let Some(refusal) = embedded(message) {
        return refusal;
    }
    let inner = error.get("errors").and_then(Json::as_array).and_then(|errors| errors.first());
    let code = inner.and_then(|e| e.get("code")).or_else(|| error.get("code")).and_then(Json::as_str);
    let code = match code.unwrap_or(category) {
        "OBJECT_ALREADY_EXISTS" | "CONTACT_EXISTS" => "CONFLICT",
        code => code,
    };
    let field = inner.and_then(property_name).or_else(|| property_name(error));
    Refusal { code: code.to_owned(), field, message: shortened(message) }
}

/// One value of a refusal's list of invalid values.
pub(super) struct Invalid {
    pub(super) code: String,
    pub(super) property: Option<String>,
    /// In full, so that it can be searched for the value.
    pub(super) words: String,
}

/// `Property values were not valid: [{"isValid":false,"message":..,"error":"INVALID_EMAIL","name":"email",..}]`
pub(super) fn invalid_values(message: &str) -> Vec<Invalid> {
    let list = message.split_once("not valid: ").map(|(_, list)| list.trim());
    let list: Vec<Json> = list.and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default();
    let text = |value: &Json, name| value.get(name).and_then(Json::as_str).map(str::to_owned);
    let invalid = list.iter().filter(|value| value.get("isValid") != Some(&Json::Bool(true)));
    invalid
        .map(|value| Invalid {
            code: text(value, "error").unwrap_or_else(|| "VALIDATION_ERROR".to_owned()),
            property: text(value, "name"),
            words: text(value, "message")
                .or_else(|| text(value, "localizedErrorMessage"))
                .unwrap_or_else(|| "the value is not valid".to_owned()),
        })
        .collect()
}

fn embedded(message: &str) -> Option<Refusal> {
    let mut invalid = invalid_values(message).into_iter();
    let first = invalid.next()?;
    let mut message = shortened(&first.words);
    for other in invalid {
        let name = other.property.as_deref().unwrap_or("another property");
        message.push_str(&format!("; `{name}`: {}", shortened(&other.words)));
    }
    Some(Refusal { code: first.code, field: first.property, message: shortened(&message) })
}

fn property_name(error: &Json) -> Option<String> {
    let context = error.get("context")?;
    let names = ["propertyName", "propertyNames", "properties"].iter().find_map(|n| context.get(n))?;
    let name = names.as_str().or_else(|| names.get(0)?.as_str())?;
    Some(name.to_owned())
}

/// `X-HubSpot-RateLimit-*`; search and OAuth answers leave some or all of them out.
pub(super) fn observe(headers: &HeaderMap) -> Observed {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let small = |name: &str| number(name).and_then(|n| u32::try_from(n).ok());
    Observed {
        max: small("x-hubspot-ratelimit-max"),
        remaining: small("x-hubspot-ratelimit-remaining"),
        interval: number("x-hubspot-ratelimit-interval-milliseconds").map(Duration::from_millis),
        reset: None,
        daily_limit: number("x-hubspot-ratelimit-daily"),
        daily_remaining: number("x-hubspot-ratelimit-daily-remaining"),
    }
}
