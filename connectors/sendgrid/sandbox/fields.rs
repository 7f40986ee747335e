//! The fields of the emulated account: SendGrid's own, those that the block declares, and those that were made since.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{parse, refused};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, Objects, PropertySpec, PropertyType, State};

/// Where those that were made are kept, by name.
const MADE: &str = "fields";

/// Fields that every account has, in the order of their ids (recorded; the last three are those of newer documents).
pub(super) const RESERVED: [&str; 18] = [
    "first_name",
    "last_name",
    "email",
    "alternate_emails",
    "address_line_1",
    "address_line_2",
    "city",
    "state_province_region",
    "postal_code",
    "country",
    "phone_number",
    "whatsapp",
    "line",
    "facebook",
    "unique_name",
    "phone_number_id",
    "external_id",
    "anonymous_id",
];

const READ_ONLY: [&str; 2] = ["created_at", "updated_at"];

pub(super) struct Fields {
    custom: BTreeMap<String, (String, &'static str)>,
    /// Values that a rule of the account refuses, unseen in the catalogue.
    refuse: BTreeMap<String, Vec<String>>,
}

fn word(kind: PropertyType) -> Option<&'static str> {
    match kind {
        PropertyType::String => Some("Text"),
        PropertyType::Number | PropertyType::Integer => Some("Number"),
        PropertyType::Date | PropertyType::DateTime => Some("Date"),
        PropertyType::Boolean | PropertyType::Enum | PropertyType::Json => None,
    }
}

fn id(number: usize, kind: &str) -> String {
    format!("e{number}_{}", &kind[..1])
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    field_type: String,
}

impl Fields {
    /// Those of a new account, and `objects.contacts`.
    pub(super) fn declared(objects: &Objects) -> Result<Self, String> {
        if let Some(object) = objects.keys().find(|object| *object != "contacts") {
            return Err(format!(
                "SendGrid has no object `{object}`; fields are declared under `objects.contacts`"
            ));
        }
        let mut fields = Fields { custom: BTreeMap::new(), refuse: BTreeMap::new() };
        for (name, spec) in objects.get("contacts").into_iter().flatten() {
            fields.declare(name, spec).map_err(|why| format!("`objects.contacts.{name}` {why}"))?;
        }
        Ok(fields)
    }

    fn declare(&mut self, name: &str, spec: &PropertySpec) -> Result<(), &'static str> {
        if spec.unique || spec.required || spec.read_only {
            return Err("can be neither `unique` nor `required` nor `read_only` in SendGrid");
        }
        let kind = word(spec.kind).ok_or("has a type that SendGrid has not")?;
        self.refuse.insert(name.to_owned(), spec.refuse.clone());
        if !RESERVED.contains(&name) {
            let id = id(self.custom.len() + 1, kind);
            self.custom.insert(name.to_owned(), (id, kind));
        }
        Ok(())
    }

    /// All custom fields as name, id and type.
    pub(super) fn all(&self, state: &State<'_>) -> rusqlite::Result<Vec<(String, String, String)>> {
        let mut all: Vec<(String, String, String)> = self
            .custom
            .iter()
            .map(|(name, (id, kind))| (name.clone(), id.clone(), (*kind).to_owned()))
            .collect();
        state.scan(MADE, |made| {
            let text =
                |name: &str| made.properties.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
            all.push((made.id.clone(), text("id"), text("field_type")));
            true
        })?;
        Ok(all)
    }

    pub(super) fn answer(
        &self,
        method: &str,
        request: &Request,
        state: &State<'_>,
    ) -> rusqlite::Result<Answer> {
        match method {
            "GET" => self.list(state),
            "POST" => self.create(request, state),
            _ => Ok(refused("", "method not allowed")),
        }
    }

    fn list(&self, state: &State<'_>) -> rusqlite::Result<Answer> {
        let custom: Vec<Json> = self
            .all(state)?
            .into_iter()
            .map(|(name, id, kind)| json!({"id": id, "name": name, "field_type": kind}))
            .collect();
        let own = RESERVED.iter().enumerate();
        let mut reserved: Vec<Json> = own
            .map(|(at, name)| json!({"id": format!("_rf{at}_T"), "name": name, "field_type": "Text"}))
            .collect();
        for (at, name) in READ_ONLY.iter().enumerate() {
            let id = format!("_rf{}_D", RESERVED.len() + at);
            reserved.push(json!({"id": id, "name": name, "field_type": "Date", "read_only": true}));
        }
        Ok(Answer::new(StatusCode::OK, json!({"custom_fields": custom, "reserved_fields": reserved})))
    }

    fn create(&self, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
        let new: New = match parse(request) {
            Ok(new) => new,
            Err(refusal) => return Ok(refusal),
        };
        if !["Text", "Number", "Date"].contains(&new.field_type.as_str()) {
            return Ok(refused("field_type", "field_type must be one of Text, Number, Date"));
        }
        if !(1..=100).contains(&new.name.chars().count()) {
            return Ok(refused("name", "name must have 1 to 100 characters"));
        }
        let all = self.all(state)?;
        let names = all.iter().map(|(name, _, _)| name.as_str()).chain(RESERVED).chain(READ_ONLY);
        if names.into_iter().any(|known| known.eq_ignore_ascii_case(&new.name)) {
            return Ok(refused("name", "name is taken"));
        }
        let id = id(all.len() + 1, &new.field_type);
        let properties =
            json!({"id": id, "field_type": new.field_type}).as_object().cloned().unwrap_or_default();
        let now = super::contacts::now();
        let (created_at, updated_at) = (now.clone(), now);
        state.insert(
            MADE,
            &Object { id: new.name.clone(), archived: false, created_at, updated_at, properties },
        )?;
        Ok(Answer::new(StatusCode::OK, json!({"id": id, "name": new.name, "field_type": new.field_type})))
    }

    /// Whether a rule of the account refuses the value of a field.
    pub(super) fn refuses(&self, name: &str, value: &Json) -> bool {
        self.refuse.get(name).is_some_and(|values| values.iter().any(|refused| value == refused.as_str()))
    }
}

/// The value of a custom field in the form in which it is kept; `Ok(None)` clears it.
pub(super) fn taken(kind: &str, value: &Json) -> Result<Option<Json>, &'static str> {
    if value.is_null() || value == "" {
        return Ok(None);
    }
    let text = || value.as_str().unwrap_or_default();
    match kind {
        "Number" if value.is_number() => Ok(Some(value.clone())),
        "Number" => serde_json::from_str::<serde_json::Number>(text())
            .map(|number| Some(number.into()))
            .map_err(|_| "is no number"),
        "Date" => {
            let day = text().parse::<jiff::civil::Date>();
            let is_time = text().parse::<jiff::Timestamp>().is_ok();
            match is_time || day.is_ok() {
                true => Ok(Some(value.clone())),
                false => Err("is no date"),
            }
        }
        _ if value.is_string() => Ok(Some(value.clone())),
        _ => Err("is no text"),
    }
}
