//! HubSpot's properties as a catalogue.

use serde_json::Value as Json;

use super::client::ObjectType;
use crate::contract::{Catalog, FieldType, Property};

/// Characters of a text, beyond which HubSpot refuses it.
const LONGEST: u32 = 65_536;

/// Reads the `results` of `GET /crm/v3/properties/{objectType}`.
pub(super) fn catalog(object: &ObjectType, results: &[Json]) -> Catalog {
    let mut properties: Vec<Property> = results.iter().filter_map(|p| property(object, p)).collect();
    properties.sort_by(|a, b| a.name.cmp(&b.name));
    Catalog { properties, open: false, ..Catalog::default() }
}

fn property(object: &ObjectType, json: &Json) -> Option<Property> {
    let text = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default();
    let is = |value: Option<&Json>| value.and_then(Json::as_bool).unwrap_or(false);
    let name = json.get("name")?.as_str()?;
    if is(json.get("archived")) {
        return None;
    }
    let multiple = text("type") == "enumeration" && text("fieldType") == "checkbox";
    let mut property = Property::new(name, kind(text("type"), multiple));
    property.read_only =
        is(json.get("calculated")) || is(json.pointer("/modificationMetadata/readOnlyValue"));
    // HubSpot does not mark contacts' e-mail, although it is the key of contacts.
    property.unique = is(json.get("hasUniqueValue")) || (object.is_contacts() && name == "email");
    property.multiple = multiple;
    property.max_length = (text("type") == "string").then_some(LONGEST);
    if text("type") == "enumeration" && !is(json.get("externalOptions")) {
        property.options = options(json);
    }
    Some(property)
}

/// Internal values; hidden ones are valid too.
fn options(json: &Json) -> Vec<String> {
    let options = json.get("options").and_then(Json::as_array).into_iter().flatten();
    options.filter_map(|o| o.get("value")?.as_str().map(str::to_owned)).collect()
}

/// Unknown types are sent as texts, as every value is.
fn kind(name: &str, multiple: bool) -> FieldType {
    match name {
        "bool" => FieldType::Boolean,
        "number" => FieldType::Number,
        "date" => FieldType::Date,
        "datetime" => FieldType::DateTime,
        "json" | "object_coordinates" => FieldType::Json,
        "enumeration" if multiple => FieldType::List,
        _ => FieldType::String,
    }
}
