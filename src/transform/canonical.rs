//! One cell straight to the canonical bytes of its field's type, allocating nothing for the cells that most rows are
//! made of. All else, and every fault, is left to [`convert`] and [`encode_value`], which these bytes are equal to.

use jiff::civil;
use outflow_connectors::contract::{
    AHEAD, Cell, FieldType, ORDINARY_SECONDS, Raw, Row, Value, write_seconds,
};

use super::convert::{Conversion, convert};
use super::encode::{encode_value, key_value, tagged};
use super::fault::Fault;
use super::plain::Plain;
use super::time;

/// What a cell came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoded {
    Null,
    EmptyText,
    Other,
}

impl Encoded {
    /// What a value comes to.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Encoded::Null,
            Value::Text(text) => Encoded::of_text(text.as_bytes()),
            _ => Encoded::Other,
        }
    }

    fn of_text(text: &[u8]) -> Self {
        if text.is_empty() { Encoded::EmptyText } else { Encoded::Other }
    }
}

/// What can be said of a field's conversion once for all rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoder {
    kind: FieldType,
    /// Every value of the type is taken, texts and digits of any length aside.
    takes_any: bool,
    /// As above, and times that name no zone are in UTC.
    is_utc: bool,
    /// Bytes of a text up to which it is taken as it is, whatever it says; none of other types than texts.
    longest: Option<usize>,
}

impl Encoder {
    /// Of cells that become this.
    pub fn of(to: &Conversion) -> Self {
        let is_free = !to.multiple && to.options.is_empty() && to.reserved.is_empty();
        let most = to.max_length.map_or(usize::MAX, |most| most as usize);
        let takes_any = is_free && most >= LONGEST_PLAIN;
        Encoder {
            kind: to.kind,
            takes_any,
            is_utc: takes_any && to.timezone.is_none(),
            longest: (to.kind == FieldType::String && is_free).then_some(most),
        }
    }

    /// Appends the canonical bytes of what [`convert`] makes of a row's cell; `to` is what this was made of.
    ///
    /// # Errors
    /// As [`convert`]; nothing was appended then.
    #[inline]
    pub fn encode(
        &self,
        row: Row<'_>,
        column: usize,
        to: &Conversion,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, Fault> {
        match row.raw(column) {
            Raw::Text(text, ahead) if self.longest.is_some_and(|longest| text.len() <= longest) => {
                match ahead.filter(|ahead| text.len() <= ahead.len()) {
                    Some(ahead) => tagged_ahead(text.len(), ahead, out),
                    None => tagged(b't', text, out),
                }
                Ok(Encoded::of_text(text))
            }
            Raw::Other(Cell::Null) => {
                out.push(b'0');
                Ok(Encoded::Null)
            }
            Raw::Wall { seconds, nanoseconds }
                if self.is_utc && moment(self.kind, (seconds, nanoseconds), out) =>
            {
                Ok(Encoded::Other)
            }
            Raw::Other(cell) if self.takes_any && is_plain(cell, to, out) => Ok(Encoded::Other),
            Raw::Text(text, _) => {
                let is_done = match self.kind {
                    FieldType::String => is_sent(text, to) && is_tagged(b't', text, out),
                    _ => self.takes_any && is_plain(row.cell(column), to, out),
                };
                if is_done { Ok(Encoded::of_text(text)) } else { converted(row, column, to, out) }
            }
            _ => converted(row, column, to, out),
        }
    }
}

/// As [`tagged`], for a text of few bytes, by a copy of a length that is always the same.
#[inline]
fn tagged_ahead(length: usize, ahead: &[u8; AHEAD], out: &mut Vec<u8>) {
    out.extend_from_slice(&[b't', length as u8]);
    let end = out.len() + length;
    out.extend_from_slice(ahead);
    out.truncate(end);
}

fn converted(row: Row<'_>, column: usize, to: &Conversion, out: &mut Vec<u8>) -> Result<Encoded, Fault> {
    let value = convert(row.cell(column), to)?;
    encode_value(&value, out);
    Ok(Encoded::of(&value))
}

/// Appends a part of a row's key.
///
/// # Errors
/// As [`key_value`]; nothing was appended then.
pub fn encode_key(cell: Cell<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let is_done = match cell {
        Cell::Text(s) => is_tagged(b't', s.as_bytes(), out),
        Cell::Integer(i) => integer(b'n', i, out),
        Cell::Decimal { digits, scale } => number(b'n', Plain::from_decimal(digits, scale), out),
        Cell::Date(d) => date(d, out),
        _ => false,
    };
    if !is_done {
        encode_value(&key_value(cell)?, out);
    }
    Ok(())
}

/// No number or time is longer as a text.
const LONGEST_PLAIN: usize = 1_000;

/// Whether a text is surely taken as it is.
fn is_sent(text: &[u8], to: &Conversion) -> bool {
    let is_reserved = || to.reserved.iter().any(|reserved| reserved.as_bytes() == text);
    let is_short = to.max_length.is_none_or(|most| text.len() <= most as usize);
    !to.multiple && to.options.is_empty() && is_short && !is_reserved()
}

/// Appends the bytes of a plain cell; `false` where it isn't one, and then nothing was appended.
fn is_plain(cell: Cell<'_>, to: &Conversion, out: &mut Vec<u8>) -> bool {
    use FieldType::{Boolean, Date, DateTime, Integer, Number, String};
    let rounded = |plain: Option<Plain>| {
        let plain = match to.scale {
            Some(scale) => plain?.round(scale),
            None => plain?,
        };
        let is_kept = to.kept.is_none_or(|kept| plain.decimals() <= kept);
        is_kept.then_some(plain)
    };
    match (to.kind, cell) {
        (String, Cell::Bool(b)) => is_tagged(b't', if b { b"true" } else { b"false" }, out),
        (String, Cell::Integer(i)) => integer(b't', i, out),
        (String, Cell::Float(f)) => number(b't', rounded(Plain::from_float(f)), out),
        (String, Cell::Decimal { digits, scale }) => {
            number(b't', rounded(Plain::from_decimal(digits, scale)), out)
        }
        (Number | Integer, Cell::Integer(i)) => integer(b'n', i, out),
        (Number | Integer, Cell::Bool(b)) => integer(b'n', i64::from(b), out),
        (Number, Cell::Float(f)) => number(b'n', rounded(Plain::from_float(f)), out),
        (Number, Cell::Decimal { digits, scale }) => {
            number(b'n', rounded(Plain::from_decimal(digits, scale)), out)
        }
        (Integer, Cell::Float(f)) => whole(f).is_some_and(|i| integer(b'n', i, out)),
        (Number | Integer, Cell::Text(s)) => {
            is_canonical_integer(s.as_bytes()) && is_tagged(b'n', s.as_bytes(), out)
        }
        (Boolean, cell) => boolean(cell).is_some_and(|b| is_pushed(if b { b'T' } else { b'F' }, out)),
        (Date, Cell::Date(d)) => date(d, out),
        (Date, Cell::Text(s)) => time::plain_date(s).is_some_and(|d| date(d, out)),
        (DateTime, Cell::Timestamp(t)) => {
            out.push(b'i');
            out.extend_from_slice(&t.as_nanosecond().to_be_bytes());
            true
        }
        (String, Cell::Timestamp(t)) => stamp(t.as_second(), t.subsec_nanosecond(), out),
        (DateTime, Cell::Text(s)) if to.timezone.is_none() => {
            time::plain_seconds(s).is_some_and(|(seconds, nanoseconds)| instant(seconds, nanoseconds, out))
        }
        _ => false,
    }
}

fn is_pushed(byte: u8, out: &mut Vec<u8>) -> bool {
    out.push(byte);
    true
}

fn is_tagged(tag: u8, content: &[u8], out: &mut Vec<u8>) -> bool {
    tagged(tag, content, out);
    true
}

fn integer(tag: u8, value: i64, out: &mut Vec<u8>) -> bool {
    Plain::from_integer(value).write_few(tag, out)
        || is_tagged(tag, itoa::Buffer::new().format(value).as_bytes(), out)
}

fn number(tag: u8, plain: Option<Plain>, out: &mut Vec<u8>) -> bool {
    let Some(plain) = plain else { return false };
    plain.write_few(tag, out) || plain.text().is_some_and(|text| is_tagged(tag, text.as_bytes(), out))
}

/// The integer that a float is, up to 2^53, from where on a double has no neighbour at a distance of one.
fn whole(value: f64) -> Option<i64> {
    let whole = value as i64;
    (whole.unsigned_abs() <= 1 << 53 && whole as f64 == value).then_some(whole)
}

/// Digits as an `i64` has them, up to 18: no sign but `-`, no zeros before them.
fn is_canonical_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.len() < 18 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn boolean(cell: Cell<'_>) -> Option<bool> {
    match cell {
        Cell::Bool(b) => Some(b),
        Cell::Integer(0) | Cell::Text("0" | "f" | "false") => Some(false),
        Cell::Integer(1) | Cell::Text("1" | "t" | "true") => Some(true),
        _ => None,
    }
}

fn date(date: civil::Date, out: &mut Vec<u8>) -> bool {
    let [high, low] = date.year().to_be_bytes();
    out.extend_from_slice(&[b'd', high, low, date.month() as u8, date.day() as u8]);
    true
}

/// An instant, as the type has it; seconds since 1970 and nanoseconds of the same sign.
fn moment(kind: FieldType, (seconds, nanoseconds): (i64, i32), out: &mut Vec<u8>) -> bool {
    match kind {
        FieldType::DateTime => instant(seconds, nanoseconds, out),
        FieldType::String => stamp(seconds, nanoseconds, out),
        _ => false,
    }
}

fn stamp(seconds: i64, nanoseconds: i32, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.extend_from_slice(b"t\0");
    match write_seconds(seconds, nanoseconds, out) {
        Some(length) => out[start + 1] = length as u8,
        None => out.truncate(start),
    }
    out.len() > start
}

fn instant(seconds: i64, nanoseconds: i32, out: &mut Vec<u8>) -> bool {
    if !ORDINARY_SECONDS.contains(&seconds) {
        return false;
    }
    let since = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    out.push(b'i');
    out.extend_from_slice(&since.to_be_bytes());
    true
}
