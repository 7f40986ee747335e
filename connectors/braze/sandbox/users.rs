//! Users, found by their external id or an alias, and their removal.
//!
//! A user's record is named by its `braze_id` and holds attributes by their names; an alias is a unique value of label and name.

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{USERS, accepted, now, refused};
use crate::sandbox::vendor::Answer;
use crate::sandbox::{Object, State};

/// Most users of a removal.
const REMOVALS: usize = 50;

/// What names a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    External(String),
    Alias { name: String, label: String },
}

impl Who {
    /// The only identifier of an object.
    pub(super) fn of(object: &Map<String, Json>) -> Result<Self, String> {
        match (object.get("external_id"), object.get("user_alias")) {
            (Some(Json::String(id)), None) if !id.is_empty() => Ok(Who::External(id.clone())),
            (None, Some(alias)) => Self::alias(alias).ok_or_else(|| "'user_alias' is not valid".to_owned()),
            (Some(_), None) => Err("'external_id' is not valid".to_owned()),
            (Some(_), Some(_)) => Err("'external_id' and 'user_alias' cannot be used together".to_owned()),
            (None, None) => {
                Err("'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required".to_owned())
            }
        }
    }

    pub(super) fn alias(alias: &Json) -> Option<Self> {
        let part = |name: &str| alias.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Who::Alias { name: part("alias_name")?, label: part("alias_label")? })
    }

    /// The unique value that a user holds.
    fn claim(&self) -> (&'static str, String) {
        match self {
            Who::External(id) => ("external_id", id.clone()),
            Who::Alias { name, label } => ("alias", format!("{label}:{name}")),
        }
    }
}

pub(super) fn find(who: &Who, state: &State<'_>) -> rusqlite::Result<Option<Object>> {
    let (kind, value) = who.claim();
    let id = state.holder(USERS, kind, &value)?;
    id.map(|id| state.get(USERS, &id)).transpose().map(Option::flatten)
}

/// A new user without an attribute.
pub(super) fn make(who: &Who, state: &State<'_>) -> rusqlite::Result<Object> {
    let id = format!("{:024x}", state.next_id(0x619d_0001)?);
    let properties = match who {
        Who::External(id) => Map::from_iter([("external_id".to_owned(), id.clone().into())]),
        Who::Alias { name, label } => Map::from_iter([
            ("alias_name".to_owned(), name.clone().into()),
            ("alias_label".to_owned(), label.clone().into()),
        ]),
    };
    let user = Object { id, archived: false, created_at: now(), updated_at: now(), properties };
    state.insert(USERS, &user)?;
    let (kind, value) = who.claim();
    state.claim(USERS, kind, &value, &user.id)?;
    Ok(user)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    external_ids: Option<Vec<String>>,
    user_aliases: Option<Vec<Json>>,
}

/// Removes users. Who is not there is counted as well, as a recorded answer shows.
pub(super) fn delete(body: &[u8], state: &State<'_>) -> rusqlite::Result<Answer> {
    let removal = match serde_json::from_slice::<Removal>(body) {
        Ok(removal) => removal,
        Err(error) => return Ok(refused(&format!("Bad syntax: {error}"))),
    };
    let who: Vec<Who> = match removal {
        Removal { external_ids: Some(ids), user_aliases: None } => {
            ids.into_iter().map(Who::External).collect()
        }
        Removal { external_ids: None, user_aliases: Some(aliases) } => {
            match aliases.iter().map(Who::alias).collect::<Option<Vec<_>>>() {
                Some(who) => who,
                None => return Ok(refused("'user_aliases' is not valid")),
            }
        }
        _ => return Ok(refused("Exactly one of 'external_ids' and 'user_aliases' must be given")),
    };
    match who.len() {
        0 => return Ok(refused("No users were given")),
        1..=REMOVALS => {}
        _ => return Ok(refused("The max number of ids per request was exceeded")),
    }
    for who in &who {
        let Some(mut user) = find(who, state)? else { continue };
        for (kind, value) in claims(&user) {
            state.release(USERS, kind, &value)?;
        }
        (user.archived, user.updated_at) = (true, now());
        state.save(USERS, &user)?;
    }
    Ok(accepted(json!({"deleted": who.len(), "message": "success"})))
}

/// The unique values that a user holds.
fn claims(user: &Object) -> Vec<(&'static str, String)> {
    let text = |name: &str| user.properties.get(name).and_then(Json::as_str).map(str::to_owned);
    let external = text("external_id").map(Who::External);
    let alias = text("alias_name").zip(text("alias_label")).map(|(name, label)| Who::Alias { name, label });
    external.iter().chain(&alias).map(Who::claim).collect()
}
