//! One table of values, in the forms of both ways of reading.

use std::sync::Arc;

use arrow_array::builder::{FixedSizeBinaryBuilder, ListBuilder, StringBuilder};
use arrow_array::types::IntervalMonthDayNano;
use arrow_array::*;
use arrow_buffer::i256;
use arrow_schema::{DataType, Field as ArrowField};
use google_cloud_bigquery_v2::model::{TableFieldSchema, table_field_schema::FieldElementType};
use serde_json::{Value as Json, json};

use crate::bigquery::value::{Columns, Field, Scratch};
use crate::bigquery::{arrow, rest};
use crate::contract::Cell;

fn field(kind: &str, mode: &str) -> TableFieldSchema {
    TableFieldSchema::new().set_name("c").set_type(kind).set_mode(mode)
}

fn read(field: &TableFieldSchema) -> Field {
    Columns::read(std::slice::from_ref(field)).unwrap().fields[0].clone()
}

/// The first value of the array and the value of REST are this cell, as `Debug` prints it.
fn same(field: &TableFieldSchema, array: &dyn Array, value: &Json, expected: &str) {
    let field = read(field);
    let (mut one, mut two) = (Scratch::default(), Scratch::default());
    assert_eq!(format!("{:?}", arrow::cell(array, 0, &field, &mut one)), expected, "Arrow {field:?}");
    assert_eq!(format!("{:?}", rest::cell(value, &field, &mut two)), expected, "REST {field:?}");
    let nothing = new_null_array(array.data_type(), 1);
    let none = if field.repeated { "List(\"[]\")" } else { "Null" };
    assert_eq!(format!("{:?}", arrow::cell(nothing.as_ref(), 0, &field, &mut one)), none);
    assert_eq!(format!("{:?}", rest::cell(&Json::Null, &field, &mut two)), none);
}

fn scalar(kind: &str, array: impl Array, value: &str, expected: &str) {
    same(&field(kind, "NULLABLE"), &array, &json!(value), expected);
}

#[test]
fn numbers_and_texts_keep_what_they_are() {
    scalar(
        "INTEGER",
        Int64Array::from(vec![i64::MIN]),
        "-9223372036854775808",
        "Integer(-9223372036854775808)",
    );
    scalar("FLOAT", Float64Array::from(vec![1.5e300]), "1.5E300", &format!("Float({:?})", 1.5e300));
    scalar("FLOAT", Float64Array::from(vec![f64::NAN]), "NaN", "Float(NaN)");
    scalar("FLOAT64", Float64Array::from(vec![f64::NEG_INFINITY]), "-Infinity", "Float(-inf)");
    scalar("BOOLEAN", BooleanArray::from(vec![true]), "true", "Bool(true)");
    scalar("STRING", StringArray::from(vec!["zo\u{eb}"]), "zo\u{eb}", "Text(\"zo\u{eb}\")");
    scalar("GEOGRAPHY", StringArray::from(vec!["POINT(1 2)"]), "POINT(1 2)", "Text(\"POINT(1 2)\")");
    scalar("BYTES", BinaryArray::from(vec![&b"\xc0\xff"[..]]), "wP8=", "Bytes([192, 255])");
    scalar("JSON", StringArray::from(vec!["[1, 2]"]), "[1, 2]", "List(\"[1, 2]\")");
    scalar("JSON", StringArray::from(vec!["{\"a\":1}"]), "{\"a\":1}", "Json(\"{\\\"a\\\":1}\")");
}

#[test]
fn decimals_have_no_zeros_at_their_end() {
    let numeric = |digits: i128| Decimal128Array::from(vec![digits]).with_precision_and_scale(38, 9).unwrap();
    scalar("NUMERIC", numeric(12_500_000_000), "12.5", "Decimal { digits: 125, scale: 1 }");
    scalar("NUMERIC", numeric(-1), "-0.000000001", "Decimal { digits: -1, scale: 9 }");
    scalar("NUMERIC", numeric(0), "0", "Decimal { digits: 0, scale: 0 }");
    scalar("NUMERIC", numeric(100_000_000_000), "100", "Decimal { digits: 100, scale: 0 }");
    let big = |text: &str| {
        let digits: i256 = i256::from_string(text).unwrap();
        Decimal256Array::from(vec![digits]).with_precision_and_scale(76, 38).unwrap()
    };
    scalar("BIGNUMERIC", big(&format!("15{}", "0".repeat(37))), "1.5", "Decimal { digits: 15, scale: 1 }");
    let long = "12345678901234567890.12345678901234567890123456789012345678";
    scalar("BIGNUMERIC", big(&long.replace('.', "")), long, &format!("Text({long:?})"));
}

#[test]
fn times_are_of_their_kind() {
    let micros = 1_704_164_645_678_901;
    let at = TimestampMicrosecondArray::from(vec![micros]);
    scalar(
        "TIMESTAMP",
        at.clone().with_timezone("UTC"),
        "1704164645678901",
        "Timestamp(2024-01-02T03:04:05.678901Z)",
    );
    scalar("DATETIME", at, "2024-01-02T03:04:05.678901", "DateTime(2024-01-02T03:04:05.678901)");
    let last = 253_402_300_799_999_999;
    let late = "Malformed(\"an instant later than 9999-12-30 22:00 UTC\")";
    scalar(
        "TIMESTAMP",
        TimestampMicrosecondArray::from(vec![last]).with_timezone("UTC"),
        &last.to_string(),
        late,
    );
    scalar(
        "DATETIME",
        TimestampMicrosecondArray::from(vec![last]),
        "9999-12-31T23:59:59.999999",
        "DateTime(9999-12-31T23:59:59.999999)",
    );
    scalar("DATE", Date32Array::from(vec![-719_162]), "0001-01-01", "Date(0001-01-01)");
    scalar(
        "TIME",
        Time64MicrosecondArray::from(vec![36_672_500_000]),
        "10:11:12.500000",
        "Text(\"10:11:12.5\")",
    );
    scalar("TIME", Time64MicrosecondArray::from(vec![0]), "00:00:00", "Text(\"00:00:00\")");
    let span = |months, days, nanoseconds| {
        IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(months, days, nanoseconds)])
    };
    scalar("INTERVAL", span(14, 3, 14_706_789_000_000), "1-2 3 4:5:6.789000", "Text(\"P14M3DT14706.789S\")");
    scalar("INTERVAL", span(-14, -3, -14_706_000_000_000), "-1-2 -3 -4:5:6", "Text(\"P-14M-3DT-14706S\")");
}

#[test]
fn ranges_are_texts() {
    let range =
        |of: &str| field("RANGE", "NULLABLE").set_range_element_type(FieldElementType::new().set_type(of));
    let ends = |start: ArrayRef, end: ArrayRef| {
        let named =
            |name: &str, array: &ArrayRef| Arc::new(ArrowField::new(name, array.data_type().clone(), true));
        StructArray::from(vec![(named("start", &start), start.clone()), (named("end", &end), end.clone())])
    };
    let days = ends(Arc::new(Date32Array::from(vec![19_724])), Arc::new(Date32Array::from(vec![None])));
    same(&range("DATE"), &days, &json!("[2024-01-02, UNBOUNDED)"), "Text(\"[2024-01-02,)\")");
    let at = |micros: i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC"))
    };
    same(
        &range("TIMESTAMP"),
        &ends(at(0), at(1_500_000)),
        &json!("[0, 1500000)"),
        "Text(\"[1970-01-01T00:00:00Z,1970-01-01T00:00:01.5Z)\")",
    );
}

#[test]
fn structs_and_arrays_are_json_with_every_digit() {
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("a\""), None]);
    same(
        &field("STRING", "REPEATED"),
        &list.finish(),
        &json!([{"v": "a\""}, {"v": null}]),
        "List(\"[\\\"a\\\\\\\"\\\",null]\")",
    );
    let inner = [
        (
            "n",
            "INTEGER",
            Arc::new(Int64Array::from(vec![9_007_199_254_740_993])) as ArrayRef,
            "9007199254740993",
        ),
        (
            "d",
            "NUMERIC",
            Arc::new(Decimal128Array::from(vec![12_500_000_000]).with_precision_and_scale(38, 9).unwrap()),
            "12.5",
        ),
        ("f", "FLOAT", Arc::new(Float64Array::from(vec![f64::INFINITY])), "Infinity"),
        ("b", "BYTES", Arc::new(BinaryArray::from(vec![&b"\xc0\xff"[..]])), "wP8="),
        ("t", "TIMESTAMP", Arc::new(TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC")), "0"),
        ("w", "DATETIME", Arc::new(TimestampMicrosecondArray::from(vec![500_000])), "1970-01-01T00:00:00.5"),
        ("j", "JSON", Arc::new(StringArray::from(vec!["{\"k\": 1.50}"])), "{\"k\": 1.50}"),
    ];
    let arrays: Vec<(Arc<ArrowField>, ArrayRef)> = inner
        .iter()
        .map(|(name, _, array, _)| {
            (Arc::new(ArrowField::new(*name, array.data_type().clone(), true)), array.clone())
        })
        .collect();
    let fields =
        inner.iter().map(|(name, kind, _, _)| TableFieldSchema::new().set_name(*name).set_type(*kind));
    let record = field("RECORD", "NULLABLE").set_fields(fields);
    let value = json!({"f": inner.iter().map(|(_, _, _, text)| json!({"v": text})).collect::<Vec<_>>()});
    let text = r#"{"n":9007199254740993,"d":12.5,"f":"inf","b":"c0ff","t":"1970-01-01T00:00:00Z","w":"1970-01-01T00:00:00.5","j":{"k": 1.50}}"#;
    same(&record, &StructArray::from(arrays), &value, &format!("Json({text:?})"));
}

#[test]
fn what_cannot_be_read_says_so() {
    let mut scratch = Scratch::default();
    for (kind, text) in [
        ("INTEGER", "x"),
        ("DATE", "2024-13-01"),
        ("TIMESTAMP", "soon"),
        ("BYTES", "*"),
        ("NUMERIC", "1e3x"),
        ("TIME", "25:00"),
    ] {
        let value = json!(text);
        let cell = rest::cell(&value, &read(&field(kind, "NULLABLE")), &mut scratch);
        assert!(matches!(cell, Cell::Malformed(_)), "{kind} {cell:?}");
    }
    let other = FixedSizeBinaryBuilder::new(2);
    let mut other = other;
    other.append_value(b"ab").unwrap();
    let array = other.finish();
    let cell = arrow::cell(&array, 0, &read(&field("DATE", "NULLABLE")), &mut scratch);
    assert!(matches!(cell, Cell::Malformed(_)), "{cell:?}");
    assert_eq!(array.data_type(), &DataType::FixedSizeBinary(2));
}
