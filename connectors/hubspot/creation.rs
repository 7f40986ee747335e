//! Properties that a mapping sends and the object lacks, created before the first write of a session.
//!
//! The call is that of HubSpot's own client (`@hubspot/api-client` 13.5, `crm.properties.batchApi.create`). Which field
//! types go with which type, and that a boolean needs its two options, stands in no document that we know.

use serde_json::{Value as Json, json};

use super::client::{Client, ObjectType};
use super::properties;
use crate::contract::{ConnectorError, FieldType, Kind, Property};
use crate::creation::{names, not_created};
use crate::http::json::text;

/// The type and field type of a new property; none for values whose options or form only the account knows.
fn types(kind: FieldType) -> Option<(&'static str, &'static str)> {
    match kind {
        FieldType::String => Some(("string", "text")),
        FieldType::Number | FieldType::Integer => Some(("number", "number")),
        FieldType::Boolean => Some(("bool", "booleancheckbox")),
        FieldType::Date => Some(("date", "date")),
        FieldType::DateTime => Some(("datetime", "date")),
        FieldType::Json | FieldType::List => None,
    }
}

/// Whether a property can be created.
///
/// # Errors
/// The end of a sentence about it.
pub(super) fn accepts(property: &Property) -> Result<(), String> {
    if types(property.kind).is_none() {
        return Err(format!("outflow creates no property of the type `{}` in HubSpot", property.kind));
    }
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = property.name.starts_with(|c: char| c.is_ascii_lowercase());
    match starts && property.name.chars().all(valid) && property.name.len() <= 100 {
        true => Ok(()),
        false => {
            Err("HubSpot's names are lower-case letters, digits and `_`, and begin with a letter".to_owned())
        }
    }
}

/// Creates what is still missing. A property that is there by now, made by another run or by a call whose answer was lost, is
/// as good as ours.
///
/// # Errors
/// [`Kind::Config`] for a property that HubSpot refuses, or that is there with another type.
pub(super) async fn create(
    client: &Client,
    object: &ObjectType,
    wanted: &[Property],
) -> Result<(), ConnectorError> {
    let there = client.properties(object).await?;
    let missing = lacking(object, &there, wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    let body = body(&missing, &group(object, &there)).to_string().into_bytes();
    let refusal = client.create_properties(object, body).await.err();
    if let Some(error) = refusal.as_ref().filter(|error| !is_open(error)) {
        tracing::debug!(%error, "properties were not created");
        return Err(refused(&missing, refusal));
    }
    // The answer may be lost, or name but a part; what is there now is what counts.
    let left = lacking(object, &client.properties(object).await?, wanted)?;
    if !left.is_empty() {
        return Err(refused(&left, refusal));
    }
    for property in &missing {
        tracing::info!(object = object.as_str(), name = property.name, kind = %property.kind, "property created");
    }
    Ok(())
}

/// Those that are not there.
fn lacking<'a>(
    object: &ObjectType,
    there: &[Json],
    wanted: &'a [Property],
) -> Result<Vec<&'a Property>, ConnectorError> {
    properties::catalog(object, there).lacking(wanted, "property", "PROPERTY_TYPE_MISMATCH")
}

/// Whether the property may be there all the same: another run was faster, or the answer was lost.
fn is_open(error: &ConnectorError) -> bool {
    error.kind == Kind::Ambiguous || error.code.as_deref() == Some("CONFLICT")
}

fn refused(left: &[&Property], refusal: Option<ConnectorError>) -> ConnectorError {
    match refusal {
        // Its own words and hint are better: a scope that is missing, a quota, a network.
        Some(error) if !matches!(error.kind, Kind::Rejected | Kind::Ambiguous) => {
            let message = format!("HubSpot did not create the property {}: {}", names(left), error.message);
            ConnectorError { message, ..error }
        }
        other => not_created("HubSpot", "property", left, other).code("PROPERTY_NOT_CREATED"),
    }
}

/// The group that new properties go to: the object's usual one where it is there, else the one with the most properties.
fn group(object: &ObjectType, there: &[Json]) -> String {
    let usual = match object.type_id() {
        Some("0-1") => "contactinformation",
        Some("0-2") => "companyinformation",
        Some("0-3") => "dealinformation",
        Some("0-5") => "ticketinformation",
        Some("0-7") => "productinformation",
        _ => "",
    };
    let groups: Vec<String> = there.iter().filter_map(|property| text(property, "groupName")).collect();
    let size = |group: &String| groups.iter().filter(|other| *other == group).count();
    let found = groups.iter().find(|group| *group == usual);
    let found = found.or_else(|| groups.iter().max_by_key(|group| size(group)));
    found.map_or_else(|| usual.to_owned(), Clone::clone)
}

fn body(missing: &[&Property], group: &str) -> Json {
    let inputs: Vec<Json> = missing
        .iter()
        .filter_map(|property| {
            let (kind, field_type) = types(property.kind)?;
            let mut input = json!({
                "name": property.name, "label": label(&property.name), "type": kind, "fieldType": field_type,
                "groupName": group,
            });
            if property.kind == FieldType::Boolean {
                let option = |label, value, at| json!({"label": label, "value": value, "displayOrder": at, "hidden": false});
                input["options"] = json!([option("Yes", "true", 0), option("No", "false", 1)]);
            }
            Some(input)
        })
        .collect();
    json!({"inputs": inputs})
}

/// `lifetime_value` as people read it: `Lifetime value`.
fn label(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_hubspot_takes_is_created() {
        for (name, kind, fits) in [
            ("plan", FieldType::String, true),
            ("plan_2", FieldType::DateTime, true),
            ("Plan", FieldType::String, false),
            ("2nd", FieldType::String, false),
            ("a-b", FieldType::String, false),
            ("", FieldType::String, false),
            ("tags", FieldType::List, false),
            ("raw", FieldType::Json, false),
        ] {
            assert_eq!(accepts(&Property::new(name, kind)).is_ok(), fits, "{name} {kind}");
        }
    }

    #[test]
    fn an_input_for_each_with_the_objects_group() {
        let there =
            |groups: &[&str]| -> Vec<Json> { groups.iter().map(|g| json!({"groupName": g})).collect() };
        let contacts = ObjectType::parse("contacts").unwrap();
        let custom = ObjectType::parse("2-77").unwrap();
        let usual = there(&["other", "other", "contactinformation"]);
        assert_eq!(group(&contacts, &usual), "contactinformation");
        assert_eq!(group(&custom, &usual), "other");
        let (paid, age) =
            (Property::new("has_paid", FieldType::Boolean), Property::new("age", FieldType::Integer));
        let body = body(&[&paid, &age], "g");
        assert_eq!(body["inputs"][0]["label"], "Has paid");
        assert_eq!(body["inputs"][0]["options"][1]["value"], "false");
        let expected =
            json!({"name": "age", "label": "Age", "type": "number", "fieldType": "number", "groupName": "g"});
        assert_eq!(body["inputs"][1], expected);
    }
}
