//! The source: one session for each call.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Statement, Value};

use super::value::Reader;
use super::{connection, errors};
use crate::contract::{
    Column, ConnectorError, Extract, Kind, Query, ReadContext, RowBatchBuilder, RowSink, Schema, Source,
};
use crate::sql::{self, Login, refused};

/// `group_concat` was cut; a function's result was larger than `max_allowed_packet` and became null; data was truncated.
const CUT: [u16; 3] = [1260, 1301, 1265];

/// A server and a login.
pub(super) struct MysqlSource {
    login: Login,
    /// The session whose query runs.
    running: Mutex<Option<u32>>,
}

impl MysqlSource {
    pub(super) fn new(login: Login) -> Self {
        MysqlSource { login, running: Mutex::new(None) }
    }

    async fn prepare(&self, sql: &str) -> Result<(Conn, Prepared), ConnectorError> {
        sql::reads_only(sql)?;
        let mut session = connection::open(&self.login).await?;
        connection::begin(&self.login, &mut session).await?;
        let statement =
            session.prep(sql).await.map_err(|error| errors::server(&self.login, error, Some(sql)))?;
        Ok((session, Prepared::new(statement)?))
    }

    /// Values that the server cut, or gave as null, with no more than a warning.
    async fn whole_values(&self, session: &mut Conn) -> Result<(), ConnectorError> {
        let asked: Result<Vec<(String, u16, String)>, _> = session.query("show warnings").await;
        let warnings = asked.map_err(|error| errors::server(&self.login, error, None))?;
        let cut = warnings.into_iter().find(|(_, code, _)| CUT.contains(code));
        let Some((_, code, words)) = cut else { return Ok(()) };
        let message = self.login.about(&format!("the server cut a value of the query: {words}"));
        Err(ConnectorError::new(Kind::Config, message).code(code.to_string()).hint(
            "raise `max_allowed_packet` or `group_concat_max_len` of the server, or make the value shorter",
        ))
    }

    fn remember(&self, session: Option<u32>) -> Option<u32> {
        std::mem::replace(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner), session)
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
        if statement.num_params() > 0 {
            let message =
                format!("the query has {} parameters (`?`), which nothing fills", statement.num_params());
            return Err(refused(message).hint("write the value, or use `{{ var('name') }}`"));
        }
        let columns = statement.columns();
        let described = columns.iter().map(|column| (column.name_str().into_owned(), Reader::of(column)));
        let described: Vec<(String, Reader)> = described.collect();
        let schema =
            sql::schema(described.iter().map(|(name, reader)| Column {
                name: name.clone(),
                declared: reader.declared().to_owned(),
            }))?;
        if let Some((name, _)) = described.iter().find(|(_, reader)| *reader == Reader::Geometry) {
            let message = format!("column `{name}` is of type `geometry`, which cannot be read");
            return Err(refused(message).hint(format!("write `st_astext({name})` in the query")));
        }
        let readers = described.into_iter().map(|(_, reader)| reader).collect();
        Ok(Prepared { statement, schema, readers })
    }
}

#[async_trait]
impl Source for MysqlSource {
    async fn shape(&self, query: &Query) -> Result<Arc<Schema>, ConnectorError> {
        let (session, prepared) = self.prepare(query.sql()?).await?;
        let _ = session.disconnect().await; // it has told what it was asked for
        Ok(prepared.schema)
    }

    async fn extract(
        &self,
        query: &Query,
        _: &ReadContext,
        sink: &mut dyn RowSink,
    ) -> Result<Extract, ConnectorError> {
        let sql = query.sql()?;
        let (mut session, prepared) = self.prepare(sql).await?;
        self.remember(Some(session.id()));
        let failed = |error| errors::server(&self.login, error, Some(sql));
        let mut rows = session.exec_iter(&prepared.statement, ()).await.map_err(failed)?;
        let mut builder = RowBatchBuilder::new(prepared.schema);
        let mut count = 0;
        while let Some(row) = rows.next().await.map_err(failed)? {
            for (column, reader) in prepared.readers.iter().enumerate() {
                reader.push(row.as_ref(column).unwrap_or(&Value::NULL), &mut builder);
            }
            count += 1;
            if builder.is_full() {
                sink.accept(builder.take()).await?;
            }
        }
        if !builder.is_empty() {
            sink.accept(builder.take()).await?;
        }
        let warned = rows.warnings() > 0;
        drop(rows);
        self.remember(None);
        if warned {
            self.whole_values(&mut session).await?;
        }
        let _ = session.disconnect().await; // the result is whole: the server has ended it
        Ok(Extract { rows: count, announced: None })
    }

    /// By another session: the one that reads is busy.
    async fn cancel(&self) -> Result<(), ConnectorError> {
        let Some(running) = self.remember(None) else { return Ok(()) };
        let mut session = connection::open(&self.login).await?;
        let killed = session.query_drop(format!("kill {running}")).await;
        let _ = session.disconnect().await;
        match killed {
            // There is no such session any more.
            Err(mysql_async::Error::Server(said)) if said.code == 1094 => Ok(()),
            other => other.map_err(|error| errors::server(&self.login, error, None)),
        }
    }
}
