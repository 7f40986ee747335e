//! Parquet: decoded in record batches of some hundred rows, only the columns that somebody looks at, on several threads.

mod chunks;
mod column;
mod footer;
mod nested;
mod pages;
mod remote;
mod stripes;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use self::chunks::Chunks;
use self::footer::{FileColumn, Footer};
use self::stripes::Stripes;
use super::errors;
use super::locate::Input;
use super::opened::Opened;
use super::source::{Gone, Outlet, Task};
use crate::contract::{Column, ConnectorError, RowBatch, RowBatchBuilder};

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
    read_by(task, None, outlet)
}

/// How a file is decoded.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// Rows at once.
    pub rows: usize,
    pub workers: usize,
}

impl Manner {
    /// As is best for these columns.
    fn of(footer: &Footer, roots: &[usize]) -> Self {
        Manner { rows: batch_rows(footer, roots), workers: stripes::workers(footer, roots) }
    }
}

/// As [`read`], in a manner that the caller may choose.
///
/// # Errors
/// As [`read`].
pub(super) fn read_by(
    task: &Task<'_>,
    chosen: Option<Manner>,
    outlet: &Outlet,
) -> Result<Option<u64>, ConnectorError> {
    let path = &task.input.path;
    let footer = Footer::load(path, task.opened)?;
    let announced = footer.rows();
    if footer.columns.len() != task.places.len() {
        return Err(errors::damaged(path, "was replaced by a file with other columns"));
    }
    let looked_at = |root: &usize| task.places[*root].is_some();
    let roots: Vec<usize> = (0..footer.columns.len()).filter(looked_at).collect();
    let Manner { rows, workers } = chosen.unwrap_or_else(|| Manner::of(&footer, &roots));
    let decoding = Decoding { task, footer, roots, rows };
    match workers {
        0 | 1 => decoding.read(outlet)?,
        _ => stripes::read(&decoding, &Stripes::of(&decoding.footer, rows, workers), outlet)?,
    }
    Ok(Some(announced))
}

/// Rows decoded at once.
fn batch_rows(footer: &Footer, roots: &[usize]) -> usize {
    let average = footer.row_bytes(roots).max(1);
    usize::try_from(BATCH_BYTES / average).unwrap_or(MOST_ROWS).clamp(1, MOST_ROWS)
}

/// A file, and what of it is decoded.
struct Decoding<'a> {
    task: &'a Task<'a>,
    footer: Footer,
    /// Columns that somebody looks at, in the file's order.
    roots: Vec<usize>,
    /// Rows decoded at once.
    rows: usize,
}

impl Decoding<'_> {
    fn path(&self) -> &Path {
        &self.task.input.path
    }

    /// The file, for readers whose columns are so many row groups apart at most.
    fn chunks(&self, apart: usize) -> Chunks {
        Chunks::of(self.task.opened, self.footer.chunks(&self.roots), apart)
    }

    /// Row groups that the columns of one reader may be from each other: each column is read as far as the batch goes.
    fn apart(&self) -> usize {
        let groups = self.footer.metadata.metadata().row_groups().iter();
        let least = groups.map(|group| group.num_rows()).filter(|rows| *rows > 0).min();
        1 + self.rows / least.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(1)
    }

    fn filler(&self) -> Filler<'_> {
        Filler {
            builder: RowBatchBuilder::new(self.task.schema.clone()),
            columns: self.roots.iter().map(|root| &self.footer.columns[*root]).collect(),
            places: self.roots.iter().filter_map(|root| self.task.places[*root]).collect(),
            arena: 0,
        }
    }

    /// Reads the whole file on this thread, or until nobody wants more.
    fn read(&self, outlet: &Outlet) -> Result<(), ConnectorError> {
        let metadata = self.footer.metadata.clone();
        let reader = guarded(self.path(), || {
            let mask = ProjectionMask::roots(metadata.parquet_schema(), self.roots.iter().copied());
            let builder =
                ParquetRecordBatchReaderBuilder::new_with_metadata(self.chunks(self.apart()), metadata);
            builder.with_projection(mask).with_batch_size(self.rows).build()
        })?;
        let mut filler = self.filler();
        match each(self.path(), reader, |decoded| filler.fill(decoded, &mut |batch| outlet.put(batch))) {
            Ok(()) | Err(Stop::Gone) => Ok(()),
            Err(Stop::Wrong(error)) => Err(error),
        }
    }
}

/// Why reading ends before its end.
enum Stop {
    Gone,
    Wrong(ConnectorError),
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Stop::Gone
    }
}

impl From<ConnectorError> for Stop {
    fn from(error: ConnectorError) -> Self {
        Stop::Wrong(error)
    }
}

/// Reads to the end.
fn each(
    path: &Path,
    mut reader: ParquetRecordBatchReader,
    mut take: impl FnMut(&RecordBatch) -> Result<(), Gone>,
) -> Result<(), Stop> {
    // The decoder has been seen to panic on damaged files.
    while let Some(batch) = guarded(path, || reader.next().transpose())? {
        take(&batch)?;
    }
    Ok(())
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
    fn fill(
        &mut self,
        decoded: &RecordBatch,
        put: &mut dyn FnMut(RowBatch) -> Result<(), Gone>,
    ) -> Result<(), Gone> {
        let (rows, arrays) = (decoded.num_rows(), decoded.columns()); // there may be rows of no columns
        let bytes: usize = arrays.iter().map(|array| column::text_bytes(array)).sum();
        if bytes > PART_BYTES && rows > 1 {
            self.fill(&decoded.slice(0, rows / 2), put)?;
            return self.fill(&decoded.slice(rows / 2, rows - rows / 2), put);
        }
        if rows == 0 {
            return Ok(());
        }
        let mut block = self.builder.columns(rows, bytes.max(self.arena));
        for ((array, column), place) in arrays.iter().zip(&self.columns).zip(&self.places) {
            column::fill(&mut block, *place, array, column.form);
        }
        let filled = self.builder.take();
        self.arena = filled.arena_bytes();
        put(filled)
    }
}
