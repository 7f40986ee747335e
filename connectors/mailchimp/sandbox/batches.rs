//! Batches of operations: taken at once, done after some questions for them, with results of their own at another
//! address.

use std::str::FromStr;

use axum::http::{Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{Account, absent, invalid, not_allowed, parse, tar};
use crate::sandbox::vendor::{Answer, Content, Request};
use crate::sandbox::{Object, State};

const BATCHES: &str = "batches";

/// Most operations of a request.
const MOST: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    method: String,
    path: String,
    #[serde(default)]
    params: Map<String, Json>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    operation_id: String,
}

pub(super) fn answer(
    account: &Account,
    path: &[&str],
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    match (request.method.as_str(), path) {
        ("POST", []) => start(request, state),
        ("GET", []) => page(request, state),
        ("GET", [id]) => look(account, id, request, state),
        _ => Ok(not_allowed("The requested method and resource are not compatible.")),
    }
}

/// A page of the batches.
fn page(request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let number = |name: &str, usual: usize| request.query(name).map_or(Some(usual), |text| text.parse().ok());
    let (Some(count @ 0..=1000), Some(offset)) = (number("count", 10), number("offset", 0)) else {
        return Ok(invalid("count must be 0 to 1000, and offset a number"));
    };
    let (mut total, mut found) = (0, Vec::new());
    state.scan(BATCHES, |batch| {
        if (offset..offset.saturating_add(count)).contains(&total) {
            found.push(shown(&batch, request));
        }
        total += 1;
        true
    })?;
    Ok(Answer::new(StatusCode::OK, json!({"total_items": total, "batches": found})))
}

fn start(request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let new: New = match parse(request) {
        Ok(new) => new,
        Err(refusal) => return Ok(refusal),
    };
    let known = |operation: &Operation| {
        matches!(operation.method.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE")
    };
    if !(1..=MOST).contains(&new.operations.len()) || !new.operations.iter().all(known) {
        return Ok(invalid("A batch has 1 to 1000 operations, each with a method and a path."));
    }
    let now = super::members::now();
    let sent: Json = serde_json::from_slice(&request.body).unwrap_or_default();
    let properties = Map::from_iter([
        ("operations".to_owned(), sent["operations"].clone()),
        ("asked".to_owned(), 0.into()),
        ("results".to_owned(), Json::Null),
    ]);
    let id = format!("{:010x}", state.next_id(1)?);
    let batch = Object { id, archived: false, created_at: now.clone(), updated_at: now, properties };
    state.insert(BATCHES, &batch)?;
    Ok(Answer::new(StatusCode::OK, shown(&batch, request)))
}

/// A batch as answers show it; where its results are is told once it has ended.
fn shown(batch: &Object, request: &Request) -> Json {
    let total = batch.properties.get("operations").and_then(Json::as_array).map_or(0, Vec::len);
    let results = batch.properties.get("results").and_then(Json::as_array);
    let failed = |result: &&Json| result["status_code"].as_u64() >= Some(400);
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let url = results.map(|_| format!("http://{host}/mailchimp/results/{}?Signature=s%2Fs", batch.id));
    json!({
        "id": batch.id, "status": if results.is_some() { "finished" } else { "started" }, "total_operations": total,
        "finished_operations": results.map_or(0, Vec::len),
        "errored_operations": results.map_or(0, |all| all.iter().filter(failed).count()),
        "submitted_at": batch.created_at, "completed_at": results.map_or("", |_| &batch.updated_at),
        "response_body_url": url.unwrap_or_default(),
    })
}

fn look(account: &Account, id: &str, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let Some(mut batch) = state.get(BATCHES, id)? else { return Ok(absent()) };
    let asked = batch.properties.get("asked").and_then(Json::as_u64).unwrap_or(0) + 1;
    batch.properties.insert("asked".to_owned(), asked.into());
    if asked > account.polls && batch.properties.get("results").is_some_and(Json::is_null) {
        let operations = batch.properties.get("operations").cloned().unwrap_or_default();
        let operations: Vec<Operation> = serde_json::from_value(operations).unwrap_or_default();
        let mut results = Vec::with_capacity(operations.len());
        for operation in operations {
            results.push(done(account, operation, request, state)?);
        }
        batch.properties.insert("results".to_owned(), results.into());
        batch.updated_at = super::members::now();
    }
    state.save(BATCHES, &batch)?;
    Ok(Answer::new(StatusCode::OK, shown(&batch, request)))
}

/// One operation, and its result.
fn done(
    account: &Account,
    operation: Operation,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Json> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let call = Request {
        method: Method::from_str(&operation.method).unwrap_or_default(),
        path: operation.path,
        query: operation.params.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        body: operation.body.into(),
        ..request.clone()
    };
    let answer = match call.path.trim_start_matches('/').starts_with("batches") {
        true => not_allowed("A batch cannot hold batches."),
        false => account.route(&call, state)?,
    };
    let body = match &answer.body {
        Some(Content::Json(body)) => body.to_string(),
        _ => String::new(),
    };
    Ok(
        json!({"status_code": answer.status.as_u16(), "operation_id": operation.operation_id, "response": body}),
    )
}

/// The results of a batch that has ended, in two files.
pub(super) fn results(id: &str, state: &State<'_>) -> rusqlite::Result<Answer> {
    let batch = state.get(BATCHES, id)?;
    let all = batch.and_then(|batch| batch.properties.get("results").and_then(Json::as_array).cloned());
    let Some(all) = all else {
        return Ok(Answer::new(StatusCode::FORBIDDEN, json!({"message": "AccessDenied"})));
    };
    let (first, second) = all.split_at(all.len().div_ceil(2));
    let file =
        |name: &str, part: &[Json]| (format!("{id}-{name}.json"), json!(part).to_string().into_bytes());
    let files = [file("0", first), file("1", second)];
    let body = Some(Content::Text("application/gzip", tar::packed(&files)));
    Ok(Answer { status: StatusCode::OK, headers: Vec::new(), body })
}
