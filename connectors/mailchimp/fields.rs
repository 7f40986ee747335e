//! Fields of a member: its own, the list's merge fields by their tags, and the interests of its groups by their ids.
//!
//! Facts: `GET /lists/{id}/merge-fields` as recorded (`tag`, `name`, `type`, `required`, `options.choices`), and
//! `GET /lists/{id}/interest-categories/{id}/interests` by the vendor's own client. A tag is in capital letters, and a
//! field of the member itself in small ones, so that neither can be taken for the other.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::contract::{Catalog, FieldType, Property};
use crate::http::json::{list, strings, text};

/// The match key.
pub(super) const EMAIL: &str = "email_address";
pub(super) const STATUS: &str = "status";
pub(super) const TAGS: &str = "tags";
/// Stands before the id of an interest.
pub(super) const INTERESTS: &str = "interests.";
/// Stands before the parts of a member's place.
pub(super) const LOCATION: &str = "location.";

const OWN: [(&str, FieldType); 10] = [
    (STATUS, FieldType::String),
    ("email_type", FieldType::String),
    ("language", FieldType::String),
    ("vip", FieldType::Boolean),
    ("ip_signup", FieldType::String),
    ("timestamp_signup", FieldType::DateTime),
    ("ip_opt", FieldType::String),
    ("timestamp_opt", FieldType::DateTime),
    ("location.latitude", FieldType::Number),
    ("location.longitude", FieldType::Number),
];

/// Words for `status` that a mapping can send.
pub(super) const STATUSES: [&str; 5] = ["subscribed", "unsubscribed", "cleaned", "pending", "transactional"];

/// How a merge field wants its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are.
    Plain,
    /// `MM/DD`.
    Birthday,
    /// An object.
    Address,
}

/// The forms of a list's merge fields, by tag; those that are not there are plain.
#[derive(Debug, Clone, Default)]
pub(super) struct Forms(HashMap<String, Form>);

impl Forms {
    pub(super) fn of(merge_fields: &[Json]) -> Self {
        let form = |field: &Json| match field.get("type").and_then(Json::as_str) {
            Some("birthday") => Form::Birthday,
            Some("address") => Form::Address,
            _ => Form::Plain,
        };
        Forms(merge_fields.iter().filter_map(|field| Some((text(field, "tag")?, form(field)))).collect())
    }

    pub(super) fn get(&self, tag: &str) -> Form {
        self.0.get(tag).copied().unwrap_or(Form::Plain)
    }
}

/// Whether a field stands among the `merge_fields` of a member.
pub(super) fn is_merge_field(name: &str) -> bool {
    name != EMAIL && name != TAGS && !name.starts_with(INTERESTS) && !OWN.iter().any(|(own, _)| *own == name)
}

/// One interest, and the category that it is in.
pub(super) struct Interest {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) category: String,
}

/// A member's fields on a list. Merge fields are not required where their check is skipped.
pub(super) fn catalog(merge_fields: &[Json], interests: &[Interest], skip_merge_validation: bool) -> Catalog {
    let mut properties =
        vec![Property { unique: true, required: true, ..Property::new(EMAIL, FieldType::String) }];
    for (name, kind) in OWN {
        let options: &[&str] = match name {
            STATUS => &STATUSES,
            "email_type" => &["html", "text"],
            _ => &[],
        };
        let options = options.iter().map(|&word| word.to_owned()).collect();
        properties.push(Property { options, ..Property::new(name, kind) });
    }
    properties.push(Property { multiple: true, ..Property::new(TAGS, FieldType::List) });
    for field in merge_fields {
        let Some(tag) = text(field, "tag").filter(|tag| is_merge_field(tag)) else { continue };
        let required = !skip_merge_validation && field.get("required") == Some(&Json::Bool(true));
        let options = field.get("options").unwrap_or(&Json::Null);
        properties.push(Property {
            required,
            options: strings(options, "choices").map(str::to_owned).collect(),
            ..Property::new(tag, kind(field))
        });
    }
    let interest = |i: &Interest| Property::new(format!("{INTERESTS}{}", i.id), FieldType::Boolean);
    properties.extend(interests.iter().map(interest));
    let note = |i: &Interest| format!("`{INTERESTS}{}` is \"{}\" of \"{}\"", i.id, i.name, i.category);
    Catalog { properties, open: false, notes: interests.iter().map(note).collect() }
}

/// A birthday has a month and a day; it is made from a date.
fn kind(field: &Json) -> FieldType {
    match field.get("type").and_then(Json::as_str).unwrap_or_default() {
        "number" => FieldType::Number,
        "date" | "birthday" => FieldType::Date,
        "address" => FieldType::Json,
        _ => FieldType::String,
    }
}

/// The interests of one category, as an answer names them.
pub(super) fn interests<'a>(answer: &'a Json, category: &'a str) -> impl Iterator<Item = Interest> + 'a {
    list(answer, "interests").filter_map(move |interest| {
        Some(Interest {
            id: text(interest, "id")?,
            name: text(interest, "name").unwrap_or_default(),
            category: category.to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_type_of_merge_field_has_its_property() {
        let fields = [
            json!({"tag": "FNAME", "type": "text", "required": true}),
            json!({"tag": "LTV", "type": "number"}),
            json!({"tag": "BORN", "type": "birthday"}),
            json!({"tag": "SINCE", "type": "date"}),
            json!({"tag": "HOME", "type": "address"}),
            json!({"tag": "PLAN", "type": "dropdown", "options": {"choices": ["free", "pro"]}}),
            json!({"tag": "PHONE", "type": "phone"}),
            json!({"type": "text"}),
        ];
        let interest = Interest { id: "9143cf".into(), name: "Art".into(), category: "Topics".into() };
        let shown = catalog(&fields, &[interest], false);
        let kind = |name: &str| shown.get(name).unwrap().kind;
        use FieldType::{Boolean, Date, Json as Object, List, Number, String as Text};
        let kinds =
            ["FNAME", "LTV", "BORN", "SINCE", "HOME", "PLAN", "PHONE", "interests.9143cf", TAGS].map(kind);
        assert_eq!(kinds, [Text, Number, Date, Date, Object, Text, Text, Boolean, List]);
        assert_eq!(shown.get("PLAN").unwrap().options, ["free", "pro"]);
        let required = |catalog: &Catalog| -> Vec<String> {
            catalog.properties.iter().filter(|p| p.required).map(|p| p.name.clone()).collect()
        };
        assert_eq!(required(&shown), [EMAIL, "FNAME"]);
        assert_eq!(required(&catalog(&fields, &[], true)), [EMAIL]);
        assert_eq!(shown.notes, ["`interests.9143cf` is \"Art\" of \"Topics\""]);
        let forms = Forms::of(&fields);
        assert_eq!(
            (forms.get("BORN"), forms.get("HOME"), forms.get("NONE")),
            (Form::Birthday, Form::Address, Form::Plain)
        );
    }

    #[test]
    fn what_is_no_field_of_the_member_is_a_merge_field() {
        for name in [EMAIL, STATUS, TAGS, "vip", "location.latitude", "interests.9143cf"] {
            assert!(!is_merge_field(name), "{name}");
        }
        assert!(is_merge_field("FNAME") && is_merge_field("STATUS"));
    }
}
