//! The source: a blocking thread reads, a short channel hands batches over, dropping the call stops the thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use duckdb::InterruptHandle;
use duckdb::arrow::array::Array;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::config::Config;
use super::connection::{self, Session};
use super::query::Prepared;
use super::{errors, query};
use crate::contract::{
    ConnectorError, Extract, Kind, Query, ReadContext, RowBatch, RowBatchBuilder, RowSink, Schema, Source,
};

/// Batches that may wait for the engine: one being filled, one ready.
const AHEAD: usize = 1;

/// Between two interrupts of a query that goes on.
const AGAIN: Duration = Duration::from_millis(50);

/// A DuckDB file, or local files.
#[derive(Debug)]
pub(super) struct DuckdbSource {
    config: Arc<Config>,
}

impl DuckdbSource {
    pub(super) fn new(config: Config) -> Self {
        DuckdbSource { config: Arc::new(config) }
    }

    async fn open(&self) -> Result<Session, ConnectorError> {
        let config = self.config.clone();
        spawn_blocking(move || connection::open(&config)).await.unwrap_or_else(|e| Err(died(e)))
    }
}

#[async_trait]
impl Source for DuckdbSource {
    async fn shape(&self, query: &Query) -> Result<Arc<Schema>, ConnectorError> {
        let (config, sql) = (self.config.clone(), query.sql()?.to_owned());
        let session = self.open().await?;
        let stop = Stop::new(session.connection.interrupt_handle());
        let finished = Finished(stop.finished.clone());
        let prepared = spawn_blocking(move || {
            let _finished = finished;
            Ok(query::prepare(&session.connection, &sql, &config)?.schema)
        });
        prepared.await.unwrap_or_else(|e| Err(died(e)))
    }

    async fn extract(
        &self,
        query: &Query,
        _: &ReadContext,
        sink: &mut dyn RowSink,
    ) -> Result<Extract, ConnectorError> {
        let sql = query.sql()?.to_owned();
        let session = self.open().await?;
        let stop = Stop::new(session.connection.interrupt_handle());
        let (sender, mut batches) = mpsc::channel(AHEAD);
        let finished = Finished(stop.finished.clone());
        let reader = Reading { session, config: self.config.clone(), sql, batches: sender };
        let reading = spawn_blocking(move || {
            let _finished = finished;
            reader.read()
        });
        let mut rows = 0;
        while let Some(batch) = batches.recv().await {
            let batch: RowBatch = batch;
            rows += batch.len() as u64;
            sink.accept(batch).await?;
        }
        let read = reading.await.unwrap_or_else(|e| Err(died(e)))?;
        if read != rows {
            let message = self.config.about(&format!("{read} rows were read, but {rows} arrived"));
            return Err(ConnectorError::new(Kind::Internal, message));
        }
        Ok(Extract { rows, announced: None })
    }
}

fn died(error: tokio::task::JoinError) -> ConnectorError {
    ConnectorError::new(Kind::Internal, "the thread that reads DuckDB ended early").source(error)
}

/// Stops the reading thread when the call ends, however it ends.
struct Stop {
    finished: Arc<AtomicBool>,
    interrupt: Arc<InterruptHandle>,
}

impl Stop {
    fn new(interrupt: Arc<InterruptHandle>) -> Self {
        Stop { finished: Arc::default(), interrupt }
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        if self.finished.load(Ordering::SeqCst) {
            return;
        }
        self.interrupt.interrupt();
        // A query that is only about to begin does not notice an interrupt, so it is repeated until the thread is done.
        let (finished, interrupt) = (self.finished.clone(), self.interrupt.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                while !finished.load(Ordering::SeqCst) {
                    interrupt.interrupt();
                    tokio::time::sleep(AGAIN).await;
                }
            });
        }
    }
}

/// Says that the thread is done, even by a panic.
struct Finished(Arc<AtomicBool>);

impl Drop for Finished {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What the thread holds.
struct Reading {
    session: Session,
    config: Arc<Config>,
    sql: String,
    batches: mpsc::Sender<RowBatch>,
}

impl Reading {
    /// Sends all batches and gives the number of rows; a receiver that has gone ends it.
    fn read(self) -> Result<u64, ConnectorError> {
        if self.batches.is_closed() {
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
                if builder.is_full() && self.batches.blocking_send(builder.take()).is_err() {
                    return Ok(count);
                }
            }
        }
        if !builder.is_empty() {
            let _ = self.batches.blocking_send(builder.take()); // nobody waits: the call has ended
        }
        Ok(count)
    }
}
