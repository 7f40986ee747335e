//! A value of the cursor column, in an order.

use std::fmt;
use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use outflow_connectors::contract::Cell;
use outflow_connectors::sql::Dialect;
use serde::{Deserialize, Serialize};

use crate::project::Lag;

/// What the values of a cursor column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Integer,
    /// In billionths.
    Decimal,
    Date,
    /// Nanoseconds on the wall clock.
    Wall,
    /// Nanoseconds since 1970.
    Instant,
    /// Compared byte by byte, as a database with a binary collation does.
    Text,
}

/// 16 bytes in the order of the values; of a text the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point(pub u128);

const BILLION: i128 = 1_000_000_000;
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The place of a cell, and of which kind it is; `None` for null.
///
/// # Errors
/// Why it has none.
pub fn point(cell: Cell<'_>) -> Result<Option<(Kind, Point)>, &'static str> {
    let (kind, number) = match cell {
        Cell::Null => return Ok(None),
        Cell::Integer(value) => (Kind::Integer, i128::from(value)),
        Cell::Decimal { digits, scale } if scale <= 9 => {
            let billionths = digits.checked_mul(10_i128.pow(u32::from(9 - scale)));
            (Kind::Decimal, billionths.ok_or("a number that is too large")?)
        }
        Cell::Date(date) => {
            let days = date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24;
            (Kind::Date, i128::from(days))
        }
        Cell::DateTime(time) => (Kind::Wall, time.duration_since(EPOCH).as_nanos()),
        Cell::Timestamp(time) => (Kind::Instant, time.as_nanosecond()),
        Cell::Text(text) => return Ok(Some((Kind::Text, Point(prefix(text))))),
        _ => return Err("neither a time nor a number nor a text"),
    };
    Ok(Some((kind, Point(number as u128 ^ (1 << 127)))))
}

fn prefix(text: &str) -> u128 {
    let mut bytes = [0; 16];
    let length = text.len().min(16);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    u128::from_be_bytes(bytes)
}

/// A value as the ledger keeps it: exact, as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Value {
    pub kind: Kind,
    pub text: String,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number().and_then(|number| self.shown(number)) {
            Some(shown) => f.write_str(&shown),
            None => f.write_str(&self.text),
        }
    }
}

impl Value {
    /// The value at a point; for a text at most its first bytes, which is no later.
    pub fn at(kind: Kind, point: Point) -> Self {
        let text = match kind {
            Kind::Text => {
                let bytes = point.0.to_be_bytes();
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
                let valid = match std::str::from_utf8(&bytes[..end]) {
                    Ok(text) => text,
                    Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
                };
                valid.to_owned()
            }
            _ => ((point.0 ^ (1 << 127)) as i128).to_string(),
        };
        Value { kind, text }
    }

    /// `now`, where this is a time that has not come yet: one row of the year 2999 would hide all others. A wall clock may be 14
    /// hours ahead.
    pub fn not_after(&self, now: Timestamp) -> Option<Self> {
        const AHEAD: SignedDuration = SignedDuration::from_hours(14);
        let wall_clock = || Offset::UTC.to_datetime(now.checked_add(AHEAD).unwrap_or(now));
        let latest = match self.kind {
            Kind::Instant => Value { kind: self.kind, text: now.as_nanosecond().to_string() },
            Kind::Wall => {
                Value { kind: self.kind, text: wall_clock().duration_since(EPOCH).as_nanos().to_string() }
            }
            Kind::Date => {
                let days = wall_clock().date().duration_since(Date::constant(1970, 1, 1)).as_hours() / 24;
                Value { kind: self.kind, text: days.to_string() }
            }
            Kind::Text => {
                let is_time = self.text.get(..10).is_some_and(|day| day.parse::<Date>().is_ok());
                let latest = wall_clock().strftime("%Y-%m-%d").to_string();
                let later = is_time && self.text.get(..10).is_some_and(|day| day > &*latest);
                return later.then_some(Value { kind: self.kind, text: latest });
            }
            Kind::Integer | Kind::Decimal => return None,
        };
        (self.number()? > latest.number()?).then_some(latest)
    }

    fn number(&self) -> Option<i128> {
        (self.kind != Kind::Text).then(|| self.text.parse().ok()).flatten()
    }

    fn shown(&self, number: i128) -> Option<String> {
        Some(match self.kind {
            Kind::Date => date(number)?.to_string(),
            Kind::Wall => wall(number)?.to_string(),
            Kind::Instant => Timestamp::from_nanosecond(number).ok()?.to_string(),
            Kind::Decimal => Dialect::Ansi.literal(Cell::Decimal { digits: number, scale: 9 })?,
            Kind::Integer | Kind::Text => return None,
        })
    }

    /// So much earlier.
    ///
    /// # Errors
    /// Why that cannot be told.
    pub fn less(&self, lag: Lag) -> Result<Self, &'static str> {
        let Some(number) = self.number() else { return self.text_less(lag) };
        let less = match (self.kind, lag) {
            (_, Lag::Nothing) => 0,
            (Kind::Integer, Lag::Number(number)) => i128::from(number),
            (Kind::Decimal, Lag::Number(number)) => i128::from(number) * BILLION,
            (Kind::Integer | Kind::Decimal, Lag::Time(_)) => return Err("its values are numbers"),
            (Kind::Date, Lag::Time(time)) => i128::from(days(time)),
            (_, Lag::Time(time)) => time.as_nanos() as i128,
            (_, Lag::Number(_)) => return Err("its values are times"),
        };
        Ok(Value { kind: self.kind, text: number.saturating_sub(less).to_string() })
    }

    /// A text that is a time, as `2026-01-02 03:04:05` or with a `T`.
    fn text_less(&self, lag: Lag) -> Result<Self, &'static str> {
        let time = match lag {
            Lag::Nothing => return Ok(self.clone()),
            Lag::Number(_) => return Err("its values are texts"),
            Lag::Time(time) => time,
        };
        const NO_TIME: &str = "its values are texts, and no times like `2026-01-02 03:04:05`";
        let text = self.text.get(..19).unwrap_or(&self.text);
        if text.len() == 10 {
            let day: Date = text.parse().map_err(|_| NO_TIME)?;
            let day = day.checked_sub(SignedDuration::from_hours(days(time) * 24)).map_err(|_| NO_TIME)?;
            return Ok(Value { kind: Kind::Text, text: day.to_string() });
        }
        let separator = if text.contains('T') { 'T' } else { ' ' };
        let begun: DateTime = text.parse().map_err(|_| NO_TIME)?;
        let length = SignedDuration::try_from(time).map_err(|_| NO_TIME)?;
        let earlier = begun.checked_sub(length).map_err(|_| NO_TIME)?;
        // Without a fraction, which is no later.
        let text = earlier.strftime("%Y-%m-%dT%H:%M:%S").to_string().replace('T', &separator.to_string());
        Ok(Value { kind: Kind::Text, text })
    }

    /// As SQL.
    ///
    /// # Errors
    /// Where the value is none.
    pub fn literal(&self, dialect: Dialect) -> Result<String, &'static str> {
        const DAMAGED: &str = "the mark in the ledger cannot be read";
        let number = self.number();
        let cell = match (self.kind, number) {
            (Kind::Text, _) => Some(Cell::Text(&self.text)),
            (Kind::Integer, Some(number)) => i64::try_from(number).ok().map(Cell::Integer),
            (Kind::Decimal, Some(digits)) => Some(Cell::Decimal { digits, scale: 9 }),
            (Kind::Date, Some(number)) => date(number).map(Cell::Date),
            (Kind::Wall, Some(number)) => wall(number).map(Cell::DateTime),
            (Kind::Instant, Some(number)) => Timestamp::from_nanosecond(number).ok().map(Cell::Timestamp),
            (_, None) => None,
        };
        cell.and_then(|cell| dialect.literal(cell)).ok_or(DAMAGED)
    }
}

/// Whole days, rounded up.
fn days(time: Duration) -> i64 {
    time.as_secs().div_ceil(86_400) as i64
}

fn date(days: i128) -> Option<Date> {
    let hours = i64::try_from(days).ok()?.checked_mul(24)?;
    Date::constant(1970, 1, 1).checked_add(SignedDuration::from_hours(hours)).ok()
}

fn wall(nanoseconds: i128) -> Option<DateTime> {
    let seconds = i64::try_from(nanoseconds.div_euclid(BILLION)).ok()?;
    let rest = nanoseconds.rem_euclid(BILLION) as i32;
    EPOCH.checked_add(SignedDuration::new(seconds, rest)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cell: Cell<'_>) -> (Kind, Point) {
        point(cell).unwrap().unwrap()
    }

    #[test]
    fn points_are_in_the_order_of_the_values() {
        let wall = |text: &str| Cell::DateTime(text.parse().unwrap());
        for (less, more) in [
            (Cell::Integer(-5), Cell::Integer(3)),
            (Cell::Decimal { digits: 15, scale: 1 }, Cell::Decimal { digits: 151, scale: 2 }),
            (Cell::Date("1969-12-31".parse().unwrap()), Cell::Date("1970-01-01".parse().unwrap())),
            (wall("1969-12-31T23:59:59.5"), wall("2026-01-01T00:00:00")),
            (Cell::Text("2026-01-01"), Cell::Text("2026-01-01 10:00")),
        ] {
            assert!(of(less).1 < of(more).1, "{less:?} {more:?}");
            for cell in [less, more] {
                let (kind, point) = of(cell);
                let value = Value::at(kind, point);
                let literal = value.literal(Dialect::Postgres).unwrap();
                if kind != Kind::Decimal {
                    assert_eq!(Some(literal), Dialect::Postgres.literal(cell));
                }
            }
        }
        assert_eq!(point(Cell::Null), Ok(None));
        for cell in [Cell::Float(1.0), Cell::Bool(true), Cell::Malformed("x")] {
            assert!(point(cell).is_err(), "{cell:?}");
        }
    }

    #[test]
    fn a_lag_is_taken_from_times_and_numbers() {
        let hour = Lag::Time(Duration::from_secs(3_600));
        let text = |text: &str| Value { kind: Kind::Text, text: text.to_owned() };
        for (value, lag, less) in [
            (text("2026-01-02 00:30:05.25"), hour, "'2026-01-01 23:30:05'"),
            (text("2026-01-02T00:30:05Z"), hour, "'2026-01-01T23:30:05'"),
            (text("2026-01-02"), hour, "'2026-01-01'"),
            (text("abc"), Lag::Nothing, "'abc'"),
            (Value { kind: Kind::Integer, text: "100".into() }, Lag::Number(30), "70"),
            (Value { kind: Kind::Date, text: "20000".into() }, hour, "'2024-10-03'"),
        ] {
            assert_eq!(value.less(lag).and_then(|value| value.literal(Dialect::Ansi)).as_deref(), Ok(less));
        }
        for (value, lag) in [
            (text("abc"), hour),
            (text("2026-01-02 00:30:05"), Lag::Number(5)),
            (Value { kind: Kind::Integer, text: "1".into() }, hour),
            (Value { kind: Kind::Instant, text: "1".into() }, Lag::Number(5)),
        ] {
            assert!(value.less(lag).is_err(), "{value:?}");
        }
    }

    #[test]
    fn a_time_that_has_not_come_is_cut_to_now() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let value = |cell| {
            let (kind, point) = of(cell);
            Value::at(kind, point)
        };
        for (cell, latest) in [
            (Cell::Timestamp("2999-01-01T00:00:00Z".parse().unwrap()), Some("2026-01-02T03:04:05Z")),
            (Cell::DateTime("2999-01-01T00:00:00".parse().unwrap()), Some("2026-01-02T17:04:05")),
            (Cell::Date("2999-01-01".parse().unwrap()), Some("2026-01-02")),
            (Cell::Text("2999-01-01 00:00"), Some("2026-01-02")),
            (Cell::Text("zzz"), None),
            (Cell::Integer(i64::MAX), None),
            (Cell::Timestamp("2026-01-02T03:04:05Z".parse().unwrap()), None),
        ] {
            assert_eq!(
                value(cell).not_after(now).map(|value| value.to_string()).as_deref(),
                latest,
                "{cell:?}"
            );
        }
    }

    #[test]
    fn of_a_long_text_the_beginning_is_kept() {
        let (kind, place) = of(Cell::Text("2026-01-02 03:04:05.678901"));
        assert_eq!(Value::at(kind, place).text, "2026-01-02 03:04");
        let (kind, place) = of(Cell::Text("123456789012345é"));
        assert_eq!(Value::at(kind, place).text, "123456789012345");
    }
}
