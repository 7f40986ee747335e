//! Changes as Braze reads them: one object of `attributes` or `events` each, or what names a user who is removed.

use serde_json::Value as Json;

use super::fields::{self, LONGEST_TEXT};
use super::options::{ALIAS_LABEL, ALIAS_NAME, Aim, Deletion, EXTERNAL_ID, Key, List, Object};
use crate::contract::{ChangeRef, FieldRef, Outcome, ValueRef, Verb, write_text};

/// Bytes around the only object of a request, at most.
const FRAME: usize = 32;

/// Appends the change as one object of a request that has at most `longest` bytes.
///
/// # Errors
/// The row's refusal, where it cannot be said in Braze's words, or Braze would change or drop it without one.
pub(super) fn object(
    aim: &Aim,
    change: ChangeRef<'_>,
    longest: usize,
    out: &mut Vec<u8>,
) -> Result<(), Outcome> {
    let start = out.len();
    match (aim.object, change.verb) {
        (Object::Events, _) => event(aim, &change, out)?,
        (Object::Attributes, Verb::Delete) if aim.deletion == Deletion::User => user(aim, &change, out)?,
        _ => attributes(aim, &change, out)?,
    }
    match out.len() - start {
        bytes if bytes + FRAME <= longest => Ok(()),
        bytes => {
            let message =
                format!("the row is {bytes} bytes as it is sent; a request to Braze takes {longest}");
            Err(refused("ROW_TOO_LARGE", None, message))
        }
    }
}

/// The user alone, as removals name them.
fn user(aim: &Aim, change: &ChangeRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    match &aim.key {
        Key::ExternalId => write_text(&naming(change.destination_key, EXTERNAL_ID)?, out),
        Key::Alias(label) => alias(label.as_deref(), change.destination_key, out)?,
    }
    Ok(())
}

/// `"external_id":..` or `"user_alias":..`.
fn named(aim: &Aim, fields: &[FieldRef<'_>], out: &mut Vec<u8>) -> Result<(), Outcome> {
    match &aim.key {
        Key::ExternalId => {
            out.extend_from_slice(br#""external_id":"#);
            write_text(&naming(fields, EXTERNAL_ID)?, out);
        }
        Key::Alias(label) => {
            out.extend_from_slice(br#""user_alias":"#);
            alias(label.as_deref(), fields, out)?;
        }
    }
    Ok(())
}

fn alias(label: Option<&str>, fields: &[FieldRef<'_>], out: &mut Vec<u8>) -> Result<(), Outcome> {
    let name = naming(fields, ALIAS_NAME)?;
    let label = label.map_or_else(|| naming(fields, ALIAS_LABEL), |label| Ok(label.to_owned()))?;
    out.extend_from_slice(br#"{"alias_name":"#);
    write_text(&name, out);
    out.extend_from_slice(br#","alias_label":"#);
    write_text(&label, out);
    out.push(b'}');
    Ok(())
}

fn naming(fields: &[FieldRef<'_>], name: &'static str) -> Result<String, Outcome> {
    let text = text(fields, name);
    match text.trim().is_empty() {
        false => Ok(text),
        true => {
            let message = format!("`{name}` is empty, so Braze cannot tell who is meant");
            Err(refused("KEY_EMPTY", Some(name), message))
        }
    }
}

/// A field as text; empty where it is null or absent.
fn text(fields: &[FieldRef<'_>], name: &str) -> String {
    let value = fields.iter().find(|field| field.name == name).map(|field| &field.value);
    value.filter(|value| **value != ValueRef::Null).map(ToString::to_string).unwrap_or_default()
}

fn attributes(aim: &Aim, change: &ChangeRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    out.push(b'{');
    named(aim, change.destination_key, out)?;
    match (change.verb, &aim.key) {
        // Braze makes a user with an alias alone only where this is said.
        (Verb::Upsert, Key::Alias(_)) => out.extend_from_slice(br#","_update_existing_only":false"#),
        (Verb::Upsert, Key::ExternalId) => {}
        _ => out.extend_from_slice(br#","_update_existing_only":true"#),
    }
    match (&aim.list, change.verb) {
        (Some(list), verb) => member(list, verb == Verb::Join, out),
        (None, Verb::Delete) => {
            out.extend_from_slice(br#","email_subscribe":"unsubscribed","push_subscribe":"unsubscribed""#)
        }
        (None, _) => {
            for field in change.fields.iter().filter(|field| !aim.is_key(field.name)) {
                if !fields::is_standard(field.name) {
                    fits(field)?;
                }
                sent(field, out);
            }
        }
    }
    out.push(b'}');
    Ok(())
}

/// Who leaves loses the attribute: a `false` would be written for everybody who never was a member.
fn member(list: &List, joins: bool, out: &mut Vec<u8>) {
    if let Some(group) = &list.group {
        out.extend_from_slice(br#","subscription_groups":[{"subscription_group_id":"#);
        write_text(group, out);
        out.extend_from_slice(br#","subscription_state":"#);
        write_text(if joins { "subscribed" } else { "unsubscribed" }, out);
        out.extend_from_slice(b"}]");
    }
    if let Some(attribute) = &list.attribute {
        out.push(b',');
        write_text(attribute, out);
        out.extend_from_slice(if joins { b":true" } else { b":null" });
    }
}

fn event(aim: &Aim, change: &ChangeRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    let names_user =
        change.destination_key.iter().any(|field| field.name == EXTERNAL_ID || field.name == ALIAS_NAME);
    out.push(b'{');
    named(aim, if names_user { change.destination_key } else { change.fields }, out)?;
    for name in fields::EVENT {
        let value = change.fields.iter().find(|field| field.name == name);
        match value.filter(|field| !text(change.fields, field.name).is_empty()) {
            Some(field) => sent(field, out),
            None if name == fields::APP_ID => {}
            None => {
                let message = format!("`{name}` is empty, and an event needs one");
                return Err(refused("EVENT_INCOMPLETE", Some(name), message));
            }
        }
    }
    let is_property = |field: &&FieldRef<'_>| {
        !aim.is_key(field.name) && !fields::EVENT.contains(&field.name) && field.value != ValueRef::Null
    };
    let mut open: &[u8] = br#","properties":{"#;
    for field in change.fields.iter().filter(is_property) {
        fits(field)?;
        out.extend_from_slice(open);
        open = b",";
        write_text(field.name, out);
        out.push(b':');
        field.value.write_json(out);
    }
    let close: &[u8] = if open == b"," { b"}}" } else { b"}" };
    out.extend_from_slice(close);
    Ok(())
}

/// `,"name":value`; a null takes an attribute away, as recorded answers show.
fn sent(field: &FieldRef<'_>, out: &mut Vec<u8>) {
    out.push(b',');
    write_text(field.name, out);
    out.push(b':');
    field.value.write_json(out);
}

/// What Braze is known to cut or drop without a word.
fn fits(field: &FieldRef<'_>) -> Result<(), Outcome> {
    let longest = longest(&field.value);
    if longest > LONGEST_TEXT {
        let message = format!("`{}` has {longest} characters; Braze keeps {LONGEST_TEXT}", field.name);
        return Err(refused("TEXT_TOO_LONG", Some(field.name), message));
    }
    if let ValueRef::Json(text) = &field.value
        && text.contains("null")
        && serde_json::from_str::<Json>(text).is_ok_and(|json| !json.is_null() && has_null(&json))
    {
        let message = format!("`{}` has a null inside, for which Braze drops all of it", field.name);
        return Err(refused("NULL_INSIDE", Some(field.name), message));
    }
    Ok(())
}

/// Characters of a text, or of the longest in a list.
fn longest(value: &ValueRef<'_>) -> usize {
    match value {
        ValueRef::Text(text) => text.chars().count(),
        ValueRef::List(items) => items.iter().map(longest).max().unwrap_or(0),
        _ => 0,
    }
}

fn has_null(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::Array(items) => items.iter().any(has_null),
        Json::Object(entries) => entries.values().any(has_null),
        _ => false,
    }
}

/// A row that is refused before it is sent.
fn refused(code: &str, field: Option<&str>, message: String) -> Outcome {
    Outcome::Rejected { code: code.to_owned(), field: field.map(str::to_owned), message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::options::{Api, EVENT_KEY};
    use super::*;
    use crate::contract::{Change, FieldValue, Number, Value};

    fn users(key: Key) -> Aim {
        Aim { object: Object::Attributes, key, list: None, api: Api::Track, deletion: Deletion::User }
    }

    fn field(name: &str, value: Value) -> FieldValue {
        FieldValue { name: name.into(), value }
    }

    fn word(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn change(verb: Verb, key: Vec<FieldValue>, fields: Vec<FieldValue>) -> Change {
        Change { verb, destination_key: key, remote_id: None, fields }
    }

    fn wire(aim: &Aim, change: &Change) -> Result<Json, Outcome> {
        let mut out = b"before".to_vec();
        change.borrowed(|change| object(aim, change, 100_000, &mut out))?;
        Ok(serde_json::from_slice(&out[6..]).unwrap())
    }

    fn code(outcome: Result<Json, Outcome>) -> String {
        match outcome {
            Err(Outcome::Rejected { code, .. }) => code,
            other => panic!("{other:?}"),
        }
    }

    fn ann(verb: Verb) -> Change {
        let key = vec![field(EXTERNAL_ID, Value::Integer(7))];
        let fields = vec![key[0].clone(), field("plan", word("pro")), field("city", Value::Null)];
        change(verb, key, if verb == Verb::Delete { vec![] } else { fields })
    }

    #[test]
    fn each_verb_has_its_object() {
        let by_id = users(Key::ExternalId);
        let upserted = json!({"external_id": "7", "plan": "pro", "city": null});
        assert_eq!(wire(&by_id, &ann(Verb::Upsert)).unwrap(), upserted);
        let updated = json!({"external_id": "7", "_update_existing_only": true, "plan": "pro", "city": null});
        assert_eq!(wire(&by_id, &ann(Verb::Update)).unwrap(), updated);
        assert_eq!(wire(&by_id, &ann(Verb::Delete)).unwrap(), json!("7"));
        let unsubscribed = Aim { deletion: Deletion::Unsubscribe, ..by_id };
        let expected = json!({
            "external_id": "7", "_update_existing_only": true,
            "email_subscribe": "unsubscribed", "push_subscribe": "unsubscribed",
        });
        assert_eq!(wire(&unsubscribed, &ann(Verb::Delete)).unwrap(), expected);
    }

    #[test]
    fn an_alias_names_a_user_by_two_words() {
        let named = |label: Option<&str>, verb, fields: &[(&str, &str)]| {
            let key: Vec<FieldValue> = fields.iter().map(|(name, text)| field(name, word(text))).collect();
            let aim = users(Key::Alias(label.map(str::to_owned)));
            wire(&aim, &change(verb, key.clone(), key)).unwrap()
        };
        let alias = json!({"alias_name": "k1", "alias_label": "crm"});
        let made = json!({"user_alias": alias, "_update_existing_only": false});
        assert_eq!(named(Some("crm"), Verb::Upsert, &[(ALIAS_NAME, "k1")]), made);
        let both = [(ALIAS_NAME, "k1"), (ALIAS_LABEL, "crm")];
        assert_eq!(named(None, Verb::Upsert, &both), made);
        assert_eq!(named(None, Verb::Delete, &both), alias);
    }

    #[test]
    fn members_gain_a_subscription_an_attribute_or_both() {
        let list = |group: Option<&str>, attribute: Option<&str>| {
            let list = List { group: group.map(str::to_owned), attribute: attribute.map(str::to_owned) };
            Aim { list: Some(list), ..users(Key::ExternalId) }
        };
        let both = list(Some("g-1"), Some("vip"));
        let group = |state: &str| json!([{"subscription_group_id": "g-1", "subscription_state": state}]);
        let member = |groups: Json, vip: Json| json!({"external_id": "7", "_update_existing_only": true, "subscription_groups": groups, "vip": vip});
        assert_eq!(wire(&both, &ann(Verb::Join)).unwrap(), member(group("subscribed"), json!(true)));
        assert_eq!(wire(&both, &ann(Verb::Leave)).unwrap(), member(group("unsubscribed"), Json::Null));
        let expected = json!({"external_id": "7", "_update_existing_only": true, "vip": true});
        assert_eq!(wire(&list(None, Some("vip")), &ann(Verb::Join)).unwrap(), expected);
    }

    #[test]
    fn values_keep_their_types_and_digits() {
        let fields = vec![
            field("seen", Value::DateTime("2026-02-03T04:05:06Z".parse().unwrap())),
            field("born", Value::Date("1969-12-31".parse().unwrap())),
            field("total", Value::Number(Number::parse("12345678901234567.25").unwrap())),
            field("vip", Value::Boolean(true)),
            field("tags", Value::List(vec![word("a"), Value::Integer(2)])),
            field("more", Value::Json(json!({"a": [1]}))),
        ];
        let change = change(Verb::Upsert, vec![field(EXTERNAL_ID, word("7"))], fields);
        let mut out = Vec::new();
        change.borrowed(|change| object(&users(Key::ExternalId), change, 1000, &mut out)).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"external_id":"7","seen":"2026-02-03T04:05:06Z","born":"1969-12-31","total":12345678901234567.25,"vip":true,"tags":["a",2],"more":{"a":[1]}}"#
        );
    }

    fn purchase(fields: &[(&str, Value)]) -> Result<Json, Outcome> {
        let aim = Aim { object: Object::Events, ..users(Key::ExternalId) };
        let fields = fields.iter().map(|(name, value)| field(name, value.clone())).collect();
        wire(&aim, &change(Verb::Create, vec![field(EVENT_KEY, Value::Integer(42))], fields))
    }

    #[test]
    fn an_event_has_a_name_a_time_and_properties() {
        let time = || Value::DateTime("2026-02-03T04:05:06Z".parse().unwrap());
        let whole = [
            (EVENT_KEY, Value::Integer(42)),
            (EXTERNAL_ID, Value::Integer(7)),
            ("name", word("purchase")),
            ("time", time()),
            ("app_id", Value::Null),
            ("total", Value::Integer(5)),
            ("note", Value::Null),
            ("size", word("L")),
        ];
        let expected = json!({
            "external_id": "7", "name": "purchase", "time": "2026-02-03T04:05:06Z",
            "properties": {"total": 5, "size": "L"},
        });
        assert_eq!(purchase(&whole).unwrap(), expected);
        let bare = json!({"external_id": "7", "name": "purchase", "time": "2026-02-03T04:05:06Z"});
        assert_eq!(purchase(&whole[..4]).unwrap(), bare);
        assert_eq!(code(purchase(&whole[..3])), "EVENT_INCOMPLETE");
        assert_eq!(
            code(purchase(&[(EXTERNAL_ID, word("7")), ("name", word("")), ("time", time())])),
            "EVENT_INCOMPLETE"
        );
        assert_eq!(code(purchase(&whole[2..])), "KEY_EMPTY");
    }

    #[test]
    fn what_braze_would_cut_or_drop_is_not_sent() {
        let sent = |id: &str, name: &str, value: Value| {
            wire(
                &users(Key::ExternalId),
                &change(Verb::Upsert, vec![field(EXTERNAL_ID, word(id))], vec![field(name, value)]),
            )
        };
        assert_eq!(code(sent(" ", "plan", word("pro"))), "KEY_EMPTY");
        assert!(sent("7", "note", word(&"é".repeat(255))).is_ok());
        assert_eq!(code(sent("7", "note", word(&"é".repeat(256)))), "TEXT_TOO_LONG");
        assert_eq!(code(sent("7", "notes", Value::List(vec![word(&"x".repeat(256))]))), "TEXT_TOO_LONG");
        assert!(
            sent("7", "image_url", word(&"x".repeat(256))).is_ok(),
            "the limit is that of custom attributes"
        );
        assert_eq!(code(sent("7", "more", Value::Json(json!({"a": [{"b": null}]})))), "NULL_INSIDE");
        assert!(sent("7", "more", Value::Json(json!({"a": "null"}))).is_ok());
        assert!(sent("7", "more", Value::Json(Json::Null)).is_ok());
        let long = Value::Json(json!("x".repeat(100_000)));
        assert_eq!(code(sent("7", "more", long)), "ROW_TOO_LARGE");
    }
}
