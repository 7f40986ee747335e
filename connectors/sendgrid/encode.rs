//! Contacts as a call takes them: fields that every account has by their names, custom ones in `custom_fields` by their ids.
//!
//! An omitted field stays as it is (`tsg_mc_contacts_v3.json`). A text is cleared by an empty text, as recorded clients do and
//! were shown; that a null clears a number or a date stands in no document that we know.

use super::fields::{self, ALTERNATE_EMAILS, ALTERNATES, Definitions, Type};
use super::options::Key;
use crate::contract::{ChangeRef, FieldRef, Outcome, ValueRef, write_text};
use crate::http::Items;

/// Most contacts of a call, and most bytes of its body: 6 MB, taken for millions.
pub(super) const CALL: (usize, usize) = (30_000, 6_000_000);

const OPEN: &str = "{\"contacts\":[";

/// The contacts of one batch, encoded.
#[derive(Debug, Default)]
pub(super) struct Rows {
    items: Items,
    sent: Vec<Sent>,
}

/// What a contact is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// The change's place in its batch.
    pub(super) place: usize,
    pub(super) key: String,
}

/// The key of a change, or its refusal where there is none.
pub(super) fn key_of(key: Key, change: ChangeRef<'_>) -> Result<String, Outcome> {
    let value = change.destination_key.first().filter(|key| !matches!(key.value, ValueRef::Null));
    let text = value.map(|key| key.value.to_string()).unwrap_or_default();
    match text.trim().is_empty() {
        true => Err(rejected(
            "KEY_EMPTY",
            key.field(),
            "the match key is empty, so SendGrid cannot find the contact",
        )),
        false => Ok(text),
    }
}

fn rejected(code: &str, field: &str, message: impl Into<String>) -> Outcome {
    Outcome::Rejected { code: code.to_owned(), field: Some(field.to_owned()), message: message.into() }
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn items(&self) -> &Items {
        &self.items
    }

    pub(super) fn sent(&self, row: usize) -> &Sent {
        &self.sent[row]
    }

    /// The body of a call with these rows.
    pub(super) fn body(&self, rows: &[usize], lists: &[String]) -> Vec<u8> {
        self.items.body(OPEN, rows.iter().copied(), &close(lists))
    }

    /// Bytes of a body around its rows.
    pub(super) fn frame(lists: &[String]) -> usize {
        OPEN.len() + close(lists).len()
    }

    /// Adds a contact. One that no call could have is refused here.
    pub(super) fn push(
        &mut self,
        sent: Sent,
        longest: usize,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Outcome>,
    ) -> Result<(), Outcome> {
        self.items.push(|out| {
            let start = out.len();
            write(&mut *out)?;
            match out.len() - start > longest {
                true => Err(Outcome::Rejected {
                    code: "CONTACT_TOO_LONG".to_owned(),
                    field: None,
                    message: format!(
                        "the contact has {} bytes, more than a call may have",
                        out.len() - start
                    ),
                }),
                false => Ok(()),
            }
        })?;
        self.sent.push(sent);
        Ok(())
    }
}

fn close(lists: &[String]) -> String {
    match lists.is_empty() {
        true => "]}".to_owned(),
        false => format!("],\"list_ids\":[\"{}\"]}}", lists.join("\",\"")),
    }
}

/// Appends a contact with a change's fields.
pub(super) fn write_contact(
    (key, text): (Key, &str),
    change: ChangeRef<'_>,
    definitions: &Definitions,
    out: &mut Vec<u8>,
) -> Result<(), Outcome> {
    out.push(b'{');
    write_text(key.field(), out);
    out.push(b':');
    write_text(text, out);
    let fields = || change.fields.iter().filter(|field| field.name != key.field());
    for field in fields().filter(|field| is_beside(field.name, definitions)) {
        // An identifier cannot be emptied: a contact that has one keeps it.
        if fields::is_identifier(field.name) && is_empty(&field.value) {
            continue;
        }
        out.push(b',');
        write_text(field.name, out);
        out.push(b':');
        match field.name {
            ALTERNATE_EMAILS => write_alternates(&field.value, out)?,
            _ => write_plain(&field.value, out),
        }
    }
    let mut first = true;
    for field in fields().filter(|field| !is_beside(field.name, definitions)) {
        let Some(definition) = definitions.get(field.name) else {
            let message = format!("the account has no custom field `{}` any more", field.name);
            return Err(rejected("FIELD_GONE", field.name, message));
        };
        out.extend_from_slice(if first { b",\"custom_fields\":{" } else { b"," });
        first = false;
        write_text(&definition.id, out);
        out.push(b':');
        write_custom(field, definition.kind, out)?;
    }
    out.extend_from_slice(if first { b"}" } else { b"}}" });
    Ok(())
}

fn is_beside(name: &str, definitions: &Definitions) -> bool {
    fields::is_reserved(name) || definitions.get(name).is_some_and(|definition| definition.reserved)
}

pub(super) fn is_empty(value: &ValueRef<'_>) -> bool {
    matches!(value, ValueRef::Null) || matches!(value, ValueRef::Text(text) if text.is_empty())
}

/// A text; emptied by an empty one.
fn write_plain(value: &ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => out.extend_from_slice(b"\"\""),
        ValueRef::Text(text) => write_text(text, out),
        other => write_text(&other.to_string(), out),
    }
}

fn write_alternates(value: &ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    let (most, longest) = ALTERNATES;
    let several: Vec<String> = match value {
        ValueRef::Null => Vec::new(),
        ValueRef::List(items) => {
            items.iter().filter(|item| !is_empty(item)).map(|item| item.to_string()).collect()
        }
        other => vec![other.to_string()],
    };
    if several.len() > most || several.iter().any(|text| text.chars().count() > longest) {
        let message = format!("a contact has up to {most} alternate addresses of up to {longest} characters");
        return Err(rejected("ALTERNATE_EMAILS_TOO_MANY", ALTERNATE_EMAILS, message));
    }
    out.push(b'[');
    for (at, text) in several.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_text(text, out);
    }
    out.push(b']');
    Ok(())
}

fn write_custom(field: &FieldRef<'_>, kind: Type, out: &mut Vec<u8>) -> Result<(), Outcome> {
    match (kind, &field.value) {
        (Type::Text, value) => write_plain(value, out),
        (_, value) if is_empty(value) => out.extend_from_slice(b"null"),
        (Type::Number, ValueRef::Number(text)) => out.extend_from_slice(text.as_bytes()),
        (Type::Date, value) => write_text(&date(value), out),
        (Type::Number, other) => {
            let message = format!("`{other}` is no number");
            return Err(rejected("VALUE_NOT_A_NUMBER", field.name, message));
        }
    }
    Ok(())
}

/// A day as the instant at which it begins, the form that is recorded.
pub(super) fn date(value: &ValueRef<'_>) -> String {
    match value {
        ValueRef::Date(day) => format!("{day}T00:00:00Z"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::contract::{Change, FieldValue, Number, Value, Verb};

    fn definitions() -> Definitions {
        Definitions::read(&json!({"custom_fields": [
            {"id": "e2_T", "name": "plan", "field_type": "Text"}, {"id": "e3_N", "name": "score", "field_type": "Number"},
            {"id": "e4_D", "name": "since", "field_type": "Date"},
        ]}))
        .unwrap()
    }

    fn wire(fields: &[(&str, Value)]) -> Result<Json, Outcome> {
        let field = |name: &str, value: &Value| FieldValue { name: name.into(), value: value.clone() };
        let change = Change {
            verb: Verb::Upsert,
            destination_key: vec![field("email", &Value::Text("ann@x.io".into()))],
            remote_id: None,
            fields: fields.iter().map(|(name, value)| field(name, value)).collect(),
        };
        let mut rows = Rows::default();
        change.borrowed(|change| {
            let key = key_of(Key::Email, change)?;
            let sent = Sent { place: 3, key: key.clone() };
            rows.push(sent, 400, |out| write_contact((Key::Email, &key), change, &definitions(), out))
        })?;
        assert_eq!((rows.len(), rows.sent(0).place), (1, 3));
        let body: Json =
            serde_json::from_slice(&rows.body(&[0], &["l1".to_owned(), "l2".to_owned()])).unwrap();
        assert_eq!(body["list_ids"], json!(["l1", "l2"]));
        Ok(body["contacts"][0].clone())
    }

    #[test]
    fn each_field_stands_where_it_belongs_and_has_its_type() {
        let text = |text: &str| Value::Text(text.into());
        let contact = wire(&[
            ("email", text("ann@x.io")),
            ("first_name", text("Zoë \"x\"")),
            ("postal_code", Value::Integer(75001)),
            ("alternate_emails", Value::List(vec![text("b@x.io"), Value::Null])),
            ("plan", Value::Boolean(true)),
            ("score", Value::Number(Number::parse("12.50").unwrap())),
            ("since", Value::Date("2026-02-03".parse().unwrap())),
        ]);
        let expected = json!({
            "email": "ann@x.io", "first_name": "Zoë \"x\"", "postal_code": "75001", "alternate_emails": ["b@x.io"],
            "custom_fields": {"e2_T": "true", "e3_N": 12.5, "e4_D": "2026-02-03T00:00:00Z"},
        });
        assert_eq!(contact, Ok(expected));
    }

    #[test]
    fn a_null_empties_what_it_can() {
        let fields = ["first_name", "external_id", "alternate_emails", "plan", "score", "since"];
        let contact = wire(&fields.map(|name| (name, Value::Null)));
        let expected = json!({
            "email": "ann@x.io", "first_name": "", "alternate_emails": [],
            "custom_fields": {"e2_T": "", "e3_N": null, "e4_D": null},
        });
        assert_eq!(contact, Ok(expected));
    }

    #[test]
    fn a_row_that_no_call_could_have_is_refused_alone() {
        let many = Value::List(vec![Value::Text("b@x.io".into()); 6]);
        for (name, value, expected) in [
            ("alternate_emails", many, "ALTERNATE_EMAILS_TOO_MANY"),
            ("first_name", Value::Text("x".repeat(400)), "CONTACT_TOO_LONG"),
            ("no_such", Value::Null, "FIELD_GONE"),
            ("score", Value::Text("many".into()), "VALUE_NOT_A_NUMBER"),
        ] {
            match wire(&[(name, value)]) {
                Err(Outcome::Rejected { code, .. }) => assert_eq!(code, expected),
                other => panic!("{other:?}"),
            }
        }
    }
}
