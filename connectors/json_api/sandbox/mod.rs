//! A small JSON API as the sandbox speaks it, in the three styles that such APIs have; any path may stand before them.
//!
//! - By address: `PUT` (create or update), `PATCH` (update), `DELETE` and `GET` of `/{object}/{id}`, and `POST` of
//!   `/{object}`, which creates.
//! - In batches: `POST` of `/{object}/batch` with `{"items": [{"id": .., "properties": {..}}]}` answers with `results`
//!   and `errors`, each item with the `index` of its row; of `/{object}/batch/strict` it refuses all where one is wrong.
//! - By method: `POST` of `/{object}.create`, `.update` and `.delete` answers 200 always, with `ok`, `error` and `item`.
//!
//! - `GET` of `/account` names the account, and `POST` of `/oauth/token` grants a token to any client whose secret and
//!   refresh token are not `invalid`.
//!
//! A declared object takes its declared properties only, each of its type; any other takes what comes. Credentials are
//! needed, as a bearer token, by basic authentication or as `X-Api-Key`; the word `invalid` is refused.

mod objects;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Map, Value as Json, json};

use self::objects::{Mistake, Table};
use crate::contract::RateLimit;
use crate::sandbox::vendor::{Answer, Emulator, Exhausted, Request, Usage, Vendor};
use crate::sandbox::{Objects, State, basic_credentials, unescaped};

/// Where tokens are granted.
const TOKEN: &str = "/oauth/token";

/// Most items of a batch.
const BATCH: usize = 1000;

pub(super) const EMULATOR: Emulator =
    Emulator { keys: &[], make: |config| Ok(Box::new(Api { objects: config.objects.clone() })) };

struct Api {
    objects: Objects,
}

impl Vendor for Api {
    fn name(&self) -> &'static str {
        "http"
    }

    fn limits(&self) -> (RateLimit, u64) {
        (RateLimit { requests: 100, per: Duration::from_secs(1) }, 1_000_000)
    }

    fn grants(&self, path: &str) -> bool {
        path == TOKEN
    }

    fn writes(&self, method: &Method, path: &str) -> bool {
        method != Method::GET && !self.grants(path)
    }

    fn answer(&self, request: &Request, _usage: &Usage, state: &State<'_>) -> rusqlite::Result<Answer> {
        if request.method == Method::POST && request.path == TOKEN {
            return Ok(granted(request));
        }
        if let Some(refusal) = unauthorized(&request.headers) {
            return Ok(refusal);
        }
        let path: Vec<String> =
            request.path.split('/').filter(|part| !part.is_empty()).map(unescaped).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let sent = match body(request) {
            Ok(sent) => sent,
            Err(refusal) => return Ok(refusal),
        };
        let table =
            |object: &'_ str| Table { name: object.to_owned(), properties: self.objects.get(object), state };
        match (request.method.as_str(), path.as_slice()) {
            ("GET", [.., "account"]) => Ok(Answer::new(StatusCode::OK, json!({"id": "acct_1"}))),
            ("POST", [.., object, "batch"]) => batch(&table(object), &sent, false),
            ("POST", [.., object, "batch", "strict"]) => batch(&table(object), &sent, true),
            ("POST", [.., last]) => match last.rsplit_once('.') {
                Some((object, call)) => by_method(&table(object), call, sent),
                None => created(&table(last), sent),
            },
            ("PUT" | "PATCH" | "DELETE" | "GET", [.., object, id]) => {
                one(&table(object), &request.method, id, sent)
            }
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
            409 => "conflict",
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

/// An access token, by the grants of RFC 6749 that need no person.
fn granted(request: &Request) -> Answer {
    let form = String::from_utf8_lossy(&request.body).into_owned();
    let field = |name: &str| form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let (id, secret) = basic_credentials(&request.headers).unwrap_or_else(|| {
        let [id, secret] = ["client_id", "client_secret"].map(|name| field(name).unwrap_or_default());
        (id.to_owned(), secret.to_owned())
    });
    let kept = field("refresh_token").unwrap_or_default();
    let known = match field("grant_type") {
        Some("client_credentials") => true,
        Some("refresh_token") => !is_refused(kept),
        _ => false,
    };
    if !known || is_refused(&id) || is_refused(&secret) {
        return Answer::new(StatusCode::BAD_REQUEST, json!({"error": "invalid_grant"}));
    }
    let number = getrandom::u64().unwrap_or_default();
    let token =
        json!({"access_token": format!("granted-{number:016x}"), "token_type": "Bearer", "expires_in": 3600});
    Answer::new(StatusCode::OK, token)
}

fn unauthorized(headers: &HeaderMap) -> Option<Answer> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let refused = match text(header::AUTHORIZATION.as_str()).split_once(' ') {
        Some(("Bearer", token)) => is_refused(token),
        Some(("Basic", _)) => basic_credentials(headers).is_none_or(|(user, password)| {
            [&user, &password].iter().any(|word| *word == "invalid") || user.is_empty() && password.is_empty()
        }),
        _ => is_refused(text("x-api-key")),
    };
    refused.then(|| {
        let body = json!({"error": {"code": "unauthorized", "message": "these credentials are not known"}});
        Answer::new(StatusCode::UNAUTHORIZED, body)
    })
}

fn is_refused(token: &str) -> bool {
    matches!(token.trim(), "" | "invalid")
}

/// The body as an object; an empty one is empty.
fn body(request: &Request) -> Result<Map<String, Json>, Answer> {
    let refuse = |status, message: &str| {
        Answer::new(status, json!({"error": {"code": "invalid_request", "message": message}}))
    };
    if request.body.is_empty() {
        return Ok(Map::new());
    }
    let media = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !media.is_some_and(|media| media.starts_with("application/json")) {
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "only application/json is taken"));
    }
    match serde_json::from_slice(&request.body) {
        Ok(Json::Object(body)) => Ok(body),
        Ok(_) => Err(refuse(StatusCode::BAD_REQUEST, "the body must be an object")),
        Err(error) => Err(refuse(StatusCode::BAD_REQUEST, &format!("the body is not JSON: {error}"))),
    }
}

fn refused(mistake: &Mistake) -> Answer {
    Answer::new(mistake.status, json!({"error": mistake.json()}))
}

/// One object at its address.
fn one(
    table: &Table<'_>,
    method: &Method,
    id: &str,
    properties: Map<String, Json>,
) -> rusqlite::Result<Answer> {
    let done = match method.as_str() {
        "PUT" => table.put(id, properties)?,
        "PATCH" => table.patch(id, properties)?,
        "DELETE" => table.remove(id)?,
        _ => table.get(id)?,
    };
    Ok(match done {
        Ok(done) => Answer::new(StatusCode::OK, done),
        Err(mistake) => refused(&mistake),
    })
}

fn created(table: &Table<'_>, properties: Map<String, Json>) -> rusqlite::Result<Answer> {
    Ok(match table.create(properties)? {
        Ok(done) => Answer::new(StatusCode::CREATED, done),
        Err(mistake) => refused(&mistake),
    })
}

/// Upserts items, and removes those with `"deleted": true`. `strict`: all or nothing.
fn batch(table: &Table<'_>, sent: &Map<String, Json>, strict: bool) -> rusqlite::Result<Answer> {
    let known = sent.len() == 1 && sent.contains_key("items");
    let items = match sent.get("items") {
        Some(Json::Array(items)) if known && (1..=BATCH).contains(&items.len()) => items,
        _ => {
            let message = format!("the body must be `items` alone, a list of 1 to {BATCH}");
            return Ok(refused(&Mistake::new("invalid_request", message)));
        }
    };
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match objects::item(table, item)? {
            Ok(mut done) => {
                done["index"] = index.into();
                results.push(done);
            }
            Err(mistake) => {
                let mut error = mistake.json();
                error["index"] = index.into();
                errors.push(error);
            }
        }
    }
    // Answers name their rows; their order says nothing.
    results.reverse();
    let status = match (strict, errors.is_empty()) {
        (_, true) => StatusCode::OK,
        (false, false) => StatusCode::MULTI_STATUS,
        (true, false) => StatusCode::BAD_REQUEST,
    };
    let results = if strict && !errors.is_empty() { Vec::new() } else { results };
    Ok(Answer::new(status, json!({"results": results, "errors": errors})))
}

/// The style in which a refusal is a 200, too: its effects are none all the same.
fn by_method(table: &Table<'_>, call: &str, mut sent: Map<String, Json>) -> rusqlite::Result<Answer> {
    let id = sent.remove("id").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    let done = match (call, id) {
        ("create", None) => table.create(sent)?,
        ("update", Some(id)) => table.patch(&id, sent)?,
        ("delete", Some(id)) => table.remove(&id)?,
        ("create" | "update" | "delete", _) => {
            Err(Mistake::new("invalid_arguments", "`id` is for update and delete"))
        }
        _ => Err(Mistake::new("unknown_method", format!("there is no method `{call}`"))),
    };
    let body = match done {
        Ok(item) => json!({"ok": true, "item": item}),
        Err(mistake) => json!({"ok": false, "error": mistake.code, "detail": mistake.message}),
    };
    Ok(Answer::new(StatusCode::OK, body))
}
