//! Changes as HubSpot reads them: every property value is a text.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write;

use crate::contract::{ChangeRef, FieldRef, Outcome, ValueRef, Verb, write_text};
use crate::http::Items;

/// The elements of a batch's `inputs`, encoded one after another: any run of them can be sent as it stands.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    /// Begins every trace id: the answer to another batch, which has another, proves nothing.
    name: String,
    items: Items,
    sent: Vec<Sent>,
    /// The property that the inputs are matched on.
    pub(super) key_name: Option<String>,
    /// Fields that are no properties.
    left_out: Vec<String>,
}

/// What an answer can name an input by, beside its trace id.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sent {
    /// The object's record id, where that was sent.
    pub(super) record_id: Option<String>,
    /// The match key's value.
    pub(super) key: Option<String>,
    /// The key was sent as the input's `id`.
    pub(super) by_key: bool,
}

impl Sent {
    /// The `id` that was sent.
    pub(super) fn id(&self) -> Option<&str> {
        self.record_id.as_deref().or_else(|| self.key.as_deref().filter(|_| self.by_key))
    }
}

impl Inputs {
    /// None yet; no other batch should have this name.
    pub(super) fn new(name: impl Into<String>) -> Self {
        Inputs { name: name.into(), ..Inputs::default() }
    }

    /// Without these fields.
    pub(super) fn without(self, fields: Vec<String>) -> Self {
        Inputs { left_out: fields, ..self }
    }

    /// The place that a trace id of this batch names.
    pub(super) fn traced(&self, id: &str) -> Option<usize> {
        id.strip_prefix(&self.name)?.strip_prefix('-')?.parse().ok()
    }

    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// `{"inputs": [...]}` with these elements, ready to send.
    pub(super) fn body(&self, part: impl IntoIterator<Item = usize>) -> Vec<u8> {
        self.items.body("{\"inputs\":[", part, "]}")
    }

    /// The properties that an element was sent with, as texts by name; none for one that is to be archived.
    pub(super) fn properties(&self, place: usize) -> HashMap<String, String> {
        #[derive(serde::Deserialize)]
        struct Element {
            #[serde(default)]
            properties: HashMap<String, String>,
        }
        let element = serde_json::from_slice::<Element>(self.items.item(place));
        element.map(|element| element.properties).unwrap_or_default()
    }

    /// Adds one change as the input of its verb's batch call; with a trace id that names its place, so that HubSpot
    /// answers for each. A row that cannot be said in HubSpot's words is refused here.
    pub(super) fn push(&mut self, change: ChangeRef<'_>) -> Result<(), Outcome> {
        let key = change.destination_key.first();
        if let Some(field) = key.filter(|_| self.key_name.is_none()) {
            self.key_name = Some(field.name.to_owned());
        }
        let Inputs { name, items, sent, left_out, .. } = self;
        let trace = format!("{name}-{}", sent.len());
        let new = items.push(|out| write(change, &trace, left_out, out))?;
        sent.push(new);
        Ok(())
    }

    /// Adds an object that is to be archived.
    pub(super) fn push_id(&mut self, record_id: &str) {
        let Ok(()) = self.items.push(|out| {
            out.extend_from_slice(b"{\"id\":");
            write_text(record_id, out);
            out.push(b'}');
            Ok::<(), Infallible>(())
        });
        self.sent.push(Sent { record_id: Some(record_id.to_owned()), ..Sent::default() });
    }
}

fn write(
    change: ChangeRef<'_>,
    trace: &str,
    left_out: &[String],
    out: &mut Vec<u8>,
) -> Result<Sent, Outcome> {
    let key = change.destination_key.first();
    let mut sent = Sent { key: key.map(texted).transpose()?, ..Sent::default() };
    let by_id = matches!(change.verb, Verb::Update | Verb::Delete);
    sent.record_id = change.remote_id.filter(|_| by_id).map(str::to_owned);
    sent.by_key = change.verb != Verb::Create && sent.record_id.is_none();
    if sent.by_key && sent.key.as_deref().is_none_or(str::is_empty) {
        let message = "the match key is empty, so HubSpot cannot find the object".to_owned();
        let field = key.map(|field| field.name.to_owned());
        return Err(Outcome::Rejected { code: "KEY_EMPTY".to_owned(), field, message });
    }
    out.push(b'{');
    if let Some(id) = sent.id() {
        out.extend_from_slice(b"\"id\":");
        write_text(id, out);
        out.push(b',');
    }
    if let Some(field) = key.filter(|_| sent.by_key) {
        out.extend_from_slice(b"\"idProperty\":");
        write_text(field.name, out);
        out.push(b',');
    }
    if change.verb != Verb::Delete {
        out.extend_from_slice(b"\"properties\":{");
        // An update of links alone has no property to set, and must name one.
        let names_none = change.fields.iter().all(|field| left_out.iter().any(|name| name == field.name));
        write_properties(change, key.filter(|_| sent.record_id.is_none() || names_none), left_out, out)?;
        let _ = write!(out, "}},\"objectWriteTraceId\":\"{trace}\"}}");
    } else {
        out.pop();
        out.push(b'}');
    }
    Ok(sent)
}

/// The fields, and the key with them, in the form it is matched on: a created object must carry it. For an update by
/// record id the key is a field like any other.
fn write_properties(
    change: ChangeRef<'_>,
    key: Option<&FieldRef<'_>>,
    left_out: &[String],
    out: &mut Vec<u8>,
) -> Result<(), Outcome> {
    let fields = change.fields.iter().filter(|field| key.is_none_or(|key| key.name != field.name));
    let fields = fields.filter(|field| left_out.iter().all(|name| name != field.name));
    for (position, field) in key.into_iter().chain(fields).enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_text(field.name, out);
        out.push(b':');
        match &field.value {
            ValueRef::Text(text) => write_text(text, out),
            _ => write_text(&texted(field)?, out),
        }
    }
    Ok(())
}

/// A value as a property's text.
///
/// # Errors
/// For a list of which one element holds the `;` that separates elements.
pub(super) fn text(value: &ValueRef<'_>) -> Result<String, &'static str> {
    Ok(match value {
        ValueRef::Null => String::new(),
        ValueRef::DateTime(at) => at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        ValueRef::List(items) => {
            let items = items.iter().map(text).collect::<Result<Vec<_>, _>>()?;
            if items.iter().any(|item| item.contains(';')) {
                return Err("an element of the list holds `;`, which HubSpot takes as the end of an element");
            }
            items.join(";")
        }
        other => other.to_string(),
    })
}

fn texted(field: &FieldRef<'_>) -> Result<String, Outcome> {
    text(&field.value).map_err(|why| Outcome::Rejected {
        code: "LIST_SEPARATOR".to_owned(),
        field: Some(field.name.to_owned()),
        message: format!("`{}`: {why}", field.name),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::contract::{Change, FieldValue, Number, Value};

    fn field(name: &str, value: Value) -> FieldValue {
        FieldValue { name: name.into(), value }
    }

    fn change(verb: Verb, key: Value, remote_id: Option<&str>) -> Change {
        Change {
            verb,
            destination_key: vec![field("email", key)],
            remote_id: remote_id.map(str::to_owned),
            fields: vec![field("firstname", Value::Text("Ann".into())), field("plan", Value::Null)],
        }
    }

    #[test]
    fn every_value_is_a_text() {
        let list = Value::List(vec![Value::Text("a".into()), Value::Integer(2)]);
        for (value, expected) in [
            (Value::Null, ""),
            (Value::Boolean(true), "true"),
            (Value::Boolean(false), "false"),
            (Value::Integer(-3), "-3"),
            (Value::Number(Number::parse("3039.50").unwrap()), "3039.5"),
            (Value::Text(" São \"x\" ".into()), " São \"x\" "),
            (Value::Date("2026-02-03".parse().unwrap()), "2026-02-03"),
            (Value::DateTime("2026-02-03T04:05:06.7+09:00".parse().unwrap()), "2026-02-02T19:05:06.700Z"),
            (Value::DateTime("2026-02-03T04:05:06.789999Z".parse().unwrap()), "2026-02-03T04:05:06.789Z"),
            (Value::Json(json!({"a": [1]})), r#"{"a":[1]}"#),
            (list, "a;2"),
            (Value::List(vec![]), ""),
        ] {
            assert_eq!(text(&value.borrowed()).unwrap(), expected, "{value:?}");
        }
        assert!(text(&Value::List(vec![Value::Text("a;b".into())]).borrowed()).is_err());
    }

    fn wire(verb: Verb, key: Value, id: Option<&str>) -> Result<Json, Outcome> {
        let mut inputs = Inputs::new("row");
        change(verb, key, id).borrowed(|change| inputs.push(change))?;
        let body: Json = serde_json::from_slice(&inputs.body(0..1)).unwrap();
        Ok(body["inputs"][0].clone())
    }

    #[test]
    fn each_verb_has_its_input() {
        let wire = |verb, id| wire(verb, Value::Text("ann@example.com".into()), id).unwrap();
        let all = json!({"email": "ann@example.com", "firstname": "Ann", "plan": ""});
        let own = json!({"firstname": "Ann", "plan": ""});
        let trace = "row-0";
        assert_eq!(
            wire(Verb::Upsert, Some("7")),
            json!({"id": "ann@example.com", "idProperty": "email", "properties": all, "objectWriteTraceId": trace})
        );
        assert_eq!(wire(Verb::Create, None), json!({"properties": all, "objectWriteTraceId": trace}));
        assert_eq!(
            wire(Verb::Update, Some("7")),
            json!({"id": "7", "properties": own, "objectWriteTraceId": trace})
        );
        assert_eq!(
            wire(Verb::Update, None),
            json!({"id": "ann@example.com", "idProperty": "email", "properties": all, "objectWriteTraceId": trace})
        );
        assert_eq!(wire(Verb::Delete, Some("7")), json!({"id": "7"}));
        assert_eq!(wire(Verb::Delete, None), json!({"id": "ann@example.com", "idProperty": "email"}));
    }

    #[test]
    fn an_update_of_links_alone_names_the_key() {
        let mut inputs = Inputs::new("row").without(vec!["firstname".into(), "plan".into()]);
        let change = change(Verb::Update, Value::Text("ann@example.com".into()), Some("7"));
        change.borrowed(|change| inputs.push(change)).unwrap();
        let body: Json = serde_json::from_slice(&inputs.body(0..1)).unwrap();
        assert_eq!(body["inputs"][0]["properties"], json!({"email": "ann@example.com"}));
    }

    #[test]
    fn a_row_without_a_key_is_refused_alone() {
        for verb in [Verb::Upsert, Verb::Update, Verb::Delete] {
            let outcome = wire(verb, Value::Null, None).unwrap_err();
            assert!(matches!(outcome, Outcome::Rejected { code, .. } if code == "KEY_EMPTY"));
        }
        assert!(wire(Verb::Update, Value::Null, Some("7")).is_ok());
    }

    #[test]
    fn any_part_can_be_sent_and_what_was_refused_leaves_nothing() {
        let mut inputs = Inputs::new("row");
        for email in ["a@b.c", "", "d@e.f", "g@h.i"] {
            let change = change(Verb::Upsert, Value::Text(email.into()), None);
            assert_eq!(change.borrowed(|change| inputs.push(change)).is_err(), email.is_empty());
        }
        let sent = |part: std::ops::Range<usize>| -> Vec<(String, String)> {
            let body: Json = serde_json::from_slice(&inputs.body(part)).unwrap();
            let text = |value: &Json| value.as_str().unwrap().to_owned();
            let inputs = body["inputs"].as_array().unwrap().iter();
            inputs.map(|input| (text(&input["id"]), text(&input["objectWriteTraceId"]))).collect()
        };
        let pair = |key: &str, trace: &str| (key.to_owned(), trace.to_owned());
        let all = [pair("a@b.c", "row-0"), pair("d@e.f", "row-1"), pair("g@h.i", "row-2")];
        assert_eq!(sent(0..3), all);
        assert_eq!(sent(1..3), all[1..]);
        assert_eq!(sent(1..2), all[1..2]);
        assert_eq!(sent(0..0), []);
    }

    #[test]
    fn trace_ids_return() {
        let inputs = Inputs::new("ab");
        assert_eq!(inputs.traced("ab-42"), Some(42));
        for other in ["ac-42", "42", "ab42", "ab-x", "ab-"] {
            assert_eq!(inputs.traced(other), None, "{other}");
        }
    }
}
