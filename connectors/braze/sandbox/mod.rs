//! Braze's REST API as the sandbox speaks it: `POST /users/track` with attributes and events, its bulk endpoint,
//! `POST /users/delete`, `POST /users/export/ids`, and `GET /custom_attributes`.
//!
//! Written from Braze's pages on these endpoints, on limits and on errors, from recorded answers (`fixtures/http/braze`), and from
//! the errors that other senders test against. What is queued by the real service is applied at once here. Where the pages
//! are silent it takes the stricter reading: purchases and users by e-mail address or phone number, which it does not keep, are refused,
//! and so are texts that Braze would cut.
//!
//! The workspace lists those custom attributes that the block declares (`objects: {attributes: {score: number}}`, `read_only` for
//! one that is blocked), and has the subscription groups of `subscription_groups: {ID: NAME}`. A rule that refuses values is
//! declared as for every vendor (`{plan: {type: string, refuse: blocked}}`). `contract: mau` allows 50 objects in a request. The key
//! `invalid` is refused.

mod exports;
#[cfg(test)]
mod tests;
mod track;
mod users;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{Method, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::contract::RateLimit;
use crate::sandbox::vendor::{Answer, Emulator, Exhausted, Request, Usage, Vendor};
use crate::sandbox::{PropertySpec, State, VendorConfig, object};

/// The emulator's line in the sandbox's list.
pub(crate) const EMULATOR: Emulator = Emulator { keys: &["subscription_groups", "contract"], make: emulator };

/// The tables of the store.
const USERS: &str = "users";
const EVENTS: &str = "events";

/// Rules for values, by name.
type Rules = BTreeMap<String, PropertySpec>;

struct Workspace {
    attributes: Rules,
    events: Rules,
    /// Subscription groups by id.
    groups: Vec<String>,
    /// Most objects of a request.
    objects: usize,
}

fn emulator(config: &VendorConfig) -> Result<Box<dyn Vendor>, String> {
    if let Some(name) = config.objects.keys().find(|name| !["attributes", "events"].contains(&name.as_str()))
    {
        return Err(format!("`objects.{name}`: Braze's sandbox has `attributes` and `events`"));
    }
    let rules = |name: &str| config.objects.get(name).cloned().unwrap_or_default();
    let groups = match config.own.get("subscription_groups") {
        None => Vec::new(),
        Some(groups) => object(groups, "`subscription_groups`")?.keys().cloned().collect(),
    };
    let objects = match config.own.get("contract").map(Json::as_str) {
        None => 75,
        Some(Some("mau")) => 50,
        Some(_) => return Err("`contract` must be `mau`, or be left out".to_owned()),
    };
    Ok(Box::new(Workspace { attributes: rules("attributes"), events: rules("events"), groups, objects }))
}

fn is_export(path: &str) -> bool {
    path == "/custom_attributes"
}

impl Vendor for Workspace {
    fn name(&self) -> &'static str {
        "braze"
    }

    /// Of `/users/track`; a day has no limit of its own.
    fn limits(&self) -> (RateLimit, u64) {
        (RateLimit { requests: 3000, per: Duration::from_secs(3) }, 1_000_000_000)
    }

    fn narrow_window(&self) -> Option<(RateLimit, fn(&str) -> bool)> {
        Some((RateLimit { requests: 1000, per: Duration::from_secs(3600) }, is_export))
    }

    fn writes(&self, _method: &Method, path: &str) -> bool {
        !is_export(path) && path != "/users/export/ids"
    }

    fn answer(&self, request: &Request, _usage: &Usage, state: &State<'_>) -> rusqlite::Result<Answer> {
        let key = request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = key.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        if matches!(key, "" | "invalid") {
            return Ok(self.error(StatusCode::UNAUTHORIZED, "Invalid API Key"));
        }
        let media = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_json = media.is_some_and(|media| media.starts_with("application/json"));
        if request.method == Method::POST && !is_json {
            return Ok(
                self.error(StatusCode::BAD_REQUEST, "The request's media type must be application/json")
            );
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/users/track") => track::many(self, &request.body, track::USUAL, state),
            ("POST", "/users/track/bulk") => track::many(self, &request.body, track::BULK, state),
            ("POST", "/users/delete") => users::delete(&request.body, state),
            ("POST", "/users/export/ids") => exports::users(&request.body, state),
            ("GET", "/custom_attributes") => {
                Ok(exports::attributes(&self.attributes, request.query("cursor")))
            }
            _ => Ok(self.error(StatusCode::NOT_FOUND, "The requested resource was not found")),
        }
    }

    fn exhausted(&self, _limit: Exhausted) -> Answer {
        self.error(StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded")
    }

    fn error(&self, status: StatusCode, message: &str) -> Answer {
        Answer::new(status, json!({"message": message}))
    }

    fn finish(&self, answer: &mut Answer, usage: &Usage) {
        answer.headers.push(("x-request-id", format!("{:016x}", getrandom::u64().unwrap_or_default())));
        if !usage.narrow {
            // Whole seconds, in which the window is over for certain.
            let reset = Timestamp::now().as_second() + usage.window.per.as_secs() as i64 + 1;
            answer.headers.push(("x-ratelimit-limit", usage.window.requests.to_string()));
            answer.headers.push(("x-ratelimit-remaining", usage.remaining.to_string()));
            answer.headers.push(("x-ratelimit-reset", reset.to_string()));
        }
    }
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A refusal of the whole request.
fn refused(message: &str) -> Answer {
    Answer::new(StatusCode::BAD_REQUEST, json!({"message": message}))
}

fn accepted(body: Json) -> Answer {
    Answer::new(StatusCode::CREATED, body)
}
