//! The batch calls that write.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::failure::{Errors, Failure};
use super::properties::{Kind, ObjectType};
use super::validate::{self, Invalid};
use super::{BATCH, Route, comparable, find, format, id_property, invalid, parse, show};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inputs<T> {
    inputs: Vec<T>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Identified {
    id: String,
    id_property: Option<String>,
    properties: BTreeMap<String, String>,
    object_write_trace_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct New {
    properties: BTreeMap<String, String>,
    #[serde(default)]
    associations: Vec<Json>,
    object_write_trace_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ById {
    id: String,
}

/// One input of a call that creates or changes.
pub(super) struct Input {
    /// Empty for a create.
    pub(super) id: String,
    properties: BTreeMap<String, String>,
    pub(super) trace: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Call<'a> {
    Create,
    /// By a unique property, or else by record id.
    Update(Option<&'a str>),
    Upsert(&'a str),
}

impl<'a> Call<'a> {
    fn id_property(self) -> Option<&'a str> {
        match self {
            Call::Create => None,
            Call::Update(property) => property,
            Call::Upsert(property) => Some(property),
        }
    }
}

/// Parses the inputs and checks their number.
fn inputs<T: serde::de::DeserializeOwned>(request: &Request) -> Result<Vec<T>, Answer> {
    let Inputs { inputs } = parse::<Inputs<T>>(request)?;
    match inputs.len() {
        0 => Err(invalid("Invalid input JSON: the list of inputs is empty")),
        1..=BATCH => Ok(inputs),
        many => Err(invalid(&format!("The batch has {many} inputs, but the maximum is {BATCH}"))),
    }
}

pub(super) fn create(
    kind: &ObjectType,
    route: &Route<'_>,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let inputs = match inputs::<New>(request) {
        Ok(inputs) => inputs,
        Err(refusal) => return Ok(refusal),
    };
    if inputs.iter().any(|input| !input.associations.is_empty()) {
        return Ok(invalid("The sandbox keeps no associations; send the inputs without them"));
    }
    let inputs = inputs
        .into_iter()
        .map(|new| Input { id: String::new(), properties: new.properties, trace: new.object_write_trace_id })
        .collect();
    write(kind, route, Call::Create, inputs, state)
}

pub(super) fn update(
    kind: &ObjectType,
    route: &Route<'_>,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    identified(kind, route, request, state, false)
}

pub(super) fn upsert(
    kind: &ObjectType,
    route: &Route<'_>,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    identified(kind, route, request, state, true)
}

fn identified(
    kind: &ObjectType,
    route: &Route<'_>,
    request: &Request,
    state: &State<'_>,
    upsert: bool,
) -> rusqlite::Result<Answer> {
    let inputs = match inputs::<Identified>(request) {
        Ok(inputs) => inputs,
        Err(refusal) => return Ok(refusal),
    };
    let property = inputs[0].id_property.clone();
    if inputs.iter().any(|input| input.id_property != property) {
        return Ok(invalid("All inputs of a batch must have the same idProperty"));
    }
    if let Some(Err(refusal)) = property.as_deref().map(|property| id_property(kind, property)) {
        return Ok(refusal);
    }
    let call = match (upsert, property.as_deref()) {
        (false, property) => Call::Update(property),
        (true, Some(property)) => Call::Upsert(property),
        (true, None) => return Ok(invalid("idProperty is required to upsert")),
    };
    if let Some(refusal) = refuse_duplicates(kind, call.id_property(), inputs.iter().map(|input| &input.id)) {
        return Ok(refusal);
    }
    let inputs = inputs
        .into_iter()
        .map(|i| Input { id: i.id, properties: i.properties, trace: i.object_write_trace_id })
        .collect();
    write(kind, route, call, inputs, state)
}

/// A batch that names one object twice has no defined order, so it is refused. The vendor's documentation is silent.
fn refuse_duplicates<'a>(
    kind: &ObjectType,
    property: Option<&str>,
    ids: impl Iterator<Item = &'a String>,
) -> Option<Answer> {
    let mut seen = BTreeSet::new();
    let mut twice = Vec::new();
    for id in ids {
        let id = property.map_or_else(|| id.clone(), |property| comparable(kind, property, id));
        if id.is_empty() {
            return Some(invalid("Invalid input JSON: an input has an empty id"));
        }
        if !seen.insert(id.clone()) {
            twice.push(id);
        }
    }
    let message =
        || format!("Duplicate IDs found in batch input: [{}]. IDs must be unique", twice.join(", "));
    (!twice.is_empty()).then(|| invalid(&message()))
}

/// Each input by itself if each has its own trace id; else all or nothing.
fn write(
    kind: &ObjectType,
    route: &Route<'_>,
    call: Call<'_>,
    inputs: Vec<Input>,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let started = Timestamp::now();
    let traces: BTreeSet<_> = inputs.iter().filter_map(|input| input.trace.as_deref()).collect();
    let each_by_itself = traces.len() == inputs.len() && route.errors == Errors::Rows;
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for input in &inputs {
        match apply(kind, call, input, &format(started), state)? {
            Ok(result) => results.push(result),
            // An unknown id never spoils the batch, as with reads.
            Err(failure) if each_by_itself || matches!(failure, Failure::Missing) => {
                errors.push(failure.describe(kind, input));
            }
            Err(_) if route.errors == Errors::Vague => return Ok(invalid("Invalid input")),
            Err(failure) => return Ok(failure.refuse(kind)),
        }
    }
    // No order is promised; another one than the inputs' finds clients that rely on it.
    results.reverse();
    Ok(completed(started, call == Call::Create, route, results, errors))
}

/// The answer to a batch.
pub(super) fn completed(
    started: Timestamp,
    creates: bool,
    route: &Route<'_>,
    results: Vec<Json>,
    errors: Vec<Json>,
) -> Answer {
    let mut body = json!({
        "status": "COMPLETE", "results": results,
        "startedAt": format(started), "completedAt": format(Timestamp::now()),
    });
    let status = match (errors.is_empty() || !route.multi_status, creates) {
        (false, _) => StatusCode::MULTI_STATUS,
        (true, true) => StatusCode::CREATED,
        (true, false) => StatusCode::OK,
    };
    if !errors.is_empty() {
        body["numErrors"] = errors.len().into();
        body["errors"] = errors.into();
    }
    Answer::new(status, body)
}

/// Does one input, or tells why not; a failure leaves no effect.
fn apply(
    kind: &ObjectType,
    call: Call<'_>,
    input: &Input,
    now: &str,
    state: &State<'_>,
) -> rusqlite::Result<Result<Json, Failure>> {
    let mut properties = input.properties.clone();
    if let Call::Upsert(property) = call {
        // A new object gets its key even if the properties do not repeat it.
        properties.entry(property.to_owned()).or_insert_with(|| input.id.clone());
    }
    let mut values = Vec::new();
    let mut refused = Vec::new();
    for (name, value) in &properties {
        match validate::check(kind, name, value) {
            Ok(value) => values.push((name.as_str(), value)),
            Err(invalid) => refused.push(invalid),
        }
    }
    if !refused.is_empty() {
        return Ok(Err(Failure::Invalid(refused)));
    }
    let found = match call {
        Call::Create => None,
        _ => find(kind, call.id_property(), &input.id, state)?,
    };
    if found.is_none() && matches!(call, Call::Update(_)) {
        return Ok(Err(Failure::Missing));
    }
    if let Some(failure) = conflict(kind, &values, found.as_ref(), state)? {
        return Ok(Err(failure));
    }
    let created = found.is_none();
    if created {
        let given = |name: &String| values.iter().any(|(given, value)| given == name && value.is_some());
        let required = kind.properties.iter().filter(|(_, property)| property.required);
        let lacking: Vec<_> = required.map(|(name, _)| name).filter(|name| !given(name)).cloned().collect();
        if !lacking.is_empty() {
            return Ok(Err(Failure::Incomplete(lacking)));
        }
    }
    let object = keep(kind, found, values, now, state)?;
    let mut result = show(kind, &object, None);
    match call {
        Call::Create => {}
        Call::Update(_) => show_changed(kind, &properties, &mut result["properties"]),
        Call::Upsert(_) => result["new"] = created.into(),
    }
    if let Some(trace) = &input.trace {
        result["objectWriteTraceId"] = trace.as_str().into();
    }
    Ok(Ok(result))
}

/// Leaves of all properties what an update answers with, as recorded: what was sent, a cleared one as an empty text, and
/// what HubSpot itself keeps, of which a contact shows only when it was changed.
fn show_changed(kind: &ObjectType, sent: &BTreeMap<String, String>, shown: &mut Json) {
    let kept: &[&str] = match kind.name.as_str() {
        "contacts" => &[kind.modified_property],
        _ => &[kind.created_property, kind.modified_property, "hs_object_id"],
    };
    let names = sent.keys().map(String::as_str).chain(kept.iter().copied());
    let value = |name: &str| shown.get(name).cloned().unwrap_or_else(|| "".into());
    *shown = names.map(|name| (name.to_owned(), value(name))).collect::<Map<_, _>>().into();
}

/// Whether another object holds one of the unique values.
fn conflict(
    kind: &ObjectType,
    values: &[(&str, Option<String>)],
    target: Option<&Object>,
    state: &State<'_>,
) -> rusqlite::Result<Option<Failure>> {
    for (name, property) in kind.unique() {
        let Some((_, Some(value))) = values.iter().find(|(given, _)| given == name) else { continue };
        let holder = state.holder(&kind.name, name, value)?;
        let Some(holder) = holder.filter(|holder| target.is_none_or(|target| target.id != *holder)) else {
            continue;
        };
        return Ok(Some(match property.kind {
            Kind::Email => Failure::Exists(holder),
            _ => {
                let message = format!("Cannot set {name} to {value}. {holder} already has that value.");
                Failure::Invalid(vec![Invalid::new(name, "CONFLICTING_UNIQUE_VALUE", message)])
            }
        }));
    }
    Ok(None)
}

/// Stores the new or changed object.
fn keep(
    kind: &ObjectType,
    found: Option<Object>,
    values: Vec<(&str, Option<String>)>,
    now: &str,
    state: &State<'_>,
) -> rusqlite::Result<Object> {
    let created = found.is_none();
    let mut object = match found {
        Some(object) => object,
        None => Object {
            id: state.next_id(1_001)?.to_string(),
            archived: false,
            created_at: now.to_owned(),
            updated_at: String::new(),
            properties: Map::new(),
        },
    };
    now.clone_into(&mut object.updated_at);
    for (name, value) in values {
        let before = match &value {
            Some(value) => object.properties.insert(name.to_owned(), value.clone().into()),
            None => object.properties.remove(name),
        };
        let unique = kind.properties.get(name).is_some_and(|property| property.unique);
        if !unique || before.as_ref().and_then(Json::as_str) == value.as_deref() {
            continue;
        }
        if let Some(before) = before.as_ref().and_then(Json::as_str) {
            state.release(&kind.name, name, before)?;
        }
        if let Some(value) = &value {
            state.claim(&kind.name, name, value, &object.id)?;
        }
    }
    match created {
        true => state.insert(&kind.name, &object)?,
        false => state.save(&kind.name, &object)?,
    }
    Ok(object)
}

/// Archives by record id; ids of nothing are passed over.
pub(super) fn archive(kind: &ObjectType, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let inputs = match inputs::<ById>(request) {
        Ok(inputs) => inputs,
        Err(refusal) => return Ok(refusal),
    };
    if let Some(refusal) = refuse_duplicates(kind, None, inputs.iter().map(|input| &input.id)) {
        return Ok(refusal);
    }
    let now = format(Timestamp::now());
    for input in inputs {
        let Some(mut object) = find(kind, None, &input.id, state)? else { continue };
        for (name, _) in kind.unique() {
            if let Some(value) = object.properties.get(name).and_then(Json::as_str) {
                state.release(&kind.name, name, value)?;
            }
        }
        object.archived = true;
        object.updated_at.clone_from(&now);
        state.save(&kind.name, &object)?;
    }
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}
