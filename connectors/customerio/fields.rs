//! The fields of people and events. Any attribute can be sent beside those that have a meaning of their own
//! (<https://docs.customer.io/journeys/attributes>, "Reserved attributes").

use super::target::{Aim, EVENT_KEY, Identifier, Object};
use crate::contract::{Catalog, ConnectorError, FieldType, Kind, Property, Target};

/// Most bytes of an attribute's name, and most attributes of a person (<https://docs.customer.io/api/track/>, "Customer
/// limits").
const LONGEST_NAME: usize = 150;
const ATTRIBUTES: usize = 300;

/// Longest name of an event ("Track API Event limits").
const LONGEST_EVENT_NAME: u32 = 100;

/// The fields of a target.
///
/// # Errors
/// [`Kind::Config`] for more fields than a person has, and for a name that no attribute can have.
pub(super) fn catalog(aim: &Aim, target: &Target) -> Result<Catalog, ConnectorError> {
    let refuse = |message: String, hint: &str| Err(ConnectorError::new(Kind::Config, message).hint(hint));
    if let Some(name) = target.fields.iter().find(|name| name.len() > LONGEST_NAME) {
        let message = format!(
            "the field `{name}` has a name of {} bytes; Customer.io takes {LONGEST_NAME}",
            name.len()
        );
        return refuse(message, "give it a shorter name");
    }
    if aim.object == Object::People && target.fields.len() > ATTRIBUTES {
        let message =
            format!("{} fields are mapped; Customer.io takes {ATTRIBUTES} of a person", target.fields.len());
        return refuse(message, "leave some out, or put several into one of `type: json`");
    }
    let properties = match aim.object {
        Object::Events => event(),
        _ => person(aim.identifier),
    };
    Ok(Catalog { properties, open: true, ..Catalog::default() })
}

fn person(matched_on: Option<Identifier>) -> Vec<Property> {
    let mut properties: Vec<Property> = Identifier::ALL
        .into_iter()
        .map(|identifier| Property {
            unique: true,
            // Customer.io gives it; it can only be matched on.
            read_only: identifier == Identifier::CioId && matched_on != Some(identifier),
            ..identified(identifier)
        })
        .collect();
    properties.extend([
        Property::new("created_at", FieldType::DateTime),
        Property::new("unsubscribed", FieldType::Boolean),
        Property::new("cio_subscription_preferences", FieldType::Json),
        Property { read_only: true, ..Property::new("_created_in_customerio_at", FieldType::DateTime) },
        // Words of the API itself.
        Property { read_only: true, ..Property::new("_update", FieldType::Boolean) },
        Property { read_only: true, ..Property::new("_timestamp", FieldType::DateTime) },
    ]);
    properties
}

fn event() -> Vec<Property> {
    let mut properties = vec![Property { unique: true, ..Property::new(EVENT_KEY, FieldType::String) }];
    properties.extend(Identifier::ALL.into_iter().map(identified));
    properties.push(Property {
        required: true,
        max_length: Some(LONGEST_EVENT_NAME),
        ..Property::new("name", FieldType::String)
    });
    properties.push(Property::new("timestamp", FieldType::DateTime));
    // They stand in for the message's own addresses.
    properties
        .extend(["recipient", "from_address", "reply_to"].map(|name| Property::new(name, FieldType::String)));
    properties
}

fn identified(identifier: Identifier) -> Property {
    let longest = u32::try_from(identifier.longest()).ok();
    Property { max_length: longest, ..Property::new(identifier.name(), FieldType::String) }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn target(object: &str, match_on: &[&str], fields: Vec<String>) -> Target {
        let match_on = match_on.iter().map(|name| (*name).to_owned()).collect();
        let options = Map::new();
        Target {
            object: object.to_owned(),
            match_on,
            fields,
            types: Default::default(),
            missing: Vec::new(),
            associations: Vec::new(),
            options,
        }
    }

    fn catalog_of(target: &Target) -> Result<Catalog, ConnectorError> {
        catalog(&Aim::of(target)?, target)
    }

    #[test]
    fn reserved_fields_have_their_types_and_any_other_can_be_sent() {
        let people = catalog_of(&target("people", &["email"], vec![])).unwrap();
        assert!(people.open);
        let kind = |name: &str| people.get(name).map(|property| (property.kind, property.read_only));
        assert_eq!(kind("created_at"), Some((FieldType::DateTime, false)));
        assert_eq!(kind("unsubscribed"), Some((FieldType::Boolean, false)));
        assert_eq!(kind("cio_id"), Some((FieldType::String, true)));
        assert_eq!(kind("plan"), None);
        let by_cio_id = catalog_of(&target("people", &["cio_id"], vec![])).unwrap();
        assert!(by_cio_id.get("cio_id").is_some_and(|property| property.unique && !property.read_only));
        let events = catalog_of(&target("events", &[], vec![])).unwrap();
        assert!(events.get("name").is_some_and(|name| name.required && name.max_length == Some(100)));
        assert_eq!(events.get("timestamp").unwrap().kind, FieldType::DateTime);
    }

    #[test]
    fn more_or_longer_fields_than_people_have_are_refused() {
        let many = (0..301).map(|n| format!("f{n}")).collect();
        let error = catalog_of(&target("people", &["id"], many)).unwrap_err();
        assert!(error.kind == Kind::Config && error.message.contains("301"), "{error}");
        let long = vec!["é".repeat(76)];
        let error = catalog_of(&target("people", &["id"], long)).unwrap_err();
        assert!(error.message.contains("152 bytes"), "{error}");
    }
}
