//! Lists, sets and choices of several options.

use outflow_connectors::contract::{Cell, FieldType, Number, Value};
use serde_json::Value as Json;

use super::convert::{Conversion, fits, is_option, not_an_option, text};
use super::fault::{self, Fault, shorten};
use super::{encode, json};

/// The items of a JSON array.
pub(super) fn list(cell: Cell<'_>, to: &Conversion) -> Result<Vec<Value>, Fault> {
    let refusal =
        || Fault::value(fault::NOT_A_LIST, cell, "is not a JSON array, and the field's type is list");
    let items = match cell {
        Cell::List(s) | Cell::Json(s) => json::parse(s),
        Cell::Text(s) if s.trim_start().starts_with('[') => json::parse(s),
        _ => return Err(refusal()),
    };
    match items.map_err(|problem| Fault::value(fault::NOT_JSON, cell, problem))? {
        Json::Array(items) => Ok(arranged(items.into_iter().map(item).collect(), to.set)),
        _ => Err(refusal()),
    }
}

/// One item of a list, from its canonical JSON.
fn item(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Boolean(b),
        Json::String(s) => Value::Text(s),
        Json::Number(n) => match n.as_i64() {
            Some(i) => Value::Integer(i),
            None => Number::parse(&n.to_string()).map_or(Value::Json(Json::Number(n)), Value::Number),
        },
        Json::Array(items) => Value::List(items.into_iter().map(item).collect()),
        Json::Object(_) => Value::Json(json),
    }
}

/// A set has one order and no repeats.
fn arranged(items: Vec<Value>, set: bool) -> Vec<Value> {
    if !set {
        return items;
    }
    let encoded = |value: &Value| {
        let mut bytes = Vec::new();
        encode::encode_value(value, &mut bytes);
        bytes
    };
    let mut keyed: Vec<_> = items.into_iter().map(|value| (encoded(&value), value)).collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    keyed.dedup_by(|a, b| a.0 == b.0);
    keyed.into_iter().map(|(_, value)| value).collect()
}

/// Several options at once: a JSON array, or text as `a;b`. A string field gets them joined by `;`, a list field as list.
pub(super) fn choices(cell: Cell<'_>, to: &Conversion) -> Result<Value, Fault> {
    let joined = match cell {
        Cell::List(_) | Cell::Json(_) => None,
        Cell::Text(s) if s.trim_start().starts_with('[') => None,
        other => Some(text(other, to)?),
    };
    let chosen = match joined {
        Some(joined) => {
            let items = joined.split(';').filter(|s| !s.is_empty()).map(|s| Value::Text(s.to_owned()));
            arranged(items.collect(), to.set)
        }
        None => list(cell, to)?.into_iter().map(|v| Value::Text(v.to_string())).collect(),
    };
    if let Some(wrong) = chosen.iter().find(|v| !is_option(&v.to_string(), to)) {
        return Err(not_an_option(&wrong.to_string(), to));
    }
    if to.kind == FieldType::List {
        return Ok(Value::List(chosen));
    }
    let names: Vec<String> = chosen.iter().map(Value::to_string).collect();
    if let Some(name) = names.iter().find(|name| name.contains(';')) {
        let problem = format!("the option `{}` contains `;`, which separates options", shorten(name));
        return Err(Fault::new(fault::NOT_AN_OPTION, problem));
    }
    fits(&names.join(";"), to)?;
    Ok(Value::Text(names.join(";")))
}
