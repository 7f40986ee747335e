//! Which records have these keys, by SOQL: it reads what is committed, unlike a search.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::client::Client;
use super::encode::long_id;
use crate::contract::{ConnectorError, Value};
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
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for soql in queries((object, field), values) {
        for row in client.query(&soql).await? {
            if let (Some(id), Some(value)) = (json::text(&row, "Id"), compared(&row[field])) {
                found.entry(value).or_default().push(long_id(&id).into_owned());
            }
        }
    }
    let ids = values.iter().map(|value| found.get(&folded(value)).cloned().unwrap_or_default());
    Ok(ids.collect())
}

/// Salesforce compares texts in any case of letters unless the field says otherwise.
fn folded(value: &Value) -> String {
    value.to_string().to_lowercase()
}

/// The value of an answer, as [`folded`]: numbers come as `7.0`.
fn compared(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.to_lowercase()),
        Json::Number(number) => Some(crate::contract::Number::parse(&number.to_string()).ok()?.to_string()),
        _ => None,
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
    fn values_are_compared_as_salesforce_does() {
        assert_eq!(compared(&Json::from("ABC")), Some(folded(&Value::Text("abc".into()))));
        assert_eq!(compared(&Json::from(7.0)), Some(folded(&Value::Integer(7))));
        assert_eq!(compared(&Json::Null), None);
    }
}
