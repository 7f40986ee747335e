//! Parquet: rows are gathered in column builders, encoded into row groups, and what a row may come to at most is counted
//! beforehand, so that no file passes its limit.
//!
//! The format: <https://github.com/apache/parquet-format>.

mod columns;
mod row;
mod size;
mod stream;

use std::path::PathBuf;

use self::columns::Kept;
use self::row::Row;
use self::stream::Stream;
use super::counted::Pending;
use super::form::Form;
use super::layout::{Column, Layout};
use super::record::Finder;
use crate::contract::{ChangeRef, ConnectorError, FieldRef, Outcome, ValueRef};
use crate::files::errors;
use crate::split::Fit;

pub(super) use self::columns::{CODECS, Codec};
pub(super) use self::size::blank;

/// Partitions of a batch whose parts are written at the same time: each column of each has buffers of its own.
pub(super) const MOST_OPEN: usize = 16;

/// Bytes of rows that are encoded and not yet written, of all open parts together.
const HELD: u64 = 32 << 20;

/// Bytes of one row; a page cannot hold much more.
const MOST_BYTES: u64 = 256 << 20;

/// The rows of one batch.
pub(super) struct Rows<'a> {
    layout: &'a Layout,
    columns: &'a [Column],
    finders: Vec<(Finder<'a>, Kept)>,
    plan: stream::Plan,
    row: Row,
}

impl<'a> Rows<'a> {
    /// For so many parts at the same time.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for columns that Parquet cannot have.
    pub(super) fn new(
        layout: &'a Layout,
        columns: &'a [Column],
        open: usize,
    ) -> Result<Self, ConnectorError> {
        let kept: Vec<Kept> = columns.iter().map(|column| Kept::of(column.typed)).collect();
        Ok(Rows {
            layout,
            columns,
            plan: stream::Plan {
                limits: layout.limits,
                held: HELD / open.max(1) as u64,
                writing: columns::Writing::new(columns, &kept, layout.codec)?,
            },
            finders: columns.iter().map(|column| Finder::new(&column.name)).zip(kept).collect(),
            row: Row::default(),
        })
    }

    fn cells(&mut self, change: ChangeRef<'_>) -> Result<(), Outcome> {
        let has_operation = self.layout.operation.is_some();
        for (at, (finder, kept)) in self.finders.iter_mut().enumerate() {
            if at == 0 && has_operation {
                self.row.text(change.verb.as_str());
                continue;
            }
            let name = finder.name;
            match finder.of(change) {
                None | Some(FieldRef { value: ValueRef::Null, .. }) => self.row.null(),
                Some(FieldRef { value, .. }) => {
                    let told = told((name, value), *kept, change);
                    let value = told.as_ref().unwrap_or(value);
                    self.row.value(value, *kept).map_err(|why| refused(errors::TYPE, Some(name), why))?;
                }
            }
        }
        Ok(())
    }
}

impl Form for Rows<'_> {
    type Stream = Stream;

    fn take(&mut self, change: ChangeRef<'_>) -> Result<(), Outcome> {
        self.row.clear();
        self.cells(change)?;
        match self.row.bytes() {
            0..=MOST_BYTES => Ok(()),
            bytes => {
                let why =
                    format!("the row takes {bytes} bytes, and Parquet is written with {MOST_BYTES} at most");
                Err(refused(errors::TOO_LARGE, None, why))
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.row.bytes()
    }

    fn has_room(&self) -> bool {
        let size = size::packed(self.row.bytes(), self.layout.codec);
        size::splitter(self.layout.limits, self.columns).fit(size) != Fit::Never
    }

    fn begin(&self, path: PathBuf) -> Result<Stream, ConnectorError> {
        Stream::begin(path, &self.plan, self.columns)
    }

    fn push(&self, stream: &mut Stream) -> Result<Fit, ConnectorError> {
        stream.push(&self.row, size::packed(self.row.bytes(), self.layout.codec))
    }

    fn end(&self, stream: Stream) -> Result<Pending, ConnectorError> {
        stream.end().map(Pending::done)
    }
}

/// The value of a match key that comes from the ledger, as that of a removal does: it is none of the change's fields.
fn told(
    (name, value): (&str, &ValueRef<'_>),
    kept: Kept,
    change: ChangeRef<'_>,
) -> Option<ValueRef<'static>> {
    match value {
        ValueRef::Text(text) if change.fields.iter().all(|field| field.name != name) => kept.told(text),
        _ => None,
    }
}

fn refused(code: &str, field: Option<&str>, message: String) -> Outcome {
    Outcome::Rejected { code: code.to_owned(), field: field.map(str::to_owned), message }
}
