//! Lists and their members.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Account, absent, contacts, parse, refused};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{State, known_keys, object};

/// Most contacts of a call.
const MEMBERS: usize = 150;

#[derive(Debug, Clone)]
pub(super) struct List {
    id: u64,
    name: String,
    dynamic: bool,
}

pub(super) struct Lists(Vec<List>);

impl Lists {
    /// `lists: {VIP: 7, Active: {id: 9, dynamic: true}}`
    pub(super) fn declared(lists: Option<&Json>) -> Result<Self, String> {
        let Some(lists) = lists else { return Ok(Lists(Vec::new())) };
        let mut declared: Vec<List> = Vec::new();
        for (name, spec) in object(lists, "`lists`")? {
            let place = format!("lists.{name}");
            let (id, dynamic) = match spec {
                Json::Object(spec) => {
                    known_keys(spec, &["id", "dynamic"], &format!("{place}."))?;
                    (spec.get("id"), spec.get("dynamic").and_then(Json::as_bool).unwrap_or(false))
                }
                id => (Some(id), false),
            };
            let id = id.and_then(Json::as_u64).filter(|id| *id > 0);
            let id = id.ok_or_else(|| format!("`{place}` must be the list's number, as in `{{VIP: 7}}`"))?;
            if declared.iter().any(|list| list.id == id) {
                return Err(format!("`{place}` has the number of another list"));
            }
            declared.push(List { id, name: name.clone(), dynamic });
        }
        Ok(Lists(declared))
    }

    pub(super) fn get(&self, id: u64) -> Option<&List> {
        self.0.iter().find(|list| list.id == id)
    }
}

fn shown(list: &List) -> Json {
    json!({
        "id": list.id, "name": list.name, "totalBlacklisted": 0, "totalSubscribers": 0, "uniqueSubscribers": 0,
        "folderId": 1, "createdAt": "2026-01-01T00:00:00.000Z", "dynamicList": list.dynamic,
    })
}

/// Answers what is asked below `/contacts/lists`.
pub(super) fn answer(
    account: &Account,
    path: &[&str],
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let lists = &account.lists;
    let method = request.method.as_str();
    let Some((id, rest)) = path.split_first() else {
        let all: Vec<Json> = lists.0.iter().map(shown).collect();
        return Ok(Answer::new(StatusCode::OK, json!({"count": all.len(), "lists": all})));
    };
    let Ok(id) = id.parse::<u64>() else {
        return Ok(refused("invalid_parameter", "List ID must be a number"));
    };
    let Some(list) = lists.get(id) else { return Ok(absent("List ID does not exist")) };
    match (method, rest) {
        ("GET", []) => Ok(Answer::new(StatusCode::OK, shown(list))),
        ("GET", ["contacts"]) => contacts::page(account, request, (500, Some(id)), state),
        ("POST", ["contacts", call @ ("add" | "remove")]) => members(list, *call == "add", request, state),
        _ => Ok(refused("method_not_allowed", "Method not allowed")),
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[derive(Default)]
struct Named {
    emails: Vec<String>,
    ids: Vec<u64>,
    ext_ids: Vec<String>,
}

fn members(list: &List, adds: bool, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let named = match parse::<Named>(request) {
        Ok(named) => named,
        Err(refusal) => return Ok(refusal),
    };
    let names: Vec<(&str, Json)> = match (&named.emails[..], &named.ids[..], &named.ext_ids[..]) {
        (emails @ [_, ..], [], []) => emails.iter().map(|email| ("email", email.clone().into())).collect(),
        ([], ids @ [_, ..], []) => ids.iter().map(|id| ("id", (*id).into())).collect(),
        ([], [], keys @ [_, ..]) => keys.iter().map(|key| ("ext_id", key.clone().into())).collect(),
        _ => return Ok(refused("missing_parameter", "One of emails, ids and extIds is needed")),
    };
    if names.len() > MEMBERS {
        return Ok(refused("out_of_range", "At most 150 contacts are taken in one request"));
    }
    if let Some(email) = named.emails.iter().find(|email| !contacts::is_email(email)) {
        return Ok(refused("invalid_parameter", &format!("Invalid email address: {email}")));
    }
    if list.dynamic {
        return Ok(refused("invalid_parameter", "Contacts of a dynamic list cannot be changed"));
    }
    let (mut success, mut failure) = (Vec::new(), Vec::new());
    for (kind, name) in names {
        let found = match kind {
            "id" => contacts::by_id(&name.to_string(), state)?,
            kind => contacts::holder(kind, name.as_str().unwrap_or_default(), state)?,
        };
        let Some(mut contact) =
            found.filter(|contact| contacts::lists_of(contact).contains(&list.id) != adds)
        else {
            failure.push(name);
            continue;
        };
        let mut lists = contacts::lists_of(&contact);
        lists.retain(|id| *id != list.id);
        lists.extend(adds.then_some(list.id));
        contacts::put_on(&mut contact, lists);
        contact.updated_at = contacts::now();
        state.save(contacts::CONTACTS, &contact)?;
        success.push(name);
    }
    if success.is_empty() {
        let message = "Contact already in list and/or does not exist";
        return Ok(refused("invalid_parameter", message));
    }
    Ok(Answer::new(StatusCode::CREATED, json!({"contacts": {"success": success, "failure": failure}})))
}
