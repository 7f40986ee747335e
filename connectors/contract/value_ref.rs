//! A value where it stands: in the spool of a run, or in a [`Value`].

use std::borrow::Cow;
use std::fmt;

use jiff::{Timestamp, civil};

use super::{Number, Value, write_date, write_time};
use crate::scan::has_any;

/// A [`Value`], borrowed; cheap to make for all but lists.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueRef<'a> {
    /// As [`Value::Null`].
    Null,
    /// As [`Value::Boolean`].
    Boolean(bool),
    /// The canonical text of a [`Number`], integers included.
    Number(Cow<'a, str>),
    /// As [`Value::Text`].
    Text(&'a str),
    /// As [`Value::Date`].
    Date(civil::Date),
    /// As [`Value::DateTime`].
    DateTime(Timestamp),
    /// JSON text.
    Json(Cow<'a, str>),
    /// As [`Value::List`].
    List(Vec<ValueRef<'a>>),
}

impl Value {
    /// The same value, borrowed.
    pub fn borrowed(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Boolean(b) => ValueRef::Boolean(*b),
            Value::Integer(i) => ValueRef::Number(i.to_string().into()),
            Value::Number(n) => ValueRef::Number(n.as_str().into()),
            Value::Text(text) => ValueRef::Text(text),
            Value::Date(date) => ValueRef::Date(*date),
            Value::DateTime(time) => ValueRef::DateTime(*time),
            Value::Json(json) => ValueRef::Json(json.to_string().into()),
            Value::List(items) => ValueRef::List(items.iter().map(Value::borrowed).collect()),
        }
    }
}

impl ValueRef<'_> {
    /// The value as one of its own; `None` for a number or JSON text that is none.
    pub fn to_value(&self) -> Option<Value> {
        Some(match self {
            ValueRef::Null => Value::Null,
            ValueRef::Boolean(b) => Value::Boolean(*b),
            ValueRef::Number(text) => match text.parse() {
                Ok(integer) => Value::Integer(integer),
                Err(_) => Value::Number(Number::parse(text).ok()?),
            },
            ValueRef::Text(text) => Value::Text((*text).to_owned()),
            ValueRef::Date(date) => Value::Date(*date),
            ValueRef::DateTime(time) => Value::DateTime(*time),
            ValueRef::Json(text) => Value::Json(serde_json::from_str(text).ok()?),
            ValueRef::List(items) => {
                Value::List(items.iter().map(ValueRef::to_value).collect::<Option<_>>()?)
            }
        })
    }
}

impl fmt::Display for ValueRef<'_> {
    /// As [`Value`]'s.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueRef::Null => f.write_str("null"),
            ValueRef::Boolean(b) => write!(f, "{b}"),
            ValueRef::Number(text) | ValueRef::Json(text) => f.write_str(text),
            ValueRef::Text(text) => f.write_str(text),
            ValueRef::Date(date) => write!(f, "{date}"),
            ValueRef::DateTime(time) => write!(f, "{time}"),
            ValueRef::List(_) => {
                let mut out = Vec::new();
                self.write_json(&mut out);
                f.write_str(&String::from_utf8_lossy(&out))
            }
        }
    }
}

impl ValueRef<'_> {
    /// Appends the value as JSON: numbers with all their digits, times as RFC 3339 texts.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            ValueRef::Null => out.extend_from_slice(b"null"),
            ValueRef::Boolean(true) => out.extend_from_slice(b"true"),
            ValueRef::Boolean(false) => out.extend_from_slice(b"false"),
            ValueRef::Number(text) | ValueRef::Json(text) => out.extend_from_slice(text.as_bytes()),
            ValueRef::Text(text) => write_text(text, out),
            ValueRef::Date(date) => {
                out.push(b'"');
                write_date(*date, out);
                out.push(b'"');
            }
            ValueRef::DateTime(time) => {
                out.push(b'"');
                write_time(*time, out);
                out.push(b'"');
            }
            ValueRef::List(items) => {
                out.push(b'[');
                for (position, item) in items.iter().enumerate() {
                    if position > 0 {
                        out.push(b',');
                    }
                    item.write_json(out);
                }
                out.push(b']');
            }
        }
    }
}

/// Appends a text as a JSON string.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    if has_any(text.as_bytes(), b' ', [b'"', b'\\']) {
        let _ = serde_json::to_writer(out, text); // writing to memory cannot fail
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_written_as_any_json_is(text in "[a-c\"\\\\/\u{0}-\u{22}\u{7f}é日😀]{0,40}|\\PC{0,40}") {
            let mut out = Vec::new();
            write_text(&text, &mut out);
            prop_assert_eq!(out, serde_json::to_vec(&text).unwrap());
        }
    }
}
