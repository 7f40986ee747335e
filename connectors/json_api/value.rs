//! Values as templates see them, and as JSON again, to the last digit.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value as Jinja, ValueKind};
use minijinja::{Error, ErrorKind};
use serde_json::Value as Json;

use crate::contract::{Number, ValueRef, write_text};

/// A null: it prints as nothing, also where a filter takes it as text, as Jinja's own `none` does not.
#[derive(Debug)]
struct Null;

impl Object for Null {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// JSON text that a template's own numbers could not hold.
#[derive(Debug)]
struct Exact(String);

impl Object for Exact {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn null() -> Jinja {
    Jinja::from_object(Null)
}

pub(super) fn is_null(value: &Jinja) -> bool {
    value.is_none() || value.downcast_object_ref::<Null>().is_some()
}

/// A field's value for a template: times as text, numbers to calculate with where they are exact.
pub(super) fn jinja(value: &ValueRef<'_>) -> Jinja {
    match value {
        ValueRef::Null => null(),
        ValueRef::Boolean(flag) => (*flag).into(),
        ValueRef::Number(text) => number(text),
        ValueRef::Text(text) => (*text).into(),
        ValueRef::Date(_) | ValueRef::DateTime(_) => value.to_string().into(),
        ValueRef::Json(text) => match serde_json::from_str(text) {
            Ok(json) if holds(&json, text) => structure(&json),
            _ => Jinja::from_object(Exact(text.to_string())),
        },
        ValueRef::List(items) => items.iter().map(jinja).collect::<Vec<_>>().into(),
    }
}

fn number(text: &str) -> Jinja {
    if let Ok(integer) = text.parse::<i64>() {
        return integer.into();
    }
    match text.parse::<f64>() {
        Ok(float) if Number::from_float(float).is_ok_and(|number| number.as_str() == text) => float.into(),
        _ => Jinja::from_object(Exact(text.to_owned())),
    }
}

/// Whether the parsed JSON is all that the text says.
fn holds(json: &Json, text: &str) -> bool {
    serde_json::to_string(json).is_ok_and(|again| again == text)
}

fn structure(json: &Json) -> Jinja {
    match json {
        Json::Null => null(),
        Json::Bool(flag) => (*flag).into(),
        Json::String(text) => text.as_str().into(),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => integer.into(),
            (None, Some(integer)) => integer.into(),
            (None, None) => number.as_f64().unwrap_or_default().into(),
        },
        Json::Array(items) => items.iter().map(structure).collect::<Vec<_>>().into(),
        Json::Object(fields) => {
            Jinja::from_pairs(fields.iter().map(|(name, v)| (name.clone(), structure(v))))
        }
    }
}

/// Appends a template's value as JSON.
///
/// # Errors
/// For what JSON has no form for, such as an infinite number.
pub(super) fn write_json(value: &Jinja, out: &mut Vec<u8>) -> Result<(), Error> {
    if let Some(Exact(text)) = value.downcast_object_ref::<Exact>() {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    match value.kind() {
        _ if is_null(value) => out.extend_from_slice(b"null"),
        ValueKind::Undefined => return Err(ErrorKind::UndefinedError.into()),
        ValueKind::Bool => out.extend_from_slice(if value.is_true() { b"true" } else { b"false" }),
        ValueKind::Number => out.extend_from_slice(digits(value)?.as_bytes()),
        ValueKind::Seq | ValueKind::Iterable => {
            out.push(b'[');
            for (at, item) in value.try_iter()?.enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_json(&item, out)?;
            }
            out.push(b']');
        }
        ValueKind::Map => {
            out.push(b'{');
            for (at, name) in value.try_iter()?.enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_text(&name.to_string(), out);
                out.push(b':');
                write_json(&value.get_item(&name)?, out)?;
            }
            out.push(b'}');
        }
        _ => write_text(&value.to_string(), out),
    }
    Ok(())
}

/// A number in its one form.
pub(super) fn digits(value: &Jinja) -> Result<String, Error> {
    if value.is_integer() {
        return Ok(value.to_string());
    }
    let number = Number::from_float(f64::try_from(value.clone())?)
        .map_err(|e| Error::new(ErrorKind::InvalidOperation, format!("the result is {e}")))?;
    Ok(number.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_keeps_all_its_digits() {
        let long = "123456789012345678901234567890.123456789";
        for (value, text) in [
            (ValueRef::Null, "null"),
            (ValueRef::Boolean(true), "true"),
            (ValueRef::Number("42".into()), "42"),
            (ValueRef::Number("39.62".into()), "39.62"),
            (ValueRef::Number(long.into()), long),
            (ValueRef::Text("a \"b\"\n<é>"), r#""a \"b\"\n<é>""#),
            (ValueRef::Date(jiff::civil::date(2026, 1, 2)), "\"2026-01-02\""),
            (ValueRef::Json(r#"{"a":[1,null,"x"]}"#.into()), r#"{"a":[1,null,"x"]}"#),
            (ValueRef::Json(format!("[{long}]").into()), &format!("[{long}]")),
            (ValueRef::List(vec![ValueRef::Null, ValueRef::Text("y")]), r#"[null,"y"]"#),
        ] {
            let mut out = Vec::new();
            write_json(&jinja(&value), &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
