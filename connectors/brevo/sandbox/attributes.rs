//! The attributes of the emulated account: Brevo's own, those that the block declares, and those that were made since.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{parse, refused};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, Objects, PropertySpec, PropertyType, State};

/// Where those that were made are kept.
const MADE: &str = "attributes";

pub(super) struct Attributes(BTreeMap<String, Attribute>);

#[derive(Debug, Clone, Default)]
pub(super) struct Attribute {
    category: &'static str,
    kind: &'static str,
    options: Vec<String>,
    /// Values that a rule of the account refuses, unseen in the catalogue.
    pub(super) refuse: Vec<String>,
}

/// What a value comes to.
pub(super) enum Taken {
    Kept(Json),
    Cleared,
    /// Without a word.
    Ignored,
}

fn normal(kind: &'static str) -> Attribute {
    Attribute { category: "normal", kind, ..Attribute::default() }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct New {
    #[serde(rename = "type")]
    kind: String,
}

impl Attributes {
    /// Those of a new account, and `objects.contacts`.
    pub(super) fn declared(objects: &Objects) -> Result<Self, String> {
        let mut all: BTreeMap<String, Attribute> =
            ["FIRSTNAME", "LASTNAME", "SMS"].map(|name| (name.to_owned(), normal("text"))).into();
        all.insert(
            "DOUBLE_OPT-IN".to_owned(),
            Attribute {
                category: "category",
                options: vec!["1".to_owned(), "2".to_owned()],
                ..Attribute::default()
            },
        );
        if let Some(object) = objects.keys().find(|object| *object != "contacts") {
            return Err(format!(
                "Brevo has no object `{object}`; attributes are declared under `objects.contacts`"
            ));
        }
        for (name, spec) in objects.get("contacts").into_iter().flatten() {
            if *name != name.to_uppercase() {
                return Err(format!(
                    "`objects.contacts.{name}`: attributes of Brevo are written in capital letters"
                ));
            }
            all.insert(name.clone(), of(spec).map_err(|why| format!("`objects.contacts.{name}` {why}"))?);
        }
        Ok(Attributes(all))
    }

    fn get(&self, name: &str, state: &State<'_>) -> rusqlite::Result<Option<Attribute>> {
        if let Some(attribute) = self.0.get(name) {
            return Ok(Some(attribute.clone()));
        }
        let made = state.get(MADE, name)?;
        Ok(made.map(|made| normal(kind(made.properties.get("type")).unwrap_or("text"))))
    }

    /// The value in the form it is kept in.
    pub(super) fn take(
        &self,
        name: &str,
        value: &Json,
        state: &State<'_>,
    ) -> rusqlite::Result<(Attribute, Taken)> {
        let Some(attribute) = self.get(name, state)? else {
            return Ok((Attribute::default(), Taken::Ignored));
        };
        let taken = attribute.taken(value);
        Ok((attribute, taken))
    }

    pub(super) fn list(&self, state: &State<'_>) -> rusqlite::Result<Answer> {
        let mut all: Vec<Json> = self.0.iter().map(|(name, attribute)| attribute.shown(name)).collect();
        state.scan(MADE, |made| {
            all.push(normal(kind(made.properties.get("type")).unwrap_or("text")).shown(&made.id));
            true
        })?;
        Ok(Answer::new(StatusCode::OK, json!({"attributes": all})))
    }

    pub(super) fn create(
        &self,
        (category, name): (&str, &str),
        request: &Request,
        state: &State<'_>,
    ) -> rusqlite::Result<Answer> {
        let new: New = match parse(request) {
            Ok(new) => new,
            Err(refusal) => return Ok(refusal),
        };
        let Some(kind) = kind(Some(&new.kind.into())) else {
            return Ok(refused("invalid_parameter", "Attribute type is invalid"));
        };
        let valid = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if category != "normal" || name.is_empty() || !name.chars().all(valid) {
            return Ok(refused("invalid_parameter", "Attribute category or name is invalid"));
        }
        if self.get(name, state)?.is_some() {
            return Ok(refused("duplicate_parameter", "Attribute name must be unique"));
        }
        let now = super::contacts::now();
        let properties = Map::from_iter([("type".to_owned(), kind.into())]);
        let (created_at, updated_at) = (now.clone(), now);
        state.insert(
            MADE,
            &Object { id: name.to_owned(), archived: false, created_at, updated_at, properties },
        )?;
        Ok(Answer::empty(StatusCode::CREATED))
    }
}

/// The types that can be made here.
fn kind(word: Option<&Json>) -> Option<&'static str> {
    let word = word?.as_str()?;
    ["text", "date", "float", "boolean"].into_iter().find(|kind| *kind == word)
}

fn of(spec: &PropertySpec) -> Result<Attribute, &'static str> {
    let (category, kind) = match spec.kind {
        _ if spec.read_only => ("calculated", ""),
        PropertyType::String => ("normal", "text"),
        PropertyType::Number | PropertyType::Integer => ("normal", "float"),
        PropertyType::Boolean => ("normal", "boolean"),
        PropertyType::Date => ("normal", "date"),
        PropertyType::Enum if spec.multiple => ("normal", "multiple-choice"),
        PropertyType::Enum => ("category", ""),
        PropertyType::DateTime | PropertyType::Json => return Err("has a type that Brevo has not"),
    };
    if spec.unique || spec.required {
        return Err("can be neither `unique` nor `required` in Brevo");
    }
    Ok(Attribute { category, kind, options: spec.options.clone(), refuse: spec.refuse.clone() })
}

impl Attribute {
    fn shown(&self, name: &str) -> Json {
        let mut shown = json!({"name": name, "category": self.category});
        if !self.kind.is_empty() {
            shown["type"] = self.kind.into();
        }
        if self.category == "category" {
            let option = |(at, value): (usize, &String)| {
                let number = value.parse::<u64>().unwrap_or(0);
                json!({"value": number, "valueStr": value, "label": format!("Option {at}")})
            };
            shown["enumeration"] = self.options.iter().enumerate().map(option).collect();
        }
        if self.kind == "multiple-choice" {
            shown["multiCategoryOptions"] = json!(self.options);
        }
        if self.category == "calculated" {
            shown["calculatedValue"] = "COUNT[X]".into();
        }
        shown
    }

    fn taken(&self, value: &Json) -> Taken {
        if self.category == "calculated" || matches!(value, Json::Null | Json::Object(_)) {
            return Taken::Ignored;
        }
        if value == "" {
            return Taken::Cleared;
        }
        let option = |value: &Json| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            self.options.contains(&text)
        };
        let fits = match (self.category, self.kind) {
            ("category", _) => option(value),
            (_, "float") => value.is_number(),
            (_, "boolean") => value.is_boolean(),
            (_, "date") => value.as_str().is_some_and(|text| text.parse::<jiff::civil::Date>().is_ok()),
            (_, "multiple-choice") => value.as_array().is_some_and(|items| items.iter().all(option)),
            _ => value.is_string(),
        };
        match fits {
            true if value.as_array().is_some_and(Vec::is_empty) => Taken::Cleared,
            true => Taken::Kept(value.clone()),
            false => Taken::Ignored,
        }
    }
}
