//! What the workspace shows: users by their external ids, and its custom attributes.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::users::{self, Who};
use super::{Rules, accepted, refused};
use crate::sandbox::vendor::Answer;
use crate::sandbox::{Object, PropertyType, State};

/// Most users, and custom attributes of a page.
const PAGE: usize = 50;

/// Attributes that are shown beside the custom ones.
const STANDARD: [&str; 10] = [
    "email",
    "phone",
    "first_name",
    "last_name",
    "dob",
    "gender",
    "country",
    "home_city",
    "email_subscribe",
    "push_subscribe",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    external_ids: Vec<String>,
    #[serde(default, rename = "fields_to_export")]
    _fields: Vec<String>,
}

pub(super) fn users(body: &[u8], state: &State<'_>) -> rusqlite::Result<Answer> {
    let wanted = match serde_json::from_slice::<Wanted>(body) {
        Ok(wanted) if (1..=PAGE).contains(&wanted.external_ids.len()) => wanted.external_ids,
        Ok(_) => return Ok(refused("The max number of external_ids and aliases per request was exceeded")),
        Err(error) => return Ok(refused(&format!("Bad syntax: {error}"))),
    };
    let (mut shown, mut invalid) = (Vec::new(), Vec::new());
    for id in wanted {
        match users::find(&Who::External(id.clone()), state)? {
            Some(user) => shown.push(user_of(&user)),
            None => invalid.push(id),
        }
    }
    let mut body = json!({"users": shown, "message": "success"});
    if !invalid.is_empty() {
        body["invalid_user_ids"] = json!(invalid);
    }
    Ok(accepted(body))
}

fn user_of(user: &Object) -> Json {
    let is_own = |name: &str| STANDARD.contains(&name) || name == "external_id";
    let mut shown: Map<String, Json> = user
        .properties
        .iter()
        .filter(|(name, _)| is_own(name))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    let custom: Map<String, Json> = user
        .properties
        .iter()
        .filter(|(name, _)| !is_own(name))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    shown.insert("braze_id".to_owned(), user.id.clone().into());
    shown.insert("created_at".to_owned(), user.created_at.clone().into());
    shown.insert("user_aliases".to_owned(), json!([]));
    shown.insert("custom_attributes".to_owned(), custom.into());
    Json::Object(shown)
}

/// The declared custom attributes by their names; a cursor is the number of those on earlier pages.
pub(super) fn attributes(rules: &Rules, cursor: Option<&str>) -> Answer {
    let from = match cursor.map(str::parse::<usize>).transpose() {
        Ok(from) => from.unwrap_or(0),
        Err(_) => return refused("Invalid value for 'cursor' field."),
    };
    let page = rules.iter().skip(from).take(PAGE).map(|(name, rule)| {
        json!({
            "name": name,
            "data_type": data_type(rule.kind),
            "status": if rule.read_only { "Blocklisted" } else { "Active" },
            "array_length": null,
            "description": null,
            "tag_names": [],
        })
    });
    let body = json!({"message": "success", "attributes": page.collect::<Vec<_>>()});
    let mut answer = Answer::new(StatusCode::OK, body);
    if rules.len() > from + PAGE {
        let next = from + PAGE;
        let link = format!("<https://rest.iad-01.braze.com/custom_attributes?cursor={next}>; rel=\"next\"");
        answer.headers.push(("link", link));
    }
    answer
}

fn data_type(kind: PropertyType) -> &'static str {
    match kind {
        PropertyType::String | PropertyType::Enum => "String",
        PropertyType::Number | PropertyType::Integer => "Number",
        PropertyType::Boolean => "Boolean",
        PropertyType::Date | PropertyType::DateTime => "Time",
        PropertyType::Json => "Object",
    }
}
