//! Template's API as the sandbox speaks it: `GET /account`, and `POST /people/batch` of 1 to 100 operations.
//!
//! Where the vendor's documents are silent, the choice is ours and strict: unknown keys are refused, a batch may name a
//! person once, and results come in another order than the operations. The key `invalid` is refused.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::http::{Method, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::contract::RateLimit;
use crate::sandbox::vendor::{Answer, Emulator, Exhausted, Request, Usage, Vendor};
use crate::sandbox::{Object, Objects, PropertySpec, State};

pub(crate) const EMULATOR: Emulator =
    Emulator { keys: &[], make: |config| Ok(Box::new(Account { objects: config.objects.clone() })) };

const PEOPLE: &str = "people";

/// Most operations of a batch, and most bytes of its body.
const BATCH: usize = 100;
const BYTES: usize = 1 << 20;

struct Account {
    objects: Objects,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Operation {
    Upsert { id: String, fields: Map<String, Json> },
    Delete { id: String },
}

impl Operation {
    fn id(&self) -> &str {
        match self {
            Operation::Upsert { id, .. } | Operation::Delete { id } => id,
        }
    }
}

impl Vendor for Account {
    fn name(&self) -> &'static str {
        "template"
    }

    fn limits(&self) -> (RateLimit, u64) {
        (RateLimit { requests: 10, per: Duration::from_secs(1) }, 1_000_000)
    }

    fn writes(&self, method: &Method, _path: &str) -> bool {
        method != Method::GET
    }

    fn answer(&self, request: &Request, _usage: &Usage, state: &State<'_>) -> rusqlite::Result<Answer> {
        let key = request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = key.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        if matches!(key, "" | "invalid") {
            return Ok(self.error(StatusCode::UNAUTHORIZED, "this key is not known"));
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/account") => Ok(Answer::new(StatusCode::OK, json!({"id": "acct_1"}))),
            ("POST", "/people/batch") => self.batch(request, state),
            _ => Ok(self.error(StatusCode::NOT_FOUND, "there is nothing at this address")),
        }
    }

    fn exhausted(&self, limit: Exhausted) -> Answer {
        let (message, wait) = match limit {
            Exhausted::Window | Exhausted::NarrowWindow => ("too many requests", "1"),
            Exhausted::Day => ("the day's requests are used up", "86400"),
        };
        let mut answer = self.error(StatusCode::TOO_MANY_REQUESTS, message);
        answer.headers.push(("retry-after", wait.to_owned()));
        answer
    }

    fn error(&self, status: StatusCode, message: &str) -> Answer {
        let code = match status.as_u16() {
            401 => "unauthorized",
            404 => "not_found",
            429 => "rate_limited",
            400..=499 => "invalid_request",
            _ => "internal_error",
        };
        Answer::new(status, json!({"error": {"code": code, "message": message}}))
    }

    fn finish(&self, answer: &mut Answer, _usage: &Usage) {
        let number = getrandom::u64().unwrap_or_default();
        answer.headers.push(("x-request-id", format!("req_{number:016x}")));
    }
}

impl Account {
    fn batch(&self, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
        let invalid = |message: &str| Ok(self.error(StatusCode::BAD_REQUEST, message));
        let media = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !media.is_some_and(|media| media.starts_with("application/json")) {
            return Ok(self.error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "only application/json is taken"));
        }
        if !request.whole || request.body.len() > BYTES {
            return Ok(self.error(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"));
        }
        let batch: Batch = match serde_json::from_slice(&request.body) {
            Ok(batch) => batch,
            Err(error) => return invalid(&error.to_string()),
        };
        let named: BTreeSet<&str> = batch.operations.iter().map(Operation::id).collect();
        if batch.operations.is_empty() || batch.operations.len() > BATCH {
            return invalid("a batch has 1 to 100 operations");
        }
        if named.len() < batch.operations.len() || named.contains("") {
            return invalid("each operation has an `id` of its own");
        }
        let mut results = Vec::new();
        for (index, operation) in batch.operations.iter().enumerate() {
            let mut result = self.apply(operation, state)?;
            result["index"] = index.into();
            results.push(result);
        }
        results.reverse();
        Ok(Answer::new(StatusCode::OK, json!({"results": results})))
    }

    fn apply(&self, operation: &Operation, state: &State<'_>) -> rusqlite::Result<Json> {
        let known = state.get(PEOPLE, operation.id())?;
        match (operation, known) {
            (Operation::Upsert { id, fields }, known) => {
                if let Some(refusal) = self.objects.get(PEOPLE).and_then(|declared| refusal(declared, fields))
                {
                    return Ok(refusal);
                }
                upsert(id, fields, known, state)?;
            }
            (Operation::Delete { .. }, Some(person)) => {
                let gone = Object { archived: true, updated_at: now(), ..person };
                state.save(PEOPLE, &gone)?;
            }
            (Operation::Delete { .. }, None) => {}
        }
        Ok(json!({"status": "done"}))
    }
}

/// Fields that are not named stay as they are; a null clears one.
fn upsert(
    id: &str,
    fields: &Map<String, Json>,
    known: Option<Object>,
    state: &State<'_>,
) -> rusqlite::Result<()> {
    let is_new = known.is_none();
    let mut person = known.unwrap_or_else(|| Object {
        id: id.to_owned(),
        archived: false,
        created_at: now(),
        updated_at: now(),
        properties: Map::new(),
    });
    if person.archived {
        person.properties.clear();
    }
    person.properties.extend(fields.clone());
    person.properties.retain(|_, value| !value.is_null());
    (person.archived, person.updated_at) = (false, now());
    if is_new { state.insert(PEOPLE, &person) } else { state.save(PEOPLE, &person) }
}

/// Why fields are not taken, where the account declares its fields.
fn refusal(declared: &BTreeMap<String, PropertySpec>, fields: &Map<String, Json>) -> Option<Json> {
    fields.iter().find_map(|(name, value)| {
        let (code, message) = match declared.get(name) {
            None => ("unknown_field", format!("there is no field `{name}`")),
            Some(spec) if value.as_str().is_some_and(|text| spec.refuse.iter().any(|one| one == text)) => {
                ("invalid_value", format!("`{name}` does not take {value}"))
            }
            Some(_) => return None,
        };
        Some(json!({"status": "refused", "code": code, "field": name, "message": message}))
    })
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
