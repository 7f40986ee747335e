//! One decoded column to cells, without loss.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use jiff::Timestamp;

use super::footer::Form;
use super::nested;
use crate::contract::{Block, Cell};
use crate::sql;

/// Bytes that the texts of a column take, where that is known without looking at each.
pub(super) fn text_bytes(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::BinaryView => array.as_binary_view().lengths().map(|length| length as usize).sum(),
        DataType::FixedSizeBinary(size) => array.len() * usize::try_from(*size).unwrap_or(0),
        kind if kind.is_nested() => array.get_array_memory_size().min(array.len() << 10),
        _ => 0,
    }
}

/// Fills one column of the block; nulls are left as they are.
pub(super) fn fill(block: &mut Block<'_>, column: usize, array: &dyn Array, form: Form) {
    match array.data_type() {
        DataType::Null => {}
        DataType::BinaryView if form == Form::Text => {
            block.set_texts(column, array.as_binary_view().iter());
        }
        DataType::FixedSizeBinary(_) if form == Form::Int96 => {
            for (row, bytes) in array.as_fixed_size_binary().iter().enumerate() {
                let Some((seconds, nanoseconds)) = bytes.and_then(int96) else { continue };
                block.set_wall(row, column, seconds, nanoseconds);
            }
        }
        DataType::Int64 => integers::<Int64Type>(block, column, array),
        DataType::Int32 => integers::<Int32Type>(block, column, array),
        DataType::Int16 => integers::<Int16Type>(block, column, array),
        DataType::Int8 => integers::<Int8Type>(block, column, array),
        DataType::UInt32 => integers::<UInt32Type>(block, column, array),
        DataType::UInt16 => integers::<UInt16Type>(block, column, array),
        DataType::UInt8 => integers::<UInt8Type>(block, column, array),
        DataType::Float64 => primitives::<Float64Type>(block, column, array, Cell::Float),
        DataType::Timestamp(unit, None) => match unit {
            TimeUnit::Second => walls::<TimestampSecondType>(block, column, array, *unit),
            TimeUnit::Millisecond => walls::<TimestampMillisecondType>(block, column, array, *unit),
            TimeUnit::Microsecond => walls::<TimestampMicrosecondType>(block, column, array, *unit),
            TimeUnit::Nanosecond => walls::<TimestampNanosecondType>(block, column, array, *unit),
        },
        DataType::Boolean => {
            let values = array.as_boolean();
            for (row, value) in values.iter().enumerate() {
                if let Some(value) = value {
                    block.set(row, column, Cell::Bool(value));
                }
            }
        }
        _ => {
            let mut text = String::new();
            for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
                text.clear();
                block.set(row, column, cell(array, row, form, &mut text));
            }
        }
    }
}

fn primitives<T: ArrowPrimitiveType>(
    block: &mut Block<'_>,
    column: usize,
    array: &dyn Array,
    cell: impl Fn(T::Native) -> Cell<'static>,
) {
    let array: &PrimitiveArray<T> = array.as_primitive();
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => {
            for (row, value) in array.values().iter().enumerate() {
                block.set(row, column, cell(*value));
            }
        }
        Some(nulls) => {
            for row in nulls.valid_indices() {
                block.set(row, column, cell(array.value(row)));
            }
        }
    }
}

fn integers<T: ArrowPrimitiveType<Native: Into<i64>>>(
    block: &mut Block<'_>,
    column: usize,
    array: &dyn Array,
) {
    primitives::<T>(block, column, array, |value| Cell::Integer(value.into()));
}

fn walls<T: ArrowPrimitiveType<Native = i64>>(
    block: &mut Block<'_>,
    column: usize,
    array: &dyn Array,
    unit: TimeUnit,
) {
    let array: &PrimitiveArray<T> = array.as_primitive();
    for (row, value) in array.iter().enumerate() {
        if let Some(value) = value {
            let (seconds, nanoseconds) = split(value, unit);
            block.set_wall(row, column, seconds, nanoseconds);
        }
    }
}

/// One value that is not null; `text` lends its memory to those that are written out.
fn cell<'a>(array: &'a dyn Array, row: usize, form: Form, text: &'a mut String) -> Cell<'a> {
    match array.data_type() {
        DataType::UInt64 => unsigned(array.as_primitive::<UInt64Type>().value(row)),
        DataType::Float32 => Cell::Float(sql::single(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float16 => Cell::Float(array.as_primitive::<Float16Type>().value(row).into()),
        DataType::Decimal128(_, scale) => decimal(array.as_primitive::<Decimal128Type>().value(row), *scale),
        DataType::Decimal256(_, scale) => match array.as_primitive::<Decimal256Type>().value(row).to_i128() {
            Some(digits) => decimal(digits, *scale),
            None => Cell::Malformed(TOO_MANY_DIGITS),
        },
        DataType::Date32 => date(array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Date64 => milliseconds(array.as_primitive::<Date64Type>().value(row)),
        DataType::Timestamp(unit, Some(_)) => instant(nested::ticks(array, row).unwrap_or_default(), *unit),
        DataType::BinaryView => {
            let bytes = array.as_binary_view().value(row);
            if form == Form::Json { json(bytes, text) } else { Cell::Bytes(bytes) }
        }
        DataType::FixedSizeBinary(_) => {
            let bytes = array.as_fixed_size_binary().value(row);
            if form == Form::Uuid { uuid(bytes, text) } else { Cell::Bytes(bytes) }
        }
        kind => match nested::write(array, row, text) {
            Err(problem) => {
                *text = problem;
                Cell::Malformed(text)
            }
            Ok(()) => match kind {
                DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => Cell::List(text),
                DataType::Struct(_) | DataType::Map(..) => Cell::Json(text),
                _ => Cell::Text(text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text)),
            },
        },
    }
}

const TOO_MANY_DIGITS: &str = "a decimal number of more than 38 digits";

fn unsigned(value: u64) -> Cell<'static> {
    match i64::try_from(value) {
        Ok(value) => Cell::Integer(value),
        Err(_) => Cell::Decimal { digits: value.into(), scale: 0 },
    }
}

/// `digits * 10^-scale`; a negative scale means trailing zeros.
fn decimal(digits: i128, scale: i8) -> Cell<'static> {
    match u8::try_from(scale) {
        Ok(scale) => Cell::Decimal { digits, scale },
        Err(_) => {
            let zeros = 10_i128.checked_pow(u32::from(scale.unsigned_abs()));
            match zeros.and_then(|zeros| digits.checked_mul(zeros)) {
                Some(digits) => Cell::Decimal { digits, scale: 0 },
                None => Cell::Malformed(TOO_MANY_DIGITS),
            }
        }
    }
}

/// Days since 1970-01-01.
fn date(days: i64) -> Cell<'static> {
    nested::date(days).map_or(Cell::Malformed("a date outside the years -9999 to 9999"), Cell::Date)
}

/// Milliseconds since 1970-01-01 that should be whole days.
fn milliseconds(value: i64) -> Cell<'static> {
    const DAY: i64 = 86_400_000;
    if value.rem_euclid(DAY) == 0 {
        return date(value.div_euclid(DAY));
    }
    let (seconds, nanoseconds) = split(value, TimeUnit::Millisecond);
    let time = Timestamp::new(seconds, nanoseconds as i32).map(|t| jiff::tz::Offset::UTC.to_datetime(t));
    time.map_or(Cell::Malformed("a time outside the years -9999 to 9999"), Cell::DateTime)
}

fn instant(value: i64, unit: TimeUnit) -> Cell<'static> {
    let (seconds, nanoseconds) = split(value, unit);
    Timestamp::new(seconds, nanoseconds as i32)
        .map_or(Cell::Malformed("a time outside the years -9999 to 9999"), Cell::Timestamp)
}

/// Seconds and the nanoseconds after them.
#[inline]
pub(super) fn split(value: i64, unit: TimeUnit) -> (i64, u32) {
    let (per_second, nanoseconds) = match unit {
        TimeUnit::Second => (1, 1_000_000_000),
        TimeUnit::Millisecond => (1_000, 1_000_000),
        TimeUnit::Microsecond => (1_000_000, 1_000),
        TimeUnit::Nanosecond => (1_000_000_000, 1),
    };
    (value.div_euclid(per_second), (value.rem_euclid(per_second) * nanoseconds) as u32)
}

/// Seconds since 1970 and the nanoseconds after them; `None` where there are not 12 bytes.
fn int96(bytes: &[u8]) -> Option<(i64, u32)> {
    const JULIAN_1970: i64 = 2_440_588;
    let (nanoseconds, day) = bytes.split_first_chunk()?;
    let (nanoseconds, day) = (i64::from_le_bytes(*nanoseconds), i32::from_le_bytes(day.try_into().ok()?));
    let (seconds, rest) = split(nanoseconds, TimeUnit::Nanosecond);
    Some(((i64::from(day) - JULIAN_1970) * 86_400 + seconds, rest))
}

/// The text of a JSON column; text that is no JSON stays a text.
fn json<'a>(bytes: &'a [u8], message: &'a mut String) -> Cell<'a> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            *message = format!("invalid UTF-8 at byte {}", error.valid_up_to());
            return Cell::Malformed(message);
        }
    };
    sql::json(text)
}

fn uuid<'a>(bytes: &[u8], text: &'a mut String) -> Cell<'a> {
    text.push_str(&sql::uuid(bytes));
    Cell::Text(text)
}
