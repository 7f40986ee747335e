//! Changes as JSON records (REST API Developer Guide, "sObject Collections").

use std::borrow::Cow;

use jiff::Timestamp;

use super::columns::{Columns, To};
use super::options::ID;
use crate::contract::{ChangeRef, FieldRef, Outcome, ValueRef, Verb, write_text};

/// The code of a value that several chosen options cannot hold.
pub(super) const SEMICOLON: &str = "SEMICOLON_IN_OPTION";

/// What all records of a batch share.
pub(super) struct Shape<'a> {
    pub(super) object: &'a str,
    pub(super) key: &'a str,
    pub(super) columns: &'a Columns,
}

/// The 18-character form of a record's id; another text as it is. The last three characters say which of the first
/// fifteen are capital letters (Salesforce Help, "What is the 18-character ID").
pub(super) fn long_id(id: &str) -> Cow<'_, str> {
    if id.len() != 15 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Cow::Borrowed(id);
    }
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let suffix = id.as_bytes().chunks(5).map(|chunk| {
        let capitals = chunk.iter().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase());
        char::from(DIGITS[capitals.map(|(at, _)| 1 << at).sum::<usize>()])
    });
    Cow::Owned(id.chars().chain(suffix).collect())
}

/// Milliseconds are what Salesforce keeps.
fn datetime(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Appends a record; an update names its `id`.
///
/// # Errors
/// The refusal of a change that cannot be written.
pub(super) fn record(
    change: ChangeRef<'_>,
    id: Option<&str>,
    shape: &Shape<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Outcome> {
    out.extend_from_slice(b"{\"attributes\":{\"type\":");
    write_text(shape.object, out);
    out.push(b'}');
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        write_text(id, out);
    }
    // The key is among the fields of what is brought over.
    let keyed = change.fields.iter().any(|field| field.name == shape.key);
    let own = change.destination_key.iter().filter(|_| change.verb == Verb::Upsert && !keyed);
    for field in change.fields.iter().chain(own).filter(|field| !field.name.eq_ignore_ascii_case(ID)) {
        out.push(b',');
        write_field(field, shape.columns.get(field.name), out)?;
    }
    out.push(b'}');
    Ok(())
}

/// `"name":value`; of a parent `"Account":{"Ext__c":value}`, and where there is none `"AccountId":null`.
fn write_field(field: &FieldRef<'_>, to: &To, out: &mut Vec<u8>) -> Result<(), Outcome> {
    let name = |name: &str, out: &mut Vec<u8>| {
        write_text(name, out);
        out.push(b':');
    };
    match to {
        To::Field => {
            name(field.name, out);
            write_value(field, out)
        }
        To::Parent { field: reference, .. } if is_empty(&field.value) => {
            name(reference, out);
            out.extend_from_slice(b"null");
            Ok(())
        }
        To::Parent { relationship, object, key, .. } => {
            name(relationship, out);
            out.push(b'{');
            if let Some(object) = object {
                out.extend_from_slice(b"\"attributes\":{\"type\":");
                write_text(object, out);
                out.extend_from_slice(b"},");
            }
            name(key, out);
            write_value(field, out)?;
            out.push(b'}');
            Ok(())
        }
    }
}

/// Salesforce keeps no empty texts, so that one is a null as well.
pub(super) fn is_empty(value: &ValueRef<'_>) -> bool {
    match value {
        ValueRef::Null => true,
        ValueRef::Text(text) => text.is_empty(),
        ValueRef::List(options) => options.is_empty(),
        _ => false,
    }
}

fn write_value(field: &FieldRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    match &field.value {
        value if is_empty(value) => out.extend_from_slice(b"null"),
        ValueRef::DateTime(time) => write_text(&datetime(*time), out),
        ValueRef::Json(text) => write_text(text, out),
        ValueRef::List(options) => write_text(&chosen(field.name, options)?, out),
        value => value.write_json(out),
    }
    Ok(())
}

/// Appends a value that is not empty as a text, without quotes.
pub(super) fn write_plain(field: &FieldRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    match &field.value {
        ValueRef::Text(text) => out.extend_from_slice(text.as_bytes()),
        ValueRef::DateTime(time) => out.extend_from_slice(datetime(*time).as_bytes()),
        ValueRef::Json(text) => out.extend_from_slice(text.as_bytes()),
        ValueRef::List(options) => out.extend_from_slice(chosen(field.name, options)?.as_bytes()),
        value => out.extend_from_slice(value.to_string().as_bytes()),
    }
    Ok(())
}

/// The options chosen of a multi-select picklist.
fn chosen(field: &str, options: &[impl ToString]) -> Result<String, Outcome> {
    let options: Vec<String> = options.iter().map(ToString::to_string).collect();
    match options.iter().find(|option| option.contains(';')) {
        None => Ok(options.join(";")),
        Some(split) => Err(Outcome::Rejected {
            code: SEMICOLON.to_owned(),
            field: Some(field.to_owned()),
            message: format!("`{split}` has a semicolon, which would make two options of it"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use serde_json::{Value as Json, json};

    use super::super::columns::Column;
    use super::*;
    use crate::contract::{Change, FieldValue, Number, Value};

    fn columns() -> Columns {
        let parent = |name: &str, relationship: &str, field: &str, object: Option<&str>| Column {
            name: name.to_owned(),
            to: To::Parent {
                relationship: relationship.to_owned(),
                field: field.to_owned(),
                object: object.map(str::to_owned),
                key: "E__c".to_owned(),
            },
        };
        Columns::of(vec![
            parent("Account.E__c", "Account", "AccountId", None),
            parent("Contact:Who.E__c", "Who", "WhoId", Some("Contact")),
        ])
    }

    fn encoded(verb: Verb, id: Option<&str>, fields: &[(&str, Value)]) -> Result<Json, Outcome> {
        let field = |(name, value): &(&str, Value)| FieldValue { name: (*name).into(), value: value.clone() };
        let change = Change {
            verb,
            destination_key: vec![field(&("Ext__c", Value::Text("k1".to_owned())))],
            remote_id: None,
            fields: fields.iter().map(field).collect(),
        };
        let columns = columns();
        let shape = Shape { object: "Contact", key: "Ext__c", columns: &columns };
        let mut out = Vec::new();
        change.borrowed(|change| record(change, id, &shape, &mut out))?;
        Ok(serde_json::from_slice(&out).unwrap())
    }

    #[test]
    fn values_are_written_to_the_last_character() {
        let nasty = " =1+1 \"q\" #N/A\r\n\u{1f600} 日本 ";
        for (value, expected) in [
            (Value::Null, json!(null)),
            (Value::Text(String::new()), json!(null)),
            (Value::Text(nasty.to_owned()), json!(nasty)),
            (Value::Text("#N/A".to_owned()), json!("#N/A")),
            (Value::Boolean(true), json!(true)),
            (Value::Integer(-7), json!(-7)),
            (Value::Number(Number::parse("12.50").unwrap()), json!(12.5)),
            (Value::Date(date(2024, 2, 29)), json!("2024-02-29")),
            (
                Value::DateTime("2018-12-18T22:51:36.1239Z".parse().unwrap()),
                json!("2018-12-18T22:51:36.123Z"),
            ),
            (Value::List(vec![Value::Text("a".into()), Value::Text("b".into())]), json!("a;b")),
            (Value::List(vec![]), json!(null)),
            (Value::Json(json!({"a": 1})), json!("{\"a\":1}")),
        ] {
            let body = encoded(Verb::Create, None, &[("F__c", value.clone())]).unwrap();
            assert_eq!(body, json!({"attributes": {"type": "Contact"}, "F__c": expected}), "{value:?}");
        }
        let split = encoded(Verb::Create, None, &[("F__c", Value::List(vec![Value::Text("a;b".into())]))]);
        assert!(matches!(split, Err(Outcome::Rejected { code, .. }) if code == SEMICOLON));
    }

    #[test]
    fn a_number_keeps_every_digit() {
        let field = FieldValue {
            name: "N__c".into(),
            value: Value::Number(Number::parse("0.12345678901234567890123").unwrap()),
        };
        let mut out = Vec::new();
        write_value(&field.borrowed(), &mut out).unwrap();
        assert_eq!(out, b"0.12345678901234567890123");
    }

    #[test]
    fn parents_are_named_by_their_keys_or_let_go_of() {
        let text = |text: &str| Value::Text(text.to_owned());
        let fields =
            [("Account.E__c", text("a-1")), ("Contact:Who.E__c", text("w-1")), ("Ext__c", text("k1"))];
        let body = encoded(Verb::Upsert, None, &fields).unwrap();
        let who = json!({"attributes": {"type": "Contact"}, "E__c": "w-1"});
        let expected = json!({"attributes": {"type": "Contact"}, "Account": {"E__c": "a-1"}, "Who": who, "Ext__c": "k1"});
        assert_eq!(body, expected);
        let fields = [("Account.E__c", Value::Null), ("Contact:Who.E__c", Value::Null)];
        let body = encoded(Verb::Update, Some("003"), &fields).unwrap();
        let expected =
            json!({"attributes": {"type": "Contact"}, "id": "003", "AccountId": null, "WhoId": null});
        assert_eq!(body, expected);
    }

    #[test]
    fn an_upsert_has_its_key_and_no_record_sets_its_id() {
        let body = encoded(Verb::Upsert, None, &[("Name", Value::Text("x".into()))]).unwrap();
        assert_eq!(body["Ext__c"], "k1");
        let body = encoded(Verb::Update, Some("003"), &[("Id", Value::Text("004".into()))]).unwrap();
        assert_eq!(body, json!({"attributes": {"type": "Contact"}, "id": "003"}));
    }

    #[test]
    fn a_short_id_has_one_long_form() {
        assert_eq!(long_id("0014S000007dTS6"), "0014S000007dTS6QAM");
        assert_eq!(long_id("0014S000007dTHQ"), "0014S000007dTHQQA2");
        assert_eq!(long_id("0014S000007dTS6QAM"), "0014S000007dTS6QAM");
        assert_eq!(long_id("person1"), "person1");
    }
}
