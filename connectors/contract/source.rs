//! A warehouse, read and never written.

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

    /// One text per query: equal queries have equal texts. What is needed of them doesn't count.
    pub fn text(&self) -> String {
        match self {
            Query::Sql(sql) => sql.clone(),
            Query::Files(FileQuery { pattern, format, delimiter, null_text, .. }) => {
                format!("file {pattern:?} {format:?} {delimiter:?} {null_text:?}")
            }
        }
    }
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
    async fn extract(&self, query: &Query, sink: &mut dyn RowSink) -> Result<Extract, ConnectorError>;
}
