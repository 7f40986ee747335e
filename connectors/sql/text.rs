//! Cells from the texts in which warehouses write them.

use serde::de::IgnoredAny;

use crate::contract::Cell;

/// A decimal number of plain notation (`-12.50`); `None` where it is none, or has more digits than a cell holds.
pub fn decimal(text: &str) -> Option<Cell<'static>> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut digits: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        digits = digits.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let scale = u8::try_from(fraction.len()).ok()?;
    Some(Cell::Decimal { digits: if negative { -digits } else { digits }, scale })
}

/// Text of a JSON column: an array is a list; what is no JSON stays text.
pub fn json(text: &str) -> Cell<'_> {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) if text.trim_start().starts_with('[') => Cell::List(text),
        Ok(_) => Cell::Json(text),
        Err(_) => Cell::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_every_digit() {
        for (text, digits, scale) in [
            ("12.50", 1250, 2),
            ("-0.001", -1, 3),
            ("7", 7, 0),
            (".5", 5, 1),
            ("99999999999999999999999999999999999999", 99_999_999_999_999_999_999_999_999_999_999_999_999, 0),
        ] {
            assert_eq!(decimal(text), Some(Cell::Decimal { digits, scale }), "{text}");
        }
        for text in ["", ".", "-", "1e3", "NaN", "1.2.3", &"9".repeat(40)] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn json_is_an_object_a_list_or_a_text() {
        assert_eq!(json(" [1]"), Cell::List(" [1]"));
        assert_eq!(json("{\"a\":1}"), Cell::Json("{\"a\":1}"));
        assert_eq!(json("3"), Cell::Json("3"));
        assert_eq!(json("{"), Cell::Text("{"));
    }
}
