//! The source: one session for each call.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::{TryStreamExt, pin_mut};
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::config;
use super::connection::{Cancel, Session};
use super::errors;
use super::value::{Raw, Reader};
use crate::contract::{
    Column, ConnectorError, Extract, Query, ReadContext, RowBatchBuilder, RowSink, Schema, Source,
};
use crate::sql::{self, Login, refused};

/// A server and a login.
pub(super) struct PostgresSource {
    login: Login,
    /// How the query that runs is ended.
    running: Mutex<Option<Cancel>>,
}

impl PostgresSource {
    pub(super) fn new(login: Login) -> Self {
        PostgresSource { login, running: Mutex::new(None) }
    }

    /// A session in its transaction with the query prepared.
    async fn prepare(&self, sql: &str, label: &str) -> Result<(Session, Prepared), ConnectorError> {
        sql::reads_only(sql)?;
        let session = Session::open(&self.login, label).await?;
        session.begin(&self.login).await?;
        let prepared = session.client.prepare(sql).await;
        let statement = prepared.map_err(|error| errors::server(&self.login, error, Some(sql)))?;
        let prepared = Prepared::new(statement)?;
        Ok((session, prepared))
    }

    fn remember(&self, cancel: Option<Cancel>) -> Option<Cancel> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *running, cancel)
    }
}

/// A query with a reader for each of its columns.
struct Prepared {
    statement: Statement,
    schema: Arc<Schema>,
    readers: Vec<Reader>,
}

impl Prepared {
    fn new(statement: Statement) -> Result<Self, ConnectorError> {
        if let Some(count) = Some(statement.params().len()).filter(|count| *count > 0) {
            let message = format!("the query has {count} parameters (`$1`), which nothing fills");
            return Err(refused(message).hint("write the value, or use `{{ var('name') }}`"));
        }
        let columns = statement.columns().iter();
        let schema = sql::schema(columns.map(|column| Column {
            name: column.name().to_owned(),
            declared: column.type_().name().to_owned(),
        }))?;
        let mut readers = Vec::with_capacity(schema.columns.len());
        for column in statement.columns() {
            let reader = Reader::of(column.type_()).ok_or_else(|| {
                let (name, kind) = (column.name(), column.type_().name());
                refused(format!("column `{name}` is of type `{kind}`, which cannot be read"))
                    .hint(format!("cast it in the query, as in `{name}::text`"))
            })?;
            readers.push(reader);
        }
        Ok(Prepared { statement, schema, readers })
    }
}

#[async_trait]
impl Source for PostgresSource {
    async fn shape(&self, query: &Query) -> Result<Arc<Schema>, ConnectorError> {
        let (session, prepared) = self.prepare(query.sql()?, "outflow").await?;
        session.close().await;
        Ok(prepared.schema)
    }

    async fn extract(
        &self,
        query: &Query,
        context: &ReadContext,
        sink: &mut dyn RowSink,
    ) -> Result<Extract, ConnectorError> {
        let sql = query.sql()?;
        let (session, prepared) = self.prepare(sql, &label(context)).await?;
        self.remember(Some(session.cancel()));
        let failed = |error| errors::server(&self.login, error, Some(sql));
        let nothing: [&(dyn ToSql + Sync); 0] = [];
        let rows = session.client.query_raw(&prepared.statement, nothing).await.map_err(failed)?;
        pin_mut!(rows);
        let mut builder = RowBatchBuilder::new(prepared.schema);
        let mut count = 0;
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            for (column, reader) in prepared.readers.iter().enumerate() {
                let raw: Option<Raw<'_>> = row.try_get(column).map_err(failed)?;
                reader.push(raw, &mut builder);
            }
            count += 1;
            if builder.is_full() {
                sink.accept(builder.take()).await?;
            }
        }
        if !builder.is_empty() {
            sink.accept(builder.take()).await?;
        }
        // The server's own count ends the result; a connection that broke before it is an error above.
        // Servers of before 9.0, and so Redshift, end it without a count.
        let announced = rows.rows_affected().filter(|_| self.login.server == config::POSTGRES);
        self.remember(None);
        session.close().await;
        Ok(Extract { rows: count, announced })
    }

    async fn cancel(&self) -> Result<(), ConnectorError> {
        let Some(cancel) = self.remember(None) else { return Ok(()) };
        cancel.send().await.map_err(|error| errors::connecting(&self.login, error))
    }
}

/// As `pg_stat_activity` shows it; at most 63 bytes are kept there.
fn label(context: &ReadContext) -> String {
    match &context.run_id {
        Some(run) => format!("outflow {run} {}", context.sync),
        None => format!("outflow {}", context.sync),
    }
}
