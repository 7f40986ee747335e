//! The source: a blocking thread reads, a short channel hands batches over, dropping the call stops the thread.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::config::Config;
use super::connection::{self, Database};
use super::value::{self, Hint};
use super::{errors, query};
use crate::contract::{
    ConnectorError, Extract, Kind, Query, ReadContext, RowBatchBuilder, RowSink, Schema, Source,
};
use crate::reading::{self, Outlet, Stop};

/// What the thread reads.
const WHAT: &str = "SQLite";

/// Batches that may wait for the engine: one being filled, one ready.
const AHEAD: usize = 1;

/// An SQLite file.
#[derive(Debug)]
pub(super) struct SqliteSource {
    path: PathBuf,
}

impl SqliteSource {
    pub(super) fn new(config: Config) -> Self {
        SqliteSource { path: config.path }
    }
}

#[async_trait]
impl Source for SqliteSource {
    async fn shape(&self, query: &Query) -> Result<Arc<Schema>, ConnectorError> {
        let (path, sql) = (self.path.clone(), query.sql()?.to_owned());
        let shape = move || {
            let database = connection::open(&path)?;
            let statement = query::prepare(&database.connection, &sql, &path)?;
            query::schema(&statement)
        };
        reading::apart(WHAT, shape).await
    }

    async fn extract(
        &self,
        query: &Query,
        _: &ReadContext,
        sink: &mut dyn RowSink,
    ) -> Result<Extract, ConnectorError> {
        let (path, sql) = (self.path.clone(), query.sql()?.to_owned());
        let file = self.path.clone();
        let database = reading::apart(WHAT, move || connection::open(&file)).await?;
        let interrupt = database.connection.get_interrupt_handle();
        let stop = Stop::new(move || interrupt.interrupt());
        let working = stop.working();
        let read = move |outlet| {
            let _working = working;
            Reader { database, path, sql, outlet }.read()
        };
        let (read, rows) = reading::filled(WHAT, AHEAD, sink, read).await?;
        if read != rows {
            let message = format!("{read} rows were read from `{}`, but {rows} arrived", self.path.display());
            return Err(ConnectorError::new(Kind::Internal, message));
        }
        Ok(Extract { rows, announced: None })
    }
}

/// What the thread holds.
struct Reader {
    database: Database,
    path: PathBuf,
    sql: String,
    outlet: Outlet,
}

impl Reader {
    /// Sends all batches and gives the number of rows; a receiver that has gone ends it.
    fn read(self) -> Result<u64, ConnectorError> {
        let rows = self.rows()?;
        self.database.held_still()?;
        Ok(rows)
    }

    fn rows(&self) -> Result<u64, ConnectorError> {
        let failed = |error| errors::failure(error, &self.path);
        let connection = &self.database.connection;
        connection.execute_batch("begin").map_err(failed)?;
        let mut statement = query::prepare(connection, &self.sql, &self.path)?;
        let schema = query::schema(&statement)?;
        let hints: Vec<Hint> = schema.columns.iter().map(|c| Hint::from_declared(&c.declared)).collect();
        let mut builder = RowBatchBuilder::new(schema);
        if self.outlet.is_closed() {
            return Ok(0);
        }
        let mut count = 0;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            for (column, hint) in hints.iter().enumerate() {
                value::push(&mut builder, *hint, row.get_ref(column).map_err(failed)?);
            }
            count += 1;
            if builder.is_full() && self.outlet.put(builder.take()).is_err() {
                return Ok(count);
            }
        }
        if !builder.is_empty() {
            let _ = self.outlet.put(builder.take()); // nobody waits: the call has ended
        }
        Ok(count)
    }
}
