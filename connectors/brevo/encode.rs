//! Contacts as Brevo reads them: attributes by name, each in its own JSON type.
//!
//! An attribute is emptied by an empty text. That it empties attributes of every type stands in no document that we know.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::ops::Range;

use super::options::{EMAIL, FLAGS, Key};
use crate::contract::{ChangeRef, FieldRef, Outcome, ValueRef, Verb, write_text};
use crate::http::Items;

/// The contacts of one batch, encoded.
///
/// An item begins with `{`; that of a new contact names its key, that of an update only what changes. Lists and what else
/// a call takes are put before the item's end.
#[derive(Debug)]
pub(super) struct Rows {
    key: Key,
    items: Items,
    sent: Vec<Sent>,
    /// The names of each item's fields, as a hash.
    shapes: Vec<u64>,
}

/// What a contact is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// The change's place in its batch.
    pub(super) place: usize,
    pub(super) key: String,
    /// The contact's id in Brevo, where that is known and the verb goes by it.
    pub(super) remote_id: Option<String>,
}

impl Rows {
    pub(super) fn new(key: Key) -> Self {
        Rows { key, items: Items::default(), sent: Vec::new(), shapes: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn items(&self) -> &Items {
        &self.items
    }

    pub(super) fn sent(&self, row: usize) -> &Sent {
        &self.sent[row]
    }

    /// Whether all of these name the same fields.
    pub(super) fn are_alike(&self, run: Range<usize>) -> bool {
        self.shapes[run].windows(2).all(|two| two[0] == two[1])
    }

    /// An item with this before its end, which begins with a comma or is empty.
    pub(super) fn with(&self, row: usize, more: &str) -> Vec<u8> {
        let item = self.items.item(row);
        let (whole, end) = item.split_at(item.len() - 1);
        [whole, more.as_bytes(), end].concat()
    }

    /// Adds the change at this place of the batch. A row that Brevo could not find is refused here.
    pub(super) fn push(&mut self, place: usize, change: ChangeRef<'_>) -> Result<(), Outcome> {
        let key = change.destination_key.first().filter(|key| !matches!(key.value, ValueRef::Null));
        let key = key.map(|key| key.value.to_string()).unwrap_or_default();
        let by_id = matches!(change.verb, Verb::Update | Verb::Delete | Verb::Leave);
        let remote_id = change.remote_id.filter(|_| by_id).map(str::to_owned);
        if remote_id.is_none() && key.is_empty() {
            let message = "the match key is empty, so Brevo cannot find the contact".to_owned();
            let field = Some(self.key.field().to_owned());
            return Err(Outcome::Rejected { code: "KEY_EMPTY".to_owned(), field, message });
        }
        let own = match change.verb {
            Verb::Update => None,
            _ => Some(key.as_str()),
        };
        let left_out = (remote_id.is_none() || own.is_some()).then_some(self.key.field());
        self.items.push(|out| -> Result<(), Outcome> {
            write_contact((self.key, own), left_out, change.fields, out);
            Ok(())
        })?;
        let mut shape = DefaultHasher::new();
        change.fields.iter().for_each(|field| field.name.hash(&mut shape));
        self.shapes.push(shape.finish());
        self.sent.push(Sent { place, key, remote_id });
        Ok(())
    }
}

/// `own` is the key that the contact is named by, where it is; `left_out` is not written as a field.
fn write_contact(
    (key, own): (Key, Option<&str>),
    left_out: Option<&str>,
    fields: &[FieldRef<'_>],
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    if let Some(text) = own {
        let _ = write!(out, "\"{}\":", key.field()); // writing to memory cannot fail
        write_text(text, out);
        out.push(b',');
    }
    // A flag has no third state to empty it to, and `false` would take people off a blocklist whom nobody asked.
    let unknown = |field: &FieldRef<'_>| field.value == ValueRef::Null && FLAGS.contains(&field.name);
    let fields = || fields.iter().filter(|field| Some(field.name) != left_out && !unknown(field));
    for field in fields().filter(|field| is_top_level(field, own.is_some())) {
        write_text(field.name, out);
        out.push(b':');
        write_value(&field.value, out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"attributes\":{");
    for (position, field) in fields().filter(|field| !is_top_level(field, own.is_some())).enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_text(if field.name == EMAIL { "EMAIL" } else { field.name }, out);
        out.push(b':');
        write_value(&field.value, out);
    }
    out.extend_from_slice(b"}}");
}

/// Whether a field stands beside the attributes. The address of a contact that exists is changed as an attribute
/// (<https://developers.brevo.com/reference/update-contact>), and so is one that is emptied.
fn is_top_level(field: &FieldRef<'_>, named: bool) -> bool {
    match field.name {
        EMAIL => named && !matches!(field.value, ValueRef::Null),
        name => name == super::options::EXT_ID || FLAGS.contains(&name),
    }
}

/// A number or a flag as such, a date as `YYYY-MM-DD`, several options as a list of texts, all else as a text.
fn write_value(value: &ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => out.extend_from_slice(b"\"\""),
        ValueRef::Json(text) => write_text(text, out),
        ValueRef::List(items) => {
            out.push(b'[');
            let items = items.iter().filter(|item| !matches!(item, ValueRef::Null));
            for (position, item) in items.enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_text(&item.to_string(), out);
            }
            out.push(b']');
        }
        other => other.write_json(out),
    }
}

/// `,"listIds":[4,7]`, or nothing.
pub(super) fn list_ids(lists: &[u64]) -> String {
    let ids: Vec<String> = lists.iter().map(u64::to_string).collect();
    if ids.is_empty() { String::new() } else { format!(",\"listIds\":[{}]", ids.join(",")) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::contract::{Change, FieldValue, Number, Value};

    fn field(name: &str, value: Value) -> FieldValue {
        FieldValue { name: name.into(), value }
    }

    fn wire(key: Key, change: &Change) -> Result<Json, Outcome> {
        let mut rows = Rows::new(key);
        change.borrowed(|change| rows.push(3, change))?;
        assert_eq!(rows.sent(0).place, 3);
        Ok(serde_json::from_slice(&rows.with(0, "")).unwrap())
    }

    fn change(verb: Verb, key: FieldValue, remote_id: Option<&str>) -> Change {
        let email = field("email", Value::Text("ann@x.io".into()));
        let fields = vec![email, field("ext_id", Value::Text("7".into())), field("PLAN", Value::Null)];
        Change { verb, destination_key: vec![key], remote_id: remote_id.map(str::to_owned), fields }
    }

    #[test]
    fn a_new_contact_names_its_key_and_an_update_what_changes() {
        let email = || field("email", Value::Text("ann@x.io".into()));
        let whole = json!({"email": "ann@x.io", "ext_id": "7", "attributes": {"PLAN": ""}});
        assert_eq!(wire(Key::Email, &change(Verb::Upsert, email(), Some("12"))), Ok(whole.clone()));
        assert_eq!(wire(Key::Email, &change(Verb::Create, email(), None)), Ok(whole.clone()));
        let ext_id = field("ext_id", Value::Text("7".into()));
        assert_eq!(wire(Key::ExtId, &change(Verb::Upsert, ext_id.clone(), None)), Ok(whole));
        let update = change(Verb::Update, email(), None);
        assert_eq!(wire(Key::Email, &update), Ok(json!({"ext_id": "7", "attributes": {"PLAN": ""}})));
        let by_id = json!({"ext_id": "7", "attributes": {"EMAIL": "ann@x.io", "PLAN": ""}});
        assert_eq!(wire(Key::Email, &change(Verb::Update, email(), Some("12"))), Ok(by_id));
        let by_ext_id = json!({"attributes": {"EMAIL": "ann@x.io", "PLAN": ""}});
        assert_eq!(wire(Key::ExtId, &change(Verb::Update, ext_id, None)), Ok(by_ext_id));
    }

    #[test]
    fn each_value_has_its_type() {
        let list = Value::List(vec![Value::Text("a".into()), Value::Null, Value::Integer(2)]);
        for (name, value, expected) in [
            ("A", Value::Boolean(true), json!(true)),
            ("A", Value::Integer(-3), json!(-3)),
            ("A", Value::Number(Number::parse("12.50").unwrap()), json!(12.5)),
            ("A", Value::Text("São \"x\"".into()), json!("São \"x\"")),
            ("A", Value::Date("2026-02-03".parse().unwrap()), json!("2026-02-03")),
            ("A", Value::DateTime("2026-02-03T04:05:06Z".parse().unwrap()), json!("2026-02-03T04:05:06Z")),
            ("A", Value::Json(json!({"a": [1]})), json!(r#"{"a":[1]}"#)),
            ("A", list, json!(["a", "2"])),
            ("A", Value::Null, json!("")),
        ] {
            let mut change = change(Verb::Upsert, field("email", Value::Text("a@x.io".into())), None);
            change.fields = vec![field(name, value)];
            assert_eq!(wire(Key::Email, &change).unwrap()["attributes"][name], expected);
        }
        let mut flags = change(Verb::Upsert, field("email", Value::Text("a@x.io".into())), None);
        flags.fields =
            vec![field("emailBlacklisted", Value::Null), field("smsBlacklisted", Value::Boolean(true))];
        let expected = json!({"email": "a@x.io", "smsBlacklisted": true, "attributes": {}});
        assert_eq!(wire(Key::Email, &flags).unwrap(), expected);
    }

    #[test]
    fn a_row_without_a_key_is_refused_alone() {
        for verb in [Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete] {
            for empty in [Value::Null, Value::Text(String::new())] {
                let refused = wire(Key::Email, &change(verb, field("email", empty), None)).unwrap_err();
                assert!(matches!(refused, Outcome::Rejected { code, .. } if code == "KEY_EMPTY"), "{verb}");
            }
        }
        assert!(wire(Key::Email, &change(Verb::Update, field("email", Value::Null), Some("12"))).is_ok());
    }

    #[test]
    fn lists_stand_before_the_end() {
        let mut rows = Rows::new(Key::Email);
        change(Verb::Upsert, field("email", Value::Text("a@x.io".into())), None)
            .borrowed(|change| rows.push(0, change))
            .unwrap();
        let body: Json = serde_json::from_slice(&rows.with(0, &list_ids(&[4, 7]))).unwrap();
        assert_eq!(body["listIds"], json!([4, 7]));
        assert_eq!(list_ids(&[]), "");
    }
}
