use crate::contract::{Cell, Column, RowBatchBuilder, Schema};
use crate::snowflake::value::Reading;

/// The cell that comes of a text, as `Debug` prints it.
fn read(reading: Reading, text: Option<&str>) -> String {
    let column = Column { name: "c".to_owned(), declared: String::new() };
    let mut builder = RowBatchBuilder::new(std::sync::Arc::new(Schema { columns: vec![column] }));
    let mut scratch = b"what an earlier cell left".to_vec();
    reading.push(&mut builder, text, &mut scratch);
    let batch = builder.take();
    let cell = batch.rows().next().unwrap().cell(0);
    format!("{cell:?}")
}

fn same(reading: Reading, text: &str, cell: &Cell<'_>) {
    assert_eq!(read(reading, Some(text)), format!("{cell:?}"), "{reading:?} {text:?}");
}

const ALL: [Reading; 13] = [
    Reading::Whole,
    Reading::Decimal,
    Reading::Float,
    Reading::Boolean,
    Reading::Date,
    Reading::Time,
    Reading::Wall,
    Reading::Instant,
    Reading::Zoned(9),
    Reading::Bytes,
    Reading::Variant,
    Reading::Structure,
    Reading::Text,
];

#[test]
fn null_is_null_in_every_type() {
    for reading in ALL {
        assert_eq!(read(reading, None), "Null", "{reading:?}");
    }
}

#[test]
fn numbers_keep_every_digit() {
    let nines = 99_999_999_999_999_999_999_999_999_999_999_999_999;
    for (reading, text, cell) in [
        (Reading::Whole, "-7", Cell::Integer(-7)),
        (Reading::Whole, "9223372036854775807", Cell::Integer(i64::MAX)),
        (Reading::Whole, "-9223372036854775808", Cell::Integer(i64::MIN)),
        (
            Reading::Whole,
            "9223372036854775808",
            Cell::Decimal { digits: 9_223_372_036_854_775_808, scale: 0 },
        ),
        (Reading::Whole, "99999999999999999999999999999999999999", Cell::Decimal { digits: nines, scale: 0 }),
        (Reading::Decimal, "12.50", Cell::Decimal { digits: 1_250, scale: 2 }),
        (
            Reading::Decimal,
            "-0.00000000000000000000000000000000000001",
            Cell::Decimal { digits: -1, scale: 38 },
        ),
        (Reading::Float, "1.5", Cell::Float(1.5)),
        (Reading::Float, "-2.2250738585072014e-308", Cell::Float(-f64::MIN_POSITIVE)),
        (Reading::Float, "1.7976931348623157e+308", Cell::Float(f64::MAX)),
        (Reading::Float, "NaN", Cell::Float(f64::NAN)),
        (Reading::Float, "inf", Cell::Float(f64::INFINITY)),
        (Reading::Float, "-inf", Cell::Float(f64::NEG_INFINITY)),
        (Reading::Boolean, "1", Cell::Bool(true)),
        (Reading::Boolean, "false", Cell::Bool(false)),
    ] {
        same(reading, text, &cell);
    }
}

#[test]
fn times_are_of_the_years_1_to_9999() {
    for (reading, text, written) in [
        (Reading::Date, "0", "Date(1970-01-01)"),
        (Reading::Date, "-719162", "Date(0001-01-01)"),
        (Reading::Date, "2932896", "Date(9999-12-31)"),
        (Reading::Time, "36672.000000000", "Text(\"10:11:12\")"),
        (Reading::Time, "36672.120000000", "Text(\"10:11:12.12\")"),
        (Reading::Time, "86399.999999999", "Text(\"23:59:59.999999999\")"),
        (Reading::Time, "0", "Text(\"00:00:00\")"),
        (Reading::Wall, "1704164645.678901000", "DateTime(2024-01-02T03:04:05.678901)"),
        (Reading::Wall, "-0.500000000", "DateTime(1969-12-31T23:59:59.5)"),
        (Reading::Wall, "-62135596800.000000000", "DateTime(0001-01-01T00:00:00)"),
        (Reading::Wall, "253402300799.999999999", "DateTime(9999-12-31T23:59:59.999999999)"),
        (Reading::Instant, "1704164645", "Timestamp(2024-01-02T03:04:05Z)"),
        (Reading::Instant, "-1.1", "Timestamp(1969-12-31T23:59:58.9Z)"),
        (Reading::Instant, "-62135596800.000000001", "Timestamp(0000-12-31T23:59:59.999999999Z)"),
        (Reading::Zoned(9), "1704164645.000000000 1560", "Timestamp(2024-01-02T03:04:05Z)"),
        (Reading::Zoned(0), "1704164645 0", "Timestamp(2024-01-02T03:04:05Z)"),
    ] {
        assert_eq!(read(reading, Some(text)), written, "{reading:?} {text}");
    }
    let packed = (1_704_164_645_123_i128 * 16_384 + 1_560).to_string();
    assert_eq!(read(Reading::Zoned(3), Some(&packed)), "Timestamp(2024-01-02T03:04:05.123Z)");
}

#[test]
fn texts_bytes_and_structures_are_as_they_are() {
    for (reading, text, cell) in [
        (Reading::Text, "", Cell::Text("")),
        (Reading::Text, "zoë😀\n", Cell::Text("zoë😀\n")),
        (Reading::Bytes, "C0ffEE", Cell::Bytes(&[0xc0, 0xff, 0xee])),
        (Reading::Bytes, "", Cell::Bytes(&[])),
        (Reading::Variant, "{\"k\":[1]}", Cell::Json("{\"k\":[1]}")),
        (Reading::Variant, "[1, 2]", Cell::List("[1, 2]")),
        (Reading::Variant, "\"a\"", Cell::Json("\"a\"")),
        (Reading::Variant, "null", Cell::Json("null")),
        (Reading::Variant, "NaN", Cell::Text("NaN")),
        (Reading::Structure, "{}", Cell::Json("{}")),
        (Reading::Structure, "[ ]", Cell::List("[ ]")),
    ] {
        same(reading, text, &cell);
    }
    let large = format!("{{\"k\":\"{}\"}}", "x".repeat(16 << 20));
    assert_eq!(read(Reading::Variant, Some(&large)).len(), format!("{:?}", Cell::Json(&large)).len());
}

#[test]
fn what_cannot_be_read_says_why_and_not_what_it_was() {
    for (reading, text) in [
        (Reading::Whole, "1e3"),
        (Reading::Whole, ""),
        (Reading::Decimal, "999999999999999999999999999999999999999999"),
        (Reading::Float, "one"),
        (Reading::Boolean, "2"),
        (Reading::Date, "99999999999"),
        (Reading::Date, "9223372036854775807"),
        (Reading::Date, "2024-01-02"),
        (Reading::Time, "86400"),
        (Reading::Time, "-1"),
        (Reading::Wall, "1.0000000001"),
        (Reading::Wall, "99999999999999999.0"),
        (Reading::Wall, "253402300800"),
        (Reading::Instant, "253402300799"),
        (Reading::Instant, "--1"),
        (Reading::Instant, "9223372036854775808"),
        (Reading::Zoned(9), "1 east"),
        (Reading::Zoned(9), "1704164645.5"),
        (Reading::Bytes, "ABC"),
        (Reading::Bytes, "GG"),
        (Reading::Structure, "[undefined,1]"),
    ] {
        let cell = read(reading, Some(text));
        assert!(cell.starts_with("Malformed(\"a"), "{reading:?} {text}: {cell}");
        assert!(text.is_empty() || !cell.contains(text), "{reading:?} {text}: {cell}");
    }
}
