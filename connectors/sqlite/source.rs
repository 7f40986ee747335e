//! The source: a blocking thread reads, a short channel hands batches over, dropping the call stops the thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use rusqlite::InterruptHandle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::config::Config;
use super::connection::{self, Database};
use super::value::{self, Hint};
use super::{errors, query};
use crate::contract::{
    ConnectorError, Extract, Kind, Query, ReadContext, RowBatch, RowBatchBuilder, RowSink, Schema, Source,
};

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

    async fn open(&self) -> Result<Database, ConnectorError> {
        let path = self.path.clone();
        spawn_blocking(move || connection::open(&path)).await.unwrap_or_else(|e| Err(died(e)))
    }
}

#[async_trait]
impl Source for SqliteSource {
    async fn shape(&self, query: &Query) -> Result<Arc<Schema>, ConnectorError> {
        let (path, sql) = (self.path.clone(), query.sql()?.to_owned());
        let prepared = spawn_blocking(move || {
            let database = connection::open(&path)?;
            let statement = query::prepare(&database.connection, &sql, &path)?;
            query::schema(&statement)
        });
        prepared.await.unwrap_or_else(|e| Err(died(e)))
    }

    async fn extract(
        &self,
        query: &Query,
        _: &ReadContext,
        sink: &mut dyn RowSink,
    ) -> Result<Extract, ConnectorError> {
        let database = self.open().await?;
        let stop = Stop::new(database.connection.get_interrupt_handle());
        let (sender, mut batches) = mpsc::channel(AHEAD);
        let reader = Reader {
            database,
            path: self.path.clone(),
            sql: query.sql()?.to_owned(),
            stopped: stop.stopped.clone(),
            batches: sender,
        };
        let reading = spawn_blocking(move || reader.read());
        let mut rows = 0;
        while let Some(batch) = batches.recv().await {
            let batch: RowBatch = batch;
            rows += batch.len() as u64;
            sink.accept(batch).await?;
        }
        let read = reading.await.unwrap_or_else(|e| Err(died(e)))?;
        if read != rows {
            let message = format!("{read} rows were read from `{}`, but {rows} arrived", self.path.display());
            return Err(ConnectorError::new(Kind::Internal, message));
        }
        Ok(Extract { rows, announced: None })
    }
}

fn died(error: tokio::task::JoinError) -> ConnectorError {
    ConnectorError::new(Kind::Internal, "the thread that reads SQLite ended early").source(error)
}

/// Stops the reading thread when the call ends, however it ends.
struct Stop {
    stopped: Arc<AtomicBool>,
    interrupt: InterruptHandle,
}

impl Stop {
    fn new(interrupt: InterruptHandle) -> Self {
        Stop { stopped: Arc::default(), interrupt }
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.interrupt.interrupt();
    }
}

/// What the thread holds.
struct Reader {
    database: Database,
    path: PathBuf,
    sql: String,
    stopped: Arc<AtomicBool>,
    batches: mpsc::Sender<RowBatch>,
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

        // An interrupt reaches a statement that runs, or that starts while another runs. This one runs all the time,
        // so an interrupt after the look at `stopped` cannot be missed.
        let mut pin = connection.prepare("select 1 from sqlite_schema union all select 1").map_err(failed)?;
        let mut pinned = pin.query([]).map_err(failed)?;
        pinned.next().map_err(failed)?;
        if self.stopped.load(Ordering::SeqCst) {
            return Ok(0);
        }

        let mut count = 0;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            for (column, hint) in hints.iter().enumerate() {
                value::push(&mut builder, *hint, row.get_ref(column).map_err(failed)?);
            }
            count += 1;
            if builder.is_full() && self.batches.blocking_send(builder.take()).is_err() {
                return Ok(count);
            }
        }
        if !builder.is_empty() {
            let _ = self.batches.blocking_send(builder.take()); // nobody waits: the call has ended
        }
        Ok(count)
    }
}
