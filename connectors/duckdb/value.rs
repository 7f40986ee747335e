//! One value of an Arrow array to one cell, by the type that DuckDB says the column has.

use duckdb::arrow::array::{Array, ArrowPrimitiveType, AsArray, PrimitiveArray};
use duckdb::arrow::datatypes::{
    Date32Type, Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use duckdb::core::{LogicalTypeHandle, LogicalTypeId};
use jiff::{SignedDuration, Timestamp, civil};

use super::nested;
use crate::contract::{Cell, RowBatchBuilder};
use crate::sql;

const DAY: civil::Date = civil::Date::constant(1970, 1, 1);
const EPOCH: civil::DateTime = civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
const ODD: Cell<'static> = Cell::Malformed("a value that did not arrive as its type says");
const OUTSIDE: Cell<'static> = Cell::Malformed("a time outside the years -9999 to 9999");
const INFINITE: Cell<'static> = Cell::Malformed("an infinite time");

/// How the values of one type are read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reader {
    /// Every value is null.
    Null,
    Boolean,
    /// Of any width, signed or not.
    Integer,
    Hugeint,
    UHugeint,
    Float,
    Double,
    Decimal(u8),
    /// An enum, too: Arrow has its values in a dictionary.
    Text,
    Json,
    Bytes,
    Date,
    Time,
    Wall(Unit),
    Instant,
    Interval,
    List(Box<Reader>),
    Struct(Vec<(String, Reader)>),
    Map(Box<(Reader, Reader)>),
}

/// What a timestamp counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    fn a_second(self) -> i64 {
        match self {
            Unit::Seconds => 1,
            Unit::Milliseconds => 1_000,
            Unit::Microseconds => 1_000_000,
            Unit::Nanoseconds => 1_000_000_000,
        }
    }

    /// Whole seconds, rounded down, and the nanoseconds after them.
    fn split(self, value: i64) -> (i64, u32) {
        let a_second = self.a_second();
        let rest = value.rem_euclid(a_second) * (1_000_000_000 / a_second);
        (value.div_euclid(a_second), rest as u32)
    }
}

impl Reader {
    /// `None` for a type that has no reading: a cast to text in the query gives it one.
    pub(super) fn of(kind: &LogicalTypeHandle) -> Option<Reader> {
        use LogicalTypeId as Id;
        Some(match kind.id() {
            Id::SqlNull => Reader::Null,
            Id::Boolean => Reader::Boolean,
            Id::Tinyint | Id::Smallint | Id::Integer | Id::Bigint => Reader::Integer,
            Id::UTinyint | Id::USmallint | Id::UInteger | Id::UBigint => Reader::Integer,
            Id::Hugeint => Reader::Hugeint,
            Id::UHugeint => Reader::UHugeint,
            Id::Float => Reader::Float,
            Id::Double => Reader::Double,
            Id::Decimal => Reader::Decimal(kind.decimal_scale()),
            Id::Varchar if kind.get_alias().is_some_and(|alias| alias == "JSON") => Reader::Json,
            Id::Varchar | Id::Uuid | Id::Enum => Reader::Text,
            Id::Blob => Reader::Bytes,
            Id::Date => Reader::Date,
            Id::Time | Id::TimeNs => Reader::Time,
            Id::TimestampS => Reader::Wall(Unit::Seconds),
            Id::TimestampMs => Reader::Wall(Unit::Milliseconds),
            Id::Timestamp => Reader::Wall(Unit::Microseconds),
            Id::TimestampNs => Reader::Wall(Unit::Nanoseconds),
            Id::TimestampTZ => Reader::Instant,
            Id::Interval => Reader::Interval,
            Id::List | Id::Array => Reader::List(Box::new(Reader::of(&kind.child(0))?)),
            Id::Map => Reader::Map(Box::new((Reader::of(&kind.child(0))?, Reader::of(&kind.child(1))?))),
            Id::Struct => Reader::Struct(fields(kind)?),
            // Arrow drops the zone of a `TIMETZ`; what a member of a `UNION` is called would be lost.
            _ => return None,
        })
    }

    /// Appends the value in this row.
    pub(super) fn push(&self, array: &dyn Array, row: usize, builder: &mut RowBatchBuilder) {
        if let (Reader::Wall(unit), false) = (self, array.is_null(row)) {
            match ticks(*unit, array, row) {
                Some(value) if !infinite(value) => {
                    let (seconds, nanoseconds) = unit.split(value);
                    return builder.push_wall(seconds, nanoseconds);
                }
                value => return builder.push(value.map_or(ODD, |_| INFINITE)),
            }
        }
        self.with_cell(array, row, |cell| builder.push(cell));
    }

    /// Gives the cell to `take`, which may borrow from it.
    pub(super) fn with_cell<R>(&self, array: &dyn Array, row: usize, take: impl FnOnce(Cell<'_>) -> R) -> R {
        if array.is_null(row) || *self == Reader::Null {
            return take(Cell::Null);
        }
        match self {
            Reader::Text => take(text(array, row).map_or(ODD, Cell::Text)),
            Reader::Json => take(text(array, row).map_or(ODD, sql::json)),
            Reader::Bytes => take(array.as_binary_opt::<i32>().map_or(ODD, |a| Cell::Bytes(a.value(row)))),
            Reader::UHugeint => uhugeint(array, row, take),
            Reader::Time => owned(time(array, row), take),
            Reader::Interval => owned(interval(array, row), take),
            Reader::List(_) => json(self, array, row, |text| take(text.map_or_else(malformed, Cell::List))),
            Reader::Struct(_) | Reader::Map(_) => {
                json(self, array, row, |text| take(text.map_or_else(malformed, Cell::Json)))
            }
            plain => take(plain.cell(array, row).unwrap_or(ODD)),
        }
    }

    /// A value that is held in the cell itself.
    fn cell(&self, array: &dyn Array, row: usize) -> Option<Cell<'static>> {
        Some(match self {
            Reader::Boolean => Cell::Bool(array.as_boolean_opt()?.value(row)),
            Reader::Integer => return integer(array, row),
            Reader::Hugeint => Cell::Decimal { digits: digits(array, row)?, scale: 0 },
            Reader::Decimal(scale) => Cell::Decimal { digits: digits(array, row)?, scale: *scale },
            Reader::Float => Cell::Float(sql::single(value::<Float32Type>(array, row)?)),
            Reader::Double => Cell::Float(value::<Float64Type>(array, row)?),
            Reader::Date => date(value::<Date32Type>(array, row)?),
            Reader::Wall(unit) => wall(*unit, ticks(*unit, array, row)?),
            Reader::Instant => instant(ticks(Unit::Microseconds, array, row)?),
            _ => return None,
        })
    }
}

fn fields(kind: &LogicalTypeHandle) -> Option<Vec<(String, Reader)>> {
    let field = |position| {
        let name = kind.try_child_name(position).ok().filter(|name| !name.is_empty())?;
        Some((name, Reader::of(&kind.child(position))?))
    };
    (0..kind.num_children()).map(field).collect()
}

fn value<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> Option<T::Native> {
    array.as_any().downcast_ref::<PrimitiveArray<T>>().map(|values| values.value(row))
}

fn integer(array: &dyn Array, row: usize) -> Option<Cell<'static>> {
    use duckdb::arrow::datatypes::DataType;
    let small = match array.data_type() {
        DataType::Int8 => value::<Int8Type>(array, row)?.into(),
        DataType::Int16 => value::<Int16Type>(array, row)?.into(),
        DataType::Int32 => value::<Int32Type>(array, row)?.into(),
        DataType::Int64 => value::<Int64Type>(array, row)?,
        DataType::UInt8 => value::<UInt8Type>(array, row)?.into(),
        DataType::UInt16 => value::<UInt16Type>(array, row)?.into(),
        DataType::UInt32 => value::<UInt32Type>(array, row)?.into(),
        DataType::UInt64 => {
            let large = value::<UInt64Type>(array, row)?;
            return Some(
                i64::try_from(large).map_or(Cell::Decimal { digits: large.into(), scale: 0 }, Cell::Integer),
            );
        }
        _ => return None,
    };
    Some(Cell::Integer(small))
}

fn digits(array: &dyn Array, row: usize) -> Option<i128> {
    value::<Decimal128Type>(array, row)
        .or_else(|| value::<Decimal64Type>(array, row).map(i128::from))
        .or_else(|| value::<Decimal32Type>(array, row).map(i128::from))
}

/// Arrow has no such type: the bits arrive as a signed number.
fn uhugeint<R>(array: &dyn Array, row: usize, take: impl FnOnce(Cell<'_>) -> R) -> R {
    match digits(array, row) {
        Some(digits @ 0..) => take(Cell::Decimal { digits, scale: 0 }),
        Some(bits) => take(Cell::Text(&(bits as u128).to_string())),
        None => take(ODD),
    }
}

/// A text, also out of an enum's dictionary.
fn text(array: &dyn Array, row: usize) -> Option<&str> {
    if let Some(texts) = array.as_string_opt::<i32>() {
        return Some(texts.value(row));
    }
    let dictionary = array.as_any_dictionary_opt()?;
    let keys = dictionary.keys();
    let key = value::<UInt8Type>(keys, row)
        .map(usize::from)
        .or_else(|| value::<UInt16Type>(keys, row).map(usize::from))
        .or_else(|| value::<UInt32Type>(keys, row).and_then(|key| key.try_into().ok()))?;
    Some(dictionary.values().as_string_opt::<i32>()?.value(key))
}

fn time(array: &dyn Array, row: usize) -> Option<String> {
    let (unit, value) = match value::<Time64MicrosecondType>(array, row) {
        Some(value) => (Unit::Microseconds, value),
        None => (Unit::Nanoseconds, value::<Time64NanosecondType>(array, row)?),
    };
    let (seconds, nanoseconds) = unit.split(value);
    Some(sql::time_of_day(seconds, nanoseconds))
}

fn interval(array: &dyn Array, row: usize) -> Option<String> {
    let value = value::<IntervalMonthDayNanoType>(array, row)?;
    Some(sql::interval(value.months, value.days, value.nanoseconds))
}

fn owned<R>(text: Option<String>, take: impl FnOnce(Cell<'_>) -> R) -> R {
    take(text.as_deref().map_or(ODD, Cell::Text))
}

fn json<R>(reader: &Reader, array: &dyn Array, row: usize, take: impl FnOnce(Result<&str, &str>) -> R) -> R {
    let mut text = String::new();
    match nested::write(reader, array, row, &mut text) {
        Ok(()) => take(Ok(&text)),
        Err(why) => take(Err(&why)),
    }
}

fn malformed(why: &str) -> Cell<'_> {
    Cell::Malformed(why)
}

fn ticks(unit: Unit, array: &dyn Array, row: usize) -> Option<i64> {
    match unit {
        Unit::Seconds => value::<TimestampSecondType>(array, row),
        Unit::Milliseconds => value::<TimestampMillisecondType>(array, row),
        Unit::Microseconds => value::<TimestampMicrosecondType>(array, row),
        Unit::Nanoseconds => value::<TimestampNanosecondType>(array, row),
    }
}

/// `infinity` and `-infinity`, as DuckDB stores them.
fn infinite(value: i64) -> bool {
    value == i64::MAX || value == -i64::MAX
}

fn date(days: i32) -> Cell<'static> {
    if days == i32::MAX || days == -i32::MAX {
        return INFINITE;
    }
    DAY.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).map_or(OUTSIDE, Cell::Date)
}

fn wall(unit: Unit, value: i64) -> Cell<'static> {
    if infinite(value) {
        return INFINITE;
    }
    let (seconds, nanoseconds) = unit.split(value);
    EPOCH.checked_add(SignedDuration::new(seconds, nanoseconds as i32)).map_or(OUTSIDE, Cell::DateTime)
}

fn instant(microseconds: i64) -> Cell<'static> {
    match infinite(microseconds) {
        true => INFINITE,
        false => Timestamp::from_microsecond(microseconds).map_or(OUTSIDE, Cell::Timestamp),
    }
}
