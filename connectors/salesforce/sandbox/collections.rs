//! Collections of records, and single ones.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::records::{self, Changed, Refused, taken};
use super::{Org, alone, failure, not_found};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

/// Most records of a collection.
const MOST: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Collection {
    #[serde(rename = "allOrNone", default)]
    all_or_none: bool,
    records: Vec<Map<String, Json>>,
}

/// A record that was saved: its id, and whether it is new.
pub(super) type Saved = (String, Option<bool>);

/// Answers what is below `/composite/sobjects`.
pub(super) fn answer(
    org: &Org,
    rest: &[&str],
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    if request.method.as_str() == "DELETE" {
        return delete(org, request, state);
    }
    let Ok(sent) = serde_json::from_slice::<Collection>(&request.body) else {
        return Ok(failure(
            StatusCode::BAD_REQUEST,
            "JSON_PARSER_ERROR",
            "The body is no collection of records",
        ));
    };
    if sent.all_or_none {
        return Ok(all_or_none());
    }
    if sent.records.is_empty() || sent.records.len() > MOST {
        let message = format!("record limit reached. cannot submit more than {MOST} records into this call");
        return Ok(failure(StatusCode::BAD_REQUEST, "EXCEEDED_ID_LIMIT", &message));
    }
    let mut seen = Vec::new();
    let mut results = Vec::with_capacity(sent.records.len());
    for record in &sent.records {
        results.push(match (request.method.as_str(), rest) {
            ("POST", []) => create(org, record, state)?,
            ("PATCH", []) => update(org, record, state)?,
            ("PATCH", [object, key]) => upsert(org, (object, key), record, &mut seen, state)?,
            _ => return Ok(not_found()),
        });
    }
    Ok(Answer::new(StatusCode::OK, results.iter().map(told).collect()))
}

/// Salesforce would answer for each record, and undo them all.
fn all_or_none() -> Answer {
    failure(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", "the sandbox takes `allOrNone: false` alone")
}

fn told(result: &Result<Saved, Refused>) -> Json {
    match result {
        Ok((id, None)) => json!({"id": id, "success": true, "errors": []}),
        Ok((id, Some(created))) => json!({"id": id, "success": true, "errors": [], "created": created}),
        Err(refused) => {
            let error =
                json!({"statusCode": refused.code, "message": refused.message, "fields": refused.fields});
            json!({"success": false, "errors": [error]})
        }
    }
}

/// The object that a record says it is.
fn typed<'a>(org: &'a Org, record: &Map<String, Json>) -> Result<&'a str, Refused> {
    let named =
        record.get("attributes").and_then(|attributes| attributes["type"].as_str()).unwrap_or_default();
    match org.schema.get(named) {
        Some((name, _)) => Ok(name),
        None => Err(Refused::new("INVALID_TYPE", format!("sObject type '{named}' is not supported."), &[])),
    }
}

pub(super) fn create(org: &Org, record: &Map<String, Json>, state: &State<'_>) -> Changed<Saved> {
    let object = taken!(typed(org, record));
    if record.contains_key("id") || record.contains_key("Id") {
        let message = "cannot specify Id in an insert call";
        return Ok(Err(Refused::new("INVALID_FIELD_FOR_INSERT_UPDATE", message, &["Id"])));
    }
    Ok(records::put(org, object, None, record, state)?.map(|id| (id, None)))
}

pub(super) fn update(org: &Org, record: &Map<String, Json>, state: &State<'_>) -> Changed<Saved> {
    let object = taken!(typed(org, record));
    let Some(id) = record.get("id").or_else(|| record.get("Id")).and_then(Json::as_str) else {
        return Ok(Err(Refused::new("MISSING_ARGUMENT", "Id not specified in an update call", &[])));
    };
    let found = taken!(records::by_id(object, id, state)?);
    Ok(records::put(org, object, Some(found), record, state)?.map(|id| (id, None)))
}

pub(super) fn upsert(
    org: &Org,
    (object, key): (&str, &str),
    record: &Map<String, Json>,
    seen: &mut Vec<String>,
    state: &State<'_>,
) -> Changed<Saved> {
    let typed = taken!(typed(org, record));
    if !typed.eq_ignore_ascii_case(object) || record.contains_key("id") {
        let message = "All records must be of the type in the URL, and without an id";
        return Ok(Err(Refused::new("INVALID_TYPE", message, &[])));
    }
    let key = taken!(external_id(org, typed, key));
    let value = record.get(key).filter(|value| !value.is_null() && value.as_str() != Some(""));
    let Some(value) = value else {
        return Ok(Err(Refused::new("MISSING_ARGUMENT", format!("{key} not specified"), &[key])));
    };
    let folded = records::text(value).to_lowercase();
    if seen.contains(&folded) {
        let message = format!("Duplicate external id specified: {}", records::text(value));
        return Ok(Err(Refused::new("DUPLICATE_VALUE", message, &[key])));
    }
    seen.push(folded);
    let found = records::by_key(typed, key, value, state)?;
    let created = found.is_none();
    Ok(records::put(org, typed, found, record, state)?.map(|id| (id, Some(created))))
}

/// The field's own spelling.
fn external_id<'a>(org: &'a Org, object: &str, key: &str) -> Result<&'a str, Refused> {
    let fields = org.schema.get(object).map_or(&[][..], |(_, fields)| fields);
    match fields.iter().find(|field| field.name.eq_ignore_ascii_case(key) && field.external_id) {
        Some(field) => Ok(&field.name),
        None => {
            let message = format!(
                "Field name provided, {key} does not match an External ID, Salesforce Id, or indexed field for {object}"
            );
            Err(Refused::new("INVALID_FIELD", message, &[]))
        }
    }
}

/// The record of this id, whatever its object, which its first characters say.
fn anywhere(org: &Org, id: &str, state: &State<'_>) -> Changed<(String, Object)> {
    let mut last = Refused::new("MALFORMED_ID", format!("malformed id {id}"), &[]);
    for object in org.schema.names() {
        match records::by_id(object, id, state)? {
            Ok(found) => return Ok(Ok((object.to_owned(), found))),
            Err(refused) if refused.code == "ENTITY_IS_DELETED" => return Ok(Err(refused)),
            Err(refused) => last = refused,
        }
    }
    Ok(Err(last))
}

fn delete(org: &Org, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let ids: Vec<&str> =
        request.query("ids").unwrap_or_default().split(',').filter(|id| !id.is_empty()).collect();
    if ids.is_empty() || ids.len() > MOST {
        return Ok(failure(StatusCode::BAD_REQUEST, "EXCEEDED_ID_LIMIT", "ids must name 1 to 200 records"));
    }
    if request.query("allOrNone") == Some("true") {
        return Ok(all_or_none());
    }
    let mut results = Vec::new();
    for id in ids {
        results.push(match anywhere(org, id, state)? {
            Ok((object, found)) => {
                let id = found.id.clone();
                records::remove(org, &object, found, state)?;
                Ok((id, None))
            }
            Err(refused) => Err(refused),
        });
    }
    Ok(Answer::new(StatusCode::OK, results.iter().map(told).collect()))
}

/// One record: made, read, changed or removed at `/sobjects/{object}`.
pub(super) fn single(
    org: &Org,
    (object, rest): (&str, &[&str]),
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let Some((object, _)) = org.schema.get(object) else { return Ok(not_found()) };
    let body = if request.body.is_empty() { &b"{}"[..] } else { &request.body };
    let Ok(mut sent) = serde_json::from_slice::<Map<String, Json>>(body) else {
        return Ok(failure(StatusCode::BAD_REQUEST, "JSON_PARSER_ERROR", "The body is no record"));
    };
    let saved = |id: &str| json!({"id": id, "success": true, "errors": []});
    Ok(match (request.method.as_str(), rest) {
        ("POST", []) => match records::put(org, object, None, &sent, state)? {
            Ok(id) => Answer::new(StatusCode::CREATED, saved(&id)),
            Err(refused) => alone(&refused),
        },
        ("PATCH", [key, value]) => {
            sent.insert("attributes".to_owned(), json!({"type": object}));
            sent.insert((*key).to_owned(), (*value).into());
            match upsert(org, (object, key), &sent, &mut Vec::new(), state)? {
                Ok((id, Some(true))) => Answer::new(StatusCode::CREATED, saved(&id)),
                Ok((id, _)) => Answer::new(StatusCode::OK, saved(&id)),
                Err(refused) => alone(&refused),
            }
        }
        (method, [id]) => match records::by_id(object, id, state)? {
            Err(_) => not_found(),
            Ok(found) => match method {
                "GET" => Answer::new(StatusCode::OK, shown(object, &found)),
                "DELETE" => {
                    records::remove(org, object, found, state)?;
                    Answer::empty(StatusCode::NO_CONTENT)
                }
                "PATCH" => match records::put(org, object, Some(found), &sent, state)? {
                    Ok(_) => Answer::empty(StatusCode::NO_CONTENT),
                    Err(refused) => alone(&refused),
                },
                _ => not_found(),
            },
        },
        _ => not_found(),
    })
}

/// A record as it is read.
pub(super) fn shown(object: &str, record: &Object) -> Json {
    let mut body = record.properties.clone();
    body.insert("Id".to_owned(), record.id.clone().into());
    body.insert("attributes".to_owned(), json!({"type": object}));
    Json::Object(body)
}
