//! Changes as the Track API reads them: one entity of `POST /api/v2/batch` each, or one id of a segment's members.

use std::io::Write;

use jiff::tz::Offset;

use super::target::{Aim, EVENT_KEY, Identifier, Object, Times};
use super::ulid;
use crate::contract::{ChangeRef, FieldRef, Outcome, ValueRef, Verb, write_text};

/// Most bytes of one entity: "32kb or smaller" (<https://docs.customer.io/api/track/>, "v2 API Limits"), taken for
/// thousands.
pub(super) const LONGEST_ENTITY: usize = 32_000;

/// Attributes that are seconds since 1970, however others are sent.
const SECONDS: [&str; 1] = ["created_at"];

/// Appends the change as one entity of a batch.
///
/// # Errors
/// The row's refusal, where it cannot be said in Customer.io's words.
pub(super) fn entity(aim: &Aim, change: ChangeRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    let start = out.len();
    let person = person(aim, &change)?;
    out.extend_from_slice(br#"{"type":"person","identifiers":{"#);
    write_text(person.0.name(), out);
    out.push(b':');
    write_text(&person.1, out);
    out.extend_from_slice(br#"},"action":"#);
    write_text(action(aim.object, change.verb), out);
    match (aim.object, change.verb) {
        (Object::Events, _) => event(aim, person.0, &change, out)?,
        (_, Verb::Upsert | Verb::Update) => {
            let fields = change.fields.iter().filter(|field| field.name != person.0.name());
            attributes(aim.times, fields, change.verb == Verb::Update, out);
        }
        _ => {}
    }
    out.push(b'}');
    match out.len() - start {
        0..=LONGEST_ENTITY => Ok(()),
        bytes => {
            let message =
                format!("the row is {bytes} bytes as it is sent; Customer.io takes {LONGEST_ENTITY}");
            Err(refused("ROW_TOO_LARGE", None, message))
        }
    }
}

/// Appends the id of one member of a segment.
///
/// # Errors
/// As [`entity`].
pub(super) fn member(aim: &Aim, change: ChangeRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    write_text(&person(aim, &change)?.1, out);
    Ok(())
}

fn action(object: Object, verb: Verb) -> &'static str {
    match (object, verb) {
        (Object::Events, _) => "event",
        (_, Verb::Join) => "suppress",
        (_, Verb::Leave) => "unsuppress",
        (_, Verb::Delete) => "delete",
        _ => "identify",
    }
}

/// What names the person, with its value.
fn person(aim: &Aim, change: &ChangeRef<'_>) -> Result<(Identifier, String), Outcome> {
    let identifier = aim.identifier.unwrap_or(Identifier::Id);
    let fields = match aim.object {
        Object::Events => change.fields,
        _ => change.destination_key,
    };
    let value = text(fields, identifier.name());
    let name = identifier.name();
    match value.len() {
        0 => {
            let message = format!("`{name}` is empty, so Customer.io cannot tell who is meant");
            Err(refused("KEY_EMPTY", Some(name), message))
        }
        bytes if bytes > identifier.longest() => {
            let longest = identifier.longest();
            let message = format!("`{name}` has {bytes} bytes; Customer.io takes {longest}");
            Err(refused("KEY_TOO_LONG", Some(name), message))
        }
        _ => Ok((identifier, value)),
    }
}

/// A field as text; empty where it is null or absent.
fn text(fields: &[FieldRef<'_>], name: &str) -> String {
    let value = fields.iter().find(|field| field.name == name).map(|field| &field.value);
    value.filter(|value| **value != ValueRef::Null).map(ToString::to_string).unwrap_or_default()
}

fn event(aim: &Aim, person: Identifier, change: &ChangeRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    let [key, name] = [text(change.destination_key, EVENT_KEY), text(change.fields, "name")];
    for (field, value) in [(EVENT_KEY, &key), ("name", &name)] {
        if value.is_empty() {
            let message = format!("`{field}` is empty, and an event needs one");
            return Err(refused("EVENT_INCOMPLETE", Some(field), message));
        }
    }
    out.extend_from_slice(br#","name":"#);
    write_text(&name, out);
    // The id is one of the whole workspace, so that orders and refunds with the same number are not one event.
    out.extend_from_slice(br#","id":"#);
    write_text(&ulid::of(&[&name, &key]), out);
    let at = change.fields.iter().find(|field| field.name == "timestamp").map(|field| &field.value);
    if let Some(at) = at.filter(|at| **at != ValueRef::Null) {
        out.extend_from_slice(br#","timestamp":"#);
        value(at, Times::Unix, out);
    }
    let taken = [EVENT_KEY, "name", "timestamp", person.name()];
    attributes(aim.times, change.fields.iter().filter(|field| !taken.contains(&field.name)), false, out);
    Ok(())
}

/// A null takes the attribute away, as recorded answers show.
fn attributes<'a>(
    times: Times,
    fields: impl Iterator<Item = &'a FieldRef<'a>>,
    only_if_there: bool,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(br#","attributes":{"#);
    if only_if_there {
        out.extend_from_slice(br#""_update":true,"#);
    }
    for field in fields {
        write_text(field.name, out);
        out.push(b':');
        let times = if SECONDS.contains(&field.name) { Times::Unix } else { times };
        value(&field.value, times, out);
        out.push(b',');
    }
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.push(b'}');
}

/// A fraction of a second is cut off: Customer.io takes whole ones.
fn value(value: &ValueRef<'_>, times: Times, out: &mut Vec<u8>) {
    let at = match value {
        ValueRef::DateTime(at) => Some(*at),
        ValueRef::Date(date) => Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok(),
        _ => None,
    };
    match at.filter(|_| times == Times::Unix) {
        Some(at) => {
            let _ = write!(out, "{}", at.as_second()); // writing to memory cannot fail
        }
        None => value.write_json(out),
    }
}

/// A row that is refused before it is sent.
pub(super) fn refused(code: &str, field: Option<&str>, message: String) -> Outcome {
    Outcome::Rejected { code: code.to_owned(), field: field.map(str::to_owned), message }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::contract::{Change, FieldValue, Number, Value};

    const PEOPLE: Aim = Aim {
        object: Object::People,
        identifier: Some(Identifier::Id),
        times: Times::Unix,
        unseen_updates: true,
    };

    fn field(name: &str, value: Value) -> FieldValue {
        FieldValue { name: name.into(), value }
    }

    fn word(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn change(verb: Verb, key: FieldValue, fields: Vec<FieldValue>) -> Change {
        Change { verb, destination_key: vec![key], remote_id: None, fields }
    }

    fn wire(aim: &Aim, change: &Change) -> Result<Json, Outcome> {
        let mut out = b"before".to_vec();
        change.borrowed(|change| entity(aim, change, &mut out))?;
        Ok(serde_json::from_slice(&out[6..]).unwrap())
    }

    #[test]
    fn each_verb_has_its_action() {
        let wire = |aim: &Aim, verb| {
            let fields =
                vec![field("id", Value::Integer(7)), field("plan", word("pro")), field("city", Value::Null)];
            wire(aim, &change(verb, field("id", Value::Integer(7)), fields)).unwrap()
        };
        let person = |action: &str| json!({"type": "person", "identifiers": {"id": "7"}, "action": action});
        let with = |mut entity: Json, attributes: Json| {
            entity["attributes"] = attributes;
            entity
        };
        let attributes = json!({"plan": "pro", "city": null});
        assert_eq!(wire(&PEOPLE, Verb::Upsert), with(person("identify"), attributes));
        let attributes = json!({"_update": true, "plan": "pro", "city": null});
        assert_eq!(wire(&PEOPLE, Verb::Update), with(person("identify"), attributes));
        assert_eq!(wire(&PEOPLE, Verb::Delete), person("delete"));
        let suppressed = Aim { object: Object::Suppressed, ..PEOPLE };
        assert_eq!(wire(&suppressed, Verb::Join), person("suppress"));
        assert_eq!(wire(&suppressed, Verb::Leave), person("unsuppress"));
    }

    #[test]
    fn times_are_seconds_or_texts_and_numbers_keep_their_digits() {
        let fields = vec![
            field("seen", Value::DateTime("2026-02-03T04:05:06.7+09:00".parse().unwrap())),
            field("born", Value::Date("1969-12-31".parse().unwrap())),
            field("created_at", Value::DateTime("2021-02-22T23:03:03Z".parse().unwrap())),
            field("total", Value::Number(Number::parse("12345678901234567.25").unwrap())),
            field("vip", Value::Boolean(true)),
            field("tags", Value::List(vec![word("a"), Value::Integer(2)])),
            field("more", Value::Json(json!({"a": [1]}))),
        ];
        let change = change(Verb::Upsert, field("id", word("7")), fields);
        let mut out = Vec::new();
        change.borrowed(|change| entity(&PEOPLE, change, &mut out)).unwrap();
        let text = String::from_utf8(out).unwrap();
        let attributes = text.split_once(r#""attributes":"#).unwrap().1;
        assert_eq!(
            attributes,
            r#"{"seen":1770059106,"born":-86400,"created_at":1614034983,"total":12345678901234567.25,"vip":true,"tags":["a",2],"more":{"a":[1]}}}"#
        );
        let iso = Aim { times: Times::Iso, ..PEOPLE };
        let attributes = wire(&iso, &change).unwrap()["attributes"].clone();
        assert_eq!(attributes["seen"], "2026-02-02T19:05:06.7Z");
        assert_eq!(
            (&attributes["born"], &attributes["created_at"]),
            (&json!("1969-12-31"), &json!(1614034983))
        );
    }

    fn event_of(fields: Vec<FieldValue>) -> Result<Json, Outcome> {
        let aim = Aim { object: Object::Events, identifier: Some(Identifier::Email), ..PEOPLE };
        wire(&aim, &change(Verb::Create, field(EVENT_KEY, Value::Integer(42)), fields))
    }

    #[test]
    fn an_event_carries_an_id_that_a_repeat_has_too() {
        let fields = |total: i64| {
            vec![
                field(EVENT_KEY, Value::Integer(42)),
                field("email", word("ann@example.com")),
                field("name", word("purchase")),
                field("timestamp", Value::DateTime("2026-02-03T04:05:06Z".parse().unwrap())),
                field("total", Value::Integer(total)),
            ]
        };
        let sent = event_of(fields(5)).unwrap();
        let expected = json!({
            "type": "person", "identifiers": {"email": "ann@example.com"}, "action": "event", "name": "purchase",
            "id": ulid::of(&["purchase", "42"]), "timestamp": 1770091506, "attributes": {"total": 5},
        });
        assert_eq!(sent, expected);
        assert_eq!(event_of(fields(6)).unwrap()["id"], sent["id"]);
        let mut unnamed = fields(5);
        unnamed[2].value = Value::Null;
        assert_eq!(code(event_of(unnamed)), "EVENT_INCOMPLETE");
        let mut undated = fields(5);
        undated[3].value = Value::Null;
        assert!(event_of(undated).unwrap().get("timestamp").is_none());
    }

    fn code(outcome: Result<Json, Outcome>) -> String {
        match outcome {
            Err(Outcome::Rejected { code, .. }) => code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_known_to_be_refused_is_not_sent() {
        let sent = |aim: &Aim, key: FieldValue, text: &str| {
            wire(aim, &change(Verb::Upsert, key, vec![field("note", word(text))]))
        };
        let id = |text: &str| field("id", word(text));
        assert_eq!(code(sent(&PEOPLE, id(""), "")), "KEY_EMPTY");
        assert_eq!(code(sent(&PEOPLE, field("id", Value::Null), "")), "KEY_EMPTY");
        assert_eq!(code(sent(&PEOPLE, id(&"é".repeat(76)), "")), "KEY_TOO_LONG");
        assert!(sent(&PEOPLE, id(&"é".repeat(75)), "").is_ok());
        let by_email = Aim { identifier: Some(Identifier::Email), ..PEOPLE };
        assert!(sent(&by_email, field("email", word(&"x".repeat(151))), "").is_ok());
        let frame = sent(&PEOPLE, id("7"), "").unwrap().to_string().len();
        assert!(sent(&PEOPLE, id("7"), &"x".repeat(LONGEST_ENTITY - frame)).is_ok());
        assert_eq!(code(sent(&PEOPLE, id("7"), &"x".repeat(LONGEST_ENTITY - frame + 1))), "ROW_TOO_LARGE");
    }

    #[test]
    fn a_member_is_its_id() {
        let aim = Aim { object: Object::Segment(7), ..PEOPLE };
        let mut out = Vec::new();
        let change = change(Verb::Join, field("id", word("a\"b")), vec![]);
        change.borrowed(|change| member(&aim, change, &mut out)).unwrap();
        assert_eq!(out, br#""a\"b""#);
    }
}
