//! The source: one session an extract, one query in it, and its partitions one after the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use snowflake_connector_rs::{QueryCanceller, ResultCursor, ResultTable, Session};
use tokio::time::timeout;

use super::config::Config;
use super::rows::{self, Pushed};
use super::{connection, errors};
use crate::contract::{ConnectorError, Extract, Kind, Query, ReadContext, RowSink, Schema, Source};
use crate::sql::{ONLY_READS, first_word, reads_only, refused};

/// How long the download of one partition may take, the client's own attempts included; then it begins anew.
const PATIENCE: Duration = Duration::from_secs(300);
const ATTEMPTS: u32 = 3;
/// How long an answer to one of our own small queries is waited for.
const ASIDE: Duration = Duration::from_secs(60);

/// An account of Snowflake.
pub(super) struct SnowflakeSource {
    config: Config,
    /// What can end the queries that run.
    running: Mutex<Vec<QueryCanceller>>,
}

impl SnowflakeSource {
    pub(super) fn new(config: Config) -> Self {
        SnowflakeSource { config, running: Mutex::default() }
    }

    fn running(&self) -> MutexGuard<'_, Vec<QueryCanceller>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the query to its end at the service. Until that is known, [`Source::cancel`] can end it.
    async fn run(&self, session: &Session, sql: &str) -> Result<ResultCursor, ConnectorError> {
        let handle = session.query_handle(sql.to_owned()).map_err(|error| errors::query(&error))?;
        let (canceller, request) = (handle.canceller(), handle.request_id().to_owned());
        self.running().push(canceller);
        let cursor = handle.execute().await.map_err(|error| errors::query(&error))?;
        self.running().retain(|running| running.request_id() != request);
        Ok(cursor)
    }
}

#[async_trait]
impl Source for SnowflakeSource {
    async fn shape(&self, query: &Query) -> Result<Arc<Schema>, ConnectorError> {
        let sql = statement(query)?;
        let session = connection::open(&self.config, &connection::tag(&self.config, None)).await?;
        // In a line of its own the bracket is not part of a comment.
        let described = format!("select * from (\n{sql}\n) limit 0");
        rows::schema(self.run(&session, &described).await?.schema())
    }

    async fn extract(
        &self,
        query: &Query,
        context: &ReadContext,
        sink: &mut dyn RowSink,
    ) -> Result<Extract, ConnectorError> {
        let sql = statement(query)?;
        let session = connection::open(&self.config, &connection::tag(&self.config, Some(context))).await?;
        if let Some(left) = &context.left {
            end_earlier(&session, left).await;
        }
        if let Some(own) = session_id(&session).await {
            context.handles.store(&own).await?;
        }

        let mut cursor = self.run(&session, sql).await?;
        rows::schema(cursor.schema())?;
        let mut partition = next(&mut cursor).await?;
        // What stands in the answer itself is there whole; of partitions elsewhere the service is asked for the number.
        let announced = match cursor.is_exhausted() {
            true => None,
            false => Some(count(&session, cursor.query_id()).await?),
        };
        let mut rows = 0;
        while let Some(table) = partition.take() {
            rows += pass_on(&table, sink).await?;
            drop(table); // before the next one comes: two of them would be in memory
            partition = next(&mut cursor).await?;
        }
        Ok(Extract { rows, announced })
    }

    async fn cancel(&self) -> Result<(), ConnectorError> {
        let running = std::mem::take(&mut *self.running());
        let mut result = Ok(());
        for canceller in running {
            if let Err(error) = canceller.cancel().await {
                result = Err(errors::query(&error));
            }
        }
        result
    }
}

/// The user's query, if it can only read.
fn statement(query: &Query) -> Result<&str, ConnectorError> {
    let sql = query.sql()?;
    reads_only(sql)?;
    // `with NAME as procedure () ... call NAME()` begins as a query does, and may do anything.
    let words: Vec<&str> = sql.split_whitespace().collect();
    let declares = |pair: &[&str]| {
        pair[0].eq_ignore_ascii_case("as") && first_word(pair[1]).eq_ignore_ascii_case("procedure")
    };
    if first_word(sql).eq_ignore_ascii_case("with") && words.windows(2).any(declares) {
        return Err(refused("`with ... as procedure` is not a query").hint(ONLY_READS));
    }
    Ok(sql.trim_end_matches(|c: char| c.is_whitespace() || c == ';'))
}

/// The session's number, by which another session finds what runs in this one; known before the query begins, as the number of
/// the query is not. Without it the query runs all the same, and Snowflake ends it itself when nobody waits.
async fn session_id(session: &Session) -> Option<String> {
    let id = single(session, "select current_session()").await;
    let id =
        id.map_err(|error| tracing::warn!(%error, "Snowflake did not tell the session's number")).ok()?;
    Some(id).filter(|id| is_number(id))
}

/// Ends what an earlier extract left running in its session, if it is still there.
async fn end_earlier(session: &Session, left: &str) {
    if !is_number(left) {
        return;
    }
    let sql = format!("select system$cancel_all_queries({left})");
    match single(session, &sql).await {
        Ok(answer) => tracing::info!(session = left, answer, "ended the query of an earlier run"),
        Err(error) => {
            tracing::warn!(session = left, %error, "the query of an earlier run could not be ended")
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit())
}

/// How many rows the service holds for the query. Without it nothing would tell a part that came short.
async fn count(session: &Session, query_id: &str) -> Result<u64, ConnectorError> {
    let untold = || {
        ConnectorError::new(Kind::Unavailable, "Snowflake did not tell how many rows the result has")
            .hint("nothing was read; run it again")
    };
    if !query_id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        return Err(untold());
    }
    let sql = format!("select count(*) from table(result_scan('{query_id}'))");
    let answer = single(session, &sql).await;
    let answer = answer.map_err(|error| untold().source(error))?;
    answer.parse().map_err(|_| untold())
}

/// The text of a query's only cell. What is asked beside the user's query must not hold that up.
async fn single(session: &Session, sql: &str) -> Result<String, ConnectorError> {
    let late = |_| ConnectorError::new(Kind::Unavailable, "Snowflake did not answer in time");
    timeout(ASIDE, cell(session, sql)).await.map_err(late)?
}

async fn cell(session: &Session, sql: &str) -> Result<String, ConnectorError> {
    let failed = |error| errors::query(&error);
    let mut cursor = session.query(sql.to_owned()).await.map_err(failed)?;
    let table = cursor.next_table().await.map_err(failed)?;
    let rows = table.as_ref().map(ResultTable::rows::<(Option<Raw>,)>).transpose().map_err(failed)?;
    let first = rows.into_iter().flatten().next().transpose().map_err(failed)?;
    let cell = first.and_then(|(cell,)| cell);
    cell.map(|Raw(text)| text)
        .ok_or_else(|| ConnectorError::new(Kind::Internal, "Snowflake answered without a row"))
}

/// A cell as it is written, of whatever type.
struct Raw(String);

impl snowflake_connector_rs::FromCell for Raw {
    type Plan = ();

    fn build_plan(
        _: snowflake_connector_rs::CellPlanContext<'_>,
    ) -> snowflake_connector_rs::decode::PlanBuildResult<()> {
        Ok(())
    }

    fn from_cell_with_plan(
        raw: Option<&str>,
        _: &(),
    ) -> snowflake_connector_rs::decode::CellDecodeResult<Self> {
        Ok(Raw(raw.unwrap_or_default().to_owned()))
    }
}

/// The next partition. A download that stands still is given up and begun anew: the client itself would wait for ever.
async fn next(cursor: &mut ResultCursor) -> Result<Option<ResultTable>, ConnectorError> {
    for attempt in 1..=ATTEMPTS {
        match timeout(PATIENCE, cursor.next_table()).await {
            Ok(table) => return table.map_err(|error| errors::partition(&error)),
            Err(_) => tracing::warn!(attempt, "a partition did not come in time"),
        }
    }
    let message = format!("a part of the result did not come within {} seconds", PATIENCE.as_secs());
    Err(ConnectorError::new(Kind::Unavailable, message)
        .hint(errors::STORAGE)
        .with("query id", cursor.query_id()))
}

/// Gives the sink the rows of a partition, and says how many they were.
async fn pass_on(table: &ResultTable, sink: &mut dyn RowSink) -> Result<u64, ConnectorError> {
    let mut last: Option<Pushed> = None;
    for row in table.rows::<Pushed>().map_err(|error| errors::partition(&error))? {
        let row = row.map_err(|error| errors::partition(&error))?;
        if row.fills {
            sink.accept(row.take()).await?;
        }
        last = Some(row);
    }
    if let Some(rest) = last.map(|row| row.take()).filter(|batch| !batch.is_empty()) {
        sink.accept(rest).await?;
    }
    Ok(table.row_count() as u64)
}
