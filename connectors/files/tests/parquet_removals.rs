//! Removals in files of Parquet: their match keys come from the ledger, where days, times and long numbers are texts.

use serde_json::json;

use super::layout::codes;
use super::parquet_parts::{Written, target, typed};
use crate::contract::{Change, FieldType, FieldValue, Outcome, Target, Typed, Value, Verb};

/// A removal as the engine makes it, with these texts in its match key.
fn removal(key: &[(&str, &str)]) -> Change {
    let field = |(name, text): &(&str, &str)| FieldValue {
        name: (*name).into(),
        value: Value::Text((*text).to_owned()),
    };
    Change {
        verb: Verb::Delete,
        destination_key: key.iter().map(field).collect(),
        remote_id: None,
        fields: Vec::new(),
    }
}

/// Matched on all of its fields.
fn matched() -> Target {
    let decimal = Typed { kind: FieldType::Number, scale: Some(20) };
    let fields = [
        ("day", Some(typed(FieldType::Date))),
        ("at", Some(typed(FieldType::DateTime))),
        ("amount", Some(decimal)),
        ("name", None),
    ];
    let match_on = ["id", "day", "at", "amount", "name"].map(str::to_owned).to_vec();
    Target { match_on, ..target(&fields, json!({})) }
}

#[test]
fn a_match_key_of_the_ledger_has_the_types_of_its_columns() {
    let key = [
        ("id", "9007199254740993"),
        ("day", "2024-02-29"),
        ("at", "2024-02-29T12:00:00.000001Z"),
        ("amount", "0.12345678901234567891"),
        ("name", "7"),
    ];
    let written = Written::new(&matched(), &vec![removal(&key)]);
    assert_eq!(codes(&written.outcomes), [""]);
    assert_eq!(
        written.rows()[0],
        [
            "Text(\"delete\")",
            "Integer(9007199254740993)",
            "Date(2024-02-29)",
            "Timestamp(2024-02-29T12:00:00.000001Z)",
            "Decimal { digits: 12345678901234567891, scale: 20 }",
            "Text(\"7\")",
        ]
    );
}

#[test]
fn a_match_key_that_is_no_value_of_its_column_is_refused_by_name() {
    for (name, bad) in [("id", "7a"), ("day", "today"), ("at", "2024-02-29"), ("amount", "")] {
        let written = Written::new(&matched(), &vec![removal(&[(name, bad)])]);
        assert_eq!(codes(&written.outcomes), ["FILE_TYPE"], "{name}");
        let Outcome::Rejected { field, .. } = &written.outcomes[0] else { unreachable!() };
        assert_eq!(field.as_deref(), Some(name));
    }
}
