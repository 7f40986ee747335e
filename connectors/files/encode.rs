//! Changes as lines of JSON.

use std::io::Write;

use crate::contract::{ChangeRef, FieldRef, write_text};

/// The key of every line that says what the line means: `create`, `upsert`, `update` or `delete`.
pub(super) const OPERATION: &str = "_op";

/// Appends one line: the operation, then the fields. A removal has the fields of its destination key only.
pub(super) fn line(change: ChangeRef<'_>, out: &mut Vec<u8>) {
    let _ = write!(out, "{{\"{OPERATION}\":\"{}\"", change.verb); // writing to memory cannot fail
    let is_field = |part: &&FieldRef<'_>| !change.fields.iter().any(|field| field.name == part.name);
    for FieldRef { name, value } in change.destination_key.iter().filter(is_field).chain(change.fields) {
        out.push(b',');
        write_text(name, out);
        out.push(b':');
        value.write_json(out);
    }
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Change, FieldValue, Number, Value, Verb};

    fn field(name: &str, value: Value) -> FieldValue {
        FieldValue { name: name.into(), value }
    }

    fn written(change: &Change) -> String {
        let mut out = Vec::new();
        change.borrowed(|change| line(change, &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn one_line_each() {
        let key = vec![field("email", Value::Text("a@b.c".into()))];
        let fields = vec![
            field("email", Value::Text("a@b.c".into())),
            field("note", Value::Text("two\nlines \"quoted\" €".into())),
            field("exact", Value::Number(Number::parse("12345678901234567890.123456789").unwrap())),
            field("day", Value::Date("2024-02-29".parse().unwrap())),
            field("at", Value::DateTime("2024-02-29T10:00:00.5Z".parse().unwrap())),
            field("tags", Value::List(vec![Value::Text("a".into()), Value::Null, Value::Boolean(true)])),
            field("raw", Value::Json(serde_json::json!({"b": [1, 2.5]}))),
        ];
        let change = Change { verb: Verb::Upsert, destination_key: key.clone(), remote_id: None, fields };
        assert_eq!(
            written(&change),
            "{\"_op\":\"upsert\",\"email\":\"a@b.c\",\"note\":\"two\\nlines \\\"quoted\\\" €\",\
             \"exact\":12345678901234567890.123456789,\"day\":\"2024-02-29\",\"at\":\"2024-02-29T10:00:00.5Z\",\
             \"tags\":[\"a\",null,true],\"raw\":{\"b\":[1,2.5]}}\n"
        );
        let removal = Change { verb: Verb::Delete, destination_key: key, remote_id: None, fields: vec![] };
        assert_eq!(written(&removal), "{\"_op\":\"delete\",\"email\":\"a@b.c\"}\n");
    }
}
