//! The objects of the emulated account, and what they take.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use crate::sandbox::{Object, PropertySpec, PropertyType, State};

/// Longest id.
const LONGEST_ID: usize = 200;

/// All objects of one name.
pub(super) struct Table<'a> {
    pub(super) name: String,
    /// The declared ones; an undeclared object takes any.
    pub(super) properties: Option<&'a BTreeMap<String, PropertySpec>>,
    pub(super) state: &'a State<'a>,
}

/// Why something was not done.
#[derive(Debug, Clone)]
pub(super) struct Mistake {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    field: Option<String>,
}

type Done = rusqlite::Result<Result<Json, Mistake>>;

impl Mistake {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Mistake { status: StatusCode::BAD_REQUEST, code, message: message.into(), field: None }
    }

    fn absent(id: &str) -> Self {
        let status = StatusCode::NOT_FOUND;
        Mistake { status, ..Self::new("not_found", format!("there is no object `{id}`")) }
    }

    pub(super) fn json(&self) -> Json {
        json!({"code": self.code, "message": self.message, "field": self.field})
    }
}

fn shown(id: &str, created: bool) -> Json {
    json!({"id": id, "created": created})
}

impl Table<'_> {
    fn living(&self, id: &str) -> rusqlite::Result<Option<Object>> {
        Ok(self.state.get(&self.name, id)?.filter(|object| !object.archived))
    }

    /// Creates the object of this id, or replaces its properties.
    pub(super) fn put(&self, id: &str, properties: Map<String, Json>) -> Done {
        if let Err(mistake) = self.check(id, &properties) {
            return Ok(Err(mistake));
        }
        let known = self.state.get(&self.name, id)?;
        let created = known.as_ref().is_none_or(|object| object.archived);
        self.write(id, known, properties)?;
        Ok(Ok(shown(id, created)))
    }

    /// Changes some properties of an object that is there.
    pub(super) fn patch(&self, id: &str, properties: Map<String, Json>) -> Done {
        if let Err(mistake) = self.check(id, &properties) {
            return Ok(Err(mistake));
        }
        let Some(object) = self.living(id)? else { return Ok(Err(Mistake::absent(id))) };
        let mut all = object.properties.clone();
        all.extend(properties);
        self.write(id, Some(object), all)?;
        Ok(Ok(shown(id, false)))
    }

    /// Creates an object under an id of its own.
    pub(super) fn create(&self, properties: Map<String, Json>) -> Done {
        let id = format!("obj_{}", self.state.next_id(1)?);
        if let Err(mistake) = self.check(&id, &properties) {
            return Ok(Err(mistake));
        }
        self.write(&id, None, properties)?;
        Ok(Ok(shown(&id, true)))
    }

    pub(super) fn remove(&self, id: &str) -> Done {
        let Some(mut object) = self.living(id)? else { return Ok(Err(Mistake::absent(id))) };
        object.archived = true;
        object.updated_at = now();
        self.state.save(&self.name, &object)?;
        Ok(Ok(shown(id, false)))
    }

    pub(super) fn get(&self, id: &str) -> Done {
        Ok(match self.living(id)? {
            Some(object) => Ok(json!({"id": id, "properties": object.properties})),
            None => Err(Mistake::absent(id)),
        })
    }

    /// Nulls clear.
    fn write(
        &self,
        id: &str,
        known: Option<Object>,
        mut properties: Map<String, Json>,
    ) -> rusqlite::Result<()> {
        properties.retain(|_, value| !value.is_null());
        let time = now();
        match known {
            Some(object) => {
                let changed = Object { archived: false, updated_at: time, properties, ..object };
                self.state.save(&self.name, &changed)
            }
            None => {
                let (id, created_at) = (id.to_owned(), time.clone());
                let new = Object { id, archived: false, created_at, updated_at: time, properties };
                self.state.insert(&self.name, &new)
            }
        }
    }

    fn check(&self, id: &str, properties: &Map<String, Json>) -> Result<(), Mistake> {
        if id.trim().is_empty() || id.len() > LONGEST_ID {
            return Err(Mistake::new("invalid_id", format!("an id has 1 to {LONGEST_ID} bytes")));
        }
        let Some(declared) = self.properties else { return Ok(()) };
        let wrong = |name: &str, code, message: String| {
            Err(Mistake { field: Some(name.to_owned()), ..Mistake::new(code, message) })
        };
        for (name, value) in properties {
            let Some(spec) = declared.get(name) else {
                return wrong(name, "unknown_property", format!("there is no property `{name}`"));
            };
            if value.is_null() && !spec.required {
                continue;
            }
            if spec.read_only || !fits(spec, value) {
                return wrong(name, "invalid_value", format!("`{name}` does not take this value"));
            }
            if value.as_str().is_some_and(|text| spec.refuse.iter().any(|refused| refused == text)) {
                return wrong(name, "refused_value", format!("`{name}` is not allowed to be this"));
            }
        }
        Ok(())
    }
}

fn fits(spec: &PropertySpec, value: &Json) -> bool {
    match spec.kind {
        PropertyType::String | PropertyType::Date | PropertyType::DateTime => value.is_string(),
        PropertyType::Number => value.is_number(),
        PropertyType::Integer => value.is_i64() || value.is_u64(),
        PropertyType::Boolean => value.is_boolean(),
        PropertyType::Enum => {
            value.as_str().is_some_and(|text| spec.options.iter().any(|option| option == text))
        }
        PropertyType::Json => true,
    }
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// One item of a batch: `{"id": .., "properties": {..}}` or `{"id": .., "deleted": true}`.
pub(super) fn item(table: &Table<'_>, item: &Json) -> Done {
    let id = item.get("id").and_then(Json::as_str);
    match (id, item.get("properties"), item.get("deleted")) {
        (Some(id), Some(Json::Object(properties)), None) => table.put(id, properties.clone()),
        (Some(id), None, Some(Json::Bool(true))) => table.remove(id),
        _ => {
            let message = "an item has an `id`, a text, and `properties` or `deleted: true`";
            Ok(Err(Mistake::new("invalid_item", message)))
        }
    }
}
