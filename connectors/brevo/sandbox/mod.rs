//! Brevo's API of contacts as the sandbox speaks it, by the vendor's reference and the pages of its own clients; `/v3` may
//! stand before each path.
//!
//! Where both are silent, the choice is ours and strict: unknown keys are refused, a list that is not there is refused, and
//! a batch has at most 100 contacts. What the vendor ignores is ignored: attributes that the account has not, values of
//! another type, and in an import contacts whose address is none. The key `invalid` is refused.
//!
//! The `sandbox` block declares attributes as `objects: {contacts: {..}}`, lists as `lists: {NAME: NUMBER}` or
//! `{NAME: {id: NUMBER, dynamic: true}}`, and with `import_polls` how often an import is asked for until it has ended.

mod attributes;
mod contacts;
mod imports;
mod lists;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::http::{Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use self::attributes::Attributes;
use self::lists::Lists;
use crate::contract::RateLimit;
use crate::sandbox::vendor::{Answer, Emulator, Exhausted, Request, Usage, Vendor};
use crate::sandbox::{State, VendorConfig, unescaped};

pub(crate) const EMULATOR: Emulator = Emulator { keys: &["import_polls", "lists"], make: emulator };

/// Questions for an import until it has ended, unless declared.
const POLLS: u64 = 2;

fn emulator(config: &VendorConfig) -> Result<Box<dyn Vendor>, String> {
    let polls = config.number("import_polls")?.unwrap_or(POLLS);
    let attributes = Attributes::declared(&config.objects)?;
    Ok(Box::new(Account { attributes, lists: Lists::declared(config.own.get("lists"))?, polls }))
}

struct Account {
    attributes: Attributes,
    lists: Lists,
    polls: u64,
}

/// The segments of a path, decoded and without the version.
fn segments(path: &str) -> Vec<String> {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(unescaped).collect();
    match parts.first().map(String::as_str) {
        Some("v3") => parts[1..].to_vec(),
        _ => parts,
    }
}

fn is_narrow(path: &str) -> bool {
    segments(path).first().is_none_or(|first| first != "contacts")
}

impl Vendor for Account {
    fn name(&self) -> &'static str {
        "brevo"
    }

    /// Those of every plan.
    fn limits(&self) -> (RateLimit, u64) {
        (RateLimit { requests: 10, per: Duration::from_secs(1) }, 10_000_000)
    }

    fn narrow_window(&self) -> Option<(RateLimit, fn(&str) -> bool)> {
        Some((RateLimit { requests: 100, per: Duration::from_secs(3600) }, is_narrow))
    }

    fn writes(&self, method: &Method, _path: &str) -> bool {
        method != Method::GET
    }

    fn answer(&self, request: &Request, _usage: &Usage, state: &State<'_>) -> rusqlite::Result<Answer> {
        let key = request.headers.get("api-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if matches!(key, "" | "invalid") {
            return Ok(self.error(StatusCode::UNAUTHORIZED, "Key not found"));
        }
        let media = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !request.body.is_empty() && !media.is_some_and(|media| media.starts_with("application/json")) {
            return Ok(refused("not_acceptable", "Content-Type must be application/json"));
        }
        let path = segments(&request.path);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match (request.method.as_str(), path.as_slice()) {
            ("GET", ["account"]) => Ok(Answer::new(StatusCode::OK, details())),
            ("GET", ["processes", id]) => imports::process(self, id, state),
            ("POST", ["contacts", "import"]) => imports::start(self, request, state),
            ("GET", ["contacts", "attributes"]) => self.attributes.list(state),
            ("POST", ["contacts", "attributes", category, name]) => {
                self.attributes.create((category, name), request, state)
            }
            (_, ["contacts", "lists", rest @ ..]) => lists::answer(self, rest, request, state),
            ("POST", ["contacts"]) => contacts::post(self, request, state),
            ("GET", ["contacts"]) => contacts::page(self, request, (1000, None), state),
            ("POST", ["contacts", "batch"]) => contacts::batch(self, request, state),
            (_, ["contacts", identifier]) => contacts::one(self, identifier, request, state),
            _ => Ok(self.error(StatusCode::NOT_FOUND, "Path not found")),
        }
    }

    fn exhausted(&self, limit: Exhausted) -> Answer {
        let wait = match limit {
            Exhausted::Window => "1",
            Exhausted::NarrowWindow => "3600",
            Exhausted::Day => "86400",
        };
        let mut answer = self.error(StatusCode::TOO_MANY_REQUESTS, "API rate limit exceeded");
        answer.headers.push(("x-sib-ratelimit-remaining", "0".to_owned()));
        answer.headers.push(("x-sib-ratelimit-reset", wait.to_owned()));
        answer
    }

    /// A page that is not there has no code.
    fn error(&self, status: StatusCode, message: &str) -> Answer {
        let code = match status.as_u16() {
            401 => "unauthorized",
            402 => "not_enough_credits",
            403 => "permission_denied",
            404 => return Answer::new(status, json!({"message": message})),
            405 => "method_not_allowed",
            425 => "account_in_process",
            429 => "too_many_requests",
            422 => "unprocessable_entity",
            400..=499 => "bad_request",
            _ => "internal_error",
        };
        Answer::new(status, json!({"code": code, "message": message}))
    }

    /// The reset is that of a window that begins now.
    fn finish(&self, answer: &mut Answer, usage: &Usage) {
        let number = getrandom::u64().unwrap_or_default();
        answer.headers.push(("x-request-id", format!("req-{number:016x}")));
        if !usage.narrow && answer.status != StatusCode::TOO_MANY_REQUESTS {
            answer.headers.push(("x-sib-ratelimit-limit", usage.window.requests.to_string()));
            answer.headers.push(("x-sib-ratelimit-remaining", usage.remaining.to_string()));
            answer.headers.push(("x-sib-ratelimit-reset", usage.window.per.as_secs().max(1).to_string()));
        }
    }
}

/// `GET /account`, without what nobody here asks for.
fn details() -> Json {
    json!({
        "organization_id": "65f0c0ffee", "user_id": 7, "enterprise": false, "companyName": "Sandbox",
        "email": "owner@sandbox.example", "firstName": "Sandy", "lastName": "Box",
        "address": {"city": "Paris", "country": "France", "street": "1 rue X", "zipCode": "75001"},
        "plan": [{"type": "free", "creditsType": "sendLimit", "credits": 300}],
        "relay": {"enabled": false, "data": {"userName": "owner@sandbox.example", "relay": "smtp.sandbox.example", "port": 587}},
    })
}

/// A refusal of the data.
fn refused(code: &str, message: &str) -> Answer {
    Answer::new(StatusCode::BAD_REQUEST, json!({"code": code, "message": message}))
}

fn absent(message: &str) -> Answer {
    Answer::new(StatusCode::NOT_FOUND, json!({"code": "document_not_found", "message": message}))
}

/// Reads a body as the vendor does: whole, or a refusal.
fn parse<T: DeserializeOwned>(request: &Request) -> Result<T, Answer> {
    serde_json::from_slice(&request.body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => refused("invalid_parameter", &error.to_string()),
        _ => refused("bad_request", &format!("Input must be a valid JSON object: {error}")),
    })
}
