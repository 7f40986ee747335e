//! Manual segments and their members. The members of segment 7 are the objects of `segments/7`, by the person's `cio_id`; one
//! who was taken out is archived there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::people::{People, Who};
use super::{accepted, parse, refused};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, known_keys, object};

/// Most ids of a call.
const MEMBERS: usize = 1000;

pub(super) struct Declared {
    id: u32,
    data_driven: bool,
}

/// `segments: {7: Newsletter, 8: {name: Buyers, data_driven: true}}`
pub(super) fn declared(segments: Option<&Json>) -> Result<Vec<Declared>, String> {
    let Some(segments) = segments else { return Ok(Vec::new()) };
    let by_id: BTreeMap<_, _> = object(segments, "`segments`")?.iter().collect();
    let read = |(id, spec): (&String, &Json)| {
        let place = format!("segments.{id}");
        let id = id.parse().map_err(|_| format!("`{place}`: the id of a segment is a number"))?;
        let data_driven = match spec {
            Json::String(_) => false,
            spec => {
                let entries = object(spec, &format!("`{place}`"))?;
                known_keys(entries, &["name", "data_driven"], &format!("{place}."))?;
                match entries.get("data_driven") {
                    None => false,
                    Some(Json::Bool(set)) => *set,
                    Some(_) => return Err(format!("`{place}.data_driven` must be `true` or `false`")),
                }
            }
        };
        Ok(Declared { id, data_driven })
    };
    by_id.into_iter().map(read).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    ids: Vec<String>,
}

/// Ids that belong to nobody are ignored, and so is the removal of a person who has no `id`.
pub(super) fn change(
    segments: &[Declared],
    (id, adds): (&str, bool),
    request: &Request,
    people: &People<'_>,
) -> rusqlite::Result<Answer> {
    let segment = id.parse().ok().and_then(|id: u32| segments.iter().find(|segment| segment.id == id));
    let segment = match segment {
        None => return Ok(refused(&format!("segment {id} not found"))),
        Some(segment) if segment.data_driven => {
            return Ok(refused(&format!("segment {id} is data-driven, so people cannot be added to it")));
        }
        Some(segment) => segment,
    };
    let kind = request.query("id_type").unwrap_or("id");
    if !matches!(kind, "id" | "email" | "cio_id") {
        return Ok(refused("id_type must be id, email or cio_id"));
    }
    let ids = match parse::<Members>(&request.body) {
        Ok(Members { ids }) if (1..=MEMBERS).contains(&ids.len()) => ids,
        Ok(_) => return Ok(refused(&format!("ids must hold 1 to {MEMBERS} values"))),
        Err(refusal) => return Ok(refusal),
    };
    let table = format!("segments/{}", segment.id);
    for id in ids {
        let who = Who::new(kind, &id.into()).ok();
        let Some(person) = who.map_or(Ok(None), |who| people.find(&who))? else { continue };
        if !adds && !person.properties.contains_key("id") {
            continue;
        }
        let known = people.state.get(&table, &person.id)?;
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let named = |name: &str| person.properties.get(name).map(|value| (name.to_owned(), value.clone()));
        let member = Object {
            id: person.id.clone(),
            archived: !adds,
            created_at: now.clone(),
            updated_at: now,
            properties: Map::from_iter(["id", "email"].into_iter().filter_map(named)),
        };
        match (known, adds) {
            (Some(_), _) => people.state.save(&table, &member)?,
            (None, true) => people.state.insert(&table, &member)?,
            (None, false) => {}
        }
    }
    Ok(accepted(json!({})))
}
