//! Leads: calls with many of them, look-ups, removals (`leads.md`).

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::schema::Flaw;
use super::{Instance, Query, now, refused, request_id, skipped, told};
use crate::contract::fold;
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

pub(super) const LEADS: &str = "leads";
/// Leads of a call, values of a look-up, leads of a page.
pub(super) const MOST: usize = 300;
/// Leads that a look-up finds at most.
const FOUND: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Call {
    action: Option<String>,
    lookup_field: Option<String>,
    partition_name: Option<String>,
    input: Vec<Map<String, Json>>,
}

/// What is done with a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    CreateOrUpdate,
    CreateOnly,
    UpdateOnly,
}

/// Why a lead is left as it was, or which it is and whether it is new.
pub(super) type Changed = Result<(String, bool), (&'static str, String)>;

pub(super) fn sync(instance: &Instance, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let sync: Call = match serde_json::from_slice(&request.body) {
        Ok(sync) => sync,
        Err(error) => return Ok(refused("609", &format!("Invalid JSON: {error}"))),
    };
    let action = match sync.action.as_deref() {
        None | Some("createOrUpdate") => Action::CreateOrUpdate,
        Some("createOnly") => Action::CreateOnly,
        Some("updateOnly") => Action::UpdateOnly,
        Some(other) => {
            return Ok(refused("1001", &format!("Invalid value '{other}'. Required of type 'action'")));
        }
    };
    let lookup = sync.lookup_field.as_deref().unwrap_or("email");
    if let Some(refusal) = unsearchable(instance, lookup) {
        return Ok(refusal);
    }
    if lookup == "id" && action != Action::UpdateOnly {
        return Ok(refused("1003", "Invalid data: id is for updateOnly"));
    }
    if sync.partition_name.is_some() && action == Action::UpdateOnly {
        return Ok(refused("1003", "Invalid data: a partition is not for updateOnly"));
    }
    if sync.input.is_empty() || sync.input.len() > MOST {
        return Ok(refused("1003", &format!("Invalid data: 1 to {MOST} leads are taken in one call")));
    }
    let mut result = Vec::with_capacity(sync.input.len());
    for sent in &sync.input {
        result.push(match change(instance, (action, lookup), sent, state)? {
            Ok((id, is_new)) => {
                json!({"id": number(&id), "status": if is_new { "created" } else { "updated" }})
            }
            Err((code, message)) => skipped(code, &message),
        });
    }
    Ok(told(result))
}

/// Ids are numbers in answers.
pub(super) fn number(id: &str) -> Json {
    id.parse::<u64>().map_or(Json::Null, Json::from)
}

pub(super) fn unsearchable(instance: &Instance, name: &str) -> Option<Answer> {
    let is_known = instance.schema.get(name).is_some_and(|field| field.searchable);
    (!is_known).then(|| refused("1011", &format!("Field '{name}' not supported")))
}

/// A value as look-ups compare it.
fn form(value: &Json) -> String {
    fold(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// The ids of the leads that have a value in a field, in the order in which they got it.
fn holders(name: &str, value: &str, state: &State<'_>) -> rusqlite::Result<Vec<String>> {
    if name == "id" {
        return Ok(state.get(LEADS, value)?.map(|lead| lead.id).into_iter().collect());
    }
    let held = state.holder(LEADS, name, value)?.unwrap_or_default();
    Ok(held.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect())
}

/// Has a lead found by this value, or no more.
fn index(name: &str, value: &Json, (id, is_there): (&str, bool), state: &State<'_>) -> rusqlite::Result<()> {
    let value = form(value);
    let before = holders(name, &value, state)?;
    let mut ids: Vec<String> = before.iter().filter(|other| *other != id).cloned().collect();
    if is_there {
        ids.push(id.to_owned());
    }
    if !before.is_empty() {
        state.release(LEADS, name, &value)?;
    }
    if ids.is_empty() { Ok(()) } else { state.claim(LEADS, name, &value, &ids.join(",")) }
}

/// Does with one lead what a call asks for.
pub(super) fn change(
    instance: &Instance,
    (action, lookup): (Action, &str),
    sent: &Map<String, Json>,
    state: &State<'_>,
) -> rusqlite::Result<Changed> {
    let refuse = |code, message: &str| Ok(Err((code, message.to_owned())));
    let key = sent.get(lookup).filter(|value| !value.is_null() && value.as_str() != Some(""));
    let Some(key) = key else {
        return refuse("1003", &format!("Value for lookup field '{lookup}' not found"));
    };
    for (name, value) in sent.iter().filter(|(name, _)| !(lookup == "id" && *name == "id")) {
        match instance.schema.flaw(name, value) {
            None => {}
            Some(Flaw::Refused(code, message)) => return Ok(Err((code, message))),
            Some(Flaw::Long) => return refuse("1003", &format!("Value of field '{name}' is too long")),
        }
    }
    let ids = holders(lookup, &form(key), state)?;
    let mut lead = match (&ids[..], action) {
        ([], Action::UpdateOnly) => return refuse("1004", "Lead not found"),
        ([], _) => {
            let now = now();
            let id = state.next_id(1001)?.to_string();
            Object { id, archived: false, created_at: now.clone(), updated_at: now, properties: Map::new() }
        }
        (_, Action::CreateOnly) => return refuse("1005", "Lead already exists"),
        ([id], _) => match state.get(LEADS, id)? {
            Some(lead) => lead,
            None => return refuse("1004", "Lead not found"),
        },
        _ => return refuse("1007", "Multiple leads match the lookup criteria"),
    };
    let is_new = ids.is_empty();
    for (name, value) in sent.iter().filter(|(name, _)| *name != "id") {
        let is_searchable = instance.schema.get(name).is_some_and(|field| field.searchable);
        if let Some(old) = lead.properties.remove(name).filter(|_| is_searchable) {
            index(name, &old, (&lead.id, false), state)?;
        }
        if !value.is_null() {
            lead.properties.insert(name.clone(), value.clone());
            if is_searchable {
                index(name, value, (&lead.id, true), state)?;
            }
        }
    }
    lead.updated_at = now();
    match is_new {
        true => state.insert(LEADS, &lead)?,
        false => state.save(LEADS, &lead)?,
    }
    Ok(Ok((lead.id, is_new)))
}

/// `filterType`, `filterValues`, `fields`, `batchSize`, `nextPageToken`
pub(super) fn filtered(instance: &Instance, query: &Query, state: &State<'_>) -> rusqlite::Result<Answer> {
    let (name, values) = (query.get("filterType").unwrap_or_default(), query.all("filterValues"));
    if let Some(refusal) = unsearchable(instance, name) {
        return Ok(refusal);
    }
    if values.is_empty() || values.len() > MOST {
        return Ok(refused("1003", &format!("Invalid data: 1 to {MOST} filterValues are taken")));
    }
    let mut ids: Vec<String> = Vec::new();
    for value in &values {
        for id in holders(name, &fold(value), state)? {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    if ids.len() > FOUND {
        return Ok(refused("1003", "Too many results match the filter"));
    }
    let fields = query.all("fields");
    let usual =
        ["id", "email", "firstName", "lastName", "createdAt", "updatedAt"].map(str::to_owned).to_vec();
    let fields = if fields.is_empty() { usual } else { fields };
    if let Some(unknown) = fields.iter().find(|name| instance.schema.get(name).is_none()) {
        return Ok(refused("1006", &format!("Field '{unknown}' not found")));
    }
    let mut all = Vec::with_capacity(ids.len());
    for id in &ids {
        all.extend(state.get(LEADS, id)?.map(|lead| shown(&lead, &fields)));
    }
    Ok(page(query, all))
}

fn shown(lead: &Object, fields: &[String]) -> Json {
    let value = |name: &String| match name.as_str() {
        "id" => number(&lead.id),
        "createdAt" => lead.created_at.as_str().into(),
        "updatedAt" => lead.updated_at.as_str().into(),
        name => lead.properties.get(name).cloned().unwrap_or_default(),
    };
    Json::Object(fields.iter().map(|name| (name.clone(), value(name))).collect())
}

/// A page of what was found, and where the next one begins.
pub(super) fn page(query: &Query, all: Vec<Json>) -> Answer {
    let size = query.get("batchSize").and_then(|size| size.parse().ok()).unwrap_or(MOST).clamp(1, MOST);
    let from = query.get("nextPageToken").and_then(|token| token.parse::<usize>().ok()).unwrap_or(0);
    let result: Vec<Json> = all.iter().skip(from).take(size).cloned().collect();
    let mut body = json!({"requestId": request_id(), "result": result, "success": true});
    if from + size < all.len() {
        body["nextPageToken"] = (from + size).to_string().into();
    }
    Answer::new(axum::http::StatusCode::OK, body)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    input: Vec<Id>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Id {
    id: Json,
}

/// The ids that a request names, in its address or in its body.
pub(super) fn ids((request, query): (&Request, &Query)) -> Result<Vec<String>, Answer> {
    let mut ids = query.all("id");
    if ids.is_empty() {
        let named: Named = serde_json::from_slice(&request.body)
            .map_err(|error| refused("609", &format!("Invalid JSON: {error}")))?;
        ids = named.input.into_iter().map(|one| form(&one.id)).collect();
    }
    match ids.is_empty() || ids.len() > MOST {
        true => Err(refused("1003", &format!("Invalid data: 1 to {MOST} leads are taken in one call"))),
        false => Ok(ids),
    }
}

pub(super) fn delete(
    instance: &Instance,
    asked: (&Request, &Query),
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let ids = match ids(asked) {
        Ok(ids) => ids,
        Err(refusal) => return Ok(refusal),
    };
    let mut result = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(lead) = state.get(LEADS, &id)? else {
            result.push(skipped("1004", "Lead not found"));
            continue;
        };
        for name in instance.schema.searchable() {
            if let Some(value) = lead.properties.get(name) {
                index(name, value, (&lead.id, false), state)?;
            }
        }
        state.purge(LEADS, &lead.id)?;
        result.push(json!({"id": number(&lead.id), "status": "deleted"}));
    }
    Ok(told(result))
}
