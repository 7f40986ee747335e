//! The golden table: value x source type x target type -> canonical bytes, in `fixtures/rows/golden.tsv`. A line that
//! changes means that every ledger out there re-sends, so it needs a new `ENCODING_VERSION`.
//!
//! `OUTFLOW_REGENERATE=1 cargo test golden` writes the table anew.

use std::fmt::Write;

use jiff::civil;
use outflow_connectors::contract::{Cell, FieldType};

use outflow::transform::encode::{encode_value, key_value};
use outflow::transform::{Conversion, Fault, convert};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/rows/golden.tsv");

fn cells() -> Vec<(&'static str, &'static str, Cell<'static>)> {
    let mut cells = vec![
        ("null", "null", Cell::Null),
        ("malformed", "invalid UTF-8 at byte 3", Cell::Malformed("invalid UTF-8 at byte 3")),
    ];
    cells.extend(numbers());
    cells.extend(texts().map(|text| ("text", text, Cell::Text(text))));
    cells.extend(times());
    cells.extend([
        ("bytes", "de ad", Cell::Bytes(&[0xde, 0xad])),
        ("json", r#"{"b":1.0,"a":"x"}"#, Cell::Json(r#"{"b":1.0,"a":"x"}"#)),
        ("json", r#""2009-01-01""#, Cell::Json(r#""2009-01-01""#)),
        ("json", "1.50", Cell::Json("1.50")),
        ("json", "true", Cell::Json("true")),
        ("json", "null", Cell::Json(" null")),
        ("json", "{", Cell::Json("{")),
        ("list", r#"["b","a",1,null,[2.0]]"#, Cell::List(r#"["b","a",1,null,[2.0]]"#)),
        ("list", "[]", Cell::List("[]")),
    ]);
    cells
}

fn numbers() -> Vec<(&'static str, &'static str, Cell<'static>)> {
    let float = |shown, value| ("float", shown, Cell::Float(value));
    let integer = |shown, value| ("integer", shown, Cell::Integer(value));
    let decimal = |shown, digits, scale| ("decimal", shown, Cell::Decimal { digits, scale });
    vec![
        ("boolean", "true", Cell::Bool(true)),
        ("boolean", "false", Cell::Bool(false)),
        integer("0", 0),
        integer("1", 1),
        integer("-1", -1),
        integer("20090101", 20_090_101),
        integer("9223372036854775807", i64::MAX),
        float("1.0", 1.0),
        float("-0.0", -0.0),
        float("0.1 + 0.2", 0.1 + 0.2),
        float("1e21", 1e21),
        float("2^53 + 2", 9_007_199_254_740_994.0),
        float("NaN", f64::NAN),
        float("-NaN", -f64::NAN),
        float("-Infinity", f64::NEG_INFINITY),
        decimal("1.00", 100, 2),
        decimal("0.000", 0, 3),
        decimal("-12.50", -1250, 2),
        decimal("99999999999999999999", 99_999_999_999_999_999_999, 0),
        decimal("0.12345678901234567890", 12_345_678_901_234_567_890, 20),
    ]
}

fn texts() -> impl Iterator<Item = &'static str> {
    [
        "",
        "1",
        "1.0",
        " 1 ",
        "+1.50",
        "1,5",
        "1e3",
        "t",
        "TRUE",
        "no",
        "NaN",
        "Ünïcödé",
        "a\0b",
        "2009-01-01",
        "20090101",
        "2009-01-01 00:00:00",
        "2009-01-01T09:00:00.000+09:00",
        "2009-01-01 12:30:00.5",
        "1230768000",
        "[2, 1]",
        "{\"a\": 1}",
    ]
    .into_iter()
}

fn times() -> Vec<(&'static str, &'static str, Cell<'static>)> {
    let instant = |text: &'static str| ("timestamp", text, Cell::Timestamp(text.parse().unwrap()));
    let wall = |text: &'static str| ("wall time", text, Cell::DateTime(text.parse().unwrap()));
    vec![
        ("date", "2009-01-01", Cell::Date(civil::date(2009, 1, 1))),
        ("date", "9999-12-31", Cell::Date(civil::date(9999, 12, 31))),
        instant("2009-01-01T00:00:00Z"),
        instant("2009-01-01T09:00:00.000+09:00"),
        instant("2009-01-01T12:30:00.5Z"),
        instant("1969-12-31T23:59:59.999999999Z"),
        wall("2009-01-01T00:00:00"),
        wall("2009-01-01T12:30:00.500000"),
    ]
}

fn table() -> String {
    let mut table = String::from("source type\tvalue\ttarget type\tresult\tcanonical bytes\n");
    for (source, shown, cell) in cells() {
        let mut line = |target: &str, result| {
            let (text, bytes) = match result {
                Ok(value) => {
                    let mut bytes = Vec::new();
                    encode_value(&value, &mut bytes);
                    let hex = bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
                    (value.to_string(), hex)
                }
                Err(fault) => {
                    let fault: Fault = fault;
                    (fault.code.to_owned(), "-".to_owned())
                }
            };
            let (shown, text) = (shown.escape_debug(), text.escape_debug());
            writeln!(table, "{source}\t{shown}\t{target}\t{text}\t{bytes}").unwrap();
        };
        for kind in FieldType::ALL {
            line(kind.name(), convert(cell, &Conversion::new(kind)));
        }
        line("key", key_value(cell));
    }
    table
}

#[test]
fn golden_table_holds() {
    let table = table();
    if option_env!("OUTFLOW_REGENERATE").is_some() {
        std::fs::write(PATH, &table).unwrap();
    }
    let golden = std::fs::read_to_string(PATH).unwrap();
    assert!(golden.lines().count() >= 120);
    for (found, expected) in table.lines().zip(golden.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(table.lines().count(), golden.lines().count());
}
