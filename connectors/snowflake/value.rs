//! One value, as Snowflake writes it in a JSON result, to one cell, without loss.
//!
//! Texts are by the type of the column: days since 1970 for a date, seconds since 1970 with nine digits of fraction for a
//! timestamp, seconds since midnight for a time, hexadecimal digits for bytes.

use jiff::{SignedDuration, Timestamp, civil};
use snowflake_connector_rs::ColumnType;

use crate::contract::{Cell, RowBatchBuilder};
use crate::sql::{decimal, json};

const EPOCH: civil::DateTime = civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// 9999-12-30 22:00: the calendar goes on for a day, for clocks in the last zones.
const LAST_INSTANT: i64 = 253_402_207_200;

/// How the texts of a column are read: decided once a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Whole,
    Decimal,
    Float,
    Boolean,
    Date,
    Time,
    Wall,
    Instant,
    /// An instant and an offset, in one number for services that write no space between: 14 bits of offset after the
    /// instant, which has so many digits of fraction.
    Zoned(u8),
    Bytes,
    Variant,
    Structure,
    Text,
}

impl Reading {
    pub(super) fn of(kind: &ColumnType) -> Self {
        match kind {
            ColumnType::Fixed { scale: None | Some(0), .. } => Reading::Whole,
            ColumnType::Fixed { .. } => Reading::Decimal,
            ColumnType::Real => Reading::Float,
            ColumnType::Boolean => Reading::Boolean,
            ColumnType::Date => Reading::Date,
            ColumnType::Time { .. } => Reading::Time,
            ColumnType::TimestampNtz { .. } => Reading::Wall,
            ColumnType::TimestampLtz { .. } => Reading::Instant,
            ColumnType::TimestampTz { scale, .. } => Reading::Zoned(scale.unwrap_or(9).min(9)),
            ColumnType::Binary { .. } => Reading::Bytes,
            ColumnType::Variant => Reading::Variant,
            ColumnType::Object
            | ColumnType::Array
            | ColumnType::Vector
            | ColumnType::Geography
            | ColumnType::Geometry => Reading::Structure,
            _ => Reading::Text,
        }
    }

    /// Appends the cell of this text. What cannot be read says so in its place, without the value itself.
    pub(super) fn push(self, builder: &mut RowBatchBuilder, text: Option<&str>, scratch: &mut Vec<u8>) {
        let Some(text) = text else { return builder.push(Cell::Null) };
        let cell = match self {
            Reading::Text => Some(Cell::Text(text)),
            Reading::Whole => text.parse().map(Cell::Integer).ok().or_else(|| decimal(text)),
            Reading::Decimal => decimal(text),
            Reading::Float => text.parse().map(Cell::Float).ok(),
            Reading::Boolean => truth(text).map(Cell::Bool),
            Reading::Date => date(text).map(Cell::Date),
            Reading::Time => time(text, scratch).map(Cell::Text),
            Reading::Wall => match seconds(text) {
                Some((seconds, nanoseconds)) if seconds.abs() < LAST_INSTANT => {
                    return builder.push_wall(seconds, nanoseconds);
                }
                late => late.and_then(wall).map(Cell::DateTime),
            },
            Reading::Instant => seconds(text).and_then(instant),
            Reading::Zoned(scale) => zoned(text, scale).and_then(instant),
            Reading::Bytes => bytes(text, scratch).map(Cell::Bytes),
            Reading::Variant => Some(json(text)),
            // Arrays with holes hold the word `undefined`, which is no JSON.
            Reading::Structure => Some(json(text)).filter(|cell| !matches!(cell, Cell::Text(_))),
        };
        builder.push(cell.unwrap_or(Cell::Malformed(self.complaint())));
    }

    fn complaint(self) -> &'static str {
        match self {
            Reading::Whole | Reading::Decimal => {
                "a NUMBER that cannot be read: not plain digits, or more than 38"
            }
            Reading::Float => "a FLOAT that cannot be read",
            Reading::Boolean => "a BOOLEAN that is neither true nor false",
            Reading::Date => "a DATE that cannot be read, or outside the years -9999 to 9999",
            Reading::Time => "a TIME that cannot be read",
            Reading::Wall => "a TIMESTAMP that cannot be read, or outside the years -9999 to 9999",
            Reading::Instant | Reading::Zoned(_) => {
                "a TIMESTAMP that cannot be read, or after 9999-12-30 22:00 UTC, beyond which there are no instants here"
            }
            Reading::Bytes => "a BINARY that is not written in hexadecimal digits",
            Reading::Variant | Reading::Structure | Reading::Text => "a structure that is not JSON",
        }
    }
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "TRUE" => Some(true),
        "0" | "false" | "FALSE" => Some(false),
        _ => None,
    }
}

fn date(text: &str) -> Option<civil::Date> {
    let hours = text.parse::<i64>().ok()?.checked_mul(24)?;
    let since = SignedDuration::try_from_hours(hours)?;
    EPOCH.checked_add(since).ok().map(civil::DateTime::date)
}

/// `10:11:12.5`, without zeros at its end.
fn time<'a>(text: &str, scratch: &'a mut Vec<u8>) -> Option<&'a str> {
    use std::io::Write;
    let (seconds, nanoseconds) = seconds(text).filter(|(seconds, _)| (0..86_400).contains(seconds))?;
    scratch.clear();
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    write!(scratch, "{hours:02}:{minutes:02}:{:02}", seconds % 60).ok()?;
    if nanoseconds > 0 {
        write!(scratch, ".{nanoseconds:09}").ok()?;
        while scratch.last() == Some(&b'0') {
            scratch.pop();
        }
    }
    std::str::from_utf8(scratch).ok()
}

/// Whole seconds, rounded down, and the nanoseconds after them.
fn seconds(text: &str) -> Option<(i64, u32)> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 9 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanoseconds = fraction.bytes().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
        * 10_u32.pow(9 - fraction.len() as u32);
    match (negative, nanoseconds) {
        (false, _) => Some((seconds, nanoseconds)),
        (true, 0) => Some((-seconds, 0)),
        (true, _) => Some((-seconds - 1, 1_000_000_000 - nanoseconds)),
    }
}

/// The offset says how the instant was written, not when it was.
fn zoned(text: &str, scale: u8) -> Option<(i64, u32)> {
    if let Some((epoch, offset)) = text.split_once(' ') {
        return offset.parse::<u16>().ok().and_then(|_| seconds(epoch));
    }
    let epoch = text.parse::<i128>().ok()?.div_euclid(1 << 14);
    let unit = 10_i128.pow(u32::from(scale));
    let nanoseconds = epoch.rem_euclid(unit) * (1_000_000_000 / unit);
    Some((i64::try_from(epoch.div_euclid(unit)).ok()?, u32::try_from(nanoseconds).ok()?))
}

fn wall((seconds, nanoseconds): (i64, u32)) -> Option<civil::DateTime> {
    EPOCH.checked_add(SignedDuration::new(seconds, i32::try_from(nanoseconds).ok()?)).ok()
}

fn instant((seconds, nanoseconds): (i64, u32)) -> Option<Cell<'static>> {
    Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?).ok().map(Cell::Timestamp)
}

fn bytes<'a>(text: &str, scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    scratch.clear();
    for [high, low] in pairs {
        scratch.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(scratch)
}
