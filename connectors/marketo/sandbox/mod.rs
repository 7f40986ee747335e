//! Marketo's REST API as the sandbox speaks it, by the vendor's guide and description, and recorded answers.
//!
//! Where these are silent, the choice is ours and strict: a field of the company is refused with 1021, a column that an import does
//! not know fails it whole, a text that is too long is left out with a warning by an import and refused by a call, and a look-up
//! compares texts without regard to the size of their letters. A client, a secret and a token `invalid` are refused.
//!
//! The `sandbox` block declares static lists as `static_lists: {NAME: ID}`, fields as `objects: {leads: {plan: string}}`, with
//! `import_polls` how often an import is asked for until it has ended (0: when it is taken), with `token_calls` how many calls a token
//! lasts, with `queue_full` how many imports find no place at first, and with `import_warns` texts that an import leaves out with a
//! warning.

mod jobs;
mod leads;
mod lists;
mod schema;
#[cfg(test)]
mod tests;
mod token;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use self::schema::Schema;
use self::token::Tokens;
use crate::contract::RateLimit;
use crate::sandbox::vendor::{Answer, Emulator, Exhausted, Request, Usage, Vendor};
use crate::sandbox::{State, VendorConfig, form_fields, object, unescaped};

pub(crate) const EMULATOR: Emulator = Emulator {
    keys: &["import_polls", "import_warns", "queue_full", "static_lists", "token_calls"],
    make: emulator,
};

/// Questions for an import until it has ended, unless declared.
const POLLS: u64 = 2;
/// "The payload exceeded the 1MB limit."
const BODY: usize = 1 << 20;
/// A file of an import has less.
const FILE: usize = 10_000_000;
/// Bytes of an address.
const ADDRESS: usize = 8 << 10;

fn emulator(config: &VendorConfig) -> Result<Box<dyn Vendor>, String> {
    let number = |name: &str| match config.own.get(name) {
        None => Ok(None),
        Some(number) => {
            number.as_u64().map(Some).ok_or(format!("`{name}` must be a whole number, not negative"))
        }
    };
    let mut lists = BTreeMap::new();
    let declared = config.own.get("static_lists").map(|lists| object(lists, "`static_lists`")).transpose()?;
    for (name, id) in declared.into_iter().flatten() {
        let id = id.as_u64().filter(|id| *id > 0);
        let id = id.ok_or(format!("`static_lists.{name}` must be the list's id, as in `{{VIP: 1159}}`"))?;
        if lists.insert(id, name.clone()).is_some() {
            return Err(format!("`static_lists.{name}` has the id of another list"));
        }
    }
    let warns = match config.own.get("import_warns") {
        None => Vec::new(),
        Some(Json::Array(texts)) => texts.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        Some(_) => return Err("`import_warns` must be a list of texts".to_owned()),
    };
    Ok(Box::new(Instance {
        schema: Schema::declared(&config.objects)?,
        lists,
        tokens: Tokens::new(number("token_calls")?),
        polls: number("import_polls")?.unwrap_or(POLLS),
        full: Mutex::new(number("queue_full")?.unwrap_or(0)),
        warns,
    }))
}

struct Instance {
    schema: Schema,
    /// Names by id.
    lists: BTreeMap<u64, String>,
    tokens: Tokens,
    polls: u64,
    /// Imports that will find no place in the queue.
    full: Mutex<u64>,
    warns: Vec<String>,
}

/// The segments of a path, decoded.
fn segments(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty()).map(unescaped).collect()
}

impl Vendor for Instance {
    fn name(&self) -> &'static str {
        "marketo"
    }

    fn limits(&self) -> (RateLimit, u64) {
        (RateLimit { requests: 100, per: Duration::from_secs(20) }, 50_000)
    }

    fn connections(&self) -> Option<usize> {
        Some(10)
    }

    fn longest_body(&self) -> usize {
        FILE + BODY
    }

    fn grants(&self, path: &str) -> bool {
        path.starts_with("/identity/")
    }

    fn writes(&self, method: &Method, path: &str) -> bool {
        method != Method::GET && !self.grants(path)
    }

    fn answer(&self, request: &Request, usage: &Usage, state: &State<'_>) -> rusqlite::Result<Answer> {
        let answer = self.routed(request, usage, state)?;
        #[cfg(test)]
        let answer = super::tests::schema::held_against(request, answer);
        Ok(answer)
    }

    fn exhausted(&self, limit: Exhausted) -> Answer {
        match limit {
            Exhausted::Day => refused("607", "Daily API quota reached"),
            Exhausted::Window | Exhausted::NarrowWindow => {
                refused("606", "Max rate limit '100' exceeded with in '20' secs")
            }
        }
    }

    fn error(&self, status: StatusCode, message: &str) -> Answer {
        let code = match status.as_u16() {
            // That of the identity service, which alone answers so.
            401 => {
                let body = json!({"error": "unauthorized", "error_description": message});
                return Answer::new(status, body);
            }
            403 => "603",
            404 => "610",
            405 => "605",
            502 => "502",
            503 => "608",
            400..=499 => "609",
            _ => "611",
        };
        Answer { status, ..refused(code, message) }
    }

    fn finish(&self, _answer: &mut Answer, _usage: &Usage) {}
}

impl Instance {
    fn routed(&self, request: &Request, usage: &Usage, state: &State<'_>) -> rusqlite::Result<Answer> {
        if self.grants(&request.path) {
            return Ok(self.tokens.answer(request));
        }
        if let Some(refusal) = self.turned_away(request) {
            return Ok(refusal);
        }
        let path = segments(&request.path);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let query = Query::of(request);
        match (query.method.as_str(), path.as_slice()) {
            ("GET", ["rest", "v1", "stats", "usage.json"]) => Ok(told(vec![calls(usage)])),
            ("GET", ["rest", "v1", "leads", "describe2.json"]) => Ok(told(vec![self.schema.described()])),
            ("GET", ["rest", "v1", "leads.json"]) => leads::filtered(self, &query, state),
            ("POST", ["rest", "v1", "leads.json"]) => leads::sync(self, request, state),
            ("POST", ["rest", "v1", "leads", "delete.json"]) | ("DELETE", ["rest", "v1", "leads.json"]) => {
                leads::delete(self, (request, &query), state)
            }
            ("GET", ["rest", "v1", "lists", id]) => Ok(lists::one(self, id)),
            (method, ["rest", "v1", "lists", id, "leads.json"]) => {
                lists::members(self, (method, *id), (request, &query), state)
            }
            ("GET", ["rest", "v1", "lists", id, "leads", "ismember.json"]) => {
                lists::members(self, ("ISMEMBER", *id), (request, &query), state)
            }
            ("POST", ["bulk", "v1", "leads.json"]) => jobs::start(self, (request, &query), state),
            ("GET", ["bulk", "v1", "leads", "batch", id]) => jobs::progress(self, id, state),
            ("GET", ["bulk", "v1", "leads", "batch", id, file @ ("failures.json" | "warnings.json")]) => {
                jobs::file(id, file, state)
            }
            _ => Ok(refused("610", "Requested resource not found")),
        }
    }

    /// A refusal of the request itself, before anybody looks at its path.
    fn turned_away(&self, request: &Request) -> Option<Answer> {
        if let Some(refusal) = self.tokens.refusal(request) {
            return Some(refusal);
        }
        let address: usize = request.query.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        if request.path.len() + address > ADDRESS {
            return Some(Answer::new(StatusCode::URI_TOO_LONG, json!({"error": "Request-URI Too Long"})));
        }
        let is_import = request.path.starts_with("/bulk/");
        let most = if is_import { FILE } else { BODY };
        if request.body.len() >= most {
            return Some(Answer::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                json!({"error": "Request Entity Too Large"}),
            ));
        }
        let media =
            request.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let wanted: &[&str] = match is_import {
            true => &["multipart/form-data"],
            false => &["application/json", "application/x-www-form-urlencoded"],
        };
        let is_wanted = wanted.iter().any(|wanted| media.starts_with(wanted));
        (!request.body.is_empty() && !is_wanted)
            .then(|| refused("612", &format!("Invalid Content Type '{media}'. Must be '{}'", wanted[0])))
    }
}

/// What a request asks for in its address, or, where that is too long for it, in a form (`error-codes.md`, 414).
struct Query {
    method: String,
    fields: Vec<(String, String)>,
}

impl Query {
    fn of(request: &Request) -> Self {
        let media =
            request.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut fields = request.query.clone();
        if media.starts_with("application/x-www-form-urlencoded") {
            fields.extend(form_fields(&request.body));
        }
        let asked =
            fields.iter().find(|(name, _)| name == "_method").map(|(_, method)| method.to_uppercase());
        let is_post = request.method == Method::POST;
        let method = asked.filter(|_| is_post).unwrap_or_else(|| request.method.to_string());
        Query { method, fields }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a name, those of one with commas between them too.
    fn all(&self, name: &str) -> Vec<String> {
        let own = self.fields.iter().filter(|(key, _)| key == name);
        own.flat_map(|(_, value)| value.split(','))
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn request_id() -> String {
    format!("{:x}#sandbox", getrandom::u32().unwrap_or_default())
}

/// A success with this result.
fn told(result: Vec<Json>) -> Answer {
    Answer::new(StatusCode::OK, json!({"requestId": request_id(), "result": result, "success": true}))
}

/// A refusal, which comes with HTTP 200. What it refuses must not have had an effect before.
fn refused(code: &str, message: &str) -> Answer {
    let errors = json!([{"code": code, "message": message}]);
    Answer::new(StatusCode::OK, json!({"requestId": request_id(), "success": false, "errors": errors}))
}

/// An element of a result that was left as it was.
fn skipped(code: &str, message: &str) -> Json {
    json!({"status": "skipped", "reasons": [{"code": code, "message": message}]})
}

fn calls(usage: &Usage) -> Json {
    let total = usage.daily.saturating_sub(usage.daily_remaining);
    json!({"date": now().get(..10), "total": total, "users": [{"userId": "api@example.com", "count": total}]})
}
