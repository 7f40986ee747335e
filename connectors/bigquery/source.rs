//! The source: a job is named, written down, started, waited for, read, and counted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use google_cloud_bigquery_v2::model::{Job, TableReference, TableSchema};
use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::client::{Client, incomplete};
use super::config::{Config, Reading};
use super::handle::{Handle, Left};
use super::value::Columns;
use super::{rest, storage};
use crate::contract::{ConnectorError, Estimate, Extract, Query, ReadContext, RowSink, Schema, Source};
use crate::sql::reads_only;

/// The pause after an answer that came at once and says that the job runs still.
const PAUSE: Duration = Duration::from_millis(500);

/// A project of BigQuery's.
pub(super) struct BigQuerySource {
    config: Config,
    client: OnceCell<Client>,
    /// Jobs of extracts that were given up.
    given_up: Arc<Mutex<Vec<Handle>>>,
}

/// A finished job's result.
pub(super) struct Finished {
    pub handle: Handle,
    pub table: Option<TableReference>,
    pub columns: Columns,
    pub rows: u64,
}

impl BigQuerySource {
    pub(super) fn new(config: Config) -> Self {
        BigQuerySource { config, client: OnceCell::new(), given_up: Arc::default() }
    }

    async fn client(&self) -> Result<&Client, ConnectorError> {
        self.client.get_or_try_init(|| Client::open(&self.config)).await
    }

    async fn dry_run(&self, query: &Query) -> Result<Job, ConnectorError> {
        let sql = query.sql()?;
        reads_only(sql)?;
        self.client().await?.dry_run(&self.config, sql).await
    }

    /// The job that answers the query: one that was left, or a new one.
    async fn job(&self, sql: &str, context: &ReadContext) -> Result<(Handle, Watch), ConnectorError> {
        if let Some(left) = self.left(sql, context).await? {
            context.handles.store(&left.text()).await?;
            let watch = self.watch(&left);
            return Ok((left, watch));
        }
        let mut handle = Handle::new(&self.config, context, sql, Timestamp::now());
        context.handles.store(&handle.text()).await?;
        let watch = self.watch(&handle);
        let job = self.client().await?.insert(&self.config, sql, &handle, context).await?;
        // Outside of the US and the EU a job is found only by its location, which BigQuery chose.
        let location = job.job_reference.and_then(|reference| reference.location);
        if let Some(location) = location.filter(|location| !location.is_empty() && handle.location.is_none())
        {
            handle.location = Some(location);
            context.handles.store(&handle.text()).await?;
            let mut watched = watch;
            watched.handle = Some(handle.clone());
            return Ok((handle, watched));
        }
        Ok((handle, watch))
    }

    /// The job of an earlier process, where it answers this query; another one that still runs is ended.
    async fn left(&self, sql: &str, context: &ReadContext) -> Result<Option<Handle>, ConnectorError> {
        let Some(handle) = context.left.as_deref().and_then(Handle::parse) else { return Ok(None) };
        let (client, is_ours) = (self.client().await?, handle.is_of(&self.config, sql));
        let job = match client.find(&self.config, &handle).await {
            Err(error) if !is_ours => {
                tracing::warn!(job = %handle.job, error = %error, "the query of an earlier run could not be looked at");
                return Ok(None);
            }
            found => found?,
        };
        let Some(job) = job else { return Ok(None) };
        match handle.judge(is_ours, &job, Timestamp::now()) {
            Left::Take => {
                tracing::info!(job = %handle.job, "taking up the query of an earlier run");
                Ok(Some(handle))
            }
            Left::Cancel => {
                tracing::info!(job = %handle.job, "cancelling the query of an earlier run");
                client.cancel(&self.config, &handle).await?;
                Ok(None)
            }
            Left::Forget => Ok(None),
        }
    }

    fn watch(&self, handle: &Handle) -> Watch {
        Watch { handle: Some(handle.clone()), given_up: self.given_up.clone() }
    }

    /// Waits until the job has ended.
    async fn finished(&self, handle: Handle) -> Result<Finished, ConnectorError> {
        let (config, client) = (&self.config, self.client().await?);
        let answer = loop {
            let asked = Instant::now();
            let answer = client.wait(config, &handle).await?;
            if answer.job_complete == Some(true) {
                break answer;
            }
            if asked.elapsed() < PAUSE {
                sleep(PAUSE).await;
            }
        };
        let job = client.ended(config, &handle).await?;
        let rows =
            answer.total_rows.ok_or_else(|| incomplete(config, "the number of rows is not announced"))?;
        let columns = columns(config, answer.schema.as_ref())?;
        let query = job.configuration.and_then(|configuration| configuration.query);
        Ok(Finished { handle, table: query.and_then(|query| query.destination_table), columns, rows })
    }

    async fn read(
        &self,
        finished: &Finished,
        ordered: bool,
        sink: &mut dyn RowSink,
    ) -> Result<u64, ConnectorError> {
        let (config, client) = (&self.config, self.client().await?);
        if let (Reading::Storage(url), Some(table)) = (&config.reading, &finished.table) {
            let read = client.read(config, url.as_deref()).await?;
            if let Some(session) = storage::session(config, (read, ordered), table).await? {
                return storage::rows(config, read, session, &finished.columns, sink).await;
            }
            tracing::warn!(
                connection = %config.connection,
                "the Storage Read API may not be used: rows come by REST pages, which is slower; \
                 `roles/bigquery.readSessionUser` allows it, `storage_read: false` ends this warning"
            );
        }
        rest::rows(config, client, finished, sink).await
    }
}

fn columns(config: &Config, schema: Option<&TableSchema>) -> Result<Columns, ConnectorError> {
    let schema = schema.ok_or_else(|| incomplete(config, "BigQuery names no columns"))?;
    Columns::read(&schema.fields)
}

/// Remembers the job of an extract that ends before its job does.
struct Watch {
    handle: Option<Handle>,
    given_up: Arc<Mutex<Vec<Handle>>>,
}

impl Watch {
    /// There is nothing left to cancel.
    fn over(mut self) {
        self.handle = None;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            self.given_up.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
        }
    }
}

#[async_trait]
impl Source for BigQuerySource {
    async fn shape(&self, query: &Query) -> Result<Arc<Schema>, ConnectorError> {
        let job = self.dry_run(query).await?;
        let statistics = job.statistics.and_then(|statistics| statistics.query);
        Ok(columns(&self.config, statistics.and_then(|query| query.schema).as_ref())?.schema)
    }

    async fn extract(
        &self,
        query: &Query,
        context: &ReadContext,
        sink: &mut dyn RowSink,
    ) -> Result<Extract, ConnectorError> {
        // It says what kind of statement it is before anything runs.
        self.dry_run(query).await?;
        let (handle, watch) = self.job(query.sql()?, context).await?;
        let finished = self.finished(handle).await?;
        watch.over();
        let rows = self.read(&finished, context.ordered, sink).await?;
        Ok(Extract { rows, announced: Some(finished.rows) })
    }

    async fn cancel(&self) -> Result<(), ConnectorError> {
        let jobs = std::mem::take(&mut *self.given_up.lock().unwrap_or_else(PoisonError::into_inner));
        let mut result = Ok(());
        for handle in jobs {
            let ended = self.client().await?.cancel(&self.config, &handle).await;
            result = result.and(ended);
        }
        result
    }

    async fn estimate(&self, query: &Query) -> Result<Option<Estimate>, ConnectorError> {
        let job = self.dry_run(query).await?;
        let statistics = job.statistics.unwrap_or_default();
        let of_query = statistics.query.and_then(|query| query.total_bytes_processed);
        let bytes = statistics.total_bytes_processed.or(of_query);
        let bytes = bytes.and_then(|bytes| u64::try_from(bytes).ok());
        Ok(bytes.map(|bytes| Estimate { bytes, most: self.config.most_bytes }))
    }
}
