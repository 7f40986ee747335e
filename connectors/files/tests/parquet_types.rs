//! Every type that Parquet has, each to its cell.

use std::sync::Arc;

use arrow_array::builder::*;
use arrow_array::types::*;
use arrow_array::*;
use arrow_schema::{DataType, Field, Fields};
use proptest::prelude::*;

use super::*;

/// The cells of one column.
fn cells(array: ArrayRef) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let rows = array.len() as u64;
    write_parquet(&folder.path().join("a.parquet"), vec![("c", array)], 2);
    let (extract, kept) = extract(folder.path(), "a.parquet").unwrap();
    assert_eq!(extract, Extract { rows, announced: Some(rows) });
    kept.rows().into_iter().map(|mut row| row.remove(0)).collect()
}

fn case(array: impl Array + 'static, expected: &[&str]) {
    let kind = array.data_type().clone();
    assert_eq!(cells(Arc::new(array)), expected, "{kind}");
}

#[test]
fn numbers() {
    case(Int8Array::from(vec![Some(i8::MIN), None]), &["Integer(-128)", "Null"]);
    case(Int16Array::from(vec![i16::MAX]), &["Integer(32767)"]);
    case(Int32Array::from(vec![Some(i32::MIN), None]), &["Integer(-2147483648)", "Null"]);
    case(
        Int64Array::from(vec![i64::MIN, i64::MAX]),
        &["Integer(-9223372036854775808)", "Integer(9223372036854775807)"],
    );
    case(UInt8Array::from(vec![u8::MAX]), &["Integer(255)"]);
    case(UInt16Array::from(vec![u16::MAX]), &["Integer(65535)"]);
    case(UInt32Array::from(vec![u32::MAX]), &["Integer(4294967295)"]);
    case(
        UInt64Array::from(vec![1, u64::MAX]),
        &["Integer(1)", "Decimal { digits: 18446744073709551615, scale: 0 }"],
    );
    case(Float32Array::from(vec![0.5, f32::INFINITY]), &["Float(0.5)", "Float(inf)"]);
    case(Float64Array::from(vec![Some(0.1), None, Some(f64::NAN)]), &["Float(0.1)", "Null", "Float(NaN)"]);
    case(BooleanArray::from(vec![Some(true), None, Some(false)]), &["Bool(true)", "Null", "Bool(false)"]);
    case(NullArray::new(2), &["Null", "Null"]);
}

#[test]
fn decimals() {
    let narrow = Decimal128Array::from(vec![12_345, -1]).with_precision_and_scale(9, 2).unwrap();
    case(narrow, &["Decimal { digits: 12345, scale: 2 }", "Decimal { digits: -1, scale: 2 }"]);
    let all = Decimal128Array::from(vec![10_i128.pow(38) - 1]).with_precision_and_scale(38, 38).unwrap();
    case(all, &["Decimal { digits: 99999999999999999999999999999999999999, scale: 38 }"]);
    let wide = |value: &str| arrow_array::types::Decimal256Type::default_value_from(value);
    let values = Decimal256Array::from(vec![wide("7"), wide(&"9".repeat(60))]);
    let too_large = "Malformed(\"a decimal number of more than 38 digits\")";
    case(values.with_precision_and_scale(60, 1).unwrap(), &["Decimal { digits: 7, scale: 1 }", too_large]);
}

trait FromText {
    fn default_value_from(text: &str) -> <Decimal256Type as ArrowPrimitiveType>::Native;
}

impl FromText for Decimal256Type {
    fn default_value_from(text: &str) -> <Decimal256Type as ArrowPrimitiveType>::Native {
        text.parse().unwrap()
    }
}

#[test]
fn times() {
    case(Date32Array::from(vec![19_782, -1]), &["Date(2024-02-29)", "Date(1969-12-31)"]);
    case(Date32Array::from(vec![i32::MAX]), &["Malformed(\"a date outside the years -9999 to 9999\")"]);
    case(Date64Array::from(vec![86_400_000]), &["Date(1970-01-02)"]);
    case(TimestampSecondArray::from(vec![1]), &["DateTime(1970-01-01T00:00:01)"]);
    case(TimestampMillisecondArray::from(vec![-1]), &["DateTime(1969-12-31T23:59:59.999)"]);
    case(
        TimestampMicrosecondArray::from(vec![Some(1), None]),
        &["DateTime(1970-01-01T00:00:00.000001)", "Null"],
    );
    case(TimestampNanosecondArray::from(vec![i64::MIN]), &["DateTime(1677-09-21T00:12:43.145224192)"]);
    let zoned = TimestampMicrosecondArray::from(vec![Some(1), None]).with_timezone("Europe/Berlin");
    case(zoned, &["Timestamp(1970-01-01T00:00:00.000001Z)", "Null"]);
    let zoned = TimestampNanosecondArray::from(vec![-1]).with_timezone("UTC");
    case(zoned, &["Timestamp(1969-12-31T23:59:59.999999999Z)"]);
    let never = TimestampMicrosecondArray::from(vec![i64::MAX]).with_timezone("UTC");
    case(never, &["Malformed(\"a time outside the years -9999 to 9999\")"]);
    case(Time32SecondArray::from(vec![3_661]), &["Text(\"01:01:01\")"]);
    case(Time32MillisecondArray::from(vec![500]), &["Text(\"00:00:00.5\")"]);
    case(Time64MicrosecondArray::from(vec![86_399_999_999]), &["Text(\"23:59:59.999999\")"]);
    case(Time64NanosecondArray::from(vec![Some(1), None]), &["Text(\"00:00:00.000000001\")", "Null"]);
    case(DurationMillisecondArray::from(vec![1_500]), &["Text(\"PT1.5S\")"]);
    case(IntervalYearMonthArray::from(vec![14]), &["Text(\"P14M0DT0S\")"]);
}

#[test]
fn times_of_96_bits_keep_every_nanosecond_in_every_year() {
    use parquet::data_type::{Int96, Int96Type};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let at =
        |day: u32, nanoseconds: u64| Int96::from(vec![nanoseconds as u32, (nanoseconds >> 32) as u32, day]);
    let values = [
        at(2_440_588, 0),
        at(2_440_587, 86_399_999_999_999),
        at(2_460_370, 1),
        at(2_440_588 + 2_932_895, 123_456_789),
        at(1_721_426, 0),
        at(u32::MAX / 2, 0),
    ];
    for dictionary in [true, false] {
        let schema = parquet::schema::parser::parse_message_type("message m { optional int96 c; }").unwrap();
        let properties = WriterProperties::builder().set_dictionary_enabled(dictionary).build();
        let file = std::fs::File::create(&path).unwrap();
        let mut writer =
            parquet::file::writer::SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
                .unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int96Type>().write_batch(&values, Some(&[1, 1, 1, 0, 1, 1, 1]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let declared = shape(folder.path(), "a.parquet").unwrap().columns[0].declared.clone();
        assert_eq!(declared, "Timestamp(ns)");
        let (_, kept) = extract(folder.path(), "a.parquet").unwrap();
        let column: Vec<String> = kept.rows().into_iter().map(|mut row| row.remove(0)).collect();
        assert_eq!(
            column,
            [
                "DateTime(1970-01-01T00:00:00)",
                "DateTime(1969-12-31T23:59:59.999999999)",
                "DateTime(2024-02-29T00:00:00.000000001)",
                "Null",
                "DateTime(9999-12-30T00:00:00.123456789)",
                "DateTime(0001-01-01T00:00:00)",
                "Malformed(\"a time outside the years -9999 to 9999\")",
            ]
        );
    }
}

#[test]
fn texts_and_bytes() {
    case(StringArray::from(vec![Some("a€"), None, Some("")]), &["Text(\"a€\")", "Null", "Text(\"\")"]);
    case(LargeStringArray::from(vec!["a"]), &["Text(\"a\")"]);
    case(StringViewArray::from(vec!["longer than twelve bytes"]), &["Text(\"longer than twelve bytes\")"]);
    case(BinaryArray::from(vec![&[0_u8, 255][..]]), &["Bytes([0, 255])"]);
    case(LargeBinaryArray::from(vec![&[1_u8][..]]), &["Bytes([1])"]);
    case(BinaryViewArray::from(vec![&[2_u8][..]]), &["Bytes([2])"]);
    let fixed = FixedSizeBinaryArray::try_from_iter([[1_u8, 2], [3, 4]].into_iter()).unwrap();
    case(fixed, &["Bytes([1, 2])", "Bytes([3, 4])"]);
    let dictionary: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("x")].into_iter().collect();
    case(dictionary, &["Text(\"x\")", "Null", "Text(\"x\")"]);
}

#[test]
fn lists_structs_and_maps() {
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
    ]);
    case(list, &["List(\"[1,null]\")", "Null", "List(\"[]\")"]);

    let fields = Fields::from(vec![
        Field::new("s", DataType::Utf8, true),
        Field::new("f", DataType::Float64, true),
        Field::new("d", DataType::Date32, true),
        Field::new("b", DataType::Binary, true),
    ]);
    let structure = StructArray::new(
        fields,
        vec![
            Arc::new(StringArray::from(vec!["say \"hi\""])),
            Arc::new(Float64Array::from(vec![f64::NAN])),
            Arc::new(Date32Array::from(vec![0])),
            Arc::new(BinaryArray::from(vec![&[0_u8, 171][..]])),
        ],
        None,
    );
    case(
        structure,
        &[r#"Json("{\"s\":\"say \\\"hi\\\"\",\"f\":\"NaN\",\"d\":\"1970-01-01\",\"b\":\"00ab\"}")"#],
    );

    let mut map = MapBuilder::new(None, Int32Builder::new(), StringBuilder::new());
    map.keys().append_value(7);
    map.values().append_value("seven");
    map.append(true).unwrap();
    case(map.finish(), &[r#"Json("{\"7\":\"seven\"}")"#]);
}

#[test]
fn a_text_that_is_not_utf8_costs_its_cell_alone() {
    // A column of bytes whose footer calls it text: the last `string` annotation is what a careless writer would set.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let schema = "message m { required binary c (STRING); required int32 n; }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = parquet::file::writer::SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let values = [&b"good"[..], b"b\xffd", "gut €".as_bytes()].map(|b| b.to_vec().into());
    column.typed::<parquet::data_type::ByteArrayType>().write_batch(&values, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<parquet::data_type::Int32Type>().write_batch(&[1, 2, 3], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let (_, kept) = extract(folder.path(), "a.parquet").unwrap();
    let column: Vec<String> = kept.rows().into_iter().map(|mut row| row.remove(0)).collect();
    assert_eq!(column, ["Text(\"good\")", "Malformed(\"invalid UTF-8 at byte 1\")", "Text(\"gut €\")"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_was_written_is_read(
        rows in prop::collection::vec((any::<Option<i64>>(), any::<Option<String>>(), any::<Option<bool>>(), any::<f64>()), 1..300),
        group in 1..100_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("i", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
            ("s", Arc::new(rows.iter().map(|row| row.1.clone()).collect::<StringArray>())),
            ("b", Arc::new(rows.iter().map(|row| row.2).collect::<BooleanArray>())),
            ("f", Arc::new(rows.iter().map(|row| Some(row.3)).collect::<Float64Array>())),
        ];
        write_parquet(&folder.path().join("a.parquet"), columns, group);
        let (extract, kept) = extract(folder.path(), "a.parquet").unwrap();
        prop_assert_eq!(extract.announced, Some(rows.len() as u64));
        let cell = |text: Option<String>| text.unwrap_or("Null".into());
        let expected: Vec<Vec<String>> = rows.iter().map(|(i, s, b, f)| vec![
            cell(i.map(|i| format!("Integer({i})"))),
            cell(s.as_ref().map(|s| format!("Text({s:?})"))),
            cell(b.map(|b| format!("Bool({b})"))),
            format!("Float({f:?})"),
        ]).collect();
        prop_assert_eq!(kept.rows(), expected);
    }
}
