//! Changes as HubSpot reads them: every property value is a text.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::contract::{Change, FieldValue, Outcome, Value, Verb};

/// One element of a batch's `inputs`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Input {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id_property: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) properties: Option<Map<String, Json>>,
    /// Makes HubSpot answer per input; unique in its request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) object_write_trace_id: Option<String>,
    /// The match key as sent, for finding the answer to a create.
    #[serde(skip)]
    pub(super) key: Option<(String, String)>,
}

/// `{"inputs": [...]}`, ready to send, with trace ids that name each input's place.
pub(super) fn body(inputs: &[Input]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        inputs: &'a [Input],
    }
    // Texts and string-keyed maps: there is nothing in it that JSON cannot hold.
    serde_json::to_vec(&Body { inputs }).unwrap_or_default()
}

/// A value as a property's text.
///
/// # Errors
/// For a list of which one element holds the `;` that separates elements.
pub(super) fn text(value: &Value) -> Result<String, &'static str> {
    Ok(match value {
        Value::Null => String::new(),
        Value::DateTime(at) => at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        Value::List(items) => {
            let items = items.iter().map(text).collect::<Result<Vec<_>, _>>()?;
            if items.iter().any(|item| item.contains(';')) {
                return Err("an element of the list holds `;`, which HubSpot takes as the end of an element");
            }
            items.join(";")
        }
        other => other.to_string(),
    })
}

/// One change as the input of its verb's batch call; a row that cannot be said in HubSpot's words is refused here.
pub(super) fn input(change: &Change) -> Result<Input, Outcome> {
    let key = match change.destination_key.first() {
        Some(field) => Some((field.name.to_string(), texted(field)?)),
        None => None,
    };
    let by_id = matches!(change.verb, Verb::Update | Verb::Delete) && change.remote_id.is_some();
    let mut input = Input { key: key.clone(), ..Input::default() };
    match (change.verb, by_id, key) {
        (Verb::Create, ..) => {}
        (_, true, _) => input.id.clone_from(&change.remote_id),
        (_, false, Some((name, value))) if !value.is_empty() => {
            (input.id, input.id_property) = (Some(value), Some(name));
        }
        (_, false, key) => {
            let field = key.map(|(name, _)| name);
            let message = "the match key is empty, so HubSpot cannot find the object".to_owned();
            return Err(Outcome::Rejected { code: "KEY_EMPTY".to_owned(), field, message });
        }
    }
    if change.verb != Verb::Delete {
        input.properties = Some(properties(change, by_id)?);
    }
    Ok(input)
}

/// The fields, and the key with them, in the form it is matched on: a created object must carry it. For an update by
/// record id the key is a field like any other.
fn properties(change: &Change, by_id: bool) -> Result<Map<String, Json>, Outcome> {
    let mut properties = Map::new();
    let key = change.destination_key.iter().filter(|_| !by_id);
    for field in change.fields.iter().chain(key) {
        properties.insert(field.name.to_string(), Json::String(texted(field)?));
    }
    Ok(properties)
}

fn texted(field: &FieldValue) -> Result<String, Outcome> {
    text(&field.value).map_err(|why| Outcome::Rejected {
        code: "LIST_SEPARATOR".to_owned(),
        field: Some(field.name.to_string()),
        message: format!("`{}`: {why}", field.name),
    })
}

/// The trace id of the input at this place of a request.
pub(super) fn trace_id(place: usize) -> String {
    format!("row-{place}")
}

/// The place a trace id names.
pub(super) fn traced(id: &str) -> Option<usize> {
    id.strip_prefix("row-")?.parse().ok()
}

/// The form in which HubSpot compares contacts' e-mail addresses.
pub(super) fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::Number;

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
            assert_eq!(text(&value).unwrap(), expected, "{value:?}");
        }
        assert!(text(&Value::List(vec![Value::Text("a;b".into())])).is_err());
    }

    #[test]
    fn each_verb_has_its_input() {
        let key = || Value::Text("ann@example.com".into());
        let wire = |verb, id| serde_json::to_value(input(&change(verb, key(), id)).unwrap()).unwrap();
        let all = json!({"email": "ann@example.com", "firstname": "Ann", "plan": ""});
        let own = json!({"firstname": "Ann", "plan": ""});
        assert_eq!(
            wire(Verb::Upsert, Some("7")),
            json!({"id": "ann@example.com", "idProperty": "email", "properties": all})
        );
        assert_eq!(wire(Verb::Create, None), json!({"properties": all}));
        assert_eq!(wire(Verb::Update, Some("7")), json!({"id": "7", "properties": own}));
        assert_eq!(
            wire(Verb::Update, None),
            json!({"id": "ann@example.com", "idProperty": "email", "properties": all})
        );
        assert_eq!(wire(Verb::Delete, Some("7")), json!({"id": "7"}));
    }

    #[test]
    fn a_row_without_a_key_is_refused_alone() {
        for verb in [Verb::Upsert, Verb::Update, Verb::Delete] {
            let outcome = input(&change(verb, Value::Null, None)).unwrap_err();
            assert!(matches!(outcome, Outcome::Rejected { code, .. } if code == "KEY_EMPTY"));
        }
        assert!(input(&change(Verb::Update, Value::Null, Some("7"))).is_ok());
    }

    #[test]
    fn trace_ids_return() {
        assert_eq!(traced(&trace_id(42)), Some(42));
        assert_eq!(traced("42"), None);
    }
}
