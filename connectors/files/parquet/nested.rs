//! Lists, structs and maps as JSON text; times of day and spans as text.

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, downcast_integer_array};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use jiff::{Timestamp, civil};

use super::column::split;
use crate::sql;

/// Why a value cannot be written.
type Problem = String;

/// Appends one value as JSON. Numbers keep all their digits; bytes are hexadecimal; NaN and infinities are texts.
pub(super) fn write(array: &dyn Array, row: usize, out: &mut String) -> Result<(), Problem> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::List(_) => list(array.as_list::<i32>().value(row).as_ref(), out),
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row).as_ref(), out),
        DataType::FixedSizeList(..) => list(array.as_fixed_size_list().value(row).as_ref(), out),
        DataType::Struct(_) => structure(array, row, out),
        DataType::Map(..) => map(array, row, out),
        _ => scalar(array, row, out),
    }
}

fn list(items: &dyn Array, out: &mut String) -> Result<(), Problem> {
    out.push('[');
    for item in 0..items.len() {
        if item > 0 {
            out.push(',');
        }
        write(items, item, out)?;
    }
    out.push(']');
    Ok(())
}

fn structure(array: &dyn Array, row: usize, out: &mut String) -> Result<(), Problem> {
    let array = array.as_struct();
    out.push('{');
    for (position, (name, values)) in array.column_names().into_iter().zip(array.columns()).enumerate() {
        if position > 0 {
            out.push(',');
        }
        quote(name, out);
        out.push(':');
        write(values, row, out)?;
    }
    out.push('}');
    Ok(())
}

/// A map as an object; keys that are no texts are written as texts.
fn map(array: &dyn Array, row: usize, out: &mut String) -> Result<(), Problem> {
    let entries = array.as_map().value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    out.push('{');
    let mut key = String::new();
    for entry in 0..entries.len() {
        if entry > 0 {
            out.push(',');
        }
        key.clear();
        write(keys, entry, &mut key)?;
        match key.starts_with('"') {
            true => out.push_str(&key),
            false => quote(&key, out),
        }
        out.push(':');
        write(values, entry, out)?;
    }
    out.push('}');
    Ok(())
}

fn scalar(array: &dyn Array, row: usize, out: &mut String) -> Result<(), Problem> {
    match array.data_type() {
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::Utf8 => quote(array.as_string::<i32>().value(row), out),
        DataType::LargeUtf8 => quote(array.as_string::<i64>().value(row), out),
        DataType::Utf8View => quote(array.as_string_view().value(row), out),
        DataType::Binary => quote_bytes(array.as_binary::<i32>().value(row), out),
        DataType::LargeBinary => quote_bytes(array.as_binary::<i64>().value(row), out),
        DataType::BinaryView => quote_bytes(array.as_binary_view().value(row), out),
        DataType::FixedSizeBinary(_) => quote_bytes(array.as_fixed_size_binary().value(row), out),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row), out),
        DataType::Float32 => float(sql::single(array.as_primitive::<Float32Type>().value(row)), out),
        DataType::Float16 => float(array.as_primitive::<Float16Type>().value(row).into(), out),
        DataType::Decimal128(..) => {
            out.push_str(&array.as_primitive::<Decimal128Type>().value_as_string(row));
        }
        DataType::Decimal256(..) => {
            out.push_str(&array.as_primitive::<Decimal256Type>().value_as_string(row));
        }
        DataType::Dictionary(..) => return dictionary(array, row, out),
        kind if kind.is_integer() => downcast_integer_array!(
            array => write!(out, "{}", array.value(row)).map_err(|e| e.to_string())?,
            _ => {}
        ),
        _ => return time(array, row, out),
    }
    Ok(())
}

fn dictionary(array: &dyn Array, row: usize, out: &mut String) -> Result<(), Problem> {
    let dictionary = array.as_any_dictionary();
    let key = dictionary.normalized_keys().get(row).copied();
    key.map_or_else(|| Err("a damaged dictionary".into()), |key| write(dictionary.values(), key, out))
}

/// Days, times and spans, each as a quoted text.
fn time(array: &dyn Array, row: usize, out: &mut String) -> Result<(), Problem> {
    out.push('"');
    let value = ticks(array, row);
    let written = match (array.data_type(), value) {
        (DataType::Date32, Some(days)) => date(days).map(|date| write!(out, "{date}")),
        (DataType::Date64, Some(value)) => timestamp(value, TimeUnit::Millisecond, false, out),
        (DataType::Timestamp(unit, zone), Some(value)) => timestamp(value, *unit, zone.is_some(), out),
        (DataType::Time32(unit) | DataType::Time64(unit), Some(value)) => {
            Some(time_of_day(value, *unit, out))
        }
        (DataType::Duration(unit), Some(value)) => {
            let (seconds, nanoseconds) = split(value, *unit);
            Some(write!(out, "{}", jiff::SignedDuration::new(seconds, nanoseconds as i32)))
        }
        (DataType::Interval(unit), _) => Some(interval(array, row, *unit, out)),
        (kind, _) => return Err(format!("a value of type {kind}, which is not supported")),
    };
    match written {
        Some(Ok(())) => {
            out.push('"');
            Ok(())
        }
        _ => Err("a time outside the years -9999 to 9999".into()),
    }
}

/// The number that a day, time or span is stored as.
pub(super) fn ticks(array: &dyn Array, row: usize) -> Option<i64> {
    Some(match array.data_type() {
        DataType::Date32 => array.as_primitive::<Date32Type>().value(row).into(),
        DataType::Date64 => array.as_primitive::<Date64Type>().value(row),
        DataType::Time32(TimeUnit::Second) => array.as_primitive::<Time32SecondType>().value(row).into(),
        DataType::Time32(_) => array.as_primitive::<Time32MillisecondType>().value(row).into(),
        DataType::Time64(TimeUnit::Microsecond) => array.as_primitive::<Time64MicrosecondType>().value(row),
        DataType::Time64(_) => array.as_primitive::<Time64NanosecondType>().value(row),
        DataType::Timestamp(unit, _) => match unit {
            TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row),
            TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(row),
            TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
            TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row),
        },
        DataType::Duration(unit) => match unit {
            TimeUnit::Second => array.as_primitive::<DurationSecondType>().value(row),
            TimeUnit::Millisecond => array.as_primitive::<DurationMillisecondType>().value(row),
            TimeUnit::Microsecond => array.as_primitive::<DurationMicrosecondType>().value(row),
            TimeUnit::Nanosecond => array.as_primitive::<DurationNanosecondType>().value(row),
        },
        _ => return None,
    })
}

/// The day this many days after 1970-01-01.
pub(super) fn date(days: i64) -> Option<civil::Date> {
    const FIRST: civil::Date = civil::date(1970, 1, 1);
    let span = jiff::Span::new().try_days(days).ok()?;
    FIRST.checked_add(span).ok()
}

fn timestamp(value: i64, unit: TimeUnit, zoned: bool, out: &mut String) -> Option<std::fmt::Result> {
    let (seconds, nanoseconds) = split(value, unit);
    let time = Timestamp::new(seconds, nanoseconds as i32).ok()?;
    Some(match zoned {
        true => write!(out, "{time}"),
        false => write!(out, "{}", jiff::tz::Offset::UTC.to_datetime(time)),
    })
}

fn time_of_day(value: i64, unit: TimeUnit, out: &mut String) -> std::fmt::Result {
    let (seconds, nanoseconds) = split(value, unit);
    out.write_str(&sql::time_of_day(seconds, nanoseconds))
}

/// ISO 8601, each part as it is stored: `P1M2DT3.5S`.
fn interval(array: &dyn Array, row: usize, unit: IntervalUnit, out: &mut String) -> std::fmt::Result {
    let (months, days, nanoseconds) = match unit {
        IntervalUnit::YearMonth => (array.as_primitive::<IntervalYearMonthType>().value(row), 0, 0),
        IntervalUnit::DayTime => {
            let value = array.as_primitive::<IntervalDayTimeType>().value(row);
            (0, value.days, i64::from(value.milliseconds) * 1_000_000)
        }
        IntervalUnit::MonthDayNano => {
            let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            (value.months, value.days, value.nanoseconds)
        }
    };
    out.write_str(&sql::interval(months, days, nanoseconds))
}

fn float(value: f64, out: &mut String) {
    match serde_json::Number::from_f64(value) {
        Some(number) => out.push_str(&number.to_string()),
        None => quote(&value.to_string(), out),
    }
}

fn quote(text: &str, out: &mut String) {
    out.push_str(&sql::quoted(text));
}

fn quote_bytes(bytes: &[u8], out: &mut String) {
    out.push_str(&sql::quoted(&sql::hex(bytes)));
}
