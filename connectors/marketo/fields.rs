//! The instance's fields of leads, by `GET /rest/v1/leads/describe2.json`: which there are, which can be written, and which can be
//! looked up (`searchableFields`). Types are those of `field-types.md`.

use serde_json::Value as Json;

use super::options::{ID, UNSUBSCRIBED};
use crate::contract::{Catalog, FieldType, Property};
use crate::http::json::{list, text};

/// A text whose length the API does not name: the longest that an area of text takes, in bytes.
const LONGEST_TEXT: u32 = 30_000;

/// The catalogue of an answer; `None` for one that is none.
pub(super) fn catalog(body: &Json) -> Option<Catalog> {
    let lead = list(body, "result").next()?;
    lead.get("fields")?.as_array()?;
    let searchable: Vec<String> = list(lead, "searchableFields").filter_map(alone).collect();
    let mut properties: Vec<Property> =
        list(lead, "fields").filter_map(|field| property(field, &searchable)).collect();
    properties.sort_by(|a, b| a.name.cmp(&b.name));
    let is_any = |name: &str| properties.iter().any(|property| property.name == name);
    let mut notes = vec![
        "Fields of the company (`company`, `billingCity`, `industry`, ...) are not written through leads: Marketo refuses the row \
         with 1021 where it does not take them."
            .to_owned(),
    ];
    if is_any(UNSUBSCRIBED) {
        notes.push(
            "`unsubscribed: true` stops marketing mail to the lead; `false` lets it start again.".to_owned(),
        );
    }
    Some(Catalog { properties, open: false, notes })
}

/// The field of an element of `searchableFields` that is one field; leads are not looked up by several at once.
fn alone(element: &Json) -> Option<String> {
    match element {
        Json::String(name) => Some(name.clone()),
        Json::Array(names) => match &names[..] {
            [Json::String(name)] => Some(name.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn property(field: &Json, searchable: &[String]) -> Option<Property> {
    let name = text(field, "name").filter(|name| !name.is_empty())?;
    let word = text(field, "dataType").unwrap_or_default();
    let kind = match word.as_str() {
        "integer" | "score" => FieldType::Integer,
        "float" | "currency" | "percent" | "double" | "number" => FieldType::Number,
        "boolean" => FieldType::Boolean,
        "date" => FieldType::Date,
        "datetime" => FieldType::DateTime,
        _ => FieldType::String,
    };
    let is_text = kind == FieldType::String;
    let length = field.get("length").and_then(Json::as_u64).and_then(|length| u32::try_from(length).ok());
    let written = field.get("updateable").or_else(|| field.get("isUpdateable"));
    Some(Property {
        // Leads are named by it, and it is not set.
        read_only: written == Some(&Json::Bool(false)) && name != ID,
        unique: searchable.contains(&name),
        max_length: if is_text { length.or((word == "text").then_some(LONGEST_TEXT)) } else { None },
        ..Property::new(name, kind)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_has_its_type_and_its_rights() {
        let field = |name: &str, kind: &str, updateable: bool| json!({"name": name, "displayName": name, "dataType": kind, "updateable": updateable, "crmManaged": false});
        let mut first = field("firstName", "string", true);
        first["length"] = json!(255);
        let body = json!({"success": true, "result": [{
            "name": "API Lead",
            "searchableFields": [["email"], ["id"], ["firstName", "lastName"], "customerId"],
            "fields": [
                first, field("id", "integer", false), field("email", "email", true), field("score", "score", true),
                field("revenue", "currency", true), field("vip", "boolean", true), field("born", "date", true),
                field("createdAt", "datetime", false), field("note", "text", true), field("customerId", "string", true),
                field("unsubscribed", "boolean", true), {"dataType": "string"},
            ],
        }]});
        let catalog = catalog(&body).unwrap();
        let kind = |name: &str| catalog.get(name).unwrap().kind;
        use FieldType::{Boolean, Date, DateTime, Integer, Number, String as Text};
        for (name, expected) in [
            ("firstName", Text),
            ("email", Text),
            ("id", Integer),
            ("score", Integer),
            ("revenue", Number),
            ("vip", Boolean),
            ("born", Date),
            ("createdAt", DateTime),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
        let of = |wanted: fn(&Property) -> bool| -> Vec<&str> {
            catalog.properties.iter().filter(|p| wanted(p)).map(|p| p.name.as_str()).collect()
        };
        assert_eq!(of(|p| p.unique), ["customerId", "email", "id"]);
        assert_eq!(of(|p| p.read_only), ["createdAt"]);
        assert_eq!(catalog.get("firstName").unwrap().max_length, Some(255));
        assert_eq!(catalog.get("note").unwrap().max_length, Some(30_000));
        assert!(!catalog.open && catalog.notes.len() == 2);
        assert!(super::catalog(&json!({"success": true, "result": []})).is_none());
        assert!(super::catalog(&json!({"result": [{"name": "API Lead"}]})).is_none());
    }
}
