//! Static lists, whose members are kept with the leads (`list-membership.md`). Who is put on a list again counts as added, as
//! recorded.

use serde_json::{Value as Json, json};

use super::leads::{self, LEADS, number};
use super::{Instance, Query, now, refused, skipped, told};
use crate::sandbox::State;
use crate::sandbox::vendor::{Answer, Request};

/// The property of a lead that has the ids of its lists.
const ON: &str = "static_lists";

fn absent(id: &str) -> Answer {
    refused("1013", &format!("Object of type 'StaticList' with id '{id}' not found"))
}

/// `GET /rest/v1/lists/{id}.json`
pub(super) fn one(instance: &Instance, file: &str) -> Answer {
    let id = file.strip_suffix(".json").unwrap_or(file);
    let found = id.parse::<u64>().ok().and_then(|id| instance.lists.get_key_value(&id));
    match found {
        Some((id, name)) => {
            told(vec![json!({"id": id, "name": name, "createdAt": now(), "updatedAt": now()})])
        }
        None => absent(id),
    }
}

/// Puts a lead on a list, as an import does.
pub(super) fn put_on(id: &str, list: u64, state: &State<'_>) -> rusqlite::Result<()> {
    change(id, list, true, state).map(drop)
}

/// Puts a lead on a list or takes it off; whether it was on it, or nothing where there is no lead.
fn change(id: &str, list: u64, adds: bool, state: &State<'_>) -> rusqlite::Result<Option<bool>> {
    let Some(mut lead) = state.get(LEADS, id)? else { return Ok(None) };
    let mut lists: Vec<Json> = lead.properties.get(ON).and_then(Json::as_array).cloned().unwrap_or_default();
    let was_on = lists.contains(&list.into());
    if was_on == adds {
        return Ok(Some(was_on));
    }
    lists.retain(|other| *other != list);
    if adds {
        lists.push(list.into());
    }
    match lists.is_empty() {
        true => lead.properties.remove(ON),
        false => lead.properties.insert(ON.to_owned(), lists.into()),
    };
    state.save(LEADS, &lead)?;
    Ok(Some(was_on))
}

/// `GET`, `POST` and `DELETE /rest/v1/lists/{id}/leads.json`, and `ISMEMBER` for the question whether leads are on it.
pub(super) fn members(
    instance: &Instance,
    (method, id): (&str, &str),
    asked: (&Request, &Query),
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let Some(list) = id.parse::<u64>().ok().filter(|id| instance.lists.contains_key(id)) else {
        return Ok(absent(id));
    };
    if method == "GET" {
        let mut all = Vec::new();
        state.scan(LEADS, |lead| {
            let on = lead.properties.get(ON).and_then(Json::as_array);
            if on.is_some_and(|lists| lists.contains(&list.into())) {
                all.push(json!({"id": number(&lead.id), "email": lead.properties.get("email")}));
            }
            true
        })?;
        return Ok(leads::page(asked.1, all));
    }
    if !matches!(method, "POST" | "DELETE" | "ISMEMBER") {
        return Ok(refused("605", "HTTP Method not supported"));
    }
    let ids = match leads::ids(asked) {
        Ok(ids) => ids,
        Err(refusal) => return Ok(refusal),
    };
    let mut result = Vec::with_capacity(ids.len());
    for id in ids {
        let was_on = match method {
            "ISMEMBER" => state.get(LEADS, &id)?.map(|lead| {
                let on = lead.properties.get(ON).and_then(Json::as_array);
                on.is_some_and(|lists| lists.contains(&list.into()))
            }),
            _ => change(&id, list, method == "POST", state)?,
        };
        let mut said = match (method, was_on) {
            (_, None) => skipped("1004", "Lead not found"),
            ("POST", Some(_)) => json!({"status": "added"}),
            ("DELETE", Some(true)) => json!({"status": "removed"}),
            ("DELETE", Some(false)) => skipped("1015", "Lead not in list"),
            (_, Some(on)) => json!({"status": if on { "memberof" } else { "notmemberof" }}),
        };
        said["id"] = number(&id);
        result.push(said);
    }
    Ok(told(result))
}
