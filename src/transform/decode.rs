//! Canonical bytes back into the values they were made of, borrowed from them.

use jiff::{Timestamp, civil};
use outflow_connectors::contract::ValueRef;

/// Takes the first value that [`encode_value`](super::encode::encode_value) wrote; `None` where the bytes are no value.
pub fn decode_value<'a>(input: &mut &'a [u8]) -> Option<ValueRef<'a>> {
    Some(match take(input, 1)? {
        b"0" => ValueRef::Null,
        b"F" => ValueRef::Boolean(false),
        b"T" => ValueRef::Boolean(true),
        b"n" => ValueRef::Number(text(input)?.into()),
        b"t" => ValueRef::Text(text(input)?),
        b"d" => {
            let [high, low, month, day] = array(input)?;
            let date = civil::Date::new(i16::from_be_bytes([high, low]), month as i8, day as i8);
            ValueRef::Date(date.ok()?)
        }
        b"i" => ValueRef::DateTime(Timestamp::from_nanosecond(i128::from_be_bytes(array(input)?)).ok()?),
        b"j" => ValueRef::Json(text(input)?.into()),
        b"l" => {
            let items = length(input)?;
            ValueRef::List((0..items).map(|_| decode_value(input)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn take<'a>(input: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(head)
}

fn array<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    take(input, N)?.try_into().ok()
}

fn text<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
    let len = length(input)?;
    std::str::from_utf8(take(input, len)?).ok()
}

/// Unsigned LEB128.
fn length(input: &mut &[u8]) -> Option<usize> {
    let mut n = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let [byte] = array(input)?;
        n |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use outflow_connectors::contract::{Number, Value};

    use super::*;
    use crate::transform::encode::encode_value;

    #[test]
    fn values_return_as_they_were_and_damage_is_seen() {
        let number = |text: &str| Value::Number(Number::parse(text).unwrap());
        let values = [
            Value::Null,
            Value::Boolean(true),
            Value::Boolean(false),
            Value::Integer(i64::MIN),
            number("12.50"),
            Value::Text("é\0".into()),
            Value::Text("x".repeat(300)),
            Value::Date("-000044-03-15".parse().unwrap()),
            Value::DateTime("2024-02-29T10:00:00.123456789Z".parse().unwrap()),
            Value::Json(serde_json::json!({"a": [1, null]})),
            Value::List(vec![Value::Integer(1), Value::List(vec![])]),
        ];
        for value in values {
            let mut bytes = Vec::new();
            encode_value(&value, &mut bytes);
            let mut rest = &bytes[..];
            assert_eq!(decode_value(&mut rest), Some(value.borrowed()));
            assert!(rest.is_empty());
            for cut in 0..bytes.len() {
                assert_eq!(decode_value(&mut &bytes[..cut]), None, "{value:?} cut at {cut}");
            }
        }
        assert_eq!(decode_value(&mut &b"?"[..]), None);
        assert_eq!(decode_value(&mut &[b't', 0xff, 0xff][..]), None);
    }
}
