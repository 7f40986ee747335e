//! Record batches of the Storage Read API to cells, without loss.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use jiff::civil;

use super::rest;
use super::storage::{places, wrong};
use super::value::{self, Columns, Field, Kind, Scratch};
use crate::contract::{Block, Cell, ConnectorError, RowBatch, RowBatchBuilder};
use crate::sql;

/// Rows of a batch, and bytes of it, as the builder has them.
const ROWS: usize = 1_000;
const BYTES: usize = 4 << 20;

/// Fills batches column after column.
pub(super) struct Filler {
    fields: Arc<Vec<Field>>,
    places: Vec<usize>,
    builder: RowBatchBuilder,
}

impl Filler {
    /// # Errors
    /// Where a column of the result is missing in the stream.
    pub(super) fn new(schema: &Arc<arrow_schema::Schema>, columns: &Columns) -> Result<Self, ConnectorError> {
        Ok(Filler {
            fields: columns.fields.clone(),
            places: places(schema, columns)?,
            builder: RowBatchBuilder::new(columns.schema.clone()),
        })
    }

    /// Appends the rows of a record batch, in batches of the ordinary size.
    ///
    /// # Errors
    /// Where the record batch has not the columns of its schema.
    pub(super) fn fill(
        &mut self,
        batch: &RecordBatch,
        out: &mut Vec<RowBatch>,
    ) -> Result<(), ConnectorError> {
        let all = batch.columns();
        let arrays: Option<Vec<&ArrayRef>> = self.places.iter().map(|place| all.get(*place)).collect();
        let arrays = arrays.ok_or_else(|| wrong("a column is missing"))?;
        let bytes: usize = arrays.iter().map(|a| a.to_data().get_slice_memory_size().unwrap_or(0)).sum();
        let step = (BYTES * batch.num_rows() / bytes.max(1)).clamp(1, ROWS);
        for first in (0..batch.num_rows()).step_by(step) {
            let rows = step.min(batch.num_rows() - first);
            let mut block = self.builder.columns(rows, bytes * rows / batch.num_rows());
            for (column, (array, field)) in arrays.iter().zip(self.fields.iter()).enumerate() {
                fill(&mut block, column, array.slice(first, rows).as_ref(), field);
            }
            out.push(self.builder.take());
        }
        Ok(())
    }
}

/// Fills one column of the block; nulls are left as they are. What most columns are has a way without a look at each type.
fn fill(block: &mut Block<'_>, column: usize, array: &dyn Array, field: &Field) {
    match (&field.kind, array.data_type()) {
        _ if field.repeated => each(block, column, array, field),
        (Kind::Text, DataType::Utf8) => {
            block.set_texts(column, array.as_string::<i32>().iter().map(|text| text.map(str::as_bytes)));
        }
        (Kind::Integer, DataType::Int64) => {
            for (row, value) in array.as_primitive::<Int64Type>().iter().enumerate() {
                value.into_iter().for_each(|value| block.set(row, column, Cell::Integer(value)));
            }
        }
        (Kind::Float, DataType::Float64) => {
            for (row, value) in array.as_primitive::<Float64Type>().iter().enumerate() {
                value.into_iter().for_each(|value| block.set(row, column, Cell::Float(value)));
            }
        }
        _ => each(block, column, array, field),
    }
}

fn each(block: &mut Block<'_>, column: usize, array: &dyn Array, field: &Field) {
    let mut scratch = Scratch::default();
    for row in 0..array.len() {
        block.set(row, column, cell(array, row, field, &mut scratch));
    }
}

/// One value of a column.
pub(super) fn cell<'a>(
    array: &'a dyn Array,
    row: usize,
    field: &Field,
    scratch: &'a mut Scratch,
) -> Cell<'a> {
    let is_struct = matches!(field.kind, Kind::Struct(_));
    if !field.repeated && (!is_struct || array.is_null(row)) {
        return scalar(array, row, &field.kind, scratch);
    }
    let text = &mut scratch.text;
    text.clear();
    match nested(array, row, field, text) {
        Ok(()) if field.repeated => Cell::List(text),
        Ok(()) => Cell::Json(text),
        Err(problem) => {
            *text = problem;
            Cell::Malformed(text)
        }
    }
}

/// BigQuery knows no null array in a result: it is an empty one.
fn nested(array: &dyn Array, row: usize, field: &Field, out: &mut String) -> Result<(), String> {
    if !field.repeated {
        return inner(array, row, &field.kind, out);
    }
    let items = match array.data_type() {
        _ if array.is_null(row) => None,
        DataType::List(_) => Some(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
        other => return Err(unexpected(other)),
    };
    out.push('[');
    for item in 0..items.as_ref().map_or(0, |items| items.len()) {
        if item > 0 {
            out.push(',');
        }
        items.as_ref().map_or(Ok(()), |items| inner(items.as_ref(), item, &field.kind, out))?;
    }
    out.push(']');
    Ok(())
}

fn inner(array: &dyn Array, row: usize, kind: &Kind, out: &mut String) -> Result<(), String> {
    let Kind::Struct(fields) = kind else {
        return value::write(scalar(array, row, kind, &mut Scratch::default()), kind, out);
    };
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    let values = array.as_struct_opt().ok_or_else(|| unexpected(array.data_type()))?;
    if values.num_columns() != fields.len() {
        return Err("a struct with other fields than announced".to_owned());
    }
    out.push('{');
    for (position, (field, values)) in fields.iter().zip(values.columns()).enumerate() {
        if position > 0 {
            out.push(',');
        }
        sql::push_quoted(&field.name, out);
        out.push(':');
        nested(values.as_ref(), row, field, out)?;
    }
    out.push('}');
    Ok(())
}

fn unexpected(found: &DataType) -> String {
    format!("a value of Arrow's type {found}, which was not announced")
}

/// A value that is neither a struct nor an array.
fn scalar<'a>(array: &'a dyn Array, row: usize, kind: &Kind, scratch: &'a mut Scratch) -> Cell<'a> {
    if array.is_null(row) {
        return Cell::Null;
    }
    match (kind, array.data_type()) {
        (Kind::Bool, DataType::Boolean) => Cell::Bool(array.as_boolean().value(row)),
        (Kind::Integer, DataType::Int64) => Cell::Integer(array.as_primitive::<Int64Type>().value(row)),
        (Kind::Integer, DataType::Int32) => {
            Cell::Integer(array.as_primitive::<Int32Type>().value(row).into())
        }
        (Kind::Float, DataType::Float64) => Cell::Float(array.as_primitive::<Float64Type>().value(row)),
        (Kind::Float, DataType::Float32) => {
            Cell::Float(array.as_primitive::<Float32Type>().value(row).into())
        }
        (Kind::Decimal, DataType::Decimal128(_, scale)) => {
            decimal(array.as_primitive::<Decimal128Type>().value(row), *scale)
        }
        (Kind::Decimal, DataType::Decimal256(..)) => {
            scratch.text = array.as_primitive::<Decimal256Type>().value_as_string(row);
            value::decimal(&scratch.text)
        }
        (Kind::Bytes, DataType::Binary) => Cell::Bytes(array.as_binary::<i32>().value(row)),
        (Kind::Bytes, DataType::LargeBinary) => Cell::Bytes(array.as_binary::<i64>().value(row)),
        (Kind::Date, DataType::Date32) => date(array.as_primitive::<Date32Type>().value(row)),
        (Kind::DateTime, DataType::Timestamp(TimeUnit::Microsecond, _)) => {
            value::wall(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        (Kind::Timestamp, DataType::Timestamp(TimeUnit::Microsecond, _)) => {
            value::instant(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        (Kind::Time, DataType::Time64(TimeUnit::Microsecond)) => {
            value::time(array.as_primitive::<Time64MicrosecondType>().value(row), &mut scratch.text)
        }
        (Kind::Interval, DataType::Interval(IntervalUnit::MonthDayNano)) => {
            let span = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            value::interval(span.months, span.days, span.nanoseconds / 1_000, &mut scratch.text)
        }
        (Kind::Range(of), DataType::Struct(_)) => range(array, row, of, scratch),
        (kind, DataType::Utf8) => rest::scalar(array.as_string::<i32>().value(row), kind, scratch),
        (kind, DataType::LargeUtf8) => rest::scalar(array.as_string::<i64>().value(row), kind, scratch),
        (_, found) => {
            scratch.text = unexpected(found);
            Cell::Malformed(&scratch.text)
        }
    }
}

/// `digits * 10^-scale` without zeros at its end.
fn decimal(mut digits: i128, scale: i8) -> Cell<'static> {
    let Ok(mut scale) = u8::try_from(scale) else {
        return Cell::Malformed("a decimal number of a negative scale");
    };
    while scale > 0 && digits % 10 == 0 {
        (digits, scale) = (digits / 10, scale - 1);
    }
    Cell::Decimal { digits, scale }
}

fn date(days: i32) -> Cell<'static> {
    const FIRST: civil::Date = civil::date(1970, 1, 1);
    let span = jiff::Span::new().try_days(days);
    let date = span.and_then(|span| FIRST.checked_add(span));
    date.map_or(Cell::Malformed("a date outside the years -9999 to 9999"), Cell::Date)
}

/// A struct of two ends, of which null is none.
fn range<'a>(array: &dyn Array, row: usize, of: &Kind, scratch: &'a mut Scratch) -> Cell<'a> {
    let ends = array.as_struct();
    if ends.num_columns() != 2 {
        return Cell::Malformed("a range without two ends");
    }
    let text = &mut scratch.text;
    text.clear();
    let (mut first, mut last) = (Scratch::default(), Scratch::default());
    let start = scalar(ends.column(0).as_ref(), row, of, &mut first);
    let end = scalar(ends.column(1).as_ref(), row, of, &mut last);
    rest::range_of(start, end, text)
}
