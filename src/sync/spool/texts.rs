//! Keys and records as the ledger keeps them: JSON texts, which people read, and hashes of fields.

use std::io;
use std::sync::Arc;

use outflow_connectors::contract::{FieldValue, Number, Value, write_text};
use serde_json::Value as Json;

use super::stored::{Stored, Values};
use crate::sync::map::{Mapper, Record};
use crate::transform::display::{value_json, write_json};

/// Replaces what is in `out` by `{column: value}` of a primary key.
///
/// # Errors
/// When a value is damaged.
pub fn write_key(columns: &[String], values: Values<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    out.clear();
    out.push(b'{');
    for (position, (column, value)) in columns.iter().zip(values).enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_text(column, out);
        out.push(b':');
        write_json(&value?, out);
    }
    out.push(b'}');
    Ok(())
}

/// Replaces what is in `out` by a JSON list of the values of a destination key.
///
/// # Errors
/// When a value is damaged.
pub fn write_list(values: Values<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    out.clear();
    out.push(b'[');
    for (position, value) in values.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_json(&value?, out);
    }
    out.push(b']');
    Ok(())
}

/// `{column: value}` of a record's primary key.
///
/// # Errors
/// When a value is damaged.
pub fn key_text(mapper: &Mapper, record: &Stored<'_>) -> io::Result<String> {
    let mut out = Vec::new();
    write_key(&mapper.spec.key, record.key_values(), &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// The destination key's values as a JSON list.
///
/// # Errors
/// When a value is damaged.
pub fn destination_text(record: &Stored<'_>) -> io::Result<String> {
    let mut out = Vec::new();
    write_list(record.destination_key(), &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Reads what [`write_list`] wrote.
pub fn destination_key(match_on: &[String], text: Option<&str>) -> Vec<FieldValue> {
    let values: Vec<Json> = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let value = |json: Json| match json {
        Json::String(text) => Value::Text(text),
        Json::Bool(b) => Value::Boolean(b),
        Json::Number(n) => Number::parse(&n.to_string()).map_or(Value::Null, Value::Number),
        Json::Null => Value::Null,
        other => Value::Json(other),
    };
    let named = match_on.iter().zip(values);
    named.map(|(name, json)| FieldValue { name: name.as_str().into(), value: value(json) }).collect()
}

/// As [`Mapper::field_hashes`] of a record, without making its values.
///
/// # Errors
/// When a value is damaged.
pub fn field_hashes(mapper: &Mapper, record: &Stored<'_>) -> io::Result<Vec<(Arc<str>, u64)>> {
    let fields = &mapper.spec.fields;
    let (mut hashes, mut message) = (Vec::with_capacity(fields.len()), Vec::new());
    for (field, value) in fields.iter().zip(record.encoded_fields()) {
        if let Some(value) = value?
            && field.diff
        {
            let hash = mapper.field_hash(&record.key, &field.name, value, &mut message);
            hashes.push((field.name.clone(), hash));
        }
    }
    Ok(hashes)
}

/// The record as JSON text, for `keep: values`.
pub fn record_text(mapper: &Mapper, record: &Record) -> String {
    let fields = mapper.spec.fields.iter().zip(&record.fields);
    let object: serde_json::Map<String, Json> = fields
        .filter_map(|(field, value)| Some((field.name.to_string(), value_json(value.as_ref()?))))
        .collect();
    Json::Object(object).to_string()
}
