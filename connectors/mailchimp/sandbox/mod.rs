//! Mailchimp's API of lists as the sandbox speaks it, by recordings of the real service and the pages of its own
//! client; `/3.0` may stand before each path.
//!
//! Where both are silent, the choice is ours and strict: unknown keys of a member are refused (those of its
//! `merge_fields` are passed over, as recorded), a member that is archived comes back by a call that makes members and
//! by no other, one who left by themselves by none, and an address that was removed for good is not taken again. A
//! user's eleventh request at once is refused. The key `invalid` is refused.
//!
//! The `sandbox` block declares merge fields, which all lists have, as `objects: {members: {..}}`, lists as `audiences:
//! {ID: NAME}`, interests as `interests: {ID: NAME}`, people who left by themselves as `left: [ADDRESS, ..]`, and with
//! `batch_polls` how often a batch of operations is asked for until it has ended.

mod batches;
mod lists;
mod members;
mod merge_fields;
pub(super) mod tar;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::http::{Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use self::merge_fields::MergeFields;
use super::encode::hash;
use crate::contract::RateLimit;
use crate::sandbox::vendor::{Answer, Emulator, Exhausted, Request, Usage, Vendor};
use crate::sandbox::{State, VendorConfig, basic_credentials, object, unescaped};

pub(crate) const EMULATOR: Emulator =
    Emulator { keys: &["audiences", "batch_polls", "interests", "left"], make: emulator };

/// Questions for a batch until it has ended, unless declared.
const POLLS: u64 = 2;

/// The list of an account that declares none.
const USUAL: (&str, &str) = ("a1b2c3d4e5", "Sandbox");

/// Connections of one user.
const CONNECTIONS: usize = 10;

pub(super) struct Account {
    audiences: BTreeMap<String, String>,
    merge_fields: MergeFields,
    interests: BTreeMap<String, String>,
    /// Hashes of the addresses of people who left by themselves, and the addresses.
    left: BTreeMap<String, String>,
    polls: u64,
}

fn emulator(config: &VendorConfig) -> Result<Box<dyn Vendor>, String> {
    let polls = config.number("batch_polls")?.unwrap_or(POLLS);
    let mut audiences = named(config, "audiences")?;
    if audiences.is_empty() {
        audiences.insert(USUAL.0.to_owned(), USUAL.1.to_owned());
    }
    let left = match config.own.get("left") {
        None => BTreeSet::new(),
        Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        Some(_) => return Err("`left` must be a list of addresses".to_owned()),
    };
    Ok(Box::new(Account {
        audiences,
        merge_fields: MergeFields::declared(&config.objects)?,
        interests: named(config, "interests")?,
        left: left.into_iter().map(|email| (hash(&email), email)).collect(),
        polls,
    }))
}

/// A block of ids and names.
fn named(config: &VendorConfig, key: &str) -> Result<BTreeMap<String, String>, String> {
    let Some(block) = config.own.get(key) else { return Ok(BTreeMap::new()) };
    let mut all = BTreeMap::new();
    for (id, name) in object(block, &format!("`{key}`"))? {
        let name = name.as_str().ok_or_else(|| format!("`{key}.{id}` must be a name"))?;
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(format!("`{key}.{id}`: an id has letters and digits alone"));
        }
        all.insert(id.clone(), name.to_owned());
    }
    Ok(all)
}

/// The segments of a path, decoded and without the version.
fn segments(path: &str) -> Vec<String> {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(unescaped).collect();
    match parts.first().map(String::as_str) {
        Some("3.0") => parts[1..].to_vec(),
        _ => parts,
    }
}

impl Account {
    /// Answers a request whose sender is known.
    fn route(&self, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
        let path = segments(&request.path);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match (request.method.as_str(), path.as_slice()) {
            ("GET", []) => Ok(Answer::new(
                StatusCode::OK,
                json!({"account_id": "5f6e3ecf12", "account_name": "Sandbox"}),
            )),
            ("GET", ["ping"]) => {
                Ok(Answer::new(StatusCode::OK, json!({"health_status": "Everything's Chimpy!"})))
            }
            (_, ["batches", rest @ ..]) => batches::answer(self, rest, request, state),
            ("GET", ["lists"]) => Ok(lists::all(self)),
            (_, ["lists", list, rest @ ..]) if self.audiences.contains_key(*list) => {
                lists::answer(self, list, rest, request, state)
            }
            _ => Ok(absent()),
        }
    }
}

impl Vendor for Account {
    fn name(&self) -> &'static str {
        "mailchimp"
    }

    /// Mailchimp counts no requests, but connections.
    fn limits(&self) -> (RateLimit, u64) {
        (RateLimit { requests: 10_000, per: Duration::from_secs(1) }, 100_000_000)
    }

    fn connections(&self) -> Option<usize> {
        Some(CONNECTIONS)
    }

    fn writes(&self, method: &Method, _path: &str) -> bool {
        method != Method::GET
    }

    fn answer(&self, request: &Request, _usage: &Usage, state: &State<'_>) -> rusqlite::Result<Answer> {
        if let ["results", id] = segments(&request.path).iter().map(String::as_str).collect::<Vec<_>>()[..] {
            // The store of results knows no credentials but those in its address.
            return match request.headers.contains_key(header::AUTHORIZATION) {
                true => Ok(Answer::new(
                    StatusCode::BAD_REQUEST,
                    json!({"message": "Only one auth mechanism allowed"}),
                )),
                false => batches::results(id, state),
            };
        }
        let key = basic_credentials(&request.headers).map(|(_, key)| key).unwrap_or_default();
        if matches!(key.as_str(), "" | "invalid") {
            let detail = "Your API key may be invalid, or you've attempted to access the wrong datacenter.";
            return Ok(problem(StatusCode::UNAUTHORIZED, "API Key Invalid", detail));
        }
        self.route(request, state)
    }

    fn exhausted(&self, _limit: Exhausted) -> Answer {
        let detail = "You have exceeded the limit of 10 simultaneous connections.";
        problem(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests", detail)
    }

    fn error(&self, status: StatusCode, message: &str) -> Answer {
        let title = match status.as_u16() {
            401 => "API Key Invalid",
            403 => "Forbidden",
            404 => "Resource Not Found",
            405 => "Method Not Allowed",
            400..=499 => "Bad Request",
            _ => "Internal Server Error",
        };
        problem(status, title, message)
    }

    fn finish(&self, answer: &mut Answer, _usage: &Usage) {
        let number = getrandom::u64().unwrap_or_default();
        answer.headers.push(("x-request-id", format!("{number:016x}")));
    }
}

/// An error in Mailchimp's form.
fn problem(status: StatusCode, title: &str, detail: &str) -> Answer {
    let kind = "https://mailchimp.com/developer/marketing/docs/errors/";
    let instance = format!("{:016x}", getrandom::u64().unwrap_or_default());
    let body = json!({
        "type": kind, "title": title, "status": status.as_u16(), "detail": detail, "instance": instance,
    });
    Answer::new(status, body)
}

fn invalid(detail: &str) -> Answer {
    problem(StatusCode::BAD_REQUEST, "Invalid Resource", detail)
}

/// A refusal for one field.
fn invalid_field(detail: &str, field: &str, message: &str) -> Answer {
    let mut answer = invalid(detail);
    if let Some(crate::sandbox::vendor::Content::Json(body)) = &mut answer.body {
        body["errors"] = json!([{"field": field, "message": message}]);
    }
    answer
}

fn absent() -> Answer {
    problem(StatusCode::NOT_FOUND, "Resource Not Found", "The requested resource could not be found.")
}

fn not_allowed(detail: &str) -> Answer {
    problem(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed", detail)
}

/// Reads a body as the vendor does: whole, or a refusal.
fn parse<T: DeserializeOwned>(request: &Request) -> Result<T, Answer> {
    serde_json::from_slice(&request.body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => invalid_field(
            "The resource submitted could not be validated. For field-specific details, see the 'errors' array.",
            "",
            &error.to_string(),
        ),
        _ => problem(
            StatusCode::BAD_REQUEST,
            "JSON Parse Error",
            "We encountered an unspecified JSON parsing error. Check for well-formedness.",
        ),
    })
}
