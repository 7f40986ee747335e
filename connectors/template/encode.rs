//! Changes as Template reads them: `{"op": "upsert", "id": .., "fields": {..}}` or `{"op": "delete", "id": ..}`. Pure.

use crate::contract::{ChangeRef, Outcome, ValueRef, Verb, write_text};

/// Around the operations of a request.
pub(super) const OPEN: &str = "{\"operations\":[";
pub(super) const CLOSE: &str = "]}";

/// Most bytes of a request's body.
pub(super) const BYTES: usize = 1 << 20;

/// Appends a change as an operation. A null clears a field.
///
/// # Errors
/// The outcome of a row that cannot be sent: its key is empty, or it is too long for a request by itself.
pub(super) fn operation(change: ChangeRef<'_>, out: &mut Vec<u8>) -> Result<(), Outcome> {
    let start = out.len();
    let key = change.destination_key.first();
    let id = match key.map(|field| &field.value) {
        None | Some(ValueRef::Null) => String::new(),
        Some(value) => value.to_string(),
    };
    let refused = |code: &str, message: String| Outcome::Rejected {
        code: code.to_owned(),
        field: key.map(|field| field.name.to_owned()),
        message,
    };
    if id.is_empty() {
        return Err(refused("KEY_EMPTY", "the match key is empty, so the person cannot be found".to_owned()));
    }
    let removes = change.verb == Verb::Delete;
    out.extend_from_slice(if removes {
        b"{\"op\":\"delete\",\"id\":"
    } else {
        b"{\"op\":\"upsert\",\"id\":"
    });
    write_text(&id, out);
    if !removes {
        out.extend_from_slice(b",\"fields\":{");
        let fields = change.fields.iter().filter(|field| key.is_none_or(|key| key.name != field.name));
        for (position, field) in fields.enumerate() {
            if position > 0 {
                out.push(b',');
            }
            write_text(field.name, out);
            out.push(b':');
            field.value.write_json(out);
        }
        out.push(b'}');
    }
    out.push(b'}');
    match out.len() - start + OPEN.len() + CLOSE.len() {
        0..=BYTES => Ok(()),
        length => {
            Err(refused("TOO_LARGE", format!("the row has {length} bytes, and a request takes {BYTES}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{change, field};
    use super::*;
    use crate::contract::{Change, Value};

    fn written(change: &Change) -> Result<String, Outcome> {
        let mut out = Vec::new();
        change.borrowed(|change| operation(change, &mut out)).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_change_is_one_operation() {
        let mut ann = change(Verb::Upsert, "a\"1");
        ann.fields.push(field("plan", Value::Null));
        assert_eq!(
            written(&ann).unwrap(),
            r#"{"op":"upsert","id":"a\"1","fields":{"name":"Ann","plan":null}}"#
        );
        assert_eq!(written(&change(Verb::Delete, "a")).unwrap(), r#"{"op":"delete","id":"a"}"#);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_here() {
        let mut long = change(Verb::Upsert, "a");
        long.fields.push(field("note", Value::Text("x".repeat(BYTES))));
        for (change, expected) in [(change(Verb::Upsert, ""), "KEY_EMPTY"), (long, "TOO_LARGE")] {
            let refusal = written(&change).unwrap_err();
            assert!(matches!(&refusal, Outcome::Rejected { code, .. } if code == expected), "{refusal:?}");
        }
    }
}
