//! A warehouse, read and never written.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;

use super::{ConnectorError, Kind, RowBatch, Schema};

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Finished SQL, as the warehouse understands it.
    Sql(String),
    /// Files of the connection's folder.
    Files(FileQuery),
}

/// The files of one extract and how to read them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileQuery {
    /// A path relative to the connection's folder, or a glob.
    pub pattern: String,
    /// `parquet`, `csv` or `jsonl`; `None` goes by each file's ending.
    pub format: Option<String>,
    /// Between the fields of a CSV file; `None` is a comma, and a tab in files that end in `.tsv`.
    pub delimiter: Option<char>,
    /// The field that means null in a CSV file, quoted or not; `None` is the empty one that is not quoted.
    pub null_text: Option<String>,
    /// Positions of the columns whose cells will be looked at, sorted; the cells of all others may be given as null.
    /// `None` is every column.
    pub needed: Option<Vec<usize>>,
}

impl Query {
    /// The SQL, for a source that takes nothing else.
    ///
    /// # Errors
    /// [`Kind::Config`] for files.
    pub fn sql(&self) -> Result<&str, ConnectorError> {
        match self {
            Query::Sql(sql) => Ok(sql),
            Query::Files(files) => {
                let message = format!("`file: {}` cannot be read from a database", files.pattern);
                Err(ConnectorError::new(Kind::Config, message).hint("use `query`, `table` or `model`"))
            }
        }
    }

    /// The files, for a source that takes nothing else.
    ///
    /// # Errors
    /// [`Kind::Config`] for SQL.
    pub fn files(&self) -> Result<&FileQuery, ConnectorError> {
        match self {
            Query::Files(files) => Ok(files),
            Query::Sql(_) => {
                let message = "a folder of files cannot answer SQL";
                Err(ConnectorError::new(Kind::Config, message).hint("use `file: PATH` in `source`"))
            }
        }
    }

    /// One text per query: equal queries have equal texts, in every version, as ledgers keep hashes of them. What is needed of
    /// them doesn't count.
    pub fn text(&self) -> String {
        match self {
            Query::Sql(sql) => sql.clone(),
            Query::Files(FileQuery { pattern, format, delimiter, null_text, .. }) => {
                format!("file {pattern:?} {format:?} {delimiter:?} {null_text:?}")
            }
        }
    }
}

/// Whose an extract is, and where it writes down what it starts at the service.
#[derive(Clone)]
pub struct ReadContext {
    /// The sync, or the model that is tried: for labels, tags and the names of sessions.
    pub sync: String,
    /// The run; `None` in a preview.
    pub run_id: Option<String>,
    /// What an earlier extract of this sync stored and never ended: still running at the service, perhaps.
    pub left: Option<String>,
    /// Where handles are kept for the next process.
    pub handles: Arc<dyn QueryHandles>,
    /// The query sorts its rows, and they are to come in that order.
    pub ordered: bool,
}

impl ReadContext {
    /// Of an extract that leaves nothing for a next process, such as a preview's.
    pub fn fleeting(sync: &str) -> Self {
        ReadContext {
            sync: sync.to_owned(),
            run_id: None,
            left: None,
            handles: Arc::new(Fleeting),
            ordered: false,
        }
    }
}

/// Keeps the handle of the query that runs: a text of the connector's own making by which a later process finds it.
#[async_trait]
pub trait QueryHandles: Send + Sync {
    /// Returns once the handle is durable; it takes the place of an earlier one.
    ///
    /// # Errors
    /// When it cannot be written; the query must then not start, or be cancelled.
    async fn store(&self, handle: &str) -> Result<(), ConnectorError>;
}

struct Fleeting;

#[async_trait]
impl QueryHandles for Fleeting {
    async fn store(&self, _handle: &str) -> Result<(), ConnectorError> {
        Ok(())
    }
}

/// What a query would cost, as the service estimates it before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes that the service would read, and bill.
    pub bytes: u64,
    /// Most bytes that the connection lets it bill.
    pub most: Option<u64>,
}

/// How an extract ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extract {
    /// Rows given to the sink.
    pub rows: u64,
    /// Rows the service announced, where it announces them; another number than `rows` means the extract is not clean.
    pub announced: Option<u64>,
}

/// Where rows go. Waiting in `accept` holds the source back.
#[async_trait]
pub trait RowSink: Send {
    /// # Errors
    /// When the engine wants no more; the source stops and passes the error on.
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError>;

    /// As [`Self::accept`], with what [`Self::preparer`] made of the batch.
    ///
    /// # Errors
    /// As [`Self::accept`].
    async fn accept_prepared(&mut self, batch: RowBatch, _prepared: Prepared) -> Result<(), ConnectorError> {
        self.accept(batch).await
    }

    /// What a thread that has made a batch can do with it while its cells are still in that core's cache; a source that
    /// makes its batches on several threads gains by it.
    fn preparer(&self) -> Option<Arc<dyn Preparer>> {
        None
    }
}

/// What a [`Preparer`] made of a batch; nobody but its sink knows what it is.
pub type Prepared = Box<dyn Any + Send>;

/// Work on batches that knows nothing of others, done by any thread and in any order.
pub trait Preparer: Send + Sync {
    /// `None` where there is nothing to be done with this one.
    fn prepare(&self, batch: &RowBatch) -> Option<Prepared>;
}

/// A system rows are read from.
#[async_trait]
pub trait Source: Send + Sync {
    /// The columns of the query's result, without reading its rows.
    ///
    /// # Errors
    /// [`Kind::Config`] for a query the warehouse refuses, with its own words;
    /// [`Kind::Unavailable`] when it cannot be reached.
    async fn shape(&self, query: &Query) -> Result<Arc<Schema>, ConnectorError>;

    /// Reads all rows in a read-only transaction. `Ok` means that the source itself signalled the end.
    ///
    /// # Errors
    /// As [`Self::shape`]; an error after some rows means that the extract is not clean.
    async fn extract(
        &self,
        query: &Query,
        context: &ReadContext,
        sink: &mut dyn RowSink,
    ) -> Result<Extract, ConnectorError>;

    /// Ends what an extract that was given up left running at the service; does nothing where nothing runs.
    ///
    /// # Errors
    /// When the service could not be told.
    async fn cancel(&self) -> Result<(), ConnectorError> {
        Ok(())
    }

    /// What the query would cost; `None` where reading costs nothing, or nobody says.
    ///
    /// # Errors
    /// As [`Self::shape`].
    async fn estimate(&self, _query: &Query) -> Result<Option<Estimate>, ConnectorError> {
        Ok(None)
    }
}
