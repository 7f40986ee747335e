//! One value, twice: a borrowed [`Cell`] as a warehouse gives it, an owned [`Value`] as a destination receives it.

use std::fmt;

use jiff::{Timestamp, civil};
use serde::Serialize;

/// One cell of a [`RowBatch`](super::RowBatch): typed, borrowed, loss-free.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// SQL's null.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A binary floating-point number; NaN and infinities are kept, and refused later.
    Float(f64),
    /// `digits * 10^-scale`; holds the NUMERIC(38) of every warehouse.
    Decimal {
        /// All digits, with the sign.
        digits: i128,
        /// Digits after the point.
        scale: u8,
    },
    /// Text.
    Text(&'a str),
    /// Bytes that are no text.
    Bytes(&'a [u8]),
    /// A day of the calendar.
    Date(civil::Date),
    /// An instant: the warehouse named a zone.
    Timestamp(Timestamp),
    /// A wall-clock time without a zone; UTC unless the source sets `timezone`.
    DateTime(civil::DateTime),
    /// JSON text of an object or scalar.
    Json(&'a str),
    /// JSON text of an array.
    List(&'a str),
    /// The driver read a cell that it cannot represent; why, in words for the user (e.g. "invalid UTF-8 at byte 3").
    Malformed(&'a str),
}

/// What a destination receives for one field: already converted to the field's type, canonical.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Clear the field; each connector encodes it as its API means it.
    Null,
    /// Of [`FieldType::Boolean`](super::FieldType::Boolean).
    Boolean(bool),
    /// Of [`FieldType::Integer`](super::FieldType::Integer).
    Integer(i64),
    /// Of [`FieldType::Number`](super::FieldType::Number).
    Number(Number),
    /// Of [`FieldType::String`](super::FieldType::String).
    Text(String),
    /// Of [`FieldType::Date`](super::FieldType::Date).
    #[serde(serialize_with = "display")]
    Date(civil::Date),
    /// Of [`FieldType::DateTime`](super::FieldType::DateTime).
    #[serde(serialize_with = "display")]
    DateTime(Timestamp),
    /// Of [`FieldType::Json`](super::FieldType::Json).
    Json(serde_json::Value),
    /// Of [`FieldType::List`](super::FieldType::List).
    List(Vec<Value>),
}

fn display<T: fmt::Display, S: serde::Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl fmt::Display for Value {
    /// Text as a person would write it: no quotes, RFC 3339 times, JSON compact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Boolean(b) => write!(f, "{b}"),
            Value::Integer(i) => write!(f, "{i}"),
            Value::Number(n) => write!(f, "{n}"),
            Value::Text(s) => f.write_str(s),
            Value::Date(d) => write!(f, "{d}"),
            Value::DateTime(t) => write!(f, "{t}"),
            Value::Json(j) => write!(f, "{j}"),
            Value::List(_) => f.write_str(&serde_json::to_string(self).unwrap_or_default()),
        }
    }
}

/// A decimal number of any size in canonical text: optional `-`, digits without leading zeros, and a `.` with digits
/// that do not end in `0`. Two equal numbers have one text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Number(Box<str>);

/// Why a text or float is not a [`Number`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// Not of the form `[+-]digits[.digits][e[+-]digits]`.
    NotANumber,
    /// NaN or an infinity.
    NotFinite,
    /// More than 400 digits.
    TooLong,
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NumberError::NotANumber => "not a number",
            NumberError::NotFinite => "not a finite number",
            NumberError::TooLong => "a number of more than 400 digits",
        })
    }
}

impl std::error::Error for NumberError {}

/// Digits that a [`Number`] may have: as many as the largest binary double needs in plain notation.
const MAX_DIGITS: usize = 400;

impl Number {
    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A whole number, which is canonical as it stands.
    pub fn from_integer(value: i64) -> Self {
        Number(value.to_string().into())
    }

    /// `digits * 10^-scale`.
    pub fn from_decimal(digits: i128, scale: u8) -> Self {
        Self::assemble(digits < 0, &digits.unsigned_abs().to_string(), -i64::from(scale))
            .unwrap_or(Number("0".into()))
    }

    /// The float rounded to 15 significant digits, which every double holds exactly enough to return to.
    pub fn from_float(value: f64) -> Result<Self, NumberError> {
        if !value.is_finite() {
            return Err(NumberError::NotFinite);
        }
        Self::parse(&format!("{value:.14e}"))
    }

    /// Reads plain or scientific notation; surrounding white space is not allowed.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((m, e)) => (m, e.parse::<i32>().map_err(|_| NumberError::NotANumber)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: String = [whole, fraction].concat();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NumberError::NotANumber);
        }
        Self::assemble(negative, &digits, i64::from(exponent) - fraction.len() as i64)
    }

    /// Rounds half away from zero to `scale` digits after the point.
    pub fn round(&self, scale: u32) -> Self {
        let scale = scale as usize;
        let (negative, unsigned) = match self.0.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, &*self.0),
        };
        let Some((whole, fraction)) = unsigned.split_once('.') else { return self.clone() };
        if fraction.len() <= scale {
            return self.clone();
        }
        let mut digits: Vec<u8> = [b"0", whole.as_bytes(), &fraction.as_bytes()[..scale]].concat();
        if fraction.as_bytes()[scale] >= b'5' {
            increment(&mut digits);
        }
        let text = String::from_utf8_lossy(&digits).into_owned();
        Self::assemble(negative, &text, -(scale as i64)).unwrap_or_else(|_| self.clone())
    }

    /// Whether there is nothing after the point.
    pub fn is_integral(&self) -> bool {
        !self.0.contains('.')
    }

    fn assemble(negative: bool, digits: &str, exponent: i64) -> Result<Self, NumberError> {
        let significant = digits.trim_start_matches('0');
        let trimmed = significant.trim_end_matches('0');
        if trimmed.is_empty() {
            return Ok(Number("0".into()));
        }
        let exponent = exponent + (significant.len() - trimmed.len()) as i64;
        let places = exponent.unsigned_abs() as usize;
        if trimmed.len() + places > MAX_DIGITS {
            return Err(NumberError::TooLong);
        }
        let sign = if negative { "-" } else { "" };
        let text = if exponent >= 0 {
            format!("{sign}{trimmed}{}", "0".repeat(places))
        } else if places >= trimmed.len() {
            format!("{sign}0.{}{trimmed}", "0".repeat(places - trimmed.len()))
        } else {
            let (whole, fraction) = trimmed.split_at(trimmed.len() - places);
            format!("{sign}{whole}.{fraction}")
        };
        Ok(Number(text.into()))
    }
}

/// Adds one to decimal digits that begin with a zero.
fn increment(digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_per_number() {
        for (text, canonical) in [
            ("1", "1"),
            ("1.0", "1"),
            ("+001.50", "1.5"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1e3", "1000"),
            ("1.25e-3", "0.00125"),
            ("12.5E1", "125"),
            (".5", "0.5"),
            ("5.", "5"),
        ] {
            assert_eq!(Number::parse(text).unwrap().as_str(), canonical, "{text}");
        }
        for text in ["", ".", "-", "1,5", "0x1", "1e", "NaN", "١", "1e999999", " 1"] {
            assert!(Number::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn floats_keep_fifteen_digits() {
        assert_eq!(Number::from_float(0.1 + 0.2).unwrap().as_str(), "0.3");
        assert_eq!(Number::from_float(-0.0).unwrap().as_str(), "0");
        assert_eq!(Number::from_float(1e21).unwrap().as_str(), "1000000000000000000000");
        assert_eq!(Number::from_float(f64::NAN), Err(NumberError::NotFinite));
        assert!(Number::from_float(f64::MAX).is_ok());
    }

    #[test]
    fn rounds_half_away_from_zero() {
        for (text, scale, rounded) in
            [("1.005", 2, "1.01"), ("-1.005", 2, "-1.01"), ("9.99", 1, "10"), ("0.04", 1, "0"), ("7", 2, "7")]
        {
            assert_eq!(Number::parse(text).unwrap().round(scale).as_str(), rounded, "{text}");
        }
        assert_eq!(Number::from_decimal(-1250, 2).as_str(), "-12.5");
    }
}
