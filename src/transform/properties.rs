//! Properties of conversion and encoding, over generated values.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, civil};
use outflow_connectors::contract::{Cell, FieldType, Number, Value};
use proptest::prelude::*;
use serde_json::{Map, Value as Json};

use super::convert::{Conversion, convert};
use super::encode::{encode_value, key_value};

fn bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode_value(value, &mut out);
    out
}

fn converted(cell: Cell<'_>, kind: FieldType) -> Vec<u8> {
    bytes(&convert(cell, &Conversion::new(kind)).unwrap())
}

fn instants() -> impl Strategy<Value = Timestamp> {
    (-60_000_000_000_i64..250_000_000_000, 0..1_000_000_000_i32)
        .prop_map(|(s, ns)| Timestamp::new(s, ns).unwrap())
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e9..1e9).prop_map(|f: f64| Json::from((f * 100.0).round() / 100.0)),
        ".{0,8}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((".{0,4}", inner), 0..4)
                .prop_map(|f| Json::Object(f.into_iter().collect())),
        ]
    })
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        (any::<i64>(), 0..20_u8).prop_map(|(d, s)| Value::Number(Number::from_decimal(i128::from(d), s))),
        ".{0,200}".prop_map(Value::Text),
        (-9999..=9999_i16, 1..=12_i8, 1..=28_i8).prop_map(|(y, m, d)| Value::Date(civil::date(y, m, d))),
        instants().prop_map(Value::DateTime),
        json().prop_map(Value::Json),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Value::List))
}

/// Reverses the order of every object's fields.
fn reversed(json: Json) -> Json {
    match json {
        Json::Object(fields) => {
            let fields: Vec<_> = fields.into_iter().map(|(name, value)| (name, reversed(value))).collect();
            Json::Object(fields.into_iter().rev().collect::<Map<_, _>>())
        }
        Json::Array(items) => items.into_iter().map(reversed).collect(),
        other => other,
    }
}

/// Reads an encoded value back, as text that is distinct for distinct meanings; written from the table in `encode`.
fn decode(input: &mut &[u8]) -> String {
    fn take<'a>(input: &mut &'a [u8], n: usize) -> &'a [u8] {
        let (head, tail) = input.split_at(n);
        *input = tail;
        head
    }
    fn length(input: &mut &[u8]) -> usize {
        let (mut n, mut shift) = (0, 0);
        loop {
            let byte = take(input, 1)[0];
            n |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return n;
            }
        }
    }
    let tag = take(input, 1)[0];
    match tag {
        b'0' | b'F' | b'T' => char::from(tag).to_string(),
        b'n' | b't' | b'j' => {
            let n = length(input);
            format!("{}{:?}", char::from(tag), std::str::from_utf8(take(input, n)).unwrap())
        }
        b'd' => format!("d{:?}", take(input, 4)),
        b'i' => format!("i{:?}", take(input, 16)),
        b'l' => {
            let items: Vec<_> = (0..length(input)).map(|_| decode(input)).collect();
            format!("l[{}]", items.join(","))
        }
        other => panic!("unknown tag {other}"),
    }
}

/// What `decode` gives, straight from the value.
fn meaning(value: &Value) -> String {
    let text = |tag: char, s: &str| format!("{tag}{s:?}");
    match value {
        Value::Null => "0".into(),
        Value::Boolean(b) => if *b { "T" } else { "F" }.into(),
        Value::Integer(_) | Value::Number(_) => text('n', &value.to_string()),
        Value::Text(s) => text('t', s),
        Value::Date(d) => {
            let [a, b] = d.year().to_be_bytes();
            format!("d{:?}", [a, b, d.month() as u8, d.day() as u8])
        }
        Value::DateTime(t) => format!("i{:?}", t.as_nanosecond().to_be_bytes()),
        Value::Json(j) => {
            let mut canonical = String::new();
            super::json::write(j, &mut canonical);
            text('j', &canonical)
        }
        Value::List(items) => format!("l[{}]", items.iter().map(meaning).collect::<Vec<_>>().join(",")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sequences_of_values_read_back_in_one_way(sequence in prop::collection::vec(values(), 0..5)) {
        let mut encoded = Vec::new();
        sequence.iter().for_each(|value| encode_value(value, &mut encoded));
        let mut rest = &encoded[..];
        let mut read = Vec::new();
        while !rest.is_empty() {
            read.push(decode(&mut rest));
        }
        prop_assert_eq!(read, sequence.iter().map(meaning).collect::<Vec<_>>());
    }

    #[test]
    fn no_encoding_is_a_prefix_of_another(a in values(), b in values()) {
        let (left, right) = (bytes(&a), bytes(&b));
        prop_assert_eq!(left == right, meaning(&a) == meaning(&b));
        prop_assert!(left == right || !left.starts_with(&right) && !right.starts_with(&left));
    }

    #[test]
    fn an_integer_is_one_number_in_every_type(i in -9_007_199_254_740_992_i64..=9_007_199_254_740_992, zeros in 0..10_u8) {
        let expected = converted(Cell::Integer(i), FieldType::Number);
        let decimal = Cell::Decimal { digits: i128::from(i) * 10_i128.pow(zeros.into()), scale: zeros };
        let texts = [format!("{i}"), format!("{i}.000"), format!(" {i}e0 ")];
        let same = [Cell::Float(i as f64), decimal, Cell::Text(&texts[0]), Cell::Text(&texts[1]), Cell::Text(&texts[2])];
        for cell in same {
            prop_assert_eq!(&converted(cell, FieldType::Number), &expected);
            prop_assert_eq!(&converted(cell, FieldType::Integer), &expected);
        }
        for cell in &same[..2] {
            prop_assert_eq!(bytes(&key_value(*cell).unwrap()), bytes(&key_value(Cell::Integer(i)).unwrap()));
            prop_assert_eq!(converted(*cell, FieldType::String), converted(Cell::Integer(i), FieldType::String));
        }
    }

    #[test]
    fn a_decimal_is_one_number_in_every_type(digits in -999_999_999_999_999_i64..=999_999_999_999_999, scale in 0..12_u8) {
        let decimal = Cell::Decimal { digits: digits.into(), scale };
        let text = Number::from_decimal(digits.into(), scale).to_string();
        let float = Cell::Float(text.parse().unwrap());
        for kind in [FieldType::Number, FieldType::String] {
            prop_assert_eq!(converted(decimal, kind), converted(float, kind));
            prop_assert_eq!(converted(decimal, kind), converted(Cell::Text(&text), kind));
        }
    }

    #[test]
    fn noise_beyond_fifteen_digits_is_no_change(f in -1e12..1e12_f64) {
        let rounded: f64 = format!("{f:.14e}").parse().unwrap();
        for kind in [FieldType::Number, FieldType::String] {
            prop_assert_eq!(converted(Cell::Float(f), kind), converted(Cell::Float(rounded), kind));
        }
    }

    #[test]
    fn an_instant_is_one_time_in_every_zone(t in instants(), hours in -12..14_i8) {
        let zone = TimeZone::fixed(Offset::constant(hours));
        let local = t.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S.%9f%:z").to_string();
        prop_assert_eq!(converted(Cell::Text(&local), FieldType::DateTime), converted(Cell::Timestamp(t), FieldType::DateTime));
        let to = Conversion { timezone: Some(zone.clone()), ..Conversion::new(FieldType::DateTime) };
        prop_assert_eq!(convert(Cell::DateTime(zone.to_datetime(t)), &to).unwrap(), Value::DateTime(t));
        let text = convert(Cell::Timestamp(t), &Conversion::new(FieldType::String)).unwrap().to_string();
        prop_assert_eq!(converted(Cell::Text(&text), FieldType::DateTime), converted(Cell::Timestamp(t), FieldType::DateTime));
    }

    #[test]
    fn json_is_one_whatever_its_order_and_white_space(value in json()) {
        let (compact, pretty) = (value.to_string(), serde_json::to_string_pretty(&reversed(value)).unwrap());
        let expected = converted(Cell::Json(&compact), FieldType::Json);
        prop_assert_eq!(&converted(Cell::Json(&pretty), FieldType::Json), &expected);
    }

    #[test]
    fn order_counts_in_lists_and_not_in_sets(items in prop::collection::vec(0..9_i64, 0..6)) {
        let backwards: Vec<_> = items.iter().rev().copied().collect();
        let (list, reverse) = (Json::from(items.clone()).to_string(), Json::from(backwards.clone()).to_string());
        let ordered = Conversion::new(FieldType::List);
        let set = Conversion { set: true, ..ordered.clone() };
        let encoded = |text: &str, to: &Conversion| bytes(&convert(Cell::List(text), to).unwrap());
        prop_assert_eq!(encoded(&list, &set), encoded(&reverse, &set));
        prop_assert_eq!(encoded(&list, &ordered) == encoded(&reverse, &ordered), items == backwards);
    }

    #[test]
    fn any_text_converts_or_is_a_fault(text in ".{0,40}", number in any::<f64>(), digits in any::<i128>(), scale in any::<u8>()) {
        for kind in FieldType::ALL {
            let to = Conversion { max_length: Some(20), multiple: true, scale: Some(2), ..Conversion::new(kind) };
            for cell in [Cell::Text(&text), Cell::Json(&text), Cell::List(&text), Cell::Float(number), Cell::Decimal { digits, scale }] {
                for to in [&to, &Conversion::new(kind)] {
                    if let Err(fault) = convert(cell, to) {
                        prop_assert!(super::fault::CODES.iter().any(|entry| entry.code == fault.code));
                    }
                }
            }
        }
    }

    #[test]
    fn distinct_floats_are_distinct_keys(a in any::<f64>(), b in any::<f64>()) {
        if let (Ok(left), Ok(right)) = (key_value(Cell::Float(a)), key_value(Cell::Float(b))) {
            prop_assert_eq!(left == right, a == b);
        }
    }
}
