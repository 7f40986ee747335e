//! Values and keys as JSON, for reports and the ledger.

use std::io::Write;

use outflow_connectors::contract::{Value, ValueRef};
use serde_json::{Map, Value as Json};

use super::json;

/// A key as `{column: value}`, in the order of the primary key.
pub fn key_json<S: AsRef<str>>(columns: &[S], values: &[Value]) -> Map<String, Json> {
    columns.iter().zip(values).map(|(name, value)| (name.as_ref().to_owned(), value_json(value))).collect()
}

/// A value as JSON. A number that a JSON number cannot hold exactly is its text; dates and times are RFC 3339.
pub fn value_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(b) => (*b).into(),
        Value::Integer(i) => (*i).into(),
        Value::Number(n) => json::exact(n).unwrap_or_else(|| n.as_str().into()),
        Value::Text(s) => s.as_str().into(),
        Value::Date(_) | Value::DateTime(_) => value.to_string().into(),
        Value::Json(j) => j.clone(),
        Value::List(items) => items.iter().map(value_json).collect(),
    }
}

/// Digits of an integer that every JSON number holds.
const EXACT_DIGITS: usize = 15;

/// Appends what [`value_json`] makes of a value.
pub fn write_json(value: &ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Number(text) if text.len() > EXACT_DIGITS || text.contains('.') => {
            let json = value.to_value().map_or(Json::Null, |value| value_json(&value));
            let _ = write!(out, "{json}"); // writing to memory cannot fail
        }
        ValueRef::List(items) => {
            out.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_json(item, out);
            }
            out.push(b']');
        }
        other => other.write_json(out),
    }
}

#[cfg(test)]
mod tests {
    use outflow_connectors::contract::Number;

    use super::*;

    #[test]
    fn shows_each_kind_of_value() {
        let number = |text: &str| Value::Number(Number::parse(text).unwrap());
        for (value, json) in [
            (Value::Null, "null"),
            (Value::Boolean(true), "true"),
            (Value::Integer(i64::MIN), "-9223372036854775808"),
            (number("12.50"), "12.5"),
            (number("0.12345678901234567890123"), r#""0.12345678901234567890123""#),
            (Value::Text("é\"".into()), r#""é\"""#),
            (Value::Date("2009-01-31".parse().unwrap()), r#""2009-01-31""#),
            (Value::DateTime("2009-01-31T01:00:00+01".parse().unwrap()), r#""2009-01-31T00:00:00Z""#),
            (Value::List(vec![number("1"), Value::Null]), "[1,null]"),
        ] {
            assert_eq!(value_json(&value).to_string(), json);
            let mut written = Vec::new();
            write_json(&value.borrowed(), &mut written);
            assert_eq!(String::from_utf8(written).unwrap(), json);
        }
    }

    #[test]
    fn a_key_names_its_columns() {
        let key = key_json(&["id", "region"], &[Value::Integer(7), Value::Text("eu".into())]);
        assert_eq!(Json::Object(key).to_string(), r#"{"id":7,"region":"eu"}"#);
    }
}
