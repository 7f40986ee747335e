//! The rows of a partition, pushed into batches as they are met: no allocation per cell.
//!
//! The client gives a row to a decoder that it makes itself, and takes what the decoder makes of it. This one keeps the
//! batch that is being filled, and what it makes of a row is the way to that batch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use snowflake_connector_rs::decode::{FromRow, PlanBuildResult, RowDecodeResult, RowPlanContext};
use snowflake_connector_rs::{ColumnType, RowRef, Schema as Described};

use super::value::Reading;
use crate::contract::{Column, ConnectorError, RowBatch, RowBatchBuilder, Schema};
use crate::sql;

/// The columns as Snowflake describes them.
///
/// # Errors
/// Those of [`sql::schema`].
pub(super) fn schema(described: &Described) -> Result<Arc<Schema>, ConnectorError> {
    sql::schema(columns(described))
}

fn columns(described: &Described) -> impl Iterator<Item = Column> + '_ {
    described
        .columns()
        .iter()
        .map(|column| Column { name: column.name().to_owned(), declared: declared(column.ty()) })
}

/// Snowflake's word for the type, as `describe table` writes it.
pub(super) fn declared(kind: &ColumnType) -> String {
    let word = match kind {
        ColumnType::Fixed { .. } => "NUMBER".to_owned(),
        ColumnType::Real => "FLOAT".to_owned(),
        ColumnType::Text { .. } => "VARCHAR".to_owned(),
        other => other.as_str().to_ascii_uppercase(),
    };
    // The client writes the type's parameters behind its own word for it.
    match kind.to_string().split_once('(') {
        Some((_, parameters)) => format!("{word}({parameters}"),
        None => word,
    }
}

/// A batch that is being filled, and how each column is read.
pub(super) struct Filler {
    readings: Vec<Reading>,
    filling: Mutex<Filling>,
}

struct Filling {
    builder: RowBatchBuilder,
    scratch: Vec<u8>,
}

impl Filler {
    fn new(described: &Described) -> Self {
        let readings = described.columns().iter().map(|column| Reading::of(column.ty())).collect();
        let schema = Arc::new(Schema { columns: columns(described).collect() });
        let filling = Filling { builder: RowBatchBuilder::new(schema), scratch: Vec::new() };
        Filler { readings, filling: Mutex::new(filling) }
    }

    fn lock(&self) -> MutexGuard<'_, Filling> {
        self.filling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A row that is in its batch.
pub(super) struct Pushed {
    filler: Arc<Filler>,
    /// The batch has reached its ordinary size with it.
    pub fills: bool,
}

impl Pushed {
    /// The batch so far; a new one begins.
    pub(super) fn take(&self) -> RowBatch {
        self.filler.lock().builder.take()
    }
}

impl FromRow for Pushed {
    type Plan = Arc<Filler>;

    fn build_plan(context: RowPlanContext<'_>) -> PlanBuildResult<Self::Plan> {
        Ok(Arc::new(Filler::new(context.schema())))
    }

    fn from_row_with_plan(row: RowRef<'_>, plan: &Self::Plan) -> RowDecodeResult<Self> {
        let mut filling = plan.lock();
        let Filling { builder, scratch } = &mut *filling;
        for (column, reading) in plan.readings.iter().enumerate() {
            reading.push(builder, row.cell_at(column)?.raw(), scratch);
        }
        Ok(Pushed { filler: Arc::clone(plan), fills: builder.is_full() })
    }
}
