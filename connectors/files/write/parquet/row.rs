//! A change as the cells of a row, each in its column's type, or a word on why it has none.

use std::fmt::Write;
use std::ops::Range;

use jiff::civil;

use super::columns::{DIGITS, Kept};
use super::size;
use crate::contract::ValueRef;
use crate::files::write::record::plain;

/// One row, with room for the next.
#[derive(Default)]
pub(super) struct Row {
    cells: Vec<Cell>,
    /// All texts, one after another.
    texts: Vec<u8>,
    /// What the row takes at most before compression.
    bytes: u64,
    number: String,
}

/// A value in its column's type.
pub(super) enum Cell {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    /// Of the column's scale.
    Decimal(i128),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970.
    Instant(i64),
    /// Where it stands in the row's texts.
    Text(Range<usize>),
}

const FIRST_DAY: civil::Date = civil::date(1970, 1, 1);

impl Row {
    pub(super) fn clear(&mut self) {
        self.cells.clear();
        self.texts.clear();
        self.bytes = 0;
    }

    /// What the row takes at most before compression.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The cells with their texts.
    pub(super) fn cells(&self) -> impl Iterator<Item = (&Cell, &[u8])> {
        let text = |cell: &Cell| match cell {
            Cell::Text(place) => place.clone(),
            _ => 0..0,
        };
        self.cells.iter().map(move |cell| (cell, &self.texts[text(cell)]))
    }

    pub(super) fn null(&mut self) {
        self.push(Cell::Null, 0);
    }

    pub(super) fn text(&mut self, text: &str) {
        let from = self.texts.len();
        self.texts.extend_from_slice(text.as_bytes());
        self.end_text(from);
    }

    /// # Errors
    /// Why the column cannot have the value; the row is of no use then.
    pub(super) fn value(&mut self, value: &ValueRef<'_>, kept: Kept) -> Result<(), String> {
        let from = self.texts.len();
        match (kept, value) {
            (_, ValueRef::Null) => self.push(Cell::Null, 0),
            (Kept::Text, value) => {
                plain(value, &mut self.texts);
                self.end_text(from);
            }
            (Kept::Json, value) => {
                value.write_json(&mut self.texts);
                self.end_text(from);
            }
            (Kept::Boolean, ValueRef::Boolean(is)) => self.push(Cell::Boolean(*is), 1),
            (Kept::Integer, ValueRef::Number(text)) => {
                let integer =
                    text.parse::<i64>().map_err(|_| format!("`{text}` is no whole number of 64 bits"))?;
                self.push(Cell::Integer(integer), 8);
            }
            (Kept::Double, ValueRef::Number(text)) => {
                let double = self.double(text)?;
                self.push(Cell::Double(double), 8);
            }
            (Kept::Decimal(scale), ValueRef::Number(text)) => {
                self.push(Cell::Decimal(decimal(text, scale)?), 16)
            }
            (Kept::Date, ValueRef::Date(date)) => {
                let days = date.duration_since(FIRST_DAY).as_hours() / 24;
                self.push(Cell::Date(days as i32), 4); // the calendar has some millions of days
            }
            (Kept::Instant, ValueRef::DateTime(time)) => {
                if time.subsec_nanosecond() % 1_000 != 0 {
                    return Err(format!(
                        "`{time}` has more than the six digits of a second that the file keeps"
                    ));
                }
                self.push(Cell::Instant(time.as_microsecond()), 8);
            }
            (kept, _) => return Err(format!("the value is no {}, as its column is", word(kept))),
        }
        Ok(())
    }

    fn push(&mut self, cell: Cell, plain: u64) {
        self.bytes += size::value(plain);
        self.cells.push(cell);
    }

    fn end_text(&mut self, from: usize) {
        let place = from..self.texts.len();
        let plain = 4 + place.len() as u64;
        self.push(Cell::Text(place), plain);
    }

    /// The number in 64 bits, if they have all its digits.
    fn double(&mut self, text: &str) -> Result<f64, String> {
        let double = text.parse::<f64>().map_err(|_| format!("`{text}` is no number"))?;
        self.number.clear();
        let _ = write!(self.number, "{double}"); // writing to memory cannot fail
        match self.number == text {
            true => Ok(double),
            false => Err(format!(
                "`{text}` has more digits than a number of 64 bits keeps; a field with `scale` keeps all"
            )),
        }
    }
}

/// `text * 10^scale`.
fn decimal(text: &str, scale: i8) -> Result<i128, String> {
    let places = usize::from(scale.unsigned_abs());
    let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if fraction.len() > places {
        return Err(format!("`{text}` has more than {scale} digits after the point"));
    }
    let too_long = || {
        format!(
            "`{text}` has more than the {DIGITS} digits that the file keeps, {scale} of them after the point"
        )
    };
    let mut digits: i128 = 0;
    let zeros = std::iter::repeat_n(b'0', places - fraction.len());
    for digit in whole.bytes().chain(fraction.bytes()).chain(zeros) {
        if !digit.is_ascii_digit() {
            return Err(format!("`{text}` is no number"));
        }
        let next = digits.checked_mul(10).and_then(|ten| ten.checked_add(i128::from(digit - b'0')));
        digits = next.ok_or_else(too_long)?;
    }
    match digits < 10_i128.pow(u32::from(DIGITS)) {
        true => Ok(sign * digits),
        false => Err(too_long()),
    }
}

fn word(kept: Kept) -> &'static str {
    match kept {
        Kept::Text => "text",
        Kept::Json => "JSON",
        Kept::Boolean => "truth value",
        Kept::Integer => "whole number",
        Kept::Double | Kept::Decimal(_) => "number",
        Kept::Date => "date",
        Kept::Instant => "time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_digits_or_are_refused() {
        for (text, scale, digits) in [
            ("0", 0, 0),
            ("1", 2, 100),
            ("-1.5", 2, -150),
            ("-0.01", 2, -1),
            ("99999999999999999999999999999999999999", 0, 10_i128.pow(38) - 1),
            ("0.000000000000000000000000000001", 30, 1),
        ] {
            assert_eq!(decimal(text, scale), Ok(digits), "{text}");
        }
        for (text, scale, word) in [
            ("1.005", 2, "2 digits after"),
            ("100000000000000000000000000000000000000", 0, "38 digits"),
            ("1000000000000000000000000000000000000", 2, "38 digits"),
            ("1e3", 2, "no number"),
        ] {
            assert!(decimal(text, scale).unwrap_err().contains(word), "{text}");
        }
    }

    #[test]
    fn a_number_of_64_bits_has_all_its_digits_or_is_refused() {
        let mut row = Row::default();
        for text in [
            "0",
            "0.1",
            "-1.5",
            "0.3",
            "1000000000000000000000",
            "0.000000123456789012345",
            "12345678901.2345",
        ] {
            assert_eq!(row.double(text).map(|double| double.to_string()), Ok(text.to_owned()));
        }
        for text in ["0.12345678901234567890123", "12345678901234567.89", "9007199254740993"] {
            assert!(row.double(text).unwrap_err().contains("`scale`"), "{text}");
        }
    }
}
