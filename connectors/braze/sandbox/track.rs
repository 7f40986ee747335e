//! `POST /users/track` and `/users/track/bulk`: attributes and events of users.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::users::{self, Who};
use super::{EVENTS, Rules, USERS, Workspace, accepted, now, refused};
use crate::sandbox::vendor::Answer;
use crate::sandbox::{Object, State};

/// What a request may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Most objects, where it is not the contract that says.
    objects: Option<usize>,
    bytes: usize,
    too_long: StatusCode,
    /// Most objects of one user.
    of_one: usize,
}

pub(super) const USUAL: Limits =
    Limits { objects: None, bytes: 4_000_000, too_long: StatusCode::PAYLOAD_TOO_LARGE, of_one: usize::MAX };
pub(super) const BULK: Limits =
    Limits { objects: Some(1000), bytes: 2_000_000, too_long: StatusCode::BAD_REQUEST, of_one: 100 };

/// Most characters of a name, and of a custom attribute's text.
const LONGEST: usize = 255;

/// Attributes that Braze itself knows, whose texts have no such limit.
const STANDARD: [&str; 6] = ["email", "phone", "first_name", "last_name", "image_url", "home_city"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tracked {
    #[serde(default)]
    attributes: Vec<Map<String, Json>>,
    #[serde(default)]
    events: Vec<Map<String, Json>>,
    #[serde(default)]
    purchases: Vec<Json>,
}

pub(super) fn many(
    workspace: &Workspace,
    body: &[u8],
    limits: Limits,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    if body.len() > limits.bytes {
        return Ok(Answer::new(limits.too_long, json!({"message": "Request Entity Too Large"})));
    }
    let tracked = match serde_json::from_slice::<Tracked>(body) {
        Ok(tracked) => tracked,
        Err(error) => return Ok(refused(&format!("Bad syntax: {error}"))),
    };
    let objects = tracked.attributes.len() + tracked.events.len() + tracked.purchases.len();
    if objects > limits.objects.unwrap_or(workspace.objects) || is_crowded(&tracked, limits.of_one) {
        return Ok(refused("Max Input Length Exceeded"));
    }
    let mut errors = Vec::new();
    let mut refuse = |array: &str, index: usize, why: String| {
        errors.push(json!({"type": why, "input_array": array, "index": index}));
    };
    let mut taken = BTreeMap::from([("attributes", 0), ("events", 0)]);
    for (index, object) in tracked.attributes.iter().enumerate() {
        match attributes(workspace, object, state)? {
            Ok(()) => *taken.entry("attributes").or_insert(0) += 1,
            Err(why) => refuse("attributes", index, why),
        }
    }
    for (index, object) in tracked.events.iter().enumerate() {
        match event(&workspace.events, object, state)? {
            Ok(()) => *taken.entry("events").or_insert(0) += 1,
            Err(why) => refuse("events", index, why),
        }
    }
    for index in 0..tracked.purchases.len() {
        refuse("purchases", index, "the sandbox keeps no purchases".to_owned());
    }
    Ok(told(&tracked, &taken, errors))
}

/// The answer: what was taken, or that nothing was.
fn told(tracked: &Tracked, taken: &BTreeMap<&str, usize>, errors: Vec<Json>) -> Answer {
    if taken.values().all(|taken| *taken == 0) {
        let message = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields.";
        return match errors.is_empty() {
            true => refused(message),
            false => Answer::new(StatusCode::BAD_REQUEST, json!({"message": message, "errors": errors})),
        };
    }
    let mut body = json!({"message": "success"});
    for (array, sent) in [("attributes", tracked.attributes.len()), ("events", tracked.events.len())] {
        if sent > 0 {
            body[format!("{array}_processed")] = json!(taken.get(array));
        }
    }
    if !errors.is_empty() {
        body["errors"] = json!(errors);
    }
    accepted(body)
}

/// Whether one user has more objects than may be.
fn is_crowded(tracked: &Tracked, most: usize) -> bool {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for object in tracked.attributes.iter().chain(&tracked.events) {
        *counts.entry(format!("{:?}", Who::of(object))).or_default() += 1;
    }
    counts.values().any(|count| *count > most)
}

type Done = rusqlite::Result<Result<(), String>>;

fn attributes(workspace: &Workspace, object: &Map<String, Json>, state: &State<'_>) -> Done {
    let who = match Who::of(object) {
        Ok(who) => who,
        Err(why) => return Ok(Err(why)),
    };
    let only_existing = match object.get("_update_existing_only") {
        // An alias alone makes nobody unless that is asked for.
        None => matches!(who, Who::Alias { .. }),
        Some(Json::Bool(set)) => *set,
        Some(_) => return Ok(Err("'_update_existing_only' is not valid".to_owned())),
    };
    let given = || {
        object.iter().filter(|(name, _)| {
            !["external_id", "user_alias", "_update_existing_only"].contains(&name.as_str())
        })
    };
    for (name, value) in given().filter(|(name, _)| *name != "subscription_groups") {
        if let Err(why) = check(&workspace.attributes, name, value) {
            return Ok(Err(why));
        }
    }
    let groups =
        match object.get("subscription_groups").map(|groups| subscriptions(workspace, groups)).transpose() {
            Ok(groups) => groups.unwrap_or_default(),
            Err(why) => return Ok(Err(why)),
        };
    let mut user = match users::find(&who, state)? {
        Some(user) => user,
        None if only_existing => return Ok(Ok(())),
        None => users::make(&who, state)?,
    };
    for (name, value) in given().filter(|(name, _)| *name != "subscription_groups") {
        match value {
            Json::Null => _ = user.properties.remove(name),
            value => _ = user.properties.insert(name.clone(), value.clone()),
        }
    }
    user.updated_at = now();
    state.save(USERS, &user)?;
    for (group, subscribed) in groups {
        subscribe(&user, &group, subscribed, state)?;
    }
    Ok(Ok(()))
}

fn subscriptions(workspace: &Workspace, groups: &Json) -> Result<Vec<(String, bool)>, String> {
    let invalid = || "'subscription_groups' is not valid".to_owned();
    let read = |group: &Json| {
        let text = |name: &str| group.get(name).and_then(Json::as_str);
        let id = text("subscription_group_id").filter(|id| workspace.groups.iter().any(|known| known == id));
        let subscribed = match text("subscription_state") {
            Some("subscribed") => true,
            Some("unsubscribed") => false,
            _ => return Err(invalid()),
        };
        Ok((id.ok_or_else(invalid)?.to_owned(), subscribed))
    };
    groups.as_array().ok_or_else(invalid)?.iter().map(read).collect()
}

/// The members of a group are the objects of `subscription_groups/ID`; who was unsubscribed is archived there.
fn subscribe(user: &Object, group: &str, subscribed: bool, state: &State<'_>) -> rusqlite::Result<()> {
    let table = format!("subscription_groups/{group}");
    let named = ["external_id", "alias_name", "alias_label"].into_iter();
    let properties = named.filter_map(|name| Some((name.to_owned(), user.properties.get(name)?.clone())));
    let member = Object {
        id: user.id.clone(),
        archived: !subscribed,
        created_at: now(),
        updated_at: now(),
        properties: properties.collect(),
    };
    match (state.get(&table, &user.id)?, subscribed) {
        (Some(_), _) => state.save(&table, &member),
        (None, true) => state.insert(&table, &member),
        (None, false) => Ok(()),
    }
}

/// Keeps an event, each time anew. It makes its user where an external id names one; of an alias that nobody has it is dropped.
fn event(rules: &Rules, object: &Map<String, Json>, state: &State<'_>) -> Done {
    let who = match Who::of(object) {
        Ok(who) => who,
        Err(why) => return Ok(Err(why)),
    };
    let known =
        ["external_id", "user_alias", "name", "time", "app_id", "properties", "_update_existing_only"];
    if let Some(stray) = object.keys().find(|name| !known.contains(&name.as_str())) {
        return Ok(Err(format!("'{stray}' is not valid")));
    }
    let text = |name: &str| object.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
    let Some(name) = text("name").filter(|name| name.chars().count() <= LONGEST) else {
        return Ok(Err("'name' is required".to_owned()));
    };
    let Some(time) = text("time").filter(|time| time.parse::<jiff::Timestamp>().is_ok()) else {
        return Ok(Err("'time' is required".to_owned()));
    };
    let empty = Map::new();
    let properties = match object.get("properties") {
        None => &empty,
        Some(Json::Object(properties)) => properties,
        Some(_) => return Ok(Err("'properties' is not valid".to_owned())),
    };
    if let Some(why) = properties.iter().find_map(|(name, value)| check(rules, name, value).err()) {
        return Ok(Err(why));
    }
    let user = match (users::find(&who, state)?, &who) {
        (Some(user), _) => user,
        (None, Who::External(_)) => users::make(&who, state)?,
        (None, Who::Alias { .. }) => return Ok(Ok(())),
    };
    let mut kept = properties.clone();
    kept.insert("name".to_owned(), name.into());
    kept.insert("time".to_owned(), time.into());
    kept.extend(
        ["external_id", "alias_name"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), user.properties.get(name)?.clone()))),
    );
    let id = format!("event-{}", state.next_id(1)?);
    let kept = Object { id, archived: false, created_at: now(), updated_at: now(), properties: kept };
    state.insert(EVENTS, &kept)?;
    Ok(Ok(()))
}

fn check(rules: &Rules, name: &str, value: &Json) -> Result<(), String> {
    let invalid = || Err(format!("'{name}' is not valid"));
    let is_named = !name.is_empty() && name.chars().count() <= LONGEST;
    let is_text = value.is_string() || value.is_null();
    let is_fine = match name {
        "email" => is_text && value.as_str().is_none_or(is_address),
        "phone" => is_text,
        _ => true,
    };
    if !is_named || !is_fine {
        return invalid();
    }
    let is_long = value.as_str().is_some_and(|text| text.chars().count() > LONGEST);
    if is_long && !STANDARD.contains(&name) || !value.is_null() && has_null(value) {
        return invalid();
    }
    let Some(rule) = rules.get(name) else { return Ok(()) };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if rule.refuse.contains(&text) { invalid() } else { Ok(()) }
}

/// Braze refuses what is no address by its form
/// (<https://www.braze.com/docs/user_guide/message_building_by_channel/email/email_setup/email_validation/>).
fn is_address(text: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.');
    let parts = text.split_once('@').filter(|_| !text.contains(char::is_whitespace));
    parts.is_some_and(|(local, host)| {
        is_part(local) && is_part(host) && host.contains('.') && !host.contains('@')
    })
}

fn has_null(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Array(items) => items.iter().any(has_null),
        Json::Object(entries) => entries.values().any(has_null),
        _ => false,
    }
}
