//! What is converted, and what is a fault, by example.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use outflow_connectors::contract::{Cell, FieldType, Value};
use serde_json::json;

use super::convert::{Conversion, constant, convert};
use super::fault::{self, CODES, Fault};
use super::{Template, encode};

fn fault(cell: Cell<'_>, kind: FieldType) -> Fault {
    convert(cell, &Conversion::new(kind)).unwrap_err()
}

fn shown(cell: Cell<'_>, to: &Conversion) -> String {
    match convert(cell, to) {
        Ok(value) => value.to_string(),
        Err(fault) => fault.message,
    }
}

const FAULTS: &[(Cell<'static>, FieldType, &str, &str)] = &[
    (Cell::Malformed("invalid UTF-8 at byte 3"), FieldType::String, "OF-ROW-002", "invalid UTF-8 at byte 3"),
    (
        Cell::Text("1,5"),
        FieldType::Number,
        "OF-ROW-004",
        "`1,5` is not a number, and the field's type is number",
    ),
    (Cell::Text("NaN"), FieldType::Number, "OF-ROW-004", "`NaN`"),
    (Cell::Float(f64::NAN), FieldType::Number, "OF-ROW-005", "`NaN` is not a finite number"),
    (Cell::Float(f64::INFINITY), FieldType::Integer, "OF-ROW-005", "`inf`"),
    (Cell::Float(1.5), FieldType::Integer, "OF-ROW-006", "`1.5` has a fraction"),
    (Cell::Text("1.5"), FieldType::Integer, "OF-ROW-006", "`1.5` has a fraction"),
    (Cell::Text("9223372036854775808"), FieldType::Integer, "OF-ROW-007", "64 bits"),
    (Cell::Float(9_007_199_254_740_994.0), FieldType::Integer, "OF-ROW-007", "`9007199254740994`"),
    (Cell::Integer(2), FieldType::Boolean, "OF-ROW-008", "`2` is not a boolean"),
    (Cell::Text("maybe"), FieldType::Boolean, "OF-ROW-008", "`maybe`"),
    (Cell::Text("31.01.2009"), FieldType::Date, "OF-ROW-009", "`31.01.2009` is not a date"),
    (Cell::Text("2009-02-30"), FieldType::DateTime, "OF-ROW-009", "`2009-02-30`"),
    (Cell::Text("2009-01-01 12:30:00"), FieldType::Date, "OF-ROW-010", "has a time of day (12:30:00)"),
    (Cell::Integer(1_230_768_000), FieldType::DateTime, "OF-ROW-011", "unixepoch"),
    (Cell::Text("1230768000"), FieldType::Date, "OF-ROW-011", "unixepoch"),
    (Cell::Float(2_454_832.5), FieldType::Date, "OF-ROW-011", "`2454832.5` is a number"),
    (Cell::Text("{"), FieldType::Json, "OF-ROW-012", "`{` is not valid JSON"),
    (Cell::Text("[123456789012345678901]"), FieldType::List, "OF-ROW-012", "`123456789012345678901`"),
    (Cell::Text("a, b"), FieldType::List, "OF-ROW-013", "is not a JSON array"),
    (Cell::Json("{}"), FieldType::List, "OF-ROW-013", "`{}`"),
    (Cell::Bytes(&[0; 9]), FieldType::String, "OF-ROW-016", "a value of 9 bytes"),
    (Cell::Bool(true), FieldType::Date, "OF-ROW-017", "`true` is a boolean and has no form as date"),
];

#[test]
fn what_would_be_lost_is_a_fault() {
    for (cell, kind, code, part) in FAULTS {
        let fault = fault(*cell, *kind);
        assert_eq!(fault.code, *code, "{cell:?} as {kind}: {fault}");
        assert!(fault.message.contains(part), "{cell:?} as {kind}: {fault}");
    }
}

#[test]
fn length_and_options_are_checked() {
    let short = Conversion { max_length: Some(3), ..Conversion::new(FieldType::String) };
    assert_eq!(shown(Cell::Text("äöü"), &short), "äöü");
    let fault = convert(Cell::Text("äöüß"), &short).unwrap_err();
    assert_eq!(
        (fault.code, &*fault.message),
        (fault::TOO_LONG, "`äöüß` has 4 characters, and the field takes 3")
    );
    assert_eq!(convert(Cell::Integer(1234), &short).unwrap_err().code, fault::TOO_LONG);

    let cents = Conversion { kept: Some(2), ..Conversion::new(FieldType::Number) };
    assert_eq!(shown(Cell::Text("12.50"), &cents), "12.5");
    let fault = convert(Cell::Float(12.505), &cents).unwrap_err();
    assert_eq!(
        (fault.code, &*fault.message),
        (
            fault::TOO_PRECISE,
            "`12.505` has 3 digits after the point, and the field keeps 2; set `scale: 2` to round it"
        )
    );
    let rounded = Conversion { scale: Some(2), ..cents };
    assert_eq!(shown(Cell::Float(12.505), &rounded), "12.51");

    let pick = Conversion { options: vec!["A".into(), "B".into()], ..Conversion::new(FieldType::String) };
    assert_eq!(shown(Cell::Text("B"), &pick), "B");
    for wrong in ["b", "", " A", "A;B"] {
        assert_eq!(convert(Cell::Text(wrong), &pick).unwrap_err().code, fault::NOT_AN_OPTION, "{wrong}");
    }
    assert_eq!(shown(Cell::Text("C"), &pick), "`C` is not one of the options `A`, `B`");
    assert_eq!(convert(Cell::Null, &pick), Ok(Value::Null));
}

#[test]
fn several_options_come_from_a_list_or_from_text() {
    let several = Conversion {
        options: vec!["A".into(), "B".into()],
        multiple: true,
        ..Conversion::new(FieldType::String)
    };
    for cell in [Cell::Text("B;A"), Cell::Text(r#"["B","A"]"#), Cell::List(r#"["B","A"]"#)] {
        assert_eq!(shown(cell, &several), "B;A");
        assert_eq!(shown(cell, &Conversion { set: true, ..several.clone() }), "A;B");
        assert_eq!(shown(cell, &Conversion { kind: FieldType::List, ..several.clone() }), r#"["B","A"]"#);
    }
    assert_eq!(shown(Cell::Text(""), &several), "");
    assert_eq!(convert(Cell::Text("A;C"), &several).unwrap_err().code, fault::NOT_AN_OPTION);
    let free = Conversion { options: vec![], ..several };
    assert!(shown(Cell::List(r#"["a;b"]"#), &free).contains("contains `;`"));
}

#[test]
fn scale_rounds_numbers_of_every_type() {
    let cents = Conversion { scale: Some(2), ..Conversion::new(FieldType::Number) };
    for cell in [Cell::Float(1.005), Cell::Decimal { digits: 1005, scale: 3 }, Cell::Text("1.0050")] {
        assert_eq!(shown(cell, &cents), "1.01", "{cell:?}");
    }
    assert_eq!(shown(Cell::Float(39.6), &cents), "39.6");
    let whole = Conversion { scale: Some(0), ..Conversion::new(FieldType::Integer) };
    assert_eq!(shown(Cell::Float(2.5), &whole), "3");
    let text = Conversion { scale: Some(1), ..Conversion::new(FieldType::String) };
    assert_eq!(shown(Cell::Float(2.25), &text), "2.3");
    assert_eq!(shown(Cell::Text("2.25"), &text), "2.25");
}

#[test]
fn times_without_a_zone_are_in_the_sources() {
    let tokyo = TimeZone::fixed(jiff::tz::offset(9));
    let to = |kind| Conversion { timezone: Some(tokyo.clone()), ..Conversion::new(kind) };
    let midnight = Cell::Text("2009-01-01 00:00:00");
    assert_eq!(shown(midnight, &Conversion::new(FieldType::DateTime)), "2009-01-01T00:00:00Z");
    assert_eq!(shown(midnight, &to(FieldType::DateTime)), "2008-12-31T15:00:00Z");
    assert_eq!(shown(midnight, &to(FieldType::Date)), "2009-01-01");
    let instant = Cell::Timestamp("2008-12-31T15:00:00Z".parse().unwrap());
    assert_eq!(shown(instant, &to(FieldType::Date)), "2009-01-01");
    assert_eq!(convert(instant, &Conversion::new(FieldType::Date)).unwrap_err().code, fault::TIME_OF_DAY);
}

#[test]
fn constants_convert_as_cells_do() {
    for (json, kind, value) in [
        (json!(null), FieldType::Number, "null"),
        (json!("outflow"), FieldType::String, "outflow"),
        (json!(1.50), FieldType::Number, "1.5"),
        (json!(u64::MAX), FieldType::Number, "18446744073709551615"),
        (json!("2009-01-01"), FieldType::Date, "2009-01-01"),
        (json!(true), FieldType::String, "true"),
        (json!(["b", "a"]), FieldType::List, r#"["b","a"]"#),
        (json!({"b": 1.0, "a": []}), FieldType::Json, r#"{"a":[],"b":1}"#),
    ] {
        assert_eq!(constant(&json, &Conversion::new(kind)).unwrap().to_string(), value, "{json}");
    }
    assert_eq!(
        constant(&json!("x"), &Conversion::new(FieldType::Number)).unwrap_err().code,
        fault::NOT_A_NUMBER
    );
}

#[test]
fn messages_show_sixty_characters_and_no_control_characters() {
    let long = format!("a\n\0{}", "x".repeat(2_000_000));
    let message = fault(Cell::Text(&long), FieldType::Number).message;
    assert!(message.starts_with(&format!("`a\\n\\u{{0}}{}…` is not a number", "x".repeat(57))), "{message}");
}

#[test]
fn every_code_is_explained_and_reached() {
    let listed: Vec<&str> = CODES.iter().map(|entry| entry.code).collect();
    let numbered: Vec<String> = (1..=listed.len()).map(|n| format!("OF-ROW-{n:03}")).collect();
    assert_eq!(listed, numbered);
    let literals = include_str!("fault.rs").matches("\"OF-ROW-").count();
    assert_eq!(literals, listed.len());

    let mut reached: BTreeSet<&str> = FAULTS.iter().map(|(.., code, _)| *code).collect();
    let one = super::template::tests::row(&[("id", Cell::Integer(1))]);
    let render =
        |source: &str| Template::parse(source).unwrap().render(one.rows().next().unwrap()).unwrap_err().code;
    reached.extend([
        encode::key_value(Cell::Null).unwrap_err().code,
        encode::key_value(Cell::Bytes(b"x")).unwrap_err().code,
        convert(Cell::Text("ab"), &Conversion { max_length: Some(1), ..Conversion::new(FieldType::String) })
            .unwrap_err()
            .code,
        convert(Cell::Float(1.5), &Conversion { kept: Some(0), ..Conversion::new(FieldType::Number) })
            .unwrap_err()
            .code,
        convert(
            Cell::Text("#N/A"),
            &Conversion { reserved: &["#N/A"], ..Conversion::new(FieldType::String) },
        )
        .unwrap_err()
        .code,
        constant(
            &json!("x"),
            &Conversion { options: vec!["y".into()], ..Conversion::new(FieldType::String) },
        )
        .unwrap_err()
        .code,
        render("{{ missing }}"),
        render("{% for a in range(9999) %}{% for b in range(9999) %}{{ id }}{% endfor %}{% endfor %}"),
    ]);
    assert_eq!(reached, listed.into_iter().collect());
}
