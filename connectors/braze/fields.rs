//! The fields of users and events. Any custom attribute can be sent beside those that have a meaning of their own
//! (<https://www.braze.com/docs/user_guide/data/activation/attributes/standard_attributes/>), and any property of an event
//! (<https://www.braze.com/docs/api/objects_filters/event_object/>).

use super::client::Known;
use super::options::{ALIAS_LABEL, ALIAS_NAME, Aim, EVENT_KEY, EXTERNAL_ID, Object};
use crate::contract::{Catalog, ConnectorError, FieldType, Kind, Property, Target};

/// Most characters of a custom attribute's or a property's text, and of a name
/// (<https://www.braze.com/docs/user_guide/data/activation/custom_data/data_types/>).
pub(super) const LONGEST_TEXT: usize = 255;

/// Parts of an event beside its properties, as they are called; the first two are needed.
pub(super) const EVENT: [&str; 3] = ["name", "time", APP_ID];
pub(super) const APP_ID: &str = "app_id";

/// Attributes that Braze itself knows.
const STANDARD: [(&str, FieldType); 23] = [
    ("email", FieldType::String),
    ("phone", FieldType::String),
    ("first_name", FieldType::String),
    ("last_name", FieldType::String),
    ("dob", FieldType::Date),
    ("gender", FieldType::String),
    ("country", FieldType::String),
    ("home_city", FieldType::String),
    ("language", FieldType::String),
    ("time_zone", FieldType::String),
    ("image_url", FieldType::String),
    ("email_subscribe", FieldType::String),
    ("push_subscribe", FieldType::String),
    ("email_open_tracking_disabled", FieldType::Boolean),
    ("email_click_tracking_disabled", FieldType::Boolean),
    ("date_of_first_session", FieldType::DateTime),
    ("date_of_last_session", FieldType::DateTime),
    ("marked_email_as_spam_at", FieldType::DateTime),
    ("current_location", FieldType::Json),
    ("subscription_groups", FieldType::Json),
    ("push_tokens", FieldType::Json),
    ("facebook", FieldType::Json),
    ("twitter", FieldType::Json),
];

/// States of a subscription, and genders.
const STATES: [&str; 3] = ["opted_in", "subscribed", "unsubscribed"];
const GENDERS: [&str; 5] = ["F", "M", "N", "O", "P"];

/// Words of the API itself, which no mapping can send.
const RESERVED: [&str; 5] =
    ["braze_id", "user_alias", "_update_existing_only", "_merge_objects", "push_token_import"];

/// Whether Braze itself knows an attribute of this name.
pub(super) fn is_standard(name: &str) -> bool {
    STANDARD.iter().any(|(known, _)| *known == name)
}

/// The fields of a target, with the custom attributes that the workspace knows.
///
/// # Errors
/// [`Kind::Config`] for a name that no attribute can have.
pub(super) fn catalog(aim: &Aim, target: &Target, custom: &[Known]) -> Result<Catalog, ConnectorError> {
    if let Some(name) = target.fields.iter().find(|name| name.chars().count() > LONGEST_TEXT) {
        let message = format!("the field `{name}` has a name of more than {LONGEST_TEXT} characters");
        return Err(ConnectorError::new(Kind::Config, message).hint("give it a shorter name"));
    }
    let (properties, note) = match aim.object {
        Object::Attributes => {
            (attributes(custom), "Any other field is a custom attribute, and is made by its first value.")
        }
        Object::Events => (event(), "Any other field is a property of the event."),
    };
    let mut notes = vec![note.to_owned()];
    if aim.object == Object::Attributes {
        notes.push("Each attribute that is written counts as a data point.".to_owned());
    }
    Ok(Catalog { properties, open: true, notes })
}

fn key(name: &str) -> Property {
    Property { unique: true, ..Property::new(name, FieldType::String) }
}

fn attributes(custom: &[Known]) -> Vec<Property> {
    let mut properties: Vec<Property> = [EXTERNAL_ID, ALIAS_NAME, ALIAS_LABEL].map(key).into();
    properties.extend(STANDARD.map(|(name, kind)| {
        let options: &[&str] = match name {
            "gender" => &GENDERS,
            "email_subscribe" | "push_subscribe" => &STATES,
            _ => &[],
        };
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Property { options, ..Property::new(name, kind) }
    }));
    let reserved =
        RESERVED.map(|name| Property { read_only: true, ..Property::new(name, FieldType::String) });
    properties.extend(reserved);
    let own = |name: &str| properties.iter().any(|property| property.name == name);
    let custom: Vec<Property> = custom.iter().filter(|known| !own(&known.name)).filter_map(listed).collect();
    properties.extend(custom);
    properties
}

/// A custom attribute, where its type says more than that any value may be sent. A time is left out: it takes days as well.
fn listed(known: &Known) -> Option<Property> {
    let word = known.data_type.to_lowercase();
    let kind = match word.as_str() {
        word if word.contains("object") => Some(FieldType::Json),
        word if word.contains("array") => Some(FieldType::List),
        word if word.contains("bool") => Some(FieldType::Boolean),
        word if word.contains("number") => Some(FieldType::Number),
        word if word.contains("string") => Some(FieldType::String),
        _ => None,
    };
    let longest = (kind == Some(FieldType::String)).then_some(LONGEST_TEXT as u32);
    match (kind, known.is_blocked) {
        (None, false) => None,
        (kind, read_only) => {
            let property = Property::new(known.name.clone(), kind.unwrap_or(FieldType::String));
            Some(Property { read_only, max_length: longest, ..property })
        }
    }
}

fn event() -> Vec<Property> {
    let mut properties: Vec<Property> = [EVENT_KEY, EXTERNAL_ID, ALIAS_NAME, ALIAS_LABEL].map(key).into();
    properties.push(Property {
        required: true,
        max_length: Some(LONGEST_TEXT as u32),
        ..Property::new(EVENT[0], FieldType::String)
    });
    properties.push(Property { required: true, ..Property::new(EVENT[1], FieldType::DateTime) });
    properties.push(Property::new(APP_ID, FieldType::String));
    properties
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::super::options::{ATTRIBUTES, EVENTS};
    use super::*;

    fn target(object: &str, fields: &[&str]) -> Target {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        let match_on = if object == EVENTS { EVENT_KEY } else { EXTERNAL_ID };
        Target {
            object: object.to_owned(),
            match_on: vec![match_on.to_owned()],
            fields,
            options: Map::new(),
            ..Target::default()
        }
    }

    fn catalog_of(target: &Target, custom: &[Known]) -> Result<Catalog, ConnectorError> {
        catalog(&Aim::of(target)?, target, custom)
    }

    fn known(name: &str, data_type: &str, is_blocked: bool) -> Known {
        Known { name: name.to_owned(), data_type: data_type.to_owned(), is_blocked }
    }

    #[test]
    fn standard_and_known_attributes_have_their_types_and_any_other_can_be_sent() {
        let custom = [
            known("score", "Number", false),
            known("tags", "Array", false),
            known("pets", "Object Array", false),
            known("note", "String (Automatically Detected)", false),
            known("joined", "Time", false),
            known("retired", "Time", true),
            known("email", "Number", false),
        ];
        let catalog = catalog_of(&target(ATTRIBUTES, &[EXTERNAL_ID]), &custom).unwrap();
        assert!(catalog.open);
        let kind = |name: &str| catalog.get(name).map(|property| (property.kind, property.read_only));
        assert_eq!(kind("score"), Some((FieldType::Number, false)));
        assert_eq!(kind("tags"), Some((FieldType::List, false)));
        assert_eq!(kind("pets"), Some((FieldType::Json, false)));
        assert_eq!(catalog.get("note").and_then(|note| note.max_length), Some(255));
        assert_eq!(kind("joined"), None);
        assert_eq!(
            kind("retired"),
            Some((FieldType::String, true)),
            "a blocked attribute drops what is sent"
        );
        assert_eq!(kind("email"), Some((FieldType::String, false)));
        assert_eq!(kind("braze_id"), Some((FieldType::String, true)));
        assert_eq!(catalog.get("push_subscribe").unwrap().options, STATES);
    }

    #[test]
    fn an_event_needs_a_name_and_a_time() {
        let catalog = catalog_of(&target(EVENTS, &[EVENT_KEY, EXTERNAL_ID]), &[]).unwrap();
        let required: Vec<&str> =
            catalog.properties.iter().filter(|p| p.required).map(|p| p.name.as_str()).collect();
        assert_eq!(required, ["name", "time"]);
        assert!(catalog.get(EVENT_KEY).is_some_and(|key| key.unique));
        let long = "é".repeat(256);
        let error = catalog_of(&target(ATTRIBUTES, &[EXTERNAL_ID, &long]), &[]).unwrap_err();
        assert!(error.kind == Kind::Config && error.hint.is_some(), "{error}");
    }
}
