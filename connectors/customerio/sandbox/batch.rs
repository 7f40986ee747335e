//! `/api/v2`: one entity, or many.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};

use super::accepted;
use super::people::{Event, People, Who, Wrong};
use crate::sandbox::vendor::Answer;

/// "Smaller than 500kb", and "32kb or smaller".
const BODY: usize = 500_000;
const ENTITY: usize = 32_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    batch: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entity {
    #[serde(rename = "type")]
    kind: Option<String>,
    identifiers: Option<Map<String, Json>>,
    action: Option<String>,
    attributes: Option<Map<String, Json>>,
    name: Option<String>,
    id: Option<String>,
    timestamp: Option<Json>,
}

/// A refusal of the whole request.
fn malformed(field: &str, message: &str) -> Answer {
    let error = json!({"reason": "invalid", "field": field, "message": message});
    Answer::new(StatusCode::BAD_REQUEST, json!({"errors": [error]}))
}

pub(super) fn many(people: &People<'_>, body: &[u8]) -> rusqlite::Result<Answer> {
    if body.len() >= BODY {
        return Ok(malformed("batch", &format!("the request must be smaller than {BODY} bytes")));
    }
    let batch = match serde_json::from_slice::<Batch>(body) {
        Ok(Batch { batch }) if batch.is_empty() => return Ok(malformed("batch", "batch must not be empty")),
        Ok(Batch { batch }) => batch,
        Err(error) => return Ok(malformed("", &format!("invalid JSON: {error}"))),
    };
    let mut errors = Vec::new();
    for (index, entity) in batch.iter().enumerate() {
        if let Err(wrong) = apply(people, entity.get())? {
            errors.push(json!({
                "batch_index": index, "reason": wrong.reason, "field": wrong.field, "message": wrong.message,
            }));
        }
    }
    Ok(match errors.is_empty() {
        true => accepted(json!({})),
        false => Answer::new(StatusCode::MULTI_STATUS, json!({"errors": errors})),
    })
}

pub(super) fn one(people: &People<'_>, body: &[u8]) -> rusqlite::Result<Answer> {
    let text = String::from_utf8_lossy(body);
    Ok(match apply(people, &text)? {
        Ok(()) => accepted(json!({})),
        Err(wrong) => malformed(&wrong.field, &wrong.message),
    })
}

fn apply(people: &People<'_>, text: &str) -> rusqlite::Result<Result<(), Wrong>> {
    if text.len() > ENTITY {
        return Ok(Err(Wrong::invalid("", format!("the entity must be {ENTITY} bytes or smaller"))));
    }
    let entity: Entity = match serde_json::from_str(text) {
        Ok(entity) => entity,
        Err(error) => return Ok(Err(Wrong::invalid("", format!("invalid entity: {error}")))),
    };
    let (who, action) = match addressed(&entity) {
        Ok(addressed) => addressed,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let none = Map::new();
    let attributes = entity.attributes.as_ref().unwrap_or(&none);
    match action {
        "identify" => people.identify(&who, attributes),
        "delete" => people.delete(&who).map(Ok),
        "suppress" => people.suppress(&who, true).map(Ok),
        "unsuppress" => people.suppress(&who, false).map(Ok),
        "event" => {
            let (name, id) = (entity.name.as_deref(), entity.id.as_deref());
            people.event(
                Some(&who),
                &Event { name, id, timestamp: entity.timestamp.as_ref(), data: attributes },
            )
        }
        other => {
            Ok(Err(Wrong::invalid("action", format!("the sandbox knows no action {other} of a person"))))
        }
    }
}

/// Whom an entity is about, and what is to be done; with keys that the action takes only.
fn addressed(entity: &Entity) -> Result<(Who, &str), Wrong> {
    match entity.kind.as_deref() {
        None => return Err(Wrong::missing("type")),
        Some("person") => {}
        Some(other) => {
            return Err(Wrong::invalid("type", format!("the sandbox keeps people only, not {other}")));
        }
    }
    let action = entity.action.as_deref().ok_or_else(|| Wrong::missing("action"))?;
    let event = action == "event";
    let stray = [
        ("name", entity.name.is_some() && !event),
        ("id", entity.id.is_some() && !event),
        ("timestamp", entity.timestamp.is_some() && !event && action != "identify"),
        ("attributes", entity.attributes.is_some() && !event && action != "identify"),
    ];
    if let Some((name, _)) = stray.into_iter().find(|(_, stray)| *stray) {
        return Err(Wrong::invalid(name, format!("{name} does not belong to the action {action}")));
    }
    let identifiers = entity.identifiers.as_ref().ok_or_else(|| Wrong::missing("identifiers"))?;
    let mut identifiers = identifiers.iter();
    match (identifiers.next(), identifiers.next()) {
        (Some((kind, value)), None) => Ok((Who::new(kind, value)?, action)),
        (None, _) => Err(Wrong::missing("identifiers")),
        _ => Err(Wrong::invalid("identifiers", "you cannot pass multiple identifiers")),
    }
}
