//! JSON text of what warehouses nest: arrays, rows of rows. The same value has the same text whichever warehouse it is from.

use std::fmt::Write;

use crate::contract::Cell;

use super::dialect::plain;

/// Appends a cell as JSON: numbers keep all their digits, times are ISO 8601 texts, bytes are hexadecimal, NaN and infinities are
/// texts.
///
/// # Errors
/// Why the cell cannot be read, where it is [`Cell::Malformed`].
pub fn push_json(cell: Cell<'_>, out: &mut String) -> Result<(), String> {
    let written = match cell {
        Cell::Null => out.write_str("null"),
        Cell::Bool(value) => write!(out, "{value}"),
        Cell::Integer(value) => write!(out, "{value}"),
        Cell::Float(value) => match serde_json::Number::from_f64(value) {
            Some(number) => write!(out, "{number}"),
            None => write!(out, "\"{value}\""),
        },
        Cell::Decimal { digits, scale } => out.write_str(&plain(digits, scale)),
        Cell::Text(text) => {
            push_quoted(text, out);
            Ok(())
        }
        Cell::Bytes(bytes) => write!(out, "\"{}\"", hex(bytes)),
        Cell::Date(date) => write!(out, "\"{date}\""),
        Cell::DateTime(time) => write!(out, "\"{time}\""),
        Cell::Timestamp(time) => write!(out, "\"{time}\""),
        Cell::Json(text) | Cell::List(text) => out.write_str(text),
        Cell::Malformed(why) => return Err(why.to_owned()),
    };
    written.map_err(|error| error.to_string())
}

/// Appends the text as a JSON string.
pub fn push_quoted(text: &str, out: &mut String) {
    // Most texts are as they are.
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// The text as a JSON string.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(text, &mut out);
    out
}

/// Two lower-case digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        out
    })
}

/// `8-4-4-4-12` lower-case digits.
pub fn uuid(bytes: &[u8]) -> String {
    let mut text = hex(bytes);
    for at in [20, 16, 12, 8] {
        if text.len() > at {
            text.insert(at, '-');
        }
    }
    text
}

/// A single-precision number as the shortest decimal number that means it: 1.1 and not 1.10000002384186.
pub fn single(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_text() {
        for (cell, text) in [
            (Cell::Null, "null"),
            (Cell::Float(1.5), "1.5"),
            (Cell::Float(f64::NAN), "\"NaN\""),
            (Cell::Float(f64::NEG_INFINITY), "\"-inf\""),
            (Cell::Decimal { digits: 12_345_678_901_234_567_890, scale: 2 }, "123456789012345678.90"),
            (Cell::Text("a\"b"), "\"a\\\"b\""),
            (Cell::Bytes(&[0xc0, 0x0f]), "\"c00f\""),
            (Cell::Date("2026-01-02".parse().unwrap()), "\"2026-01-02\""),
            (Cell::DateTime("2026-01-02T03:04:05".parse().unwrap()), "\"2026-01-02T03:04:05\""),
            (Cell::Timestamp("2026-01-02T03:04:05Z".parse().unwrap()), "\"2026-01-02T03:04:05Z\""),
            (Cell::List("[1]"), "[1]"),
        ] {
            let mut out = String::new();
            push_json(cell, &mut out).unwrap();
            assert_eq!(out, text);
        }
        assert_eq!(push_json(Cell::Malformed("odd"), &mut String::new()), Err("odd".to_owned()));
        assert_eq!((single(1.1), single(f32::MAX), single(0.1)), (1.1, 3.4028235e38, 0.1));
        assert!(single(f32::NAN).is_nan() && single(f32::INFINITY).is_infinite());
    }
}
