//! A change as a lead of a call's JSON (`leads.md`, "Create and Update"; `field-types.md`).

use super::options::{EMAIL, ID};
use crate::contract::{ChangeRef, FieldRef, Outcome, ValueRef, write_text};
use crate::http::Items;

/// Most leads of a call, and most bytes of its body (`error-codes.md`, 413: "1MB", taken for millions).
pub(super) const CALL: (usize, usize) = (300, 1_000_000);

/// What surrounds the leads of a call, at most: action, field and partition.
pub(super) const FRAME: usize = 1_000;

const CLOSE: &str = "]}";

/// Leads as they are sent.
#[derive(Debug, Default)]
pub(super) struct Rows {
    items: Items,
    /// Each lead's place in its batch.
    places: Vec<usize>,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        self.places.iter().copied()
    }

    /// Runs of rows that one call each may hold.
    pub(super) fn parts(&self, head: &str) -> Vec<std::ops::Range<usize>> {
        self.items.cut(CALL.0, CALL.1, head.len() + CLOSE.len())
    }

    /// The body of a call with these rows.
    pub(super) fn body(&self, head: &str, rows: &[usize]) -> Vec<u8> {
        self.items.body(head, rows.iter().copied(), CLOSE)
    }

    /// Adds the lead of the change at this place. One that no call could have is refused here.
    pub(super) fn push(
        &mut self,
        place: usize,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Outcome>,
    ) -> Result<(), Outcome> {
        self.items.push(|out| {
            let start = out.len();
            write(&mut *out)?;
            match out.len() - start > CALL.1 - FRAME {
                true => Err(Outcome::Rejected {
                    code: "LEAD_TOO_LONG".to_owned(),
                    field: None,
                    message: format!("the lead has {} bytes, more than a call may have", out.len() - start),
                }),
                false => Ok(()),
            }
        })?;
        self.places.push(place);
        Ok(())
    }
}

/// The beginning of a call's body: what is done with the leads, found by this field.
pub(super) fn head(action: &str, lookup: &str, partition: Option<&str>) -> String {
    let mut head = b"{\"action\":".to_vec();
    write_text(action, &mut head);
    head.extend_from_slice(b",\"lookupField\":");
    write_text(lookup, &mut head);
    if let Some(name) = partition {
        head.extend_from_slice(b",\"partitionName\":");
        write_text(name, &mut head);
    }
    head.extend_from_slice(b",\"input\":[");
    String::from_utf8_lossy(&head).into_owned()
}

/// The key of a change, or its refusal where there is none.
pub(super) fn key_of(key: &str, change: ChangeRef<'_>) -> Result<String, Outcome> {
    let field = change.destination_key.first().filter(|field| !matches!(field.value, ValueRef::Null));
    let text = field.map(|field| field.value.to_string()).unwrap_or_default();
    match text.trim().is_empty() {
        true => Err(rejected("KEY_EMPTY", key, "the match key is empty, so Marketo cannot find the lead")),
        false => Ok(text),
    }
}

/// The change's remote id, where it is one that Marketo gives.
pub(super) fn id_of(change: ChangeRef<'_>) -> Option<&str> {
    change.remote_id.filter(|id| is_id(id))
}

/// Whether a text is an id of a lead.
pub(super) fn is_id(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|id| id > 0 && id.to_string() == text)
}

pub(super) fn rejected(code: &str, field: &str, message: impl Into<String>) -> Outcome {
    Outcome::Rejected { code: code.to_owned(), field: Some(field.to_owned()), message: message.into() }
}

/// Appends a lead that is found by its own id.
pub(super) fn write_by_id(id: &str, change: ChangeRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    out.extend_from_slice(format!("{{\"id\":{id}").as_bytes());
    write_fields(ID, change, out)
}

/// Appends a lead that is found by its key.
pub(super) fn write_by_key(key: &str, change: ChangeRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    out.push(b'{');
    write_text(key, out);
    out.push(b':');
    match change.destination_key.first() {
        Some(field) => write_value(&named(key, field), out)?,
        None => out.extend_from_slice(b"null"),
    }
    write_fields(key, change, out)
}

/// The match key under the name that the mapping gives it.
fn named<'a>(key: &'a str, field: &FieldRef<'a>) -> FieldRef<'a> {
    FieldRef { name: key, value: field.value.clone() }
}

/// All fields but the one that stands before them.
fn write_fields(but: &str, change: ChangeRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    for field in change.fields.iter().filter(|field| field.name != but) {
        out.push(b',');
        write_text(field.name, out);
        out.push(b':');
        write_value(field, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Numbers and truth values are what they are, a null empties; everything else is a text.
fn write_value(field: &FieldRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    match &field.value {
        ValueRef::Null | ValueRef::Boolean(_) | ValueRef::Number(_) => field.value.write_json(out),
        _ => write_text(&text_of(field)?, out),
    }
    Ok(())
}

/// A value as text: what a cell holds, and a JSON text.
pub(super) fn text_of(field: &FieldRef<'_>) -> Result<String, Outcome> {
    let text = match &field.value {
        ValueRef::Null => String::new(),
        // Several values of one field stand in a string field with semicolons between them.
        ValueRef::List(items) => {
            let items = items.iter().filter(|item| !matches!(item, ValueRef::Null));
            items.map(|item| item.to_string()).collect::<Vec<_>>().join(";")
        }
        other => other.to_string(),
    };
    match field.name == EMAIL && !text.is_ascii() {
        true => {
            let message = "the e-mail address has other letters than ASCII, which Marketo does not take";
            Err(rejected("EMAIL_NOT_ASCII", EMAIL, message))
        }
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::contract::{Change, FieldValue, Number, Value, Verb};

    fn change(fields: &[(&str, Value)], remote_id: Option<&str>) -> Change {
        let field = |name: &str, value: &Value| FieldValue { name: name.into(), value: value.clone() };
        Change {
            verb: Verb::Upsert,
            destination_key: vec![field("email", &Value::Text("ann@x.io".into()))],
            remote_id: remote_id.map(str::to_owned),
            fields: fields.iter().map(|(name, value)| field(name, value)).collect(),
        }
    }

    fn wire(fields: &[(&str, Value)]) -> Result<Json, Outcome> {
        let mut rows = Rows::default();
        change(fields, None).borrowed(|change| rows.push(3, |out| write_by_key("email", change, out)))?;
        assert_eq!((rows.len(), rows.places().collect::<Vec<_>>()), (1, vec![3]));
        let head = head("createOrUpdate", "email", Some("North \"A\""));
        let body: Json = serde_json::from_slice(&rows.body(&head, &[0])).unwrap();
        assert_eq!(
            (&body["action"], &body["lookupField"], &body["partitionName"]),
            (&json!("createOrUpdate"), &json!("email"), &json!("North \"A\""))
        );
        Ok(body["input"][0].clone())
    }

    #[test]
    fn each_value_has_its_form() {
        let text = |text: &str| Value::Text(text.into());
        let lead = wire(&[
            ("email", text("ann@x.io")),
            ("firstName", text("Zoë \"x\"")),
            ("score", Value::Integer(7)),
            ("revenue", Value::Number(Number::parse("12.50").unwrap())),
            ("vip", Value::Boolean(true)),
            ("since", Value::Date("2026-02-03".parse().unwrap())),
            ("seen", Value::DateTime("2026-02-03T04:05:06Z".parse().unwrap())),
            ("tags", Value::List(vec![text("a"), Value::Null, text("b")])),
            ("more", Value::Json(json!({"a": 1}))),
            ("city", Value::Null),
        ]);
        let expected = json!({
            "email": "ann@x.io", "firstName": "Zoë \"x\"", "score": 7, "revenue": 12.5, "vip": true, "since": "2026-02-03",
            "seen": "2026-02-03T04:05:06Z", "tags": "a;b", "more": "{\"a\":1}", "city": null,
        });
        assert_eq!(lead, Ok(expected));
    }

    #[test]
    fn a_lead_that_is_known_goes_by_its_id_with_all_that_is_sent() {
        let mut out = Vec::new();
        let change = change(&[("email", Value::Text("new@x.io".into()))], Some("7149"));
        change.borrowed(|change| write_by_id(id_of(change).unwrap(), change, &mut out)).unwrap();
        assert_eq!(serde_json::from_slice::<Json>(&out).unwrap(), json!({"id": 7149, "email": "new@x.io"}));
        for odd in ["", "0", "07", "-1", "x", "1.5", "99999999999999999999"] {
            assert!(!is_id(odd), "{odd}");
        }
    }

    #[test]
    fn a_row_that_no_call_could_have_is_refused_alone() {
        for (name, value, expected) in [
            ("email", Value::Text("zoë@x.io".into()), None),
            ("firstName", Value::Text("x".repeat(CALL.1)), Some("LEAD_TOO_LONG")),
        ] {
            // The key itself is sent, not what the fields repeat of it.
            let code = match wire(&[(name, value)]) {
                Err(Outcome::Rejected { code, .. }) => Some(code),
                Ok(_) => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(code.as_deref(), expected);
        }
        let mut odd = change(&[], None);
        odd.destination_key[0].value = Value::Text("zoë@x.io".into());
        let refused = odd.borrowed(|change| write_by_key("email", change, &mut Vec::new())).unwrap_err();
        assert!(matches!(refused, Outcome::Rejected { code, .. } if code == "EMAIL_NOT_ASCII"));
        odd.destination_key[0].value = Value::Null;
        let refused = odd.borrowed(|change| key_of("email", change)).unwrap_err();
        assert!(matches!(refused, Outcome::Rejected { code, .. } if code == "KEY_EMPTY"));
    }
}
