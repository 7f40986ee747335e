//! Klaviyo's API of profiles as the sandbox speaks it, by the vendor's OpenAPI description of revision 2026-07-15 and its
//! guide to imports (<https://developers.klaviyo.com/en/docs/use_klaviyos_bulk_profile_import_api>).
//!
//! Where both are silent, the choice is ours and strict: unknown keys are refused, an identifier that another profile holds
//! is, an import ignores nulls, and says of a row that it refuses what the row was. A request without a revision is refused,
//! and so is the key `invalid`.
//!
//! The `sandbox` block declares lists as `lists: {NAME: ID}`, custom properties whose values an account's rule refuses as
//! `objects: {profiles: {plan: {type: string, refuse: gold}}}`, and with `import_polls` how often an import is asked for until
//! it has ended (0: when it begins).

mod jobs;
mod lists;
mod profiles;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{Method, StatusCode, header};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

use crate::contract::RateLimit;
use crate::sandbox::vendor::{Answer, Emulator, Exhausted, Request, Usage, Vendor};
use crate::sandbox::{Object, Objects, State, VendorConfig, object, unescaped};

pub(crate) const EMULATOR: Emulator = Emulator { keys: &["import_polls", "lists"], make: emulator };

/// Questions for an import until it has ended, unless declared.
const POLLS: u64 = 2;

fn emulator(config: &VendorConfig) -> Result<Box<dyn Vendor>, String> {
    let polls = config.number("import_polls")?.unwrap_or(POLLS);
    let mut lists = BTreeMap::new();
    for (name, id) in
        config.own.get("lists").map(|lists| object(lists, "`lists`")).transpose()?.into_iter().flatten()
    {
        let id = match id {
            Json::String(id) if !id.is_empty() => id.clone(),
            Json::Number(id) => id.to_string(),
            _ => return Err(format!("`lists.{name}` must be the list's id, as in `{{VIP: Y6nRLr}}`")),
        };
        if lists.insert(id, name.clone()).is_some() {
            return Err(format!("`lists.{name}` has the id of another list"));
        }
    }
    if let Some(other) = config.objects.keys().find(|name| *name != "profiles") {
        return Err(format!("Klaviyo has no object `{other}` here; it has `profiles`"));
    }
    Ok(Box::new(Account { objects: config.objects.clone(), lists, polls }))
}

struct Account {
    objects: Objects,
    /// Names by id.
    lists: BTreeMap<String, String>,
    polls: u64,
}

/// The segments of a path behind `/api`, decoded.
fn segments(path: &str) -> Vec<String> {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(unescaped).collect();
    match parts.first().map(String::as_str) {
        Some("api") => parts[1..].to_vec(),
        _ => Vec::new(),
    }
}

fn is_import(path: &str) -> bool {
    segments(path).first().is_some_and(|first| first == "profile-bulk-import-jobs")
}

impl Vendor for Account {
    fn name(&self) -> &'static str {
        "klaviyo"
    }

    /// Those of the large tier, of which each endpoint has its own; the sandbox counts them together.
    fn limits(&self) -> (RateLimit, u64) {
        (RateLimit { requests: 75, per: Duration::from_secs(1) }, 10_000_000)
    }

    fn narrow_window(&self) -> Option<(RateLimit, fn(&str) -> bool)> {
        Some((RateLimit { requests: 150, per: Duration::from_secs(60) }, is_import))
    }

    fn writes(&self, method: &Method, _path: &str) -> bool {
        method != Method::GET
    }

    fn answer(&self, request: &Request, _usage: &Usage, state: &State<'_>) -> rusqlite::Result<Answer> {
        let answer = self.routed(request, state)?;
        #[cfg(test)]
        let answer = super::tests::schema::held_against(request, answer);
        Ok(answer)
    }

    fn exhausted(&self, limit: Exhausted) -> Answer {
        let wait = match limit {
            Exhausted::Window => "1",
            Exhausted::NarrowWindow => "60",
            Exhausted::Day => "86400",
        };
        let mut answer = self.error(StatusCode::TOO_MANY_REQUESTS, "Request was throttled.");
        answer.headers.push(("retry-after", wait.to_owned()));
        answer
    }

    fn error(&self, status: StatusCode, message: &str) -> Answer {
        let code = match status.as_u16() {
            401 => "not_authenticated",
            403 => "permission_denied",
            404 => "not_found",
            405 => "method_not_allowed",
            409 => "duplicate_profile",
            415 => "unsupported_media_type",
            429 => "throttled",
            400..=499 => "invalid",
            _ => "error",
        };
        refused(status, code, message, "/data")
    }

    fn finish(&self, answer: &mut Answer, usage: &Usage) {
        if answer.status != StatusCode::TOO_MANY_REQUESTS && !usage.narrow {
            answer.headers.push(("ratelimit-limit", usage.window.requests.to_string()));
            answer.headers.push(("ratelimit-remaining", usage.remaining.to_string()));
            answer.headers.push(("ratelimit-reset", usage.window.per.as_secs().max(1).to_string()));
        }
    }
}

impl Account {
    /// A refusal of the request itself, before anybody looks at its path.
    fn turned_away(&self, request: &Request) -> Option<Answer> {
        let text = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        let key =
            text(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Klaviyo-API-Key "));
        if matches!(key.unwrap_or_default(), "" | "invalid") {
            let message = "Authentication credentials were not provided, or are not known.";
            return Some(self.error(StatusCode::UNAUTHORIZED, message));
        }
        let revision = text("revision").unwrap_or_default();
        if revision.get(..10).and_then(|day| day.parse::<jiff::civil::Date>().ok()).is_none() {
            let source = json!({"parameter": "revision"});
            let message = "The API revision must be provided in the header `revision`.";
            return Some(errors(StatusCode::BAD_REQUEST, vec![error("invalid", message, source)]));
        }
        let media = text(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let is_json =
            ["application/vnd.api+json", "application/json"].iter().any(|json| media.starts_with(json));
        (!request.body.is_empty() && !is_json)
            .then(|| self.error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type in request."))
    }

    fn routed(&self, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
        if let Some(refusal) = self.turned_away(request) {
            return Ok(refusal);
        }
        let path = segments(&request.path);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match (request.method.as_str(), path.as_slice()) {
            ("GET", ["accounts"]) => Ok(shown::account()),
            ("GET", ["profiles"]) => profiles::filtered(request, state),
            ("POST", ["profiles"]) => profiles::create(self, request, state),
            ("PATCH", ["profiles", id]) => profiles::update(self, id, request, state),
            ("POST", ["profile-import"]) => profiles::upsert(self, request, state),
            ("GET", ["profile-bulk-import-jobs"]) => jobs::open(request, state),
            ("POST", ["profile-bulk-import-jobs"]) => jobs::start(self, request, state),
            ("GET", ["profile-bulk-import-jobs", id]) => jobs::progress(self, id, state),
            ("GET", ["profile-bulk-import-jobs", id, "import-errors"]) => jobs::errors(id, request, state),
            ("GET", ["lists", id]) => Ok(lists::list(self, id)),
            ("POST", ["lists", id, "relationships", "profiles"]) => {
                lists::members(self, id, true, request, state)
            }
            ("DELETE", ["lists", id, "relationships", "profiles"]) => {
                lists::members(self, id, false, request, state)
            }
            ("POST", ["profile-subscription-bulk-create-jobs"]) => lists::subscribe(self, request, state),
            ("POST", ["profile-suppression-bulk-create-jobs"]) => lists::suppress(request, state),
            ("GET", ["profile-suppression-bulk-create-jobs", id]) => lists::suppression(id, state),
            ("POST", ["data-privacy-deletion-jobs"]) => lists::delete(request, state),
            _ => Ok(self.error(StatusCode::NOT_FOUND, "The path was not found.")),
        }
    }
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// An element of `errors`.
fn error(code: &str, detail: &str, source: Json) -> Json {
    let id = format!("err-{:016x}", getrandom::u64().unwrap_or_default());
    json!({"id": id, "status": null, "code": code, "title": "Invalid input.", "detail": detail, "source": source})
}

fn errors(status: StatusCode, errors: Vec<Json>) -> Answer {
    Answer::new(status, json!({"errors": errors}))
}

fn refused(status: StatusCode, code: &str, detail: &str, pointer: &str) -> Answer {
    errors(status, vec![error(code, detail, json!({"pointer": pointer}))])
}

/// A refusal of the data at a place.
fn invalid(detail: &str, pointer: &str) -> Answer {
    refused(StatusCode::BAD_REQUEST, "invalid", detail, pointer)
}

/// Reads a body as the vendor does: whole, or a refusal.
fn parse<T: DeserializeOwned>(request: &Request) -> Result<T, Answer> {
    serde_json::from_slice(&request.body).map_err(|error| invalid(&error.to_string(), "/data"))
}

/// A new object of this kind, with a number that none had before.
fn made(prefix: &str, properties: Map<String, Json>, state: &State<'_>) -> rusqlite::Result<Object> {
    let now = now();
    let id = format!("{prefix}{:018}", state.next_id(1)?);
    Ok(Object { id, archived: false, created_at: now.clone(), updated_at: now, properties })
}
