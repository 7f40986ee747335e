//! The merge fields of the emulated lists: those of a new list, those that the block declares, and those that were made
//! since.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{invalid, invalid_field, parse};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, Objects, PropertySpec, PropertyType, State};

/// Where those that were made are kept.
const MADE: &str = "merge_fields";

const BAD: &str = "Your merge fields were invalid.";

pub(super) struct MergeFields(BTreeMap<String, MergeField>);

#[derive(Debug, Clone, Default)]
pub(super) struct MergeField {
    kind: &'static str,
    required: bool,
    choices: Vec<String>,
    /// Values that a rule of the account refuses, unseen in the catalogue.
    refuse: Vec<String>,
}

fn of_kind(kind: &'static str) -> MergeField {
    MergeField { kind, ..MergeField::default() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    tag: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    public: bool,
}

impl MergeFields {
    /// Those of a new list, and `objects.members`.
    pub(super) fn declared(objects: &Objects) -> Result<Self, String> {
        let mut all: BTreeMap<String, MergeField> = [
            ("FNAME", "text"),
            ("LNAME", "text"),
            ("ADDRESS", "address"),
            ("PHONE", "phone"),
            ("BIRTHDAY", "birthday"),
        ]
        .map(|(tag, kind)| (tag.to_owned(), of_kind(kind)))
        .into();
        if let Some(object) = objects.keys().find(|object| *object != "members") {
            return Err(format!(
                "Mailchimp has no object `{object}`; merge fields are declared under `objects.members`"
            ));
        }
        for (tag, spec) in objects.get("members").into_iter().flatten() {
            if *tag != tag.to_uppercase() {
                return Err(format!(
                    "`objects.members.{tag}`: tags of merge fields are written in capital letters"
                ));
            }
            all.insert(tag.clone(), of(spec).map_err(|why| format!("`objects.members.{tag}` {why}"))?);
        }
        Ok(MergeFields(all))
    }

    /// All of a list, with those that were made.
    pub(super) fn all(&self, state: &State<'_>) -> rusqlite::Result<BTreeMap<String, MergeField>> {
        let mut all = self.0.clone();
        state.scan(MADE, |made| {
            let word = made.properties.get("type").and_then(Json::as_str).unwrap_or_default();
            all.insert(made.id.clone(), of_kind(kind(word).unwrap_or("text")));
            true
        })?;
        Ok(all)
    }

    pub(super) fn list(&self, state: &State<'_>) -> rusqlite::Result<Answer> {
        let all = self.all(state)?;
        let shown: Vec<Json> =
            all.iter().enumerate().map(|(at, (tag, field))| field.shown(at + 1, tag)).collect();
        Ok(Answer::new(StatusCode::OK, json!({"merge_fields": shown, "total_items": shown.len()})))
    }

    pub(super) fn create(&self, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
        let new: New = match parse(request) {
            Ok(new) => new,
            Err(refusal) => return Ok(refusal),
        };
        let Some(kind) = kind(&new.kind) else {
            return Ok(invalid_field("Invalid type.", "type", "The value you have entered is not allowed."));
        };
        let valid = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let fits = !new.tag.is_empty() && new.tag.len() <= 10 && new.tag.chars().all(valid);
        if !fits || new.name.is_empty() || new.required || new.public {
            return Ok(invalid("The tag of a merge field is at most 10 letters, digits and underscores."));
        }
        let mut all = self.all(state)?;
        if all.contains_key(&new.tag) {
            return Ok(invalid(&format!(
                "A Merge Field with the tag \"{}\" already exists for this list.",
                new.tag
            )));
        }
        let now = super::members::now();
        let properties = Map::from_iter([("type".to_owned(), kind.into())]);
        let made = Object {
            id: new.tag.clone(),
            archived: false,
            created_at: now.clone(),
            updated_at: now,
            properties,
        };
        state.insert(MADE, &made)?;
        all.insert(new.tag.clone(), of_kind(kind));
        Ok(Answer::new(StatusCode::OK, of_kind(kind).shown(all.len(), &new.tag)))
    }

    /// Puts what a request says into a member, or tells which field it refuses. Tags that the list has not are passed
    /// over.
    pub(super) fn take(
        &self,
        sent: &Map<String, Json>,
        into: &mut Map<String, Json>,
        must_be_whole: bool,
        state: &State<'_>,
    ) -> rusqlite::Result<Option<Answer>> {
        let all = self.all(state)?;
        for (tag, value) in sent {
            let Some(field) = all.get(tag) else { continue };
            if let Some(message) = field.fault(value) {
                return Ok(Some(invalid_field(BAD, tag, message)));
            }
            match value == "" || value.is_null() {
                true => drop(into.remove(tag)),
                false => drop(into.insert(tag.clone(), value.clone())),
            }
        }
        let missing = all.iter().find(|(tag, field)| field.required && !into.contains_key(*tag));
        Ok(missing.filter(|_| must_be_whole).map(|(tag, _)| invalid_field(BAD, tag, "Please enter a value")))
    }
}

/// The types that can be made here.
fn kind(word: &str) -> Option<&'static str> {
    ["text", "number", "date", "birthday", "address", "phone", "url", "zip", "dropdown", "radio", "imageurl"]
        .into_iter()
        .find(|kind| *kind == word)
}

fn of(spec: &PropertySpec) -> Result<MergeField, &'static str> {
    let kind = match spec.kind {
        PropertyType::String => "text",
        PropertyType::Number | PropertyType::Integer => "number",
        PropertyType::Date => "date",
        PropertyType::Json => "address",
        PropertyType::Enum if spec.multiple => return Err("can hold one value alone in Mailchimp"),
        PropertyType::Enum => "dropdown",
        PropertyType::Boolean | PropertyType::DateTime => return Err("has a type that Mailchimp has not"),
    };
    if spec.unique || spec.read_only {
        return Err("can be neither `unique` nor `read_only` in Mailchimp");
    }
    Ok(MergeField {
        kind,
        required: spec.required,
        choices: spec.options.clone(),
        refuse: spec.refuse.clone(),
    })
}

impl MergeField {
    fn shown(&self, number: usize, tag: &str) -> Json {
        let options = match self.kind {
            "dropdown" => json!({"choices": self.choices}),
            "date" => json!({"date_format": "MM/DD/YYYY"}),
            "birthday" => json!({"date_format": "MM/DD"}),
            "address" => json!({"default_country": 164}),
            "phone" => json!({"phone_format": "none"}),
            "text" => json!({"size": 25}),
            _ => json!({}),
        };
        json!({
            "merge_id": number, "tag": tag, "name": tag, "type": self.kind, "required": self.required,
            "default_value": "", "public": false, "display_order": number + 1, "options": options, "help_text": "",
        })
    }

    /// What is wrong with a value.
    fn fault(&self, value: &Json) -> Option<&'static str> {
        if value == "" || value.is_null() {
            return None;
        }
        let text = value.as_str();
        if text.is_some_and(|text| self.refuse.iter().any(|refused| refused == text)) {
            return Some("This value is not allowed");
        }
        let (fits, message) = match self.kind {
            "number" => (
                value.is_number() || text.is_some_and(|text| text.parse::<f64>().is_ok()),
                "Please enter a number",
            ),
            "date" => (text.is_some_and(is_date), "Please enter the date"),
            "birthday" => (text.is_some_and(is_birthday), "Please enter a month (01-12) and a day (01-31)"),
            "address" => (is_address(value), "Please enter a complete address"),
            "dropdown" => (
                text.is_some_and(|text| self.choices.iter().any(|choice| choice == text)),
                "Please pick a value from the list",
            ),
            _ => (text.is_some() || value.is_number(), "Please enter a text"),
        };
        (!fits).then_some(message)
    }
}

fn is_date(text: &str) -> bool {
    text.parse::<Date>().is_ok() || Date::strptime("%m/%d/%Y", text).is_ok()
}

fn is_birthday(text: &str) -> bool {
    text.len() == 5 && Date::strptime("%Y/%m/%d", format!("2024/{text}")).is_ok()
}

fn is_address(value: &Json) -> bool {
    let part = |name: &str| value.get(name).and_then(Json::as_str).is_some_and(|text| !text.is_empty());
    ["addr1", "city", "state", "zip"].into_iter().all(part)
}
