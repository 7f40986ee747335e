//! A contact's fields: those that every account has, by name, and the account's custom ones, which requests call by their ids.
//!
//! Facts: `GET /v3/marketing/field_definitions` (`tsg_mc_custom_fields_v3.json`); lengths are those of `contact-request` in
//! `tsg_mc_contacts_v3.json`.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::options::Key;
use crate::contract::{Catalog, FieldType, Property};
use crate::http::json::{list, text};

pub(super) const ALTERNATE_EMAILS: &str = "alternate_emails";

/// Most alternate addresses of a contact, and most characters of each.
pub(super) const ALTERNATES: (usize, usize) = (5, 254);

/// The fields of every account that are written beside `custom_fields`, with their lengths where one is stated.
const RESERVED: [(&str, Option<u32>); 18] = [
    ("email", Some(254)),
    ("phone_number_id", None),
    ("external_id", Some(254)),
    ("anonymous_id", Some(254)),
    ("first_name", Some(50)),
    ("last_name", Some(50)),
    ("unique_name", None),
    (ALTERNATE_EMAILS, None),
    ("address_line_1", Some(100)),
    ("address_line_2", Some(100)),
    ("city", Some(60)),
    ("state_province_region", Some(50)),
    ("postal_code", None),
    ("country", Some(50)),
    ("phone_number", None),
    ("whatsapp", None),
    ("line", None),
    ("facebook", None),
];

/// Whether every account has this field.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|(known, _)| *known == name)
}

pub(super) fn is_identifier(name: &str) -> bool {
    Key::ALL.iter().any(|key| key.field() == name)
}

/// The type of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Number,
    Date,
}

impl Type {
    /// The vendor's word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Type::Text => "Text",
            Type::Number => "Number",
            Type::Date => "Date",
        }
    }

    fn read(definition: &Json) -> Option<Self> {
        let word = text(definition, "field_type")?;
        [Type::Text, Type::Number, Type::Date].into_iter().find(|kind| kind.word() == word)
    }

    fn kind(self) -> FieldType {
        match self {
            Type::Text => FieldType::String,
            Type::Number => FieldType::Number,
            Type::Date => FieldType::Date,
        }
    }
}

/// The definition of a field, by which requests call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) id: String,
    pub(super) kind: Type,
    /// It stands beside `custom_fields`, by its name.
    pub(super) reserved: bool,
    read_only: bool,
}

/// The account's definitions, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Definitions(HashMap<String, Definition>);

impl Definitions {
    /// Of an answer; `None` for one that is none.
    pub(super) fn read(body: &Json) -> Option<Self> {
        body.get("custom_fields").or_else(|| body.get("reserved_fields"))?;
        let mut all = HashMap::new();
        for (part, reserved) in [("custom_fields", false), ("reserved_fields", true)] {
            for definition in list(body, part) {
                let (Some(name), Some(id)) = (text(definition, "name"), text(definition, "id")) else {
                    continue;
                };
                let read_only = definition.get("read_only").is_some_and(|only| only == true);
                let Some(kind) = Type::read(definition) else { continue };
                all.insert(name, Definition { id, kind, reserved, read_only });
            }
        }
        Some(Definitions(all))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Definition> {
        self.0.get(name)
    }

    pub(super) fn catalog(&self) -> Catalog {
        let reserved = RESERVED.iter().map(|(name, longest)| {
            let several = *name == ALTERNATE_EMAILS;
            let kind = if several { FieldType::List } else { FieldType::String };
            Property {
                unique: is_identifier(name),
                multiple: several,
                max_length: *longest,
                ..Property::new(*name, kind)
            }
        });
        let mut properties: Vec<Property> = reserved.collect();
        for (name, definition) in &self.0 {
            if !RESERVED.iter().any(|(known, _)| known == name) {
                let property = Property::new(name.as_str(), definition.kind.kind());
                properties.push(Property { read_only: definition.read_only, ..property });
            }
        }
        properties.sort_by(|a, b| a.name.cmp(&b.name));
        let notes = vec![
            "a null clears a text; that it clears a number or a date is not confirmed (`on_null: skip` leaves them alone)".to_owned(),
            "an existing contact is changed only where all identifiers that it has are sent".to_owned(),
        ];
        Catalog { properties, open: false, notes }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_definition_has_its_property() {
        let definitions = Definitions::read(&json!({
            "custom_fields": [
                {"id": "e2_T", "name": "text_field", "field_type": "Text"}, {"id": "e3_N", "name": "number_field", "field_type": "Number"},
                {"id": "e4_D", "name": "date_field", "field_type": "Date"}, {"id": "e5_X", "name": "odd", "field_type": "Blob"},
            ],
            "reserved_fields": [
                {"id": "_rf2_T", "name": "email", "field_type": "Text"},
                {"id": "_rf22_D", "name": "updated_at", "field_type": "Date", "read_only": true},
            ],
        }));
        let definitions = definitions.unwrap();
        assert_eq!(definitions.get("email").unwrap().id, "_rf2_T");
        let catalog = definitions.catalog();
        let kind = |name: &str| catalog.get(name).unwrap().kind;
        use FieldType::{Date, List, Number, String as Text};
        assert_eq!(
            ["text_field", "number_field", "date_field", "email", ALTERNATE_EMAILS].map(kind),
            [Text, Number, Date, Text, List]
        );
        let of = |wanted: fn(&Property) -> bool| -> Vec<String> {
            catalog.properties.iter().filter(|p| wanted(p)).map(|p| p.name.clone()).collect()
        };
        assert_eq!(of(|p| p.unique), ["anonymous_id", "email", "external_id", "phone_number_id"]);
        assert_eq!(of(|p| p.read_only), ["updated_at"]);
        assert_eq!(catalog.get("city").unwrap().max_length, Some(60));
        assert!(catalog.get("odd").is_none() && !catalog.open && !catalog.notes.is_empty());
        assert_eq!(Definitions::read(&json!({"result": []})), None);
    }
}
