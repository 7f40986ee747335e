//! Brevo's attributes of contacts as a catalogue.
//!
//! Facts: `GET /contacts/attributes` (<https://developers.brevo.com/reference/get-attributes>): categories `normal`,
//! `transactional`, `category`, `calculated` and `global`; types `text`, `date`, `float`, `id`, `boolean`,
//! `multiple-choice` and `user`.

use serde_json::Value as Json;

use super::options::{EMAIL, EXT_ID, FLAGS};
use crate::contract::{Catalog, FieldType, Property};
use crate::http::json::{list, strings, text};

/// An attribute that every account has, whether it is listed or not.
pub(super) const SMS: &str = "SMS";

/// Reads the `attributes`, and adds the fields of a contact that are none.
pub(super) fn catalog(attributes: &[Json]) -> Catalog {
    let mut properties: Vec<Property> = attributes.iter().filter_map(property).collect();
    for key in [EMAIL, EXT_ID] {
        // Some accounts list them as attributes too.
        properties.retain(|property| !property.name.eq_ignore_ascii_case(key));
        properties.push(Property { unique: true, ..Property::new(key, FieldType::String) });
    }
    properties.extend(FLAGS.map(|flag| Property::new(flag, FieldType::Boolean)));
    if !properties.iter().any(|property| property.name == SMS) {
        properties.push(Property::new(SMS, FieldType::String));
    }
    properties.sort_by(|a, b| a.name.cmp(&b.name));
    Catalog { properties, open: false, ..Catalog::default() }
}

fn property(attribute: &Json) -> Option<Property> {
    let kind = match attribute.get("type").and_then(Json::as_str).unwrap_or_default() {
        "float" => FieldType::Number,
        "boolean" => FieldType::Boolean,
        "date" => FieldType::Date,
        "multiple-choice" => FieldType::List,
        _ => FieldType::String,
    };
    let category = text(attribute, "category").unwrap_or_default();
    Some(Property {
        read_only: matches!(category.as_str(), "calculated" | "global"),
        options: match kind {
            FieldType::List => strings(attribute, "multiCategoryOptions").map(str::to_owned).collect(),
            _ => list(attribute, "enumeration").filter_map(option).collect(),
        },
        multiple: kind == FieldType::List,
        ..Property::new(text(attribute, "name")?, kind)
    })
}

/// The value of an option, not its label; `value` is 0 where only `valueStr` can say it.
fn option(option: &Json) -> Option<String> {
    text(option, "valueStr").or_else(|| text(option, "value"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_category_and_type_has_its_property() {
        let attributes = [
            json!({"name": "FIRSTNAME", "category": "normal", "type": "text"}),
            json!({"name": "AGE", "category": "normal", "type": "float"}),
            json!({"name": "BORN", "category": "normal", "type": "date"}),
            json!({"name": "VIP", "category": "normal", "type": "boolean"}),
            json!({"name": "TOPICS", "category": "normal", "type": "multiple-choice", "multiCategoryOptions": ["art", "law"]}),
            json!({"name": "ORDER_ID", "category": "transactional", "type": "id"}),
            json!({"name": "GENDER", "category": "category", "enumeration": [{"value": 1, "label": "male"}]}),
            json!({"name": "LANG", "category": "category", "enumeration": [{"value": 0, "valueStr": "en", "label": "English"}]}),
            json!({"name": "SCORE", "category": "calculated", "calculatedValue": "SUM[AGE]"}),
            json!({"name": "TOTAL", "category": "global", "calculatedValue": "COUNT[X]"}),
            json!({"name": "EMAIL", "category": "normal", "type": "text"}),
            json!({"category": "normal"}),
        ];
        let catalog = catalog(&attributes);
        let kind = |name: &str| catalog.get(name).unwrap().kind;
        let kinds = ["FIRSTNAME", "AGE", "BORN", "VIP", "TOPICS", "ORDER_ID", "GENDER", "SMS"].map(kind);
        use FieldType::{Boolean, Date, List, Number, String as Text};
        assert_eq!(kinds, [Text, Number, Date, Boolean, List, Text, Text, Text]);
        assert_eq!(catalog.get("TOPICS").unwrap().options, ["art", "law"]);
        assert_eq!(catalog.get("GENDER").unwrap().options, ["1"]);
        assert_eq!(catalog.get("LANG").unwrap().options, ["en"]);
        let read_only = catalog.properties.iter().filter(|p| p.read_only).map(|p| &p.name[..]);
        assert_eq!(read_only.collect::<Vec<_>>(), ["SCORE", "TOTAL"]);
        let unique = catalog.properties.iter().filter(|p| p.unique).map(|p| &p.name[..]);
        assert_eq!(unique.collect::<Vec<_>>(), ["email", "ext_id"]);
        assert!(catalog.get("EMAIL").is_none() && !catalog.open);
    }
}
