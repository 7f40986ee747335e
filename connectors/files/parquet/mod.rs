//! Parquet: decoded in record batches of some hundred rows, only the columns that somebody looks at, on two threads.

mod chunks;
mod column;
mod footer;
mod lanes;
mod nested;
mod remote;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::ArrayRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use self::chunks::Chunks;
use self::footer::{FileColumn, Footer};
use super::errors;
use super::locate::Input;
use super::opened::Opened;
use super::source::{Gone, Outlet, Task};
use crate::contract::{Column, ConnectorError, RowBatchBuilder};

/// Most rows decoded at once.
const MOST_ROWS: usize = 1024;
/// Bytes that the decoded rows of one batch may have, by the average of the file.
const BATCH_BYTES: i64 = 2 << 20;
/// Bytes of texts from which on a decoded batch is handed over in parts: some rows may be far above the average.
const PART_BYTES: usize = 8 << 20;

/// The file's columns, from its footer.
///
/// # Errors
/// [`Kind::Config`](crate::contract::Kind::Config) for a file that is not Parquet, or damaged.
pub(super) fn columns(input: &Input, opened: &Opened) -> Result<Vec<Column>, ConnectorError> {
    let footer = Footer::load(&input.path, opened)?;
    Ok(footer.columns.into_iter().map(|c| Column { name: c.name, declared: c.declared }).collect())
}

/// Reads the whole file; the rows that its footer announces.
///
/// # Errors
/// As [`columns`]; after some rows where a page is damaged.
pub(super) fn read(task: &Task<'_>, outlet: &Outlet) -> Result<Option<u64>, ConnectorError> {
    let path = &task.input.path;
    let footer = Footer::load(path, task.opened)?;
    let announced = footer.rows();
    if footer.columns.len() != task.places.len() {
        return Err(errors::damaged(path, "was replaced by a file with other columns"));
    }
    let looked_at = |root: &usize| task.places[*root].is_some();
    let roots: Vec<usize> = (0..footer.columns.len()).filter(looked_at).collect();
    let rows = batch_rows(&footer, &roots);
    let (near, far) = lanes::split(&footer, roots);
    let mut filler = Filler {
        builder: RowBatchBuilder::new(task.schema.clone()),
        columns: near.iter().chain(&far).map(|root| &footer.columns[*root]).collect(),
        places: near.iter().chain(&far).filter_map(|root| task.places[*root]).collect(),
        arena: 0,
    };
    let near = reader(&footer, &near, (task, rows))?;
    match far.is_empty() {
        true => lanes::one(path, near, |arrays| filler.hand_over(arrays, outlet))?,
        false => {
            let far = reader(&footer, &far, (task, rows))?;
            lanes::two(path, (near, far), |arrays| filler.hand_over(arrays, outlet))?;
        }
    }
    Ok(Some(announced))
}

/// Rows decoded at once.
fn batch_rows(footer: &Footer, roots: &[usize]) -> usize {
    let average = footer.row_bytes(roots).max(1);
    usize::try_from(BATCH_BYTES / average).unwrap_or(MOST_ROWS).clamp(1, MOST_ROWS)
}

fn reader(
    footer: &Footer,
    roots: &[usize],
    (task, rows): (&Task<'_>, usize),
) -> Result<ParquetRecordBatchReader, ConnectorError> {
    let path = &task.input.path;
    let chunks = Chunks::of(task.opened, footer.chunks(roots));
    let metadata = footer.metadata.clone();
    guarded(path, || {
        let mask = ProjectionMask::roots(metadata.parquet_schema(), roots.iter().copied());
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata);
        builder.with_projection(mask).with_batch_size(rows).build()
    })
}

/// Calls the decoder; what it says, and its panics, become an error about this file.
fn guarded<T, E: std::fmt::Display>(
    path: &Path,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, ConnectorError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(errors::damaged(path, format!("cannot be decoded: {error}"))),
        Err(_) => Err(errors::damaged(path, "is damaged in a way that the decoder does not survive")),
    }
}

/// Turns decoded columns into rows.
struct Filler<'a> {
    builder: RowBatchBuilder,
    columns: Vec<&'a FileColumn>,
    /// Where each decoded column stands in the rows.
    places: Vec<usize>,
    /// Bytes of long cells in the batch before.
    arena: usize,
}

impl Filler<'_> {
    fn hand_over(&mut self, arrays: &[ArrayRef], outlet: &Outlet) -> Result<(), Gone> {
        let rows = arrays.first().map_or(0, |array| array.len());
        let bytes: usize = arrays.iter().map(|array| column::text_bytes(array)).sum();
        if bytes > PART_BYTES && rows > 1 {
            let part = |from, len| arrays.iter().map(|array| array.slice(from, len)).collect::<Vec<_>>();
            self.hand_over(&part(0, rows / 2), outlet)?;
            return self.hand_over(&part(rows / 2, rows - rows / 2), outlet);
        }
        if rows == 0 {
            return Ok(());
        }
        self.builder.reserve(rows, bytes.max(self.arena));
        let mut block = self.builder.block(rows);
        for ((array, column), place) in arrays.iter().zip(&self.columns).zip(&self.places) {
            column::fill(&mut block, *place, array, column.form);
        }
        let filled = self.builder.take();
        self.arena = filled.arena_bytes();
        outlet.put(filled)
    }
}
