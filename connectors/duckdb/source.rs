//! The source: a blocking thread reads, a short channel hands batches over, dropping the call stops the thread.

use std::sync::Arc;

use async_trait::async_trait;
use duckdb::arrow::array::Array;

use super::config::Config;
use super::connection::{self, Session};
use super::query::Prepared;
use super::{errors, query};
use crate::contract::{
    ConnectorError, Extract, Kind, Query, ReadContext, RowBatchBuilder, RowSink, Schema, Source,
};
use crate::reading::{self, Outlet, Stop};

/// What the thread reads.
const WHAT: &str = "DuckDB";

/// Batches that may wait for the engine: one being filled, one ready.
const AHEAD: usize = 1;

/// A DuckDB file, or local files.
#[derive(Debug)]
pub(super) struct DuckdbSource {
    config: Arc<Config>,
}

impl DuckdbSource {
    pub(super) fn new(config: Config) -> Self {
        DuckdbSource { config: Arc::new(config) }
    }

    async fn open(&self) -> Result<(Session, Stop), ConnectorError> {
        let config = self.config.clone();
        let session = reading::apart(WHAT, move || connection::open(&config)).await?;
        let interrupt = session.connection.interrupt_handle();
        Ok((session, Stop::new(move || interrupt.interrupt())))
    }
}

#[async_trait]
impl Source for DuckdbSource {
    async fn shape(&self, query: &Query) -> Result<Arc<Schema>, ConnectorError> {
        let (config, sql) = (self.config.clone(), query.sql()?.to_owned());
        let (session, stop) = self.open().await?;
        let working = stop.working();
        let shape = move || {
            let _working = working;
            Ok(query::prepare(&session.connection, &sql, &config)?.schema)
        };
        reading::apart(WHAT, shape).await
    }

    async fn extract(
        &self,
        query: &Query,
        _: &ReadContext,
        sink: &mut dyn RowSink,
    ) -> Result<Extract, ConnectorError> {
        let (config, sql) = (self.config.clone(), query.sql()?.to_owned());
        let (session, stop) = self.open().await?;
        let working = stop.working();
        let read = move |outlet| {
            let _working = working;
            Reading { session, config, sql, outlet }.read()
        };
        let (read, rows) = reading::filled(WHAT, AHEAD, sink, read).await?;
        if read != rows {
            let message = self.config.about(&format!("{read} rows were read, but {rows} arrived"));
            return Err(ConnectorError::new(Kind::Internal, message));
        }
        Ok(Extract { rows, announced: None })
    }
}

/// What the thread holds.
struct Reading {
    session: Session,
    config: Arc<Config>,
    sql: String,
    outlet: Outlet,
}

impl Reading {
    /// Sends all batches and gives the number of rows; a receiver that has gone ends it.
    fn read(self) -> Result<u64, ConnectorError> {
        if self.outlet.is_closed() {
            return Ok(0);
        }
        let failed = |error| errors::query(error, &self.config);
        let Prepared { mut statement, schema, readers } =
            query::prepare(&self.session.connection, &self.sql, &self.config)?;
        let mut builder = RowBatchBuilder::new(schema);
        let mut count = 0;
        // Its iterator would panic where `step` gives an error.
        let _ = statement.stream_arrow([]).map_err(failed)?;
        while let Some(chunk) = statement.step().map_err(failed)? {
            for row in 0..chunk.len() {
                for (reader, column) in readers.iter().zip(chunk.columns()) {
                    reader.push(column.as_ref(), row, &mut builder);
                }
                count += 1;
                if builder.is_full() && self.outlet.put(builder.take()).is_err() {
                    return Ok(count);
                }
            }
        }
        if !builder.is_empty() {
            let _ = self.outlet.put(builder.take()); // nobody waits: the call has ended
        }
        Ok(count)
    }
}
