//! Properties of a type: listed, and made by the account itself, `/crm/v3/properties`.
//!
//! What was made is kept as objects of `properties/{type}`. Where the vendor's documentation is silent the choice is
//! strict: unknown keys, unknown groups, types that do not go together and names that are taken refuse the whole batch.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::properties::{Catalogue, Kind, ObjectType, Property, is_name};
use super::{BATCH, error, format, invalid, parse, unknown_type};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inputs {
    inputs: Vec<New>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct New {
    name: String,
    label: String,
    #[serde(rename = "type")]
    kind: String,
    field_type: String,
    group_name: String,
    #[serde(default)]
    options: Vec<Choice>,
    #[serde(default)]
    has_unique_value: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Choice {
    label: String,
    value: String,
    #[serde(default)]
    #[expect(dead_code, reason = "taken, and of no consequence here")]
    display_order: i64,
    #[expect(dead_code, reason = "taken, and of no consequence here")]
    hidden: bool,
}

/// The type with what the account made.
pub(super) fn of<'a>(kind: &'a ObjectType, state: &State<'_>) -> rusqlite::Result<Cow<'a, ObjectType>> {
    let mut whole = Cow::Borrowed(kind);
    state.scan(&place(kind), |made| {
        let word = made.properties.get("type").and_then(Json::as_str).unwrap_or_default();
        if let Some(kind) = kind_of(word) {
            let unique = made.properties.get("hasUniqueValue") == Some(&Json::Bool(true));
            whole.to_mut().properties.insert(made.id.clone(), Property::made(kind, unique));
        }
        true
    })?;
    Ok(whole)
}

fn place(kind: &ObjectType) -> String {
    format!("properties/{}", kind.name)
}

/// The types that need no options of the account's own.
fn kind_of(word: &str) -> Option<Kind> {
    match word {
        "string" => Some(Kind::Text),
        "number" => Some(Kind::Number),
        "bool" => Some(Kind::Bool),
        "date" => Some(Kind::Date),
        "datetime" => Some(Kind::DateTime),
        _ => None,
    }
}

pub(super) fn answer(
    catalogue: &Catalogue,
    (object, call): (&str, &[&str]),
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let Some(kind) = catalogue.get(object) else { return Ok(unknown_type(object)) };
    let kind = of(kind, state)?;
    match (request.method.as_str(), call) {
        ("GET", []) => {
            let described = kind.properties.iter().map(|(name, p)| (name.clone(), p.describe(name)));
            let mut shown: BTreeMap<String, Json> = described.collect();
            // What the account made has a label of its own.
            state.scan(&place(&kind), |made| {
                shown.insert(made.id, made.properties.into());
                true
            })?;
            let results: Vec<Json> = shown.into_values().collect();
            Ok(Answer::new(StatusCode::OK, json!({"results": results})))
        }
        ("POST", ["batch", "create"]) => create(&kind, request, state),
        _ => Ok(error(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", "resource not found")),
    }
}

fn create(kind: &ObjectType, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let started = Timestamp::now();
    let inputs = match parse::<Inputs>(request) {
        Ok(Inputs { inputs }) if (1..=BATCH).contains(&inputs.len()) => inputs,
        Ok(_) => return Ok(invalid("A batch has 1 to 100 inputs")),
        Err(refusal) => return Ok(refusal),
    };
    let mut results = Vec::new();
    for new in inputs {
        if let Some(refusal) = refusal(kind, &new) {
            return Ok(refusal);
        }
        if state.get(&place(kind), &new.name)?.is_some() {
            return Ok(taken(&new.name));
        }
        let Some(made) = kind_of(&new.kind).map(|kind| Property::made(kind, new.has_unique_value)) else {
            continue;
        };
        let mut shown = made.describe(&new.name);
        shown["label"] = new.label.as_str().into();
        let now = format(started);
        let object = Object {
            id: new.name.clone(),
            archived: false,
            created_at: now.clone(),
            updated_at: now,
            properties: shown.as_object().cloned().unwrap_or_default(),
        };
        state.insert(&place(kind), &object)?;
        results.push(shown);
    }
    let ended = format(Timestamp::now());
    let body =
        json!({"status": "COMPLETE", "results": results, "startedAt": format(started), "completedAt": ended});
    Ok(Answer::new(StatusCode::CREATED, body))
}

fn refusal(kind: &ObjectType, new: &New) -> Option<Answer> {
    let shown = kind_of(&new.kind).map(|kind| Property::made(kind, false).describe(&new.name));
    let Some(shown) = shown.filter(|shown| shown["fieldType"] == *new.field_type) else {
        let message =
            format!("{} cannot be the fieldType of a property of type {}", new.field_type, new.kind);
        return Some(invalid(&message));
    };
    if !is_name(&new.name) || new.label.is_empty() {
        return Some(invalid(&format!("{:?} is not a valid property name with a label", new.name)));
    }
    if shown["groupName"] != *new.group_name {
        return Some(invalid(&format!("Property group {} does not exist", new.group_name)));
    }
    let mut values: Vec<&str> =
        new.options.iter().filter(|o| !o.label.is_empty()).map(|o| o.value.as_str()).collect();
    values.sort_unstable();
    let wanted: &[&str] = if new.kind == "bool" { &["false", "true"] } else { &[] };
    if values != wanted {
        return Some(invalid(&format!("The options of {} must be {wanted:?}", new.name)));
    }
    kind.properties.contains_key(&new.name).then(|| taken(&new.name))
}

fn taken(name: &str) -> Answer {
    error(
        StatusCode::CONFLICT,
        "OBJECT_ALREADY_EXISTS",
        &format!("A property named '{name}' already exists."),
    )
}
