//! One object, taken apart into the cells of a row.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::contract::{Block, Cell, Schema};

/// Calls `met` with each key of the object that the line is.
///
/// # Errors
/// What is wrong with a line that is no object.
pub(super) fn keys(line: &str, met: impl FnMut(&str)) -> Result<(), String> {
    parse(line, EachKey(met))
}

fn parse<'de>(line: &'de str, visitor: impl Visitor<'de, Value = ()>) -> Result<(), String> {
    let mut json = serde_json::Deserializer::from_str(line);
    let read = json.deserialize_map(visitor).and_then(|()| json.end());
    read.map_err(|error| {
        let text = error.to_string();
        // The parser sees one line only; its place in the file is another.
        let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
        format!("{problem}, at byte {}", error.column())
    })
}

const EXPECTED: &str = "a JSON object";

struct EachKey<F>(F);

impl<'de, F: FnMut(&str)> Visitor<'de> for EachKey<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(Key(&mut self.0))?.is_some() {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Gives a key to a function instead of keeping it.
struct Key<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Key<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, T, F: FnOnce(&str) -> T> Visitor<'de> for Key<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<T, E> {
        Ok((self.0)(key))
    }
}

/// Where the keys of a file belong.
pub(super) struct Places<'a> {
    schema: &'a Schema,
    /// For each column of the schema, whether somebody looks at it.
    wanted: Vec<bool>,
    by_key: HashMap<&'a str, usize>,
    /// The column after that of the key before: most objects have the same order of keys.
    likely: usize,
    /// For each column the row in which it was last met, for keys that stand twice.
    met: Vec<u64>,
    row: u64,
    text: String,
}

impl<'a> Places<'a> {
    pub(super) fn new(schema: &'a Schema, needed: Option<&[usize]>) -> Self {
        let mut wanted = vec![needed.is_none(); schema.columns.len()];
        for place in needed.into_iter().flatten().filter(|place| **place < schema.columns.len()) {
            wanted[*place] = true;
        }
        let columns = schema.columns.iter().enumerate();
        let by_key = columns.map(|(place, column)| (column.name.as_str(), place)).collect();
        let met = vec![0; schema.columns.len()];
        Places { schema, wanted, by_key, likely: 0, met, row: 0, text: String::new() }
    }

    /// Fills the row with the object that the line is; `patched` where bytes of it had to become U+FFFD.
    ///
    /// # Errors
    /// What is wrong with a line that is no object, or has a column's key twice.
    pub(super) fn fill(&mut self, line: &str, patched: bool, row: &mut Block<'_>) -> Result<(), String> {
        self.row += 1;
        self.likely = 0;
        parse(line, Fill { places: self, row, patched })
    }

    fn find(&mut self, key: &str) -> Option<usize> {
        let likely = self.schema.columns.get(self.likely).filter(|column| column.name == key);
        let place = likely.map(|_| self.likely).or_else(|| self.by_key.get(key).copied())?;
        self.likely = place + 1;
        self.wanted[place].then_some(place)
    }
}

struct Fill<'a, 's, 'b> {
    places: &'a mut Places<'s>,
    row: &'a mut Block<'b>,
    patched: bool,
}

impl<'de> Visitor<'de> for Fill<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let places = self.places;
        while let Some(place) = map.next_key_seed(Key(|key: &str| places.find(key)))? {
            let Some(place) = place else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if std::mem::replace(&mut places.met[place], places.row) == places.row {
                let name = &places.schema.columns[place].name;
                return Err(A::Error::custom(format_args!("the key `{name}` stands twice")));
            }
            let raw = map.next_value::<&RawValue>()?.get();
            let cell = match self.patched && raw.contains(char::REPLACEMENT_CHARACTER) {
                true => Cell::Malformed("invalid UTF-8"),
                false => cell(raw, &mut places.text),
            };
            self.row.set(0, place, cell);
        }
        Ok(())
    }
}

/// The cell of one value's text; `text` lends its memory to strings that are not written as they are.
fn cell<'a>(raw: &'a str, text: &'a mut String) -> Cell<'a> {
    match raw.as_bytes().first() {
        None | Some(b'n') => Cell::Null,
        Some(b't') => Cell::Bool(true),
        Some(b'f') => Cell::Bool(false),
        Some(b'{') => Cell::Json(raw),
        Some(b'[') => Cell::List(raw),
        Some(b'"') if !raw.contains('\\') => Cell::Text(&raw[1..raw.len() - 1]),
        Some(b'"') => match serde_json::from_str(raw) {
            Ok(unescaped) => {
                *text = unescaped;
                Cell::Text(text)
            }
            Err(_) => Cell::Malformed("half of a surrogate pair, which is no character"),
        },
        Some(_) => number(raw),
    }
}

/// A number with all its digits; one that no other cell can hold stays the text it is.
fn number(raw: &str) -> Cell<'_> {
    if let Ok(integer) = raw.parse() {
        return Cell::Integer(integer);
    }
    match decimal(raw) {
        Some((digits, scale)) => Cell::Decimal { digits, scale },
        None => Cell::Text(raw),
    }
}

/// Digits and scale of a JSON number, where they fit.
fn decimal(raw: &str) -> Option<(i128, u8)> {
    let (mantissa, exponent) = match raw.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (raw, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits: i128 = whole.parse().ok()?;
    for digit in fraction.bytes() {
        let digit = i128::from(digit - b'0');
        let step = if raw.starts_with('-') { -digit } else { digit };
        digits = digits.checked_mul(10)?.checked_add(step)?;
    }
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    match u8::try_from(scale) {
        Ok(scale) => Some((digits, scale)),
        Err(_) if scale < 0 => Some((digits.checked_mul(10_i128.checked_pow(scale.unsigned_abs())?)?, 0)),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_digit() {
        for (raw, cell) in [
            ("0", Cell::Integer(0)),
            ("-0", Cell::Integer(0)),
            ("9223372036854775807", Cell::Integer(i64::MAX)),
            ("9223372036854775808", Cell::Decimal { digits: 9_223_372_036_854_775_808, scale: 0 }),
            ("1.50", Cell::Decimal { digits: 150, scale: 2 }),
            ("-0.05", Cell::Decimal { digits: -5, scale: 2 }),
            ("1e3", Cell::Decimal { digits: 1000, scale: 0 }),
            ("-1.25E-3", Cell::Decimal { digits: -125, scale: 5 }),
            ("1.25e+1", Cell::Decimal { digits: 125, scale: 1 }),
            ("1e-255", Cell::Decimal { digits: 1, scale: 255 }),
            ("1e-256", Cell::Text("1e-256")),
            ("1e39", Cell::Text("1e39")),
            ("1e99999999999", Cell::Text("1e99999999999")),
            ("0.1e-2147483648", Cell::Text("0.1e-2147483648")),
        ] {
            assert_eq!(number(raw), cell, "{raw}");
        }
        let long = "9".repeat(40);
        assert_eq!(number(&long), Cell::Text(&long));
    }
}
