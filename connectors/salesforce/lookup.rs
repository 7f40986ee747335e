//! Which records have these keys, by SOQL: it reads what is committed, unlike a search.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::client::Client;
use super::encode::long_id;
use crate::contract::{ConnectorError, Number, Value};
use crate::http::{escaped, json};

/// Bytes of one query's address, all told; 16,384 is Salesforce's limit (REST API Developer Guide, "URI length").
const LONGEST: usize = 8_000;

/// Ids of the records that have each of these values in a field; none and several are possible.
///
/// # Errors
/// Those of the queries.
pub(super) async fn ids(
    client: &Client,
    (object, field): (&str, &str),
    values: &[Value],
) -> Result<Vec<Vec<String>>, ConnectorError> {
    let mut found = Found::default();
    for soql in queries((object, field), values) {
        for row in client.query(&soql).await? {
            found.add(&row, field);
        }
    }
    Ok(values.iter().map(|value| found.ids(value)).collect())
}

/// Records by the value of the field, folded: the value itself and the id.
#[derive(Debug, Default)]
struct Found(HashMap<String, Vec<(String, String)>>);

impl Found {
    fn add(&mut self, row: &Json, field: &str) {
        let value = match &row[field] {
            Json::String(text) => text.clone(),
            // Numbers come as `7.0`.
            Json::Number(number) => match Number::parse(&number.to_string()) {
                Ok(number) => number.to_string(),
                Err(_) => return,
            },
            _ => return,
        };
        if let Some(id) = json::text(row, "Id") {
            self.0.entry(value.to_lowercase()).or_default().push((value, long_id(&id).into_owned()));
        }
    }

    /// The ids of the records with this very value. Salesforce compares texts in any case of letters unless the field says
    /// otherwise: where none has the very value, those that differ in that alone.
    fn ids(&self, value: &Value) -> Vec<String> {
        if *value == Value::Null {
            return Vec::new();
        }
        let text = value.to_string();
        let alike = self.0.get(&text.to_lowercase()).map_or(&[][..], Vec::as_slice);
        let exact: Vec<String> =
            alike.iter().filter(|(value, _)| *value == text).map(|(_, id)| id.clone()).collect();
        match exact.is_empty() {
            true => alike.iter().map(|(_, id)| id.clone()).collect(),
            false => exact,
        }
    }
}

/// Queries that are short enough to be sent.
fn queries((object, field): (&str, &str), values: &[Value]) -> Vec<String> {
    let begin = format!("SELECT Id, {field} FROM {object} WHERE {field} IN (");
    let mut queries: Vec<(String, usize)> = Vec::new();
    for value in values.iter().filter(|value| !matches!(value, Value::Null)) {
        let literal = literal(value);
        let bytes = escaped(&literal).len() + 3;
        match queries.last_mut() {
            Some((soql, length)) if *length + bytes <= LONGEST => {
                soql.push(',');
                soql.push_str(&literal);
                *length += bytes;
            }
            _ => queries.push((format!("{begin}{literal}"), escaped(&begin).len() + bytes)),
        }
    }
    queries.into_iter().map(|(soql, _)| soql + ")").collect()
}

/// A value in SOQL (SOQL and SOSL Reference, "Quoted String Escape Sequences").
fn literal(value: &Value) -> String {
    match value {
        Value::Integer(_) | Value::Number(_) | Value::Date(_) | Value::DateTime(_) | Value::Boolean(_) => {
            value.to_string()
        }
        text => {
            let mut quoted = String::from("'");
            for c in text.to_string().chars() {
                match c {
                    '\\' | '\'' => quoted.extend(['\\', c]),
                    '\n' => quoted.push_str("\\n"),
                    '\r' => quoted.push_str("\\r"),
                    '\t' => quoted.push_str("\\t"),
                    c => quoted.push(c),
                }
            }
            quoted.push('\'');
            quoted
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_quoted_and_queries_are_short() {
        let values = [Value::Text("O'Neil \\ x".into()), Value::Integer(7), Value::Null];
        assert_eq!(
            queries(("Contact", "E__c"), &values),
            ["SELECT Id, E__c FROM Contact WHERE E__c IN ('O\\'Neil \\\\ x',7)"]
        );
        let many: Vec<Value> = (0..2_000).map(|n| Value::Text(format!("日本-{n}"))).collect();
        let queries = queries(("Contact", "E__c"), &many);
        assert!(queries.len() > 1 && queries.iter().all(|soql| escaped(soql).len() <= LONGEST + 10));
        assert_eq!(queries.iter().map(|soql| soql.matches("日本").count()).sum::<usize>(), 2_000);
    }

    #[test]
    fn a_value_is_found_as_it_is_or_else_in_any_case_of_letters() {
        let mut found = Found::default();
        for (id, value) in [
            ("1", json!("ab")),
            ("2", json!("AB")),
            ("3", json!("Cd")),
            ("4", json!("cD")),
            ("5", json!(7.0)),
            ("6", json!(null)),
            ("7", json!({})),
            ("8", json!("null")),
        ] {
            found.add(&json!({"Id": id, "E__c": value}), "E__c");
        }
        found.add(&json!({"E__c": "no id"}), "E__c");
        let ids = |value: Value| found.ids(&value).concat();
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(
            (ids(text("ab")), ids(text("AB"))),
            ("1".to_owned(), "2".to_owned()),
            "a field that tells them apart"
        );
        assert_eq!((ids(text("cd")), ids(text("Cd"))), ("34".to_owned(), "3".to_owned()));
        assert_eq!((ids(Value::Integer(7)), ids(Value::Null)), ("5".to_owned(), String::new()));
        assert_eq!((ids(text("no id")), ids(text("x"))), (String::new(), String::new()));
    }
}
