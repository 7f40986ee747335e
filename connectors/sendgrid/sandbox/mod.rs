//! SendGrid's API of marketing contacts as the sandbox speaks it, by the vendor's OpenAPI documents and recorded exchanges.
//!
//! Where both are silent, the choice is ours and strict: unknown keys are refused, a value that does not fit its custom field
//! fails in the job, and so does a contact of which an identifier is missing. A null clears a number or a date. A job's file of
//! errors is CSV with the identifiers and `error`; its form is documented nowhere. The key `invalid` is refused, and the store
//! of files refuses whoever shows it a key.
//!
//! The `sandbox` block declares custom fields as `objects: {contacts: {..}}`, lists as `marketing_lists: {NAME: ID}`, and with
//! `job_polls` how often a job is asked for until it has ended; with 0 it is done as soon as it is taken.

mod contacts;
mod fields;
mod jobs;
mod lists;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::http::{Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::json;

use self::fields::Fields;
use self::lists::Lists;
use crate::contract::RateLimit;
use crate::sandbox::vendor::{Answer, Emulator, Exhausted, Request, Usage, Vendor};
use crate::sandbox::{State, VendorConfig, unescaped};

pub(crate) const EMULATOR: Emulator = Emulator { keys: &["job_polls", "marketing_lists"], make: emulator };

/// Questions for a job until it has ended, unless declared.
const POLLS: u64 = 2;

fn emulator(config: &VendorConfig) -> Result<Box<dyn Vendor>, String> {
    let polls = config.number("job_polls")?.unwrap_or(POLLS);
    let lists = Lists::declared(config.own.get("marketing_lists"))?;
    Ok(Box::new(Account { fields: Fields::declared(&config.objects)?, lists, polls }))
}

struct Account {
    fields: Fields,
    lists: Lists,
    polls: u64,
}

impl Vendor for Account {
    fn name(&self) -> &'static str {
        "sendgrid"
    }

    /// The smallest window that is recorded; how many requests a day may have is stated nowhere.
    fn limits(&self) -> (RateLimit, u64) {
        (RateLimit { requests: 200, per: Duration::from_secs(60) }, 10_000_000)
    }

    /// Files of imports.
    fn longest_body(&self) -> usize {
        64 << 20
    }

    fn writes(&self, method: &Method, path: &str) -> bool {
        let is_search = path.contains("/search");
        matches!(*method, Method::PUT | Method::DELETE | Method::PATCH)
            || (*method == Method::POST && !is_search)
    }

    fn answer(&self, request: &Request, _usage: &Usage, state: &State<'_>) -> rusqlite::Result<Answer> {
        let path: Vec<String> =
            request.path.split('/').filter(|part| !part.is_empty()).map(unescaped).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let key = request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match (request.method.as_str(), path.as_slice()) {
            (_, ["__files", ..]) if key.is_some() => {
                return Ok(self.error(StatusCode::BAD_REQUEST, "the store of files wants no key"));
            }
            ("PUT", ["__files", "imports", job]) => return jobs::upload(self, job, request, state),
            ("GET", ["__files", "errors", job]) => return jobs::errors(job, state),
            _ => {}
        }
        let token = key.and_then(|key| key.strip_prefix("Bearer ")).unwrap_or_default();
        if matches!(token, "" | "invalid") {
            return Ok(self.error(StatusCode::UNAUTHORIZED, "authorization required"));
        }
        match (request.method.as_str(), path.as_slice()) {
            ("GET", ["v3", "user", "username"]) => {
                Ok(Answer::new(StatusCode::OK, json!({"username": "sandbox", "user_id": 1})))
            }
            (method, ["v3", "marketing", "field_definitions"]) => self.fields.answer(method, request, state),
            (method, ["v3", "marketing", "lists", rest @ ..]) => {
                lists::answer(self, (method, rest), request, state)
            }
            (method, ["v3", "marketing", "contacts", rest @ ..]) => match (method, rest) {
                ("PUT", []) => contacts::put(self, request, state),
                ("DELETE", []) => contacts::delete(self, request, state),
                ("PUT", ["imports"]) => jobs::import(self, request, state),
                ("GET", ["imports", job]) => jobs::status(self, job, request, state),
                ("POST", ["search"]) => contacts::search(request, state),
                ("POST", ["search", "emails"]) => contacts::search_by("email", "emails", request, state),
                ("POST", ["search", "identifiers", kind]) => {
                    contacts::search_by(kind, "identifiers", request, state)
                }
                _ => Ok(absent("not found")),
            },
            _ => Ok(absent("not found")),
        }
    }

    fn exhausted(&self, limit: Exhausted) -> Answer {
        let wait = match limit {
            Exhausted::Window | Exhausted::NarrowWindow => "1",
            Exhausted::Day => "86400",
        };
        let mut answer = self.error(StatusCode::TOO_MANY_REQUESTS, "too many requests");
        answer.headers.push(("x-ratelimit-remaining", "0".to_owned()));
        answer.headers.push(("x-ratelimit-reset", wait.to_owned()));
        answer
    }

    fn error(&self, status: StatusCode, message: &str) -> Answer {
        Answer::new(status, json!({"errors": [{"field": null, "message": message}]}))
    }

    /// The reset is that of a window that begins now.
    fn finish(&self, answer: &mut Answer, usage: &Usage) {
        if answer.status != StatusCode::TOO_MANY_REQUESTS {
            answer.headers.push(("x-ratelimit-limit", usage.window.requests.to_string()));
            answer.headers.push(("x-ratelimit-remaining", usage.remaining.to_string()));
            answer.headers.push(("x-ratelimit-reset", usage.window.per.as_secs().max(1).to_string()));
        }
    }
}

/// A refusal of the data, about this field.
fn refused(field: &str, message: &str) -> Answer {
    Answer::new(StatusCode::BAD_REQUEST, json!({"errors": [{"field": field, "message": message}]}))
}

fn absent(message: &str) -> Answer {
    Answer::new(StatusCode::NOT_FOUND, json!({"errors": [{"message": message}]}))
}

/// Reads a body as the vendor does: whole, or a refusal.
fn parse<T: DeserializeOwned>(request: &Request) -> Result<T, Answer> {
    serde_json::from_slice(&request.body).map_err(|error| refused("", &format!("invalid body: {error}")))
}

/// A number in the form of the vendor's ids.
fn uuid(number: i64) -> String {
    format!("5a4d1b0c-0000-4000-8000-{number:012x}")
}
