//! Static lists and their members, `/crm/v3/lists`, in the shapes of the vendor's own client `@hubspot/api-client` 13.5.
//!
//! Lists are declared, and numbered in the order of their names. The members of list 1 are the objects of `lists/1`; one
//! that was taken off is archived there. An answer names only what it changed: that is the stricter reading.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::properties::{Catalogue, ObjectType};
use super::{error, format, invalid, parse};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State, known_keys, object, unescaped};

/// Most ids of a call.
const MEMBERS: usize = 100_000;

pub(super) struct Declared {
    id: String,
    name: String,
    /// The objects' type, by name.
    of: String,
    dynamic: bool,
}

/// `lists: {VIP: contacts, Active: {object: contacts, dynamic: true}}`
pub(super) fn declared(lists: Option<&Json>, catalogue: &Catalogue) -> Result<Vec<Declared>, String> {
    let Some(lists) = lists else { return Ok(Vec::new()) };
    let mut declared = Vec::new();
    let by_name: BTreeMap<_, _> = object(lists, "`lists`")?.iter().collect();
    for (at, (name, spec)) in by_name.into_iter().enumerate() {
        let place = format!("lists.{name}");
        let (of, dynamic) = match spec {
            Json::String(of) => (of.as_str(), false),
            spec => {
                let entries = object(spec, &format!("`{place}`"))?;
                known_keys(entries, &["object", "dynamic"], &format!("{place}."))?;
                let of = entries.get("object").and_then(Json::as_str);
                let of = of.ok_or_else(|| format!("`{place}.object` must be a text"))?;
                (of, entries.get("dynamic").and_then(Json::as_bool).unwrap_or(false))
            }
        };
        let of = catalogue.get(of).ok_or_else(|| format!("`{place}`: there is no object `{of}`"))?;
        let id = (at + 1).to_string();
        declared.push(Declared { id, name: name.clone(), of: of.name.clone(), dynamic });
    }
    Ok(declared)
}

pub(super) fn answer(
    lists: &[Declared],
    catalogue: &Catalogue,
    path: &[&str],
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let of_type = |name: &str| catalogue.get(name);
    let by_id = |id: &str| lists.iter().find(|list| list.id == id);
    match (request.method.as_str(), path) {
        ("GET", ["records", kind, record, "memberships"]) => match of_type(kind) {
            Some(kind) => memberships(lists, kind, record, state),
            None => Ok(super::unknown_type(kind)),
        },
        ("GET", ["object-type-id", kind, "name", name]) => {
            let (name, of) = (unescaped(name), of_type(kind).map(|kind| kind.name.as_str()));
            Ok(shown(lists.iter().find(|list| Some(list.of.as_str()) == of && list.name == name), catalogue))
        }
        ("GET", [id]) => Ok(shown(by_id(id), catalogue)),
        ("PUT", [id, "memberships", call @ ("add" | "remove")]) => match by_id(id) {
            Some(list) if list.dynamic => Ok(invalid("Memberships of a DYNAMIC list cannot be changed")),
            Some(list) => change(list, *call == "add", request, state),
            None => Ok(not_found(id)),
        },
        _ => Ok(error(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", "resource not found")),
    }
}

fn not_found(id: &str) -> Answer {
    error(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", &format!("List does not exist with ID {id}."))
}

fn shown(list: Option<&Declared>, catalogue: &Catalogue) -> Answer {
    let Some(list) = list else { return not_found("of this name") };
    let kind = catalogue.get(&list.of).map(ObjectType::type_id).unwrap_or_default();
    let processing = if list.dynamic { "DYNAMIC" } else { "MANUAL" };
    let body = json!({"list": {
        "listId": list.id, "name": list.name, "objectTypeId": kind, "processingType": processing,
        "processingStatus": "COMPLETE", "listVersion": 1,
    }});
    Answer::new(StatusCode::OK, body)
}

fn memberships(
    lists: &[Declared],
    kind: &ObjectType,
    record: &str,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let mut results = Vec::new();
    for list in lists.iter().filter(|list| list.of == kind.name) {
        if let Some(member) = state.get(&kept(list), record)?.filter(|member| !member.archived) {
            results.push(json!({
                "listId": list.id, "listVersion": 1, "isPublicList": false,
                "firstAddedTimestamp": member.created_at, "lastAddedTimestamp": member.updated_at,
            }));
        }
    }
    Ok(Answer::new(StatusCode::OK, json!({"total": results.len(), "results": results})))
}

fn change(list: &Declared, adds: bool, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let ids = match parse::<Vec<String>>(request) {
        Ok(ids) if ids.is_empty() || ids.len() > MEMBERS => {
            return Ok(invalid(&format!("{} ids were given; allowed are 1 to {MEMBERS}", ids.len())));
        }
        Ok(ids) => ids,
        Err(refusal) => return Ok(refusal),
    };
    let (mut changed, mut missing) = (Vec::new(), Vec::new());
    for id in ids {
        if state.get(&list.of, &id)?.is_none_or(|found| found.archived) {
            missing.push(id);
            continue;
        }
        let member = state.get(&kept(list), &id)?;
        if member.as_ref().is_some_and(|member| !member.archived) == adds {
            continue;
        }
        let now = format(Timestamp::now());
        let fresh = member.is_none();
        let mut member = member.unwrap_or_else(|| Object {
            id: id.clone(),
            archived: false,
            created_at: now.clone(),
            updated_at: now.clone(),
            properties: Default::default(),
        });
        (member.archived, member.updated_at) = (!adds, now);
        if fresh {
            state.insert(&kept(list), &member)?;
        } else {
            state.save(&kept(list), &member)?;
        }
        changed.push(id);
    }
    let (added, removed) = if adds { (changed, Vec::new()) } else { (Vec::new(), changed) };
    let body = json!({"recordsIdsAdded": added, "recordIdsRemoved": removed, "recordIdsMissing": missing});
    Ok(Answer::new(StatusCode::OK, body))
}

fn kept(list: &Declared) -> String {
    format!("lists/{}", list.id)
}
