//! One part, staged under a hidden name: row group by row group, and never above its limit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use super::columns::{Kept, Writing};
use super::row::{Cell, Row};
use super::size;
use crate::contract::{ConnectorError, Kind};
use crate::files::errors;
use crate::files::write::counted::{Counted, Written};
use crate::files::write::layout::Column;
use crate::split::{Fit, Limits, Splitter};

/// Rows and bytes that are gathered before they are encoded.
const GATHERED_ROWS: usize = 1_024;
const GATHERED_BYTES: u64 = 1 << 20;

/// A part of the limit that is not worth another row group.
const REST: u64 = 8;

/// What all parts of a batch have in common.
pub(super) struct Plan {
    pub limits: Limits,
    /// Bytes that are held before a row group is written.
    pub held: u64,
    pub writing: Writing,
}

/// A part under way.
pub(in crate::files::write) struct Stream {
    path: PathBuf,
    writer: ArrowWriter<Counted>,
    arrays: SchemaRef,
    gathered: Vec<Builder>,
    gathered_rows: usize,
    gathered_bytes: u64,
    /// Of the row group under way, at most.
    held: u64,
    most_held: u64,
    groups: u64,
    splitter: Splitter,
    limits: Limits,
    /// What a file takes without a row, and what its footer says of each row group.
    frame: (u64, u64),
}

impl Stream {
    /// A part without a row.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be written.
    pub(super) fn begin(path: PathBuf, plan: &Plan, columns: &[Column]) -> Result<Self, ConnectorError> {
        let writing = &plan.writing;
        let counted = Counted::create(&path)?;
        let writer = ArrowWriter::try_new_with_options(counted, writing.arrays.clone(), writing.options())
            .map_err(|error| failed(&path, error))?;
        Ok(Stream {
            path,
            writer,
            arrays: writing.arrays.clone(),
            gathered: writing.kept.iter().map(|kept| Builder::new(*kept)).collect(),
            gathered_rows: 0,
            gathered_bytes: 0,
            held: 0,
            most_held: plan.held,
            groups: 0,
            splitter: size::splitter(plan.limits, columns),
            limits: plan.limits,
            frame: (size::blank(columns), size::footer(columns, 1)),
        })
    }

    /// Adds a row of so many bytes at most, or says where it belongs instead.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(super) fn push(&mut self, row: &Row, size: u64) -> Result<Fit, ConnectorError> {
        let mut fit = self.splitter.fit(size);
        if fit == Fit::Next && self.is_worth_measuring()? {
            fit = self.splitter.fit(size);
        }
        if fit != Fit::Here {
            return Ok(fit);
        }
        self.gather(row)?;
        self.splitter.take(size);
        self.held += size;
        self.gathered_bytes += size;
        if self.held >= self.most_held {
            self.end_group()?;
        } else if self.gathered_rows >= GATHERED_ROWS || self.gathered_bytes >= GATHERED_BYTES {
            self.encode()?;
        }
        Ok(Fit::Here)
    }

    /// Ends the row group: what it comes to is known then, which is less than was feared. `false` where too little room is left
    /// for another one, or none was learnt of.
    fn is_worth_measuring(&mut self) -> Result<bool, ConnectorError> {
        if self.held == 0 {
            return Ok(false);
        }
        let so_far = self.end_group()?;
        Ok(self.limits.bytes.saturating_sub(so_far) >= self.limits.bytes / REST)
    }

    /// Writes the rows that are held as a row group; what the file comes to with its footer, and with the frame of another group.
    fn end_group(&mut self) -> Result<u64, ConnectorError> {
        self.encode()?;
        self.writer.flush().map_err(|error| failed(&self.path, error))?;
        self.groups += 1;
        self.held = 0;
        let (blank, footer) = self.frame;
        let so_far = self.writer.bytes_written() as u64 + self.groups * footer + blank;
        self.splitter.measured(so_far);
        Ok(so_far)
    }

    fn gather(&mut self, row: &Row) -> Result<(), ConnectorError> {
        for (builder, (cell, text)) in self.gathered.iter_mut().zip(row.cells()) {
            builder.append(cell, text)?;
        }
        self.gathered_rows += 1;
        Ok(())
    }

    /// Hands what was gathered to the encoder.
    fn encode(&mut self) -> Result<(), ConnectorError> {
        if self.gathered_rows == 0 {
            return Ok(());
        }
        (self.gathered_rows, self.gathered_bytes) = (0, 0);
        let columns = self.gathered.iter_mut().map(Builder::finish).collect();
        let batch = RecordBatch::try_new(self.arrays.clone(), columns).map_err(ParquetError::from);
        let written = batch.and_then(|batch| self.writer.write(&batch));
        written.map_err(|error| failed(&self.path, error))
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(super) fn end(mut self) -> Result<Written, ConnectorError> {
        self.encode()?;
        self.writer.finish().map_err(|error| failed(&self.path, error))?;
        self.writer.inner_mut().settle(&self.path, self.splitter.rows())
    }
}

/// What the encoder says: mostly what the disk says.
fn failed(path: &Path, error: ParquetError) -> ConnectorError {
    match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(io) => errors::io("written", path, *io),
            Err(other) => encoding(path, &other.to_string()),
        },
        other => encoding(path, &other.to_string()),
    }
}

fn encoding(path: &Path, problem: &str) -> ConnectorError {
    ConnectorError::new(Kind::Unavailable, format!("`{}` cannot be written: {problem}", path.display()))
        .code(errors::UNREADABLE)
        .hint("check the disk, and run again")
}

/// The cells of a column that wait for the encoder.
enum Builder {
    Bytes(BinaryBuilder),
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder),
    Date(Date32Builder),
    Instant(TimestampMicrosecondBuilder),
}

impl Builder {
    fn new(kept: Kept) -> Self {
        match kept {
            Kept::Text | Kept::Json => Builder::Bytes(BinaryBuilder::new()),
            Kept::Boolean => Builder::Boolean(BooleanBuilder::new()),
            Kept::Integer => Builder::Integer(Int64Builder::new()),
            Kept::Double => Builder::Double(Float64Builder::new()),
            Kept::Decimal(_) => Builder::Decimal(Decimal128Builder::new().with_data_type(kept.array())),
            Kept::Date => Builder::Date(Date32Builder::new()),
            Kept::Instant => {
                Builder::Instant(TimestampMicrosecondBuilder::new().with_data_type(kept.array()))
            }
        }
    }

    fn append(&mut self, cell: &Cell, text: &[u8]) -> Result<(), ConnectorError> {
        match (self, cell) {
            (Builder::Bytes(column), Cell::Text(_)) => column.append_value(text),
            (Builder::Bytes(column), Cell::Null) => column.append_null(),
            (Builder::Boolean(column), Cell::Boolean(is)) => column.append_value(*is),
            (Builder::Boolean(column), Cell::Null) => column.append_null(),
            (Builder::Integer(column), Cell::Integer(integer)) => column.append_value(*integer),
            (Builder::Integer(column), Cell::Null) => column.append_null(),
            (Builder::Double(column), Cell::Double(double)) => column.append_value(*double),
            (Builder::Double(column), Cell::Null) => column.append_null(),
            (Builder::Decimal(column), Cell::Decimal(digits)) => column.append_value(*digits),
            (Builder::Decimal(column), Cell::Null) => column.append_null(),
            (Builder::Date(column), Cell::Date(days)) => column.append_value(*days),
            (Builder::Date(column), Cell::Null) => column.append_null(),
            (Builder::Instant(column), Cell::Instant(time)) => column.append_value(*time),
            (Builder::Instant(column), Cell::Null) => column.append_null(),
            _ => return Err(ConnectorError::new(Kind::Internal, "a cell is not of its column's type")),
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Bytes(column) => Arc::new(column.finish()),
            Builder::Boolean(column) => Arc::new(column.finish()),
            Builder::Integer(column) => Arc::new(column.finish()),
            Builder::Double(column) => Arc::new(column.finish()),
            Builder::Decimal(column) => Arc::new(column.finish()),
            Builder::Date(column) => Arc::new(column.finish()),
            Builder::Instant(column) => Arc::new(column.finish()),
        }
    }
}
